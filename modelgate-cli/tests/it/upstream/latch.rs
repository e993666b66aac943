//! Order without sleeps: an answer waits at a latch until the test opens it.

use tokio::sync::watch;

/// Holds an answer until the test opens it. Clones are the same latch.
#[derive(Debug, Clone)]
pub(crate) struct Latch(watch::Sender<bool>);

impl Latch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn opened(&self) {
        let mut receiver = self.0.subscribe();
        let opened = receiver.wait_for(|open| *open).await;
        opened.expect("this latch is alive");
    }
}
