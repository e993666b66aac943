//! Whether the process is up, and whether it should be sent requests.

use http::{Response, StatusCode};
use serde::Serialize;

use crate::body::{Body, reply};
use crate::service::Phase;
use crate::visit::Visit;

#[derive(Serialize)]
struct HealthView {
    status: &'static str,
    version: &'static str,
}

/// `GET /health`: the process is up.
pub(crate) fn live(visit: &Visit) -> Response<Body> {
    reply(
        StatusCode::OK,
        &HealthView {
            status: "ok",
            version: visit.config().version,
        },
    )
}

/// `GET /ready`: the store can be read and the server does not stop. Backends have no say: their outage must not take
/// the gateway's own answers off a load balancer.
pub(crate) async fn ready(visit: &mut Visit) -> Response<Body> {
    let (code, status) = if visit.service.phase() != Phase::Serving {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if visit.app().console.is_ready().await {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
    };
    reply(
        code,
        &HealthView {
            status,
            version: visit.config().version,
        },
    )
}
