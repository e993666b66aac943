//! A connection on its way: polled together with its timers and the phases of the server.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use modelgate_ports::BoxError;
use tokio::time::Instant;

use super::streams::Streams;
use crate::body::Body;
use crate::config::ServerConfig;
use crate::link::{Link, Wait};
use crate::patience::Patience;
use crate::service::{Phase, Service};

/// A connection of either protocol.
pub(super) trait Conversation: Future<Output = hyper::Result<()>> {
    /// Takes no further requests; ends when the running ones are over.
    fn wind_up(self: Pin<&mut Self>);
}

impl<I, S> Conversation for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = Body, Error: Into<BoxError>>,
    I: Read + Write + Unpin,
{
    fn wind_up(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Conversation for http2::Connection<I, S, Streams>
where
    S: HttpService<Incoming, ResBody = Body, Error: Into<BoxError>, Future: Send + 'static>,
    I: Read + Write + Unpin,
{
    fn wind_up(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection until it is over, its client lets it wait too long, or the server stops.
pub(super) async fn run(
    conversation: impl Conversation,
    link: &Link,
    service: &Service,
    since: Instant,
) {
    let mut conversation = pin!(conversation);
    let mut patience = link
        .wait()
        .map_or_else(Patience::new, |wait| Patience::since(wait, since));
    let mut is_known = false;
    let mut is_winding_up = false;
    poll_fn(|task| {
        if !std::mem::replace(&mut is_known, true) {
            link.remember(task.waker().clone());
        }
        loop {
            if let Poll::Ready(outcome) = conversation.as_mut().poll(task) {
                note(&outcome);
                return Poll::Ready(());
            }
            let mut must_wind_up = link.is_last() || service.phase() >= Phase::Draining;
            let wait = link.wait().map(|wait| (wait, limit(&service.config, wait)));
            if patience.poll(task, wait).is_ready() {
                if is_winding_up || !matches!(wait, Some((Wait::Request(_), _))) {
                    return Poll::Ready(());
                }
                // An idle client is told before the connection goes.
                must_wind_up = true;
            }
            if !must_wind_up || std::mem::replace(&mut is_winding_up, true) {
                return Poll::Pending;
            }
            conversation.as_mut().wind_up();
        }
    })
    .await;
}

fn limit(config: &ServerConfig, wait: Wait) -> Duration {
    match wait {
        Wait::Request(_) => config.idle_timeout,
        Wait::Head(_) => config.head_timeout,
        Wait::Reader(_) => config.write_timeout,
    }
}

/// Clients come and go as they like: that is no news.
fn note(outcome: &hyper::Result<()>) {
    if let Err(error) = outcome
        .as_ref()
        .map_err(|error| error as &dyn std::error::Error)
    {
        tracing::debug!(error, "a connection ended early");
    }
}
