//! Case 40 over TLS: HTTP/2 and HTTP/1.1 by ALPN on one port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::gate::TestGate;
use crate::wait;

/// A self-signed certificate for localhost, its files and itself.
fn certificate(folder: &Path) -> (PathBuf, PathBuf, CertificateDer<'static>) {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("a certificate file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a key file");
    (cert, key, made.cert.der().clone())
}

async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let socket = TcpStream::connect(address)
        .await
        .expect("connect to the server");
    let name = ServerName::try_from("localhost").expect("a name");
    let shaking = TlsConnector::from(Arc::new(config)).connect(name, socket);
    wait::bounded("a TLS handshake", shaking)
        .await
        .expect("a TLS handshake")
}

fn health(uri: &str) -> Request<Full<Bytes>> {
    let request = Request::get(uri).header("host", "localhost");
    request.body(Full::default()).expect("a request")
}

#[tokio::test]
async fn case_40_both_protocols_are_spoken_by_alpn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (cert, key, trusted) = certificate(folder.path());
    let settings = TestGate::with().env("MG_SERVER_TLS_CERT", cert.display().to_string());
    let gate = settings
        .env("MG_SERVER_TLS_KEY", key.display().to_string())
        .start()
        .await;
    assert!(gate.stdout()[0].contains("https://"), "{:?}", gate.stdout());
    let mut drivers = JoinSet::new();

    let tls = connect(gate.address(), &trusted, "h2").await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await;
    let (mut sender, driver) = handshake.expect("h2 handshake");
    drivers.spawn(async move { drop(driver.await) });
    let answer = wait::bounded(
        "h2",
        sender.send_request(health("https://localhost/health")),
    )
    .await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);

    let tls = connect(gate.address(), &trusted, "http/1.1").await;
    assert_eq!(
        tls.get_ref().1.alpn_protocol(),
        Some(b"http/1.1".as_slice())
    );
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await;
    let (mut sender, driver) = handshake.expect("h1 handshake");
    drivers.spawn(async move { drop(driver.await) });
    let answer = wait::bounded("h1", sender.send_request(health("/health"))).await;
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}
