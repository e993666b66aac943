//! TLS, HTTP/2 and the way through a proxy.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use modelgate_adapters::backend::TransportConfig;
use modelgate_ports::driven::BackendFault;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::NamedTempFile;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::ask::{Ask, backend, backend_with};
use crate::upstream::read_request;

/// A server with a certificate of its own for `localhost`.
struct TlsUpstream {
    address: SocketAddr,
    ca_file: NamedTempFile,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl TlsUpstream {
    /// Speaks what `protocols` say, and answers with the version that was spoken.
    async fn start(protocols: &[&[u8]]) -> Self {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let mut ca_file = NamedTempFile::new().unwrap();
        ca_file.write_all(signed.cert.pem().as_bytes()).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let acceptor = acceptor(signed.cert.der().clone(), key, protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, Arc::clone(&connections)));
        Self {
            address,
            ca_file,
            connections,
            _tasks: tasks,
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    fn config(&self) -> TransportConfig {
        TransportConfig {
            ca_file: Some(self.ca_file.path().to_owned()),
            ..TransportConfig::default()
        }
    }
}

fn acceptor(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    protocols: &[&[u8]],
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, connections: Arc<AtomicUsize>) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        let connections = Arc::clone(&connections);
        tasks.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            connections.fetch_add(1, Relaxed);
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let io = TokioIo::new(stream);
            let service = service_fn(version);
            // How the connection ends is the client's affair.
            if is_h2 {
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await;
            } else {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            }
        });
    }
}

async fn version(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let version = if request.version() == Version::HTTP_2 {
        "h2"
    } else {
        "h1"
    };
    let host = request.uri().authority().map(ToString::to_string);
    let host = host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
    let body = format!(
        "{{\"version\":\"{version}\",\"host\":\"{}\"}}",
        host.unwrap_or_default()
    );
    Ok(Response::new(Full::new(Bytes::from(body))))
}

#[tokio::test]
async fn http_2_is_spoken_where_both_can() {
    let upstream = TlsUpstream::start(&[b"h2", b"http/1.1"]).await;
    let backend = backend_with(upstream.config());
    let expected = format!(
        "{{\"version\":\"h2\",\"host\":\"localhost:{}\"}}",
        upstream.address.port()
    );
    for _ in 0..3 {
        assert_eq!(
            Ask::chat(&upstream.url()).send(&backend).await.unwrap(),
            expected
        );
    }
    assert_eq!(upstream.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn http_1_is_spoken_where_one_cannot() {
    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let upstream = TlsUpstream::start(protocols).await;
        let reply = Ask::chat(&upstream.url())
            .send(&backend_with(upstream.config()))
            .await
            .unwrap();
        assert!(reply.contains("\"version\":\"h1\""), "{reply}");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let upstream = TlsUpstream::start(&[]).await;
    let error = Ask::chat(&upstream.url())
        .send(&backend())
        .await
        .unwrap_err();
    assert_eq!(error.fault, BackendFault::Unreachable);
    assert_eq!(error.message, "the model server cannot be reached");
    let wrong_name = format!("https://127.0.0.1:{}", upstream.address.port());
    let error = Ask::chat(&wrong_name)
        .send(&backend_with(upstream.config()))
        .await
        .unwrap_err();
    assert_eq!(error.fault, BackendFault::Unreachable);
}

/// A proxy that connects to where it is told, if the password is right.
async fn proxy(heads: Arc<std::sync::Mutex<Vec<String>>>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut tunnels = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let heads = Arc::clone(&heads);
            tunnels.spawn(async move {
                let Some((head, _)) = read_request(&mut stream).await else {
                    return;
                };
                let target = head.split(' ').nth(1).unwrap().to_owned();
                heads.lock().unwrap().push(head);
                let mut onward = TcpStream::connect(target).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                // How the tunnel ends is its users' affair.
                let _ = copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn https_goes_through_the_proxy_and_http_does_not() {
    let heads = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (address, _tasks) = proxy(Arc::clone(&heads)).await;
    let upstream = TlsUpstream::start(&[b"http/1.1"]).await;
    let proxy = Some(format!("http://user:secret@{address}"));
    let backend = backend_with(TransportConfig {
        proxy,
        ..upstream.config()
    });
    let reply = Ask::chat(&upstream.url()).send(&backend).await.unwrap();
    assert!(reply.contains("\"version\":\"h1\""), "{reply}");
    let plain = crate::upstream::Upstream::answering(vec![crate::upstream::Act::Send(
        crate::upstream::json("200 OK", "{}"),
    )])
    .await;
    Ask::chat(&plain.url()).send(&backend).await.unwrap();
    let heads = heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 1);
    let port = upstream.address.port();
    assert!(
        heads[0].starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")),
        "{heads:?}"
    );
    assert!(
        heads[0].contains("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"),
        "{heads:?}"
    );
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_addresses_that_are_never_allowed() {
    let heads = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (address, _tasks) = proxy(Arc::clone(&heads)).await;
    let config = TransportConfig {
        proxy: Some(format!("http://{address}")),
        deny_private: true,
        ..TransportConfig::default()
    };
    let error = Ask::chat("https://10.0.0.1")
        .send(&backend_with(config))
        .await
        .unwrap_err();
    assert_eq!(error.fault, BackendFault::Unreachable);
    assert!(heads.lock().unwrap().is_empty());
}
