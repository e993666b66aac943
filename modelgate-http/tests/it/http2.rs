//! HTTP/2 by prior knowledge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use modelgate_http::ServerConfig;
use modelgate_ports::driven::Frame;
use modelgate_ports::test_util::StreamStep;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::fixture::{
    CHAT, FedBackend, Gate, PanickingBackend, Running, chat_body, event, stream_body, until,
};

struct Client {
    /// The connection's socket once more, to cut it.
    socket: std::net::TcpStream,
    sender: SendRequest<Full<Bytes>>,
    connection: JoinSet<()>,
}

impl Client {
    async fn connect(server: &Running) -> Self {
        let stream = std::net::TcpStream::connect(server.address).expect("a connection");
        stream.set_nonblocking(true).expect("a socket");
        let socket = stream.try_clone().expect("a socket");
        let io = TokioIo::new(TcpStream::from_std(stream).expect("a socket"));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .initial_stream_window_size(16 * 1024)
            .initial_connection_window_size(1024 * 1024);
        let (sender, connection) = builder.handshake(io).await.expect("HTTP/2");
        let mut tasks = JoinSet::new();
        tasks.spawn(async {
            let _ = connection.await;
        });
        Self {
            socket,
            sender,
            connection: tasks,
        }
    }

    async fn send(
        &mut self,
        gate: &Gate,
        method: &str,
        path: &str,
        body: String,
    ) -> http::Response<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://x{path}"));
        let request = request.header("authorization", format!("Bearer {}", gate.user));
        self.sender.ready().await.expect("open");
        let sent = self
            .sender
            .send_request(request.body(Full::from(body)).expect("a request"))
            .await;
        sent.expect("an answer")
    }
}

#[tokio::test]
async fn plain_calls_work_on_one_connection() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    let mut client = Client::connect(&server).await;
    gate.backend.answers(r#"{"n":1}"#, None);
    let answer = client
        .send(gate, "POST", CHAT, chat_body().to_string())
        .await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-request-id"));
    assert_eq!(
        answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes(),
        r#"{"n":1}"#
    );
    for (method, path, status) in [
        ("GET", "/v1/none", 404),
        ("PUT", "/v1/models", 405),
        ("HEAD", "/health", 200),
    ] {
        assert_eq!(
            client
                .send(gate, method, path, String::new())
                .await
                .status(),
            status,
            "{method} {path}"
        );
    }
    let large = client.send(gate, "POST", CHAT, " ".repeat(6 << 20)).await;
    assert_eq!(large.status(), 413);
    assert_eq!(
        client
            .send(gate, "GET", "/health", String::new())
            .await
            .status(),
        200,
        "the others go on"
    );
}

#[tokio::test]
async fn of_many_streams_a_reset_cancels_only_its_own_call() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    let mut client = Client::connect(&server).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        gate.backend.streams([event("a"), StreamStep::Hang]);
        let mut body = client
            .send(gate, "POST", CHAT, stream_body().to_string())
            .await
            .into_body();
        body.frame().await.expect("the event").expect("a frame");
        streams.push(body);
    }
    assert_eq!(gate.backend.open(), 100);
    drop(streams.pop());
    until("one call is let go", || gate.backend.open() == 99).await;
    let cut = client.socket.shutdown(std::net::Shutdown::Both);
    cut.expect("it was open");
    until("all calls are let go", || gate.backend.open() == 0).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_and_its_neighbours_go_on() {
    let config = ServerConfig {
        write_timeout: Duration::from_millis(300),
        ..ServerConfig::default()
    };
    let fed = Arc::new(FedBackend::default());
    let gate = Gate::over(config.clone(), Arc::clone(&fed) as _, Arc::default()).await;
    let server = Running::start_gate(gate, config, None).await;
    let gate = &server.gate;
    let mut client = Client::connect(&server).await;
    let stalled_tap = fed.tap();
    let stalled = client
        .send(gate, "POST", CHAT, stream_body().to_string())
        .await;
    let big = Frame {
        bytes: format!("data: {}\n\n", "x".repeat(60_000)).into(),
        usage: None,
        deltas: 1,
    };
    let mut taken = 0;
    while stalled_tap.send(big.clone()).await.is_ok() {
        taken += 1;
        assert!(taken < 20, "more was read than the window allows");
    }
    assert!(
        stalled.into_body().collect().await.is_err(),
        "the stream is reset"
    );
    let tap = fed.tap();
    let mut live = client
        .send(gate, "POST", CHAT, stream_body().to_string())
        .await
        .into_body();
    for _ in 0..5 {
        // Silence is no stall: only what was handed over and not taken counts.
        tokio::time::sleep(Duration::from_millis(150)).await;
        tap.send(crate::fixture::frame("x")).await.expect("taken");
        live.frame().await.expect("the event").expect("a frame");
    }
}

#[tokio::test]
async fn a_panic_costs_one_stream() {
    let gate = Gate::over(
        ServerConfig::default(),
        Arc::new(PanickingBackend),
        Arc::default(),
    )
    .await;
    let server = Running::start_gate(gate, ServerConfig::default(), None).await;
    let gate = &server.gate;
    let mut client = Client::connect(&server).await;
    assert_eq!(
        client
            .send(gate, "POST", CHAT, chat_body().to_string())
            .await
            .status(),
        500
    );
    let streamed = client
        .send(gate, "POST", CHAT, stream_body().to_string())
        .await;
    let said = streamed
        .into_body()
        .collect()
        .await
        .expect("a clean end")
        .to_bytes();
    assert!(
        String::from_utf8_lossy(&said).contains("internal_error"),
        "{said:?}"
    );
    assert_eq!(
        client
            .send(gate, "GET", "/health", String::new())
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let config = ServerConfig {
        idle_timeout: Duration::from_millis(200),
        ..ServerConfig::default()
    };
    let server = Running::start(config).await;
    let mut client = Client::connect(&server).await;
    client
        .send(&server.gate, "GET", "/health", String::new())
        .await;
    let closed = tokio::time::timeout(Duration::from_secs(10), client.connection.join_next()).await;
    assert!(closed.is_ok(), "still open");
}
