//! TLS towards servers: verified always, by the usual authorities and the operator's own.

use std::path::Path;
use std::sync::Arc;

use modelgate_ports::BoxError;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::TransportError;

pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, TransportError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = ca_file {
        add(path, &mut roots).map_err(|source| TransportError::CaFile {
            path: path.to_owned(),
            source,
        })?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TransportError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add(path: &Path, roots: &mut RootCertStore) -> Result<(), BoxError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.len() == before {
        return Err("it holds no certificate in PEM form".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"no certificate").unwrap();
        assert!(matches!(
            config(Some(file.path())),
            Err(TransportError::CaFile { .. })
        ));
        assert!(config(Some(Path::new("/nowhere/ca.pem"))).is_err());
        assert!(config(None).is_ok());
    }
}
