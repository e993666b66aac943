//! The way of a request through this crate: from its head to the answer, whatever happens on it.

use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};

use crate::body::{Body, Inbound};
use crate::link::Link;
use crate::problem::Problem;
use crate::router;
use crate::service::{Phase, Service};
use crate::visit::Visit;

/// Answers one request without a socket, as if it came from `peer`. Dropping the future, or the body of the answer, is
/// what a client does that goes away.
pub async fn handle(
    service: &Arc<Service>,
    peer: IpAddr,
    request: Request<Inbound>,
) -> Response<Body> {
    answer(service, &Arc::default(), peer, request).await
}

/// Answers one request of that connection. Never fails: a panic becomes a 500, the stop of the server a 503.
pub(crate) async fn answer(
    service: &Arc<Service>,
    link: &Arc<Link>,
    peer: IpAddr,
    request: Request<Inbound>,
) -> Response<Body> {
    let (parts, inbound) = request.into_parts();
    let mut visit = Visit::new(service, link, peer, &parts, inbound);
    let outcome = {
        let mut handler = pin!(router::route(&mut visit, &parts));
        poll_fn(
            |task| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(task))) {
                Ok(Poll::Pending) if service.phase() == Phase::Ending => {
                    Poll::Ready(Err(Problem::stopping()))
                }
                Ok(poll) => poll,
                Err(panic) => Poll::Ready(Err(Problem::panicked(&*panic))),
            },
        )
        .await
    };
    let response = outcome.unwrap_or_else(|problem| visit.refuse(problem));
    visit.finish(&parts, response)
}
