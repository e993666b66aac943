//! A server that says what the test wrote down, over a real socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use modelgate_domain::{BackendKind, BaseUrl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Method and path.
    pub(super) what: String,
    head: String,
    pub(super) body: String,
    /// Which connection it came over, from 0.
    pub(super) connection: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What a server does with a request.
#[derive(Debug, Clone)]
pub(super) enum Play {
    /// Answers with a status and a document.
    Whole(u16, String),
    /// The same, but never ends the document.
    Hung(u16, String),
    /// Answers with these pieces, one write each.
    Stream(Vec<String>),
    /// The same, but closes before the body is complete.
    Cut(Vec<String>),
    /// The same, but never ends the body.
    Open(Vec<String>),
}

type Script = dyn Fn(&Seen) -> Play + Send + Sync;

pub(super) struct Fake {
    pub(super) base: BaseUrl,
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    closed: watch::Receiver<usize>,
    _serving: JoinSet<()>,
}

impl Fake {
    /// A server that plays this for every request.
    pub(super) async fn plays(play: Play) -> Self {
        Self::start(move |_| play.clone()).await
    }

    pub(super) async fn start(script: impl Fn(&Seen) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = BaseUrl::parse(BackendKind::Ollama, &format!("http://{address}")).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (closing, closed) = watch::channel(0);
        let mut serving = JoinSet::new();
        serving.spawn(accept(
            listener,
            Arc::new(script),
            Arc::clone(&seen),
            closing,
        ));
        Self {
            base,
            address,
            seen,
            closed,
            _serving: serving,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often a path was asked for.
    pub(super) fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|seen| seen.what == what).count()
    }

    /// Waits until so many connections were closed by the other side.
    pub(super) async fn closed(&mut self, connections: usize) {
        self.closed
            .wait_for(|closed| *closed >= connections)
            .await
            .unwrap();
    }
}

async fn accept(
    listener: TcpListener,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    closing: watch::Sender<usize>,
) {
    let mut connections = JoinSet::new();
    for connection in 0.. {
        let (socket, _) = listener.accept().await.unwrap();
        let (script, seen, closing) = (Arc::clone(&script), Arc::clone(&seen), closing.clone());
        connections.spawn(async move {
            serve(socket, connection, &*script, &seen).await;
            closing.send_modify(|closed| *closed += 1);
        });
    }
}

/// Serves a connection until the other side closes it, or the script does.
async fn serve(mut socket: TcpStream, connection: usize, script: &Script, seen: &Mutex<Vec<Seen>>) {
    let mut received = Vec::new();
    while let Some(request) = request(&mut socket, connection, &mut received).await {
        seen.lock().unwrap().push(request.clone());
        let goes_on = match script(&request) {
            Play::Whole(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                write(&mut socket, &[head, body]).await
            }
            Play::Hung(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 1000\r\n\r\n");
                write(&mut socket, &[head, body]).await;
                socket.read_u8().await.is_ok()
            }
            Play::Stream(pieces) => {
                chunked(&mut socket, &pieces).await
                    && write(&mut socket, &["0\r\n\r\n".to_owned()]).await
            }
            Play::Cut(pieces) => {
                chunked(&mut socket, &pieces).await;
                false
            }
            Play::Open(pieces) => {
                chunked(&mut socket, &pieces).await;
                socket.read_u8().await.is_ok()
            }
        };
        if !goes_on {
            return;
        }
    }
}

async fn chunked(socket: &mut TcpStream, pieces: &[String]) -> bool {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let chunks = pieces
        .iter()
        .map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()));
    write(
        socket,
        &std::iter::once(head).chain(chunks).collect::<Vec<_>>(),
    )
    .await
}

async fn write(socket: &mut TcpStream, pieces: &[String]) -> bool {
    for piece in pieces {
        if socket.write_all(piece.as_bytes()).await.is_err() || socket.flush().await.is_err() {
            return false;
        }
    }
    true
}

async fn request(
    socket: &mut TcpStream,
    connection: usize,
    received: &mut Vec<u8>,
) -> Option<Seen> {
    let end = loop {
        if let Some(at) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(socket, received).await?;
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    received.drain(..end);
    let what = head
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches(" HTTP/1.1")
        .to_owned();
    let mut seen = Seen {
        what,
        head,
        body: String::new(),
        connection,
    };
    let length = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while received.len() < length {
        more(socket, received).await?;
    }
    seen.body = String::from_utf8(received.drain(..length).collect()).unwrap();
    Some(seen)
}

async fn more(socket: &mut TcpStream, received: &mut Vec<u8>) -> Option<()> {
    match socket.read_buf(received).await {
        Ok(1..) => Some(()),
        _ => None,
    }
}
