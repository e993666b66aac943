//! Whether a key opens the admin API, and whose it is.

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::Role;
use serde::Serialize;

use crate::body::{Body, reply};
use crate::problem::Problem;
use crate::visit::Visit;

#[derive(Serialize)]
struct VerifyView<'a> {
    valid: bool,
    id: i64,
    name: &'a str,
    role: &'static str,
    admin: bool,
}

/// `GET /admin/verify`
pub(crate) async fn show(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    let caller = visit.viewer(&parts.headers).await?;
    let key = caller.key();
    let view = VerifyView {
        valid: true,
        id: key.id.0,
        name: key.name.as_str(),
        role: key.role.as_str(),
        admin: key.role == Role::Admin,
    };
    Ok(reply(StatusCode::OK, &view))
}
