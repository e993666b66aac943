//! The models a key may use, as OpenAI lists them.

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::Model;
use modelgate_ports::driving::{Caller, Gateway};
use serde::Serialize;

use crate::body::{Body, reply};
use crate::percent;
use crate::problem::Problem;
use crate::visit::Visit;

#[derive(Serialize)]
struct ListView<'a> {
    object: &'static str,
    data: Vec<ModelView<'a>>,
}

/// A model under one of its names. Servers and their addresses are nobody's business.
#[derive(Serialize)]
struct ModelView<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    /// The same, by the name that clients of vLLM look for.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_model_len: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    capabilities: &'a [String],
}

impl<'a> ModelView<'a> {
    fn new(model: &'a Model, id: &'a str) -> Self {
        Self {
            id,
            object: "model",
            created: model.created_at.seconds(),
            owned_by: "modelgate",
            context_length: model.context_length,
            max_model_len: model.context_length,
            capabilities: &model.capabilities,
        }
    }
}

/// `GET /v1/models`: what the key may use; aliases have entries of their own.
pub(crate) async fn list(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    let caller = visit.caller(&parts.headers).await?;
    let gateway = &visit.app().gateway;
    let models = gateway.models(&caller);
    let names = models
        .iter()
        .flat_map(|model| names(gateway, &caller, model).map(|name| ModelView::new(model, name)));
    Ok(reply(
        StatusCode::OK,
        &ListView {
            object: "list",
            data: names.collect(),
        },
    ))
}

/// `GET /v1/models/{id}`: the rest of the path is the name, whatever it holds.
pub(crate) async fn show(
    visit: &mut Visit,
    parts: &Parts,
    spelled: &str,
) -> Result<Response<Body>, Problem> {
    let caller = visit.caller(&parts.headers).await?;
    let Some(name) = percent::decode(spelled) else {
        return Err(Problem::model_not_found(spelled));
    };
    match visit.app().gateway.model(&caller, &name) {
        Some(model) => Ok(reply(StatusCode::OK, &ModelView::new(&model, &name))),
        None => Err(Problem::model_not_found(&name)),
    }
}

/// The name and the aliases that lead to this model; an alias that is another model's name does not.
fn names<'a>(
    gateway: &'a Gateway,
    caller: &'a Caller,
    model: &'a Model,
) -> impl Iterator<Item = &'a str> {
    let leads_here = move |name: &&str| {
        gateway
            .model(caller, name)
            .is_some_and(|found| found.id == model.id)
    };
    std::iter::once(&model.name)
        .chain(&model.aliases)
        .map(modelgate_domain::ModelName::as_str)
        .filter(leads_here)
}
