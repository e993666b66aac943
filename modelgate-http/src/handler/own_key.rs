//! A caller's own key: its limits, its quota, what it used.

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::quota;
use modelgate_ports::driving::gateway::QuotaStanding;

use super::admin_keys::view::KeyFields;
use crate::body::{Body, reply};
use crate::problem::Problem;
use crate::rate;
use crate::visit::Visit;

/// `GET /v1/key`: the names are those of the admin API.
pub(crate) async fn show(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    let caller = visit.caller(&parts.headers).await?;
    let standing = visit.app().gateway.standing(&caller).await?;
    let key = caller.key();
    let quota = key.quota.map(|quota| QuotaStanding {
        limit: quota.limit,
        remaining: quota::left(quota.limit, standing.balance),
        resets_at: standing.resets_at,
        now: visit.arrived(),
    });
    let mut response = reply(
        StatusCode::OK,
        &KeyFields::new(key, standing.balance, standing.resets_at),
    );
    rate::tell_standing(response.headers_mut(), &standing.limits, quota);
    Ok(response)
}
