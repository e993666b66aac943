//! TLS on the listener.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key. HTTP/2 and HTTP/1.1 are offered.
#[derive(Clone)]
pub struct Tls(pub(super) TlsAcceptor);

/// Why TLS cannot be switched on.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A file holds no PEM text of the wanted kind.
    #[error("{} holds no {wanted} in PEM", .path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What should be there.
        wanted: &'static str,
    },
    /// Certificate and key do not make a pair, or are of a kind that is not known.
    #[error("certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

impl Tls {
    /// Reads a certificate chain and its private key.
    ///
    /// # Errors
    /// [`TlsError`] when they cannot be read or used.
    pub fn load(cert_pem: &Path, key_pem: &Path) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_file_iter(cert_pem)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| from_pem(error, cert_pem, "certificate"))?;
        if chain.is_empty() {
            return Err(TlsError::NotPem {
                path: cert_pem.to_owned(),
                wanted: "certificate",
            });
        }
        let key = PrivateKeyDer::from_pem_file(key_pem)
            .map_err(|error| from_pem(error, key_pem, "private key"))?;
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(TlsError::Unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

fn from_pem(error: pem::Error, path: &Path, wanted: &'static str) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(cause) => TlsError::Unreadable { path, cause },
        _ => TlsError::NotPem { path, wanted },
    }
}
