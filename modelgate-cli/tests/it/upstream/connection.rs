//! One connection of the upstream: reads requests and plays their scripts, watching for the peer's close all along.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::Script;
use super::framing::{End, Step};
use super::journal::{Journal, Recorded};
use crate::wire::{Framing, WireReader};

pub(super) async fn serve(mut socket: TcpStream, journal: Arc<Journal>) {
    socket.set_nodelay(true).expect("nodelay");
    let open = Open {
        number: journal.open(),
        journal,
    };
    let (read, write) = socket.split();
    let (asked, to_answer) = mpsc::unbounded_channel();
    let end = tokio::select! {
        () = open.read(read, asked) => None,
        end = open.answer(write, to_answer) => Some(end),
    };
    if matches!(end, Some(Ok(End::Reset))) {
        SockRef::from(&socket)
            .set_linger(Some(Duration::ZERO))
            .expect("linger");
    }
    if !matches!(end, Some(Ok(_))) {
        open.journal.closed_by_peer(open.number);
    }
}

/// An open connection; it counts as closed when dropped, also by an outage.
struct Open {
    number: usize,
    journal: Arc<Journal>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.journal.closed(self.number);
    }
}

impl Open {
    /// Ends when the peer closes or sends what is no request.
    async fn read(&self, read: ReadHalf<'_>, asked: mpsc::UnboundedSender<Script>) {
        let mut reader = WireReader::new(read);
        while let Ok(Some(head)) = reader.head().await {
            let Ok(body) = reader.body(head.framing(Framing::Length(0))).await else {
                return;
            };
            let script = self.journal.record(Recorded::new(head, body, self.number));
            asked
                .send(script)
                .expect("the answering half lives as long as this one");
        }
    }

    /// Ends with the script that closes the connection, or when the peer no longer takes bytes.
    async fn answer(
        &self,
        mut write: WriteHalf<'_>,
        mut to_answer: mpsc::UnboundedReceiver<Script>,
    ) -> io::Result<End> {
        loop {
            let Some(script) = to_answer.recv().await else {
                // The reading half is about to end this connection.
                return std::future::pending().await;
            };
            match self.play(&mut write, script).await? {
                End::KeepAlive => {}
                End::Close => {
                    write.shutdown().await?;
                    return Ok(End::Close);
                }
                End::Reset => return Ok(End::Reset),
            }
        }
    }

    async fn play(&self, write: &mut WriteHalf<'_>, script: Script) -> io::Result<End> {
        let (steps, end) = script.into_steps();
        for step in steps {
            match step {
                Step::Send(bytes) => self.send(write, &bytes).await?,
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Hold(latch) => latch.opened().await,
                Step::Stall => std::future::pending().await,
            }
        }
        Ok(end)
    }

    /// In small writes, so that the count of sent bytes follows what the peer really took.
    async fn send(&self, write: &mut WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(16 * 1_024) {
            write.write_all(part).await?;
            self.journal.add_sent(self.number, part.len());
        }
        Ok(())
    }
}
