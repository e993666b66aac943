//! TLS on the listener.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use modelgate_http::{ServerConfig, Tls, TlsError};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::fixture::{Gate, Running};

struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(
            folder.path().join("key.pem"),
            made.signing_key.serialize_pem(),
        )
        .expect("written");
        Self {
            folder,
            der: made.cert.der().clone(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(&self.path("cert.pem"), &self.path("key.pem"))
    }

    async fn connect(
        &self,
        server: &Running,
        protocols: &[&[u8]],
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .expect("TLS")
    }
}

async fn start(certificate: &Certificate, config: ServerConfig) -> Running {
    let gate = Gate::with(config.clone()).await;
    Running::start_gate(gate, config, Some(certificate.load().expect("a pair"))).await
}

#[tokio::test]
async fn the_protocol_is_agreed_on_in_the_handshake() {
    let certificate = Certificate::new();
    let server = start(&certificate, ServerConfig::default()).await;
    for (offered, agreed) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], Some(b"h2".as_slice())),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = certificate.connect(&server, offered).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
    }
}

#[tokio::test]
async fn requests_are_answered_over_tls() {
    let certificate = Certificate::new();
    let server = start(&certificate, ServerConfig::default()).await;
    let mut stream = certificate.connect(&server, &[b"http/1.1"]).await;
    stream
        .write_all(
            server
                .gate
                .raw("GET", "/health", &["Connection: close"], "")
                .as_bytes(),
        )
        .await
        .expect("sent");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("a clean end");
    assert!(
        said.starts_with("HTTP/1.1 200 OK") && said.contains("\"status\":\"ok\""),
        "{said}"
    );
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let certificate = Certificate::new();
    let server = start(
        &certificate,
        ServerConfig {
            head_timeout: Duration::from_millis(200),
            ..ServerConfig::default()
        },
    )
    .await;
    for start in ["", "GET /health HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        stream.write_all(start.as_bytes()).await.expect("sent");
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert!(!said.starts_with(b"HTTP"), "{said:?}");
    }
}

#[test]
fn files_that_are_no_pair_are_named() {
    let certificate = Certificate::new();
    let other = Certificate::new();
    let (cert, key) = (certificate.path("cert.pem"), certificate.path("key.pem"));
    let missing = certificate.path("missing.pem");
    let check = |outcome: Result<Tls, TlsError>, expected: &str| {
        let error = outcome.err().expect("a refusal").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(Tls::load(&missing, &key), "missing.pem cannot be read");
    check(Tls::load(&cert, &missing), "missing.pem cannot be read");
    check(Tls::load(&key, &key), "key.pem holds no certificate in PEM");
    check(
        Tls::load(&cert, &cert),
        "cert.pem holds no private key in PEM",
    );
    check(
        Tls::load(&cert, &other.path("key.pem")),
        "certificate and key cannot be used together",
    );
}
