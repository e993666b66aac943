//! What all connections share: the app, the settings, and how far the server is on its way to a stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use modelgate_ports::driving::App;

use crate::config::ServerConfig;
use crate::link::Links;

/// The app behind its HTTP face, for any number of connections.
pub struct Service {
    pub(crate) app: App,
    pub(crate) config: ServerConfig,
    pub(crate) links: Links,
    phase: AtomicU8,
    running: AtomicUsize,
}

/// How far the server is on its way to a stop. There is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything works.
    Serving,
    /// Everything works, but load balancers are told to go elsewhere.
    Grace,
    /// Running requests go on, new ones are refused.
    Draining,
    /// Running requests end now.
    Ending,
}

impl Service {
    /// A face of `app` with these settings.
    pub fn new(app: App, config: ServerConfig) -> Arc<Self> {
        Arc::new(Self {
            app,
            config,
            links: Links::default(),
            phase: AtomicU8::new(Phase::Serving as u8),
            running: AtomicUsize::new(0),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Grace,
            2 => Phase::Draining,
            _ => Phase::Ending,
        }
    }

    /// Goes on to `phase` and lets every connection notice.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        self.links.wake_all();
    }

    /// A place among the model calls that run at the same time, while there is one.
    pub(crate) fn place(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        (before < self.config.in_flight).then_some(place)
    }
}

/// One of the model calls that run at the same time.
pub(crate) struct Place(Arc<Service>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
