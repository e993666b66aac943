//! A gateway at its address: bound, assembled, then serving until it is told to stop.

use std::io;
use std::net::SocketAddr;

use modelgate_http::{ServerConfig, Tls, TlsError};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::compose::{self, AssembleError, Assembled};
use crate::settings::{Server, Settings};

/// Runs a gateway until `shutdown` resolves and what was running then has ended, as `settings.shutdown` allows.
///
/// # Errors
/// [`StartError`] when it does not get to serve.
pub async fn serve(
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    let gate = Gate::open(settings).await?;
    gate.serve(shutdown).await;
    Ok(())
}

/// Why a gateway does not get to serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its parts cannot be put together.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As the settings name it.
        address: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("server.tls cannot be used")]
    Tls(#[source] TlsError),
}

/// A gateway that has its address and its database, and does not answer yet.
pub(crate) struct Gate {
    pub(crate) assembled: Assembled,
    listener: TcpListener,
    tls: Option<Tls>,
    config: ServerConfig,
    address: SocketAddr,
}

impl Gate {
    /// Takes the address first: a taken one is told before anything is touched.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, StartError> {
        settings.check().map_err(AssembleError::from)?;
        let config = compose::server_config(settings).map_err(AssembleError::from)?;
        let tls = load_tls(&settings.server)?;
        let listener = bind(&settings.server).await?;
        let address = listener
            .local_addr()
            .map_err(|source| listen_error(&settings.server, source))?;
        let assembled = compose::assemble(settings).await?;
        Ok(Self {
            assembled,
            listener,
            tls,
            config,
            address,
        })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// Where programs on this machine find it.
    pub(crate) fn local_url(&self) -> String {
        let mut address = self.address;
        match address {
            SocketAddr::V4(_) if address.ip().is_unspecified() => {
                address.set_ip([127, 0, 0, 1].into());
            }
            SocketAddr::V6(_) if address.ip().is_unspecified() => {
                address.set_ip([0, 0, 0, 0, 0, 0, 0, 1].into());
            }
            _ => {}
        }
        self.url_at(address)
    }

    /// Whether anybody else could read along: other machines reach it, and nothing seems to encrypt.
    pub(crate) fn is_exposed(&self) -> bool {
        !self.address.ip().is_loopback()
            && self.tls.is_none()
            && self.config.trusted_proxies.is_empty()
    }

    /// Serves, drains, stores what is left and closes the database.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        modelgate_http::serve(
            self.listener,
            self.tls,
            self.assembled.app.clone(),
            self.config,
            shutdown,
        )
        .await;
        self.assembled.close().await;
    }

    fn url_at(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }
}

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

async fn bind(server: &Server) -> Result<TcpListener, StartError> {
    let host = server.host.trim_start_matches('[').trim_end_matches(']');
    let found = lookup_host((host, server.port)).await;
    let addresses = found.map_err(|source| listen_error(server, source))?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(listen_error(server, last))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart need not wait for old connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn listen_error(server: &Server, source: io::Error) -> StartError {
    StartError::Listen {
        address: format!("{}:{}", server.host, server.port),
        source,
    }
}

fn load_tls(server: &Server) -> Result<Option<Tls>, StartError> {
    match (&server.tls.cert, &server.tls.key) {
        (Some(cert), Some(key)) => Tls::load(cert, key).map(Some).map_err(StartError::Tls),
        _ => Ok(None),
    }
}
