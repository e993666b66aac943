//! The socket of one connection, which tells the connection's state as it reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::link::Link;

/// How a client of HTTP/2 begins (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client that is still sending gets to read its last answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A socket whose first bytes may have been looked at.
pub(super) struct Wire {
    stream: TcpStream,
    link: Arc<Link>,
    first: [u8; PREFACE.len()],
    seen: usize,
    given: usize,
    farewell: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, link: Arc<Link>) -> Self {
        link.attach();
        Self {
            stream,
            link,
            first: [0; PREFACE.len()],
            seen: 0,
            given: 0,
            farewell: None,
        }
    }

    /// Looks at the first bytes, no more of them than it takes to know.
    pub(super) async fn sniff(&mut self) -> io::Result<Protocol> {
        while self.seen < PREFACE.len() {
            let count = self.stream.read(&mut self.first[self.seen..]).await?;
            self.seen += count;
            if count == 0 || self.first[..self.seen] != PREFACE[..self.seen] {
                return Ok(Protocol::Http1);
            }
        }
        Ok(Protocol::Http2)
    }

    fn note(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(_)) => self.link.wrote(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.link.block(),
        }
        outcome
    }

    fn give_first(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = (self.seen - self.given).min(buffer.remaining());
        buffer.put_slice(&self.first[self.given..self.given + count]);
        self.given += count;
    }

    /// Reads and forgets what the client still sends: a socket that is closed over unread bytes resets the connection,
    /// and the client loses the answer it has not read yet.
    fn poll_farewell(&mut self, task: &mut Context<'_>) -> Poll<()> {
        let farewell = self
            .farewell
            .get_or_insert_with(|| Box::pin(sleep(FAREWELL)));
        let mut waste = [0; 4096];
        while farewell.as_mut().poll(task).is_pending() {
            let mut buffer = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut self.stream).poll_read(task, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given < self.seen {
            self.link.hear();
            self.give_first(buffer);
            if buffer.remaining() > 0 {
                // What else is there comes with it; what goes wrong comes again.
                let _ = Pin::new(&mut self.stream).poll_read(task, buffer);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(task, buffer))?;
        if buffer.filled().len() > before {
            self.link.hear();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.note(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.note(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(task))?;
        if self.link.flushed() {
            task.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(task))?;
            if !self.link.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_farewell(task).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        (
            client.unwrap(),
            Wire::new(accepted.unwrap().0, Arc::default()),
        )
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol_and_are_not_lost() {
        let later = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes".as_slice();
        let table = [
            (later, Protocol::Http2),
            (b"PRI * HTTP/2.0\r\n\r\nSX and more", Protocol::Http1),
            (b"POST /v1/chat/completions HTTP/1.1\r\n", Protocol::Http1),
            (b"G", Protocol::Http1),
            (b"PRI", Protocol::Http1),
            (b"", Protocol::Http1),
        ];
        for (sent, expected) in table {
            let (mut client, mut wire) = pair().await;
            client.write_all(sent).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(wire.sniff().await.unwrap(), expected, "{sent:?}");
            let mut got = Vec::new();
            wire.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, sent);
        }
    }

    #[tokio::test]
    async fn first_bytes_are_given_in_parts_to_a_small_reader() {
        let (mut client, mut wire) = pair().await;
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        wire.sniff().await.unwrap();
        let mut got = [0; 24];
        for byte in &mut got {
            *byte = wire.read_u8().await.unwrap();
        }
        assert_eq!(&got, PREFACE);
    }
}
