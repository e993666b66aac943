//! A scripted backend: a raw HTTP/1.1 server on a free port that writes down every request and answers as told.
//!
//! ```ignore
//! let upstream = Upstream::start().await;
//! upstream.answers(openai_chat("hello", usage(5, 5)));            // from now on, for every POST
//! upstream.queue(json(503, "{}"));                                // for the next POST only
//! upstream.on("/v1/models", json(200, r#"{"data":[]}"#));         // for one path, any method
//! upstream.answers_with(|request| openai_chat(&request.body_text(), usage(1, 1)));
//! ```
//!
//! Without any script it behaves like a small well-behaved server of every dialect: see `upstream/manners.rs`.
//! [`Script`] says what goes over the wire: framing, pieces, pauses, latches, stalls, cuts, resets, gzip.
//! [`Latch`] holds an answer at a point until the test opens it: order without sleeps.
//!
//! Afterwards: `calls()` (the POSTs, what "no upstream call" means), `requests()` (all), `wait_for_calls(n)`,
//! `open_connections()`, `wait_closed(connection)`, `sent(connection)`. `down()` and `up()` are an outage.

mod connection;
mod framing;
mod journal;
mod latch;
mod manners;
mod replies;
mod script;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::wait;
use journal::Journal;
pub(crate) use journal::Recorded;
pub(crate) use latch::Latch;
pub(crate) use replies::{
    json, ndjson, ollama_chat, ollama_stream, openai_chat, openai_chunk, openai_stream, sse, usage,
};
pub(crate) use script::Script;

pub(crate) struct Upstream {
    address: SocketAddr,
    journal: Arc<Journal>,
    server: JoinSet<()>,
}

/// An address where nobody listens: connecting is refused.
pub(crate) async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address")
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut upstream = Self {
            address,
            journal: Arc::default(),
            server: JoinSet::new(),
        };
        upstream.serve(listener);
        upstream
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, as a model's `base_url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers every POST that no queue and no path has an answer for.
    pub(crate) fn answers(&self, script: Script) {
        self.answers_with(move |_| script.clone());
    }

    /// The same, made from each request.
    pub(crate) fn answers_with(&self, make: impl Fn(&Recorded) -> Script + Send + Sync + 'static) {
        self.journal.rules().fallback = Some(Arc::new(make));
    }

    /// Answers one POST, before all others; in the order of the calls.
    pub(crate) fn queue(&self, script: Script) {
        self.journal.rules().queue.push_back(script);
    }

    /// Answers every request for one path (without its query).
    pub(crate) fn on(&self, path: &str, script: Script) {
        self.journal.rules().paths.insert(path.to_owned(), script);
    }

    /// Every request so far, probes and lists included.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.journal.requests()
    }

    /// The POSTs so far: the requests that cost something.
    pub(crate) fn calls(&self) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|request| request.method == "POST");
        requests
    }

    /// The one call there was.
    pub(crate) fn only_call(&self) -> Recorded {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "calls: {calls:?}");
        calls.remove(0)
    }

    pub(crate) async fn wait_for_calls(&self, count: usize) -> Vec<Recorded> {
        let what = format!("{count} upstream calls");
        wait::until(&what, || self.calls().len() >= count).await;
        self.calls()
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.journal.open_connections()
    }

    /// Waits at most 1 s (the promised time after a client hung up) until the gateway closed a connection.
    pub(crate) async fn wait_closed(&self, connection: usize) {
        self.wait_closed_within(Duration::from_secs(1), connection)
            .await;
    }

    pub(crate) async fn wait_closed_within(&self, limit: Duration, connection: usize) {
        let what = format!("upstream connection {connection} closed by the gateway");
        wait::until_within(limit, &what, || self.journal.closed_by_client(connection)).await;
    }

    /// Bytes the kernel has taken for a connection so far: stops growing under back-pressure.
    pub(crate) fn sent(&self, connection: usize) -> usize {
        self.journal.sent(connection)
    }

    /// Waits until the kernel takes nothing more, and says how much it took.
    pub(crate) async fn wait_sent_settles(&self, connection: usize) -> usize {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let sent = self.sent(connection);
            if sent > 0 && sent == before {
                return sent;
            }
            before = sent;
        }
    }

    /// An outage: the port refuses and every connection is closed.
    pub(crate) async fn down(&mut self) {
        self.server.shutdown().await;
    }

    /// The end of the outage, on the same port.
    pub(crate) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the same port again");
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let journal = Arc::clone(&self.journal);
        self.server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.expect("accept");
                connections.spawn(connection::serve(socket, Arc::clone(&journal)));
            }
        });
    }
}
