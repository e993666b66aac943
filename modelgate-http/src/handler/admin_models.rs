//! Models and their targets, for those who run the place.

mod form;
mod view;

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::ModelId;
use serde::Serialize;

use super::id;
use crate::body::{Body, reply};
use crate::problem::Problem;
use crate::visit::Visit;
use view::ModelView;

/// What a kind of backend must be.
pub(super) const KINDS: &str = "must be ollama, vllm, llamacpp, openai, api3 or echo";

#[derive(Serialize)]
struct DeletedView {
    id: i64,
    deleted: bool,
}

/// `GET /admin/models`: every model, as a plain list.
pub(crate) async fn list(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    visit.viewer(&parts.headers).await?;
    let models = visit.app().console.models();
    let views: Vec<ModelView<'_>> = models.iter().map(|model| ModelView::new(model)).collect();
    Ok(reply(StatusCode::OK, &views))
}

/// `POST /admin/models`
pub(crate) async fn add(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let form = visit.form(&parts.headers).await?;
    form.require("name")?;
    let model = visit.app().console.add_model(form::patch(form)?).await?;
    Ok(reply(StatusCode::CREATED, &ModelView::new(&model)))
}

/// `GET /admin/models/{id}`
pub(crate) async fn show(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.viewer(&parts.headers).await?;
    let model = visit.app().console.model(ModelId(id(text)?))?;
    Ok(reply(StatusCode::OK, &ModelView::new(&model)))
}

/// `PUT /admin/models/{id}`: changes the fields it names, and answers with the whole model.
pub(crate) async fn change(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let model = ModelId(id(text)?);
    let patch = form::patch(visit.form(&parts.headers).await?)?;
    let model = visit.app().console.change_model(model, patch).await?;
    Ok(reply(StatusCode::OK, &ModelView::new(&model)))
}

/// `DELETE /admin/models/{id}`
pub(crate) async fn remove(
    visit: &mut Visit,
    parts: &Parts,
    text: &str,
) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let model = ModelId(id(text)?);
    visit.app().console.remove_model(model).await?;
    Ok(reply(
        StatusCode::OK,
        &DeletedView {
            id: model.0,
            deleted: true,
        },
    ))
}
