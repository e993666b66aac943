//! A scripted server that writes down what it gets, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What the server does about a request, step by step.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    /// Waits until the test says so.
    Await(Arc<Notify>),
    /// Waits until the client has closed the connection.
    Hold,
    Close,
    /// Closes with a reset.
    Reset,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

#[derive(Default)]
struct Journal {
    seen: Vec<Seen>,
    connections: usize,
    scripts: Vec<Vec<Act>>,
}

/// The server; it stops when this is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    journal: Arc<Mutex<Journal>>,
    closed: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Upstream {
    /// Answers the first request by the first script, and so on; the last one stays.
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let journal = Arc::new(Mutex::new(Journal {
            scripts,
            ..Journal::default()
        }));
        let (closing, closed) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&journal), closing));
        Self {
            address,
            journal,
            closed,
            _tasks: tasks,
        }
    }

    /// One answer for every request.
    pub(crate) async fn answering(acts: Vec<Act>) -> Self {
        Self::start(vec![acts]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.journal
            .lock()
            .expect("no panic while locked")
            .seen
            .clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.journal
            .lock()
            .expect("no panic while locked")
            .connections
    }

    /// Waits until so many connections were closed by the client while they were held.
    pub(crate) async fn closed_by_client(&self, count: usize) {
        let mut closed = self.closed.clone();
        let wait = closed.wait_for(|closed| *closed >= count);
        timeout(Duration::from_secs(1), wait)
            .await
            .expect("closed within a second")
            .expect("still running");
    }

    /// Waits until so many requests have come.
    pub(crate) async fn saw(&self, count: usize) {
        let wait = async {
            while self.seen().len() < count {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), wait)
            .await
            .expect("the request came");
    }
}

async fn accept(
    listener: TcpListener,
    journal: Arc<Mutex<Journal>>,
    closing: watch::Sender<usize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut journal = journal.lock().expect("no panic while locked");
            journal.connections += 1;
            journal.connections - 1
        };
        connections.spawn(serve(stream, number, Arc::clone(&journal), closing.clone()));
    }
}

async fn serve(
    stream: TcpStream,
    number: usize,
    journal: Arc<Mutex<Journal>>,
    closing: watch::Sender<usize>,
) {
    let mut stream = stream;
    while let Some((head, body)) = read_request(&mut stream).await {
        let acts = note(
            &journal,
            Seen {
                connection: number,
                head,
                body,
            },
        );
        for act in acts {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        closing.send_modify(|closed| *closed += 1);
                        return;
                    }
                }
                Act::Wait(span) => sleep(span).await,
                Act::Await(word) => word.notified().await,
                Act::Hold => {
                    let mut rest = [0; 1024];
                    while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
                    closing.send_modify(|closed| *closed += 1);
                    return;
                }
                Act::Close => return,
                Act::Reset => {
                    stream.set_zero_linger().expect("a socket");
                    return;
                }
            }
        }
    }
}

fn note(journal: &Mutex<Journal>, seen: Seen) -> Vec<Act> {
    let mut journal = journal.lock().expect("no panic while locked");
    let script = journal.seen.len().min(journal.scripts.len() - 1);
    journal.seen.push(seen);
    journal.scripts[script].clone()
}

/// Head and body of the next request, if there is one.
pub(crate) async fn read_request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = bytes.split_off(end);
    while body.len() < length.unwrap_or(0) {
        stream
            .read_buf(&mut body)
            .await
            .ok()
            .filter(|count| *count > 0)?;
    }
    Some((head, body))
}

/// A complete JSON answer.
pub(crate) fn json(status: &str, body: &str) -> Vec<u8> {
    answer(
        status,
        "content-type: application/json\r\n",
        body.as_bytes(),
    )
}

/// A complete answer with these header lines.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The head of a stream in chunks.
pub(crate) fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_vec()
}

/// One chunk of a stream.
pub(crate) fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

/// The end of a stream.
pub(crate) fn last_chunk() -> Vec<u8> {
    b"0\r\n\r\n".to_vec()
}
