//! Keys, for those who run the place.

mod form;
pub(crate) mod view;

use std::time::Duration;

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::KeyId;
use modelgate_ports::driven::KeyRecord;
use modelgate_ports::driving::App;
use serde::Serialize;

use super::id;
use crate::body::{Body, reply};
use crate::problem::Problem;
use crate::visit::Visit;
use view::{IssuedKeyView, KeyView};

#[derive(Serialize)]
struct DeletedView {
    id: i64,
    deleted: bool,
}

/// `GET /admin/keys`: every key that is not revoked, as a plain list.
pub(crate) async fn list(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    visit.viewer(&parts.headers).await?;
    let keys = visit.app().console.keys().await?;
    let views: Vec<KeyView<'_>> = keys
        .iter()
        .map(|record| view(visit.app(), record))
        .collect();
    Ok(reply(StatusCode::OK, &views))
}

/// `POST /admin/keys`: issues a key. The secret is in this answer and nowhere else.
pub(crate) async fn issue(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let form = visit.form(&parts.headers).await?;
    form.require("name")?;
    let issued = visit.app().console.issue_key(form::patch(form)?).await?;
    let view = IssuedKeyView {
        key: issued.secret.reveal(),
        record: view(visit.app(), &issued.record),
    };
    Ok(reply(StatusCode::CREATED, &view))
}

/// `GET /admin/keys/{id}`
pub(crate) async fn show(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.viewer(&parts.headers).await?;
    let record = visit.app().console.key(KeyId(id(text)?)).await?;
    Ok(reply(StatusCode::OK, &view(visit.app(), &record)))
}

/// `PUT /admin/keys/{id}`: changes the fields it names, and answers with the whole key.
pub(crate) async fn change(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let key = KeyId(id(text)?);
    let patch = form::patch(visit.form(&parts.headers).await?)?;
    let record = visit.app().console.change_key(key, patch).await?;
    Ok(reply(StatusCode::OK, &view(visit.app(), &record)))
}

/// `DELETE /admin/keys/{id}`: revokes the key for good.
pub(crate) async fn revoke(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let key = KeyId(id(text)?);
    visit.app().console.revoke_key(key).await?;
    Ok(reply(
        StatusCode::OK,
        &DeletedView {
            id: key.0,
            deleted: true,
        },
    ))
}

/// `POST /admin/keys/{id}/rotate`: a new secret; the old one works for `overlap` more, by default not at all.
pub(crate) async fn rotate(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let key = KeyId(id(text)?);
    let overlap: Duration = form::overlap(visit.form(&parts.headers).await?)?;
    let issued = visit.app().console.rotate_key(key, overlap).await?;
    let view = IssuedKeyView {
        key: issued.secret.reveal(),
        record: view(visit.app(), &issued.record),
    };
    Ok(reply(StatusCode::OK, &view))
}

fn view<'a>(app: &App, record: &'a KeyRecord) -> KeyView<'a> {
    KeyView::new(record, app.console.quota_resets_at(&record.key))
}
