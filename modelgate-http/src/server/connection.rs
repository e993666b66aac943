//! One connection: which protocol it speaks, and how that is set up.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::conversation;
use super::io::{Protocol, Wire};
use super::streams::Streams;
use super::tls::Tls;
use crate::answer::answer;
use crate::body::{Body, Inbound};
use crate::config::ServerConfig;
use crate::link::Link;
use crate::service::Service;

/// How much larger hyper's own limits of a head are than ours, which answer in OpenAI's shape.
const BEYOND_OURS: usize = 2;
const SMALLEST_BUFFER: usize = 8 * 1024;
const KIB: u32 = 1024;
const PING: Duration = Duration::from_secs(20);

/// Serves one connection until it is over.
pub(super) async fn serve(stream: TcpStream, tls: Option<Tls>, service: &Arc<Service>) {
    let since = Instant::now();
    let Ok(peer) = stream.peer_addr() else { return };
    let listed = service.links.open();
    let link = &listed.link;
    let door = Door {
        service: Arc::clone(service),
        link: Arc::clone(link),
        peer: peer.ip(),
    };
    let mut wire = Wire::new(stream, Arc::clone(link));
    let patience = service.config.head_timeout;
    match tls {
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(patience, tls.0.accept(wire)).await {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let protocol = if is_http2 {
                    Protocol::Http2
                } else {
                    Protocol::Http1
                };
                speak(protocol, stream, door, since).await;
            }
        }
        None => {
            if let Ok(Ok::<_, io::Error>(protocol)) = timeout(patience, wire.sniff()).await {
                speak(protocol, wire, door, since).await;
            }
        }
    }
}

async fn speak(
    protocol: Protocol,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Door,
    since: Instant,
) {
    let (service, link) = (Arc::clone(&door.service), Arc::clone(&door.link));
    let io = TokioIo::new(stream);
    match protocol {
        Protocol::Http1 => {
            let connection = http1(&service.config).serve_connection(io, door);
            conversation::run(connection, &link, &service, since).await;
        }
        Protocol::Http2 => {
            link.multiplex();
            let streams = Streams::new(&link, service.config.write_timeout);
            let _bound = streams.bound_to_connection();
            let connection = http2(streams).serve_connection(io, door);
            conversation::run(connection, &link, &service, since).await;
        }
    }
}

/// Heads are timed by the connection's own timers, which also know of idle connections. A client that goes away ends
/// its request at once: connections are never half closed.
fn http1(config: &ServerConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(false)
        .max_headers(config.max_headers.saturating_mul(BEYOND_OURS))
        .max_buf_size(
            config
                .max_head
                .saturating_mul(BEYOND_OURS)
                .max(SMALLEST_BUFFER),
        );
    builder
}

fn http2(streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * KIB)
        .initial_connection_window_size(1024 * KIB)
        .max_header_list_size(16 * KIB)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Where requests of one connection come in.
struct Door {
    service: Arc<Service>,
    link: Arc<Link>,
    peer: IpAddr,
}

impl hyper::service::Service<Request<Incoming>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    /// On the heap, so that a stream does not keep the room that its handler needed.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = self.link.begin();
        let (service, link, peer) = (Arc::clone(&self.service), Arc::clone(&self.link), self.peer);
        Box::pin(async move {
            let response = answer(&service, &link, peer, request.map(Inbound::new)).await;
            Ok(response.map(|body| body.hold(busy)))
        })
    }
}
