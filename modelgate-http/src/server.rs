//! The server: connections up to a limit, and a stop that loses nothing.

mod connection;
mod conversation;
mod io;
mod streams;
mod tls;

use std::io as std_io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use modelgate_ports::driving::App;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::ServerConfig;
use crate::service::{Phase, Service};
pub use tls::{Tls, TlsError};

/// First pause after an accept that failed, as when no file descriptor is left; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long streams may take to tell their error once everything ends.
const LAST_WORDS: Duration = Duration::from_millis(900);

/// Serves until `shutdown` is ready, then stops: readiness goes at once, everything else goes on for the grace while
/// connections are open, running requests get the drain, and what is left is ended with an error that says why.
/// Returns when every connection is closed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: App,
    config: ServerConfig,
    shutdown: impl Future<Output = ()> + Send,
) {
    let service = Service::new(app, config);
    let mut site = Site::new(Arc::clone(&service), tls);
    site.accept(&listener, pin!(shutdown), Wanted::Always).await;
    service.enter(Phase::Grace);
    site.accept(
        &listener,
        pin!(sleep(service.config.grace)),
        Wanted::WhileConnected,
    )
    .await;
    drop(listener);
    service.enter(Phase::Draining);
    let drained = timeout(service.config.drain, site.all_closed()).await;
    if drained.is_err() {
        service.enter(Phase::Ending);
        let _ = timeout(LAST_WORDS, site.all_closed()).await;
    }
    site.connections.shutdown().await;
}

/// Whether a listener is still wanted when nobody is connected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    WhileConnected,
}

/// A listener's connections.
struct Site {
    service: Arc<Service>,
    tls: Option<Tls>,
    connections: JoinSet<()>,
    places: Arc<Semaphore>,
}

impl Site {
    fn new(service: Arc<Service>, tls: Option<Tls>) -> Self {
        let places = Arc::new(Semaphore::new(
            service.config.connections.min(Semaphore::MAX_PERMITS),
        ));
        Self {
            service,
            tls,
            connections: JoinSet::new(),
            places,
        }
    }

    /// Accepts connections until `end`.
    async fn accept(
        &mut self,
        listener: &TcpListener,
        mut end: Pin<&mut (impl Future<Output = ()> + Send)>,
        wanted: Wanted,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            while self.connections.try_join_next().is_some() {}
            if wanted == Wanted::WhileConnected && self.connections.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                () = &mut end => return,
                Some(closed) = self.connections.join_next() => note(&closed),
                accepted = next(listener, &self.places) => match accepted {
                    Ok((stream, place)) => {
                        pause = FIRST_PAUSE;
                        self.connect(stream, place);
                    }
                    Err(error) if is_passing(&error) => {}
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "no connection can be accepted");
                        sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                },
            }
        }
    }

    fn connect(&mut self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let (service, tls) = (Arc::clone(&self.service), self.tls.clone());
        self.connections.spawn(async move {
            connection::serve(stream, tls, &service).await;
            drop(place);
        });
    }

    async fn all_closed(&mut self) {
        while let Some(closed) = self.connections.join_next().await {
            note(&closed);
        }
    }
}

/// The next connection, once there is a place for it. Small writes leave at once: a peer would lose 40 ms otherwise.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std_io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std_io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// The one connection is gone, the listener is well.
fn is_passing(error: &std_io::Error) -> bool {
    use std_io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

/// Requests catch their own panics: one that gets here is a fault of the connection's own code.
fn note(closed: &Result<(), tokio::task::JoinError>) {
    if let Err(error) = closed
        .as_ref()
        .map_err(|error| error as &dyn std::error::Error)
    {
        tracing::error!(error, "a connection failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_send_small_writes_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let places = Arc::new(Semaphore::new(1));
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, place) = next(&listener, &places).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(places.available_permits(), 0);
        drop(place);
        assert_eq!(places.available_permits(), 1);
    }
}
