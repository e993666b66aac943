//! SIGTERM and SIGINT: the first stops gracefully, the second at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on signals no longer end the process by themselves.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Tells `stop` of the first signal and returns at the second.
    pub(super) async fn twice(&mut self, stop: oneshot::Sender<()>) {
        self.next().await;
        tracing::info!("stopping: running requests may end, a second signal cuts them off");
        // Nobody listens any more when serving has just ended by itself.
        let _told = stop.send(());
        self.next().await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
