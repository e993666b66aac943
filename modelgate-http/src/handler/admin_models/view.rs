//! A model as the API shows it. Credentials are never shown, only whether there is one.

use modelgate_domain::model::ModelOptions;
use modelgate_domain::{BaseUrl, Model, ModelName, Target};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct ModelView<'a> {
    id: i64,
    name: &'a str,
    aliases: Vec<&'a str>,
    enabled: bool,
    tiers: &'a [String],
    options: OptionsView<'a>,
    context_length: Option<u64>,
    capabilities: &'a [String],
    created_at: String,
    /// The only target's fields, for models with one.
    #[serde(flatten)]
    single: Option<ServerView<'a>>,
    targets: Vec<TargetView<'a>>,
}

#[derive(Serialize)]
struct OptionsView<'a> {
    num_ctx: Option<u32>,
    keep_alive: Option<&'a str>,
    openai_api: bool,
    truncate: bool,
}

#[derive(Serialize)]
struct ServerView<'a> {
    backend_type: &'static str,
    base_url: Option<&'a str>,
    upstream_name: &'a str,
    has_api_key: bool,
}

#[derive(Serialize)]
struct TargetView<'a> {
    id: i64,
    #[serde(flatten)]
    server: ServerView<'a>,
    priority: i32,
}

impl<'a> ModelView<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        let single = match model.targets.as_slice() {
            [target] => Some(ServerView::new(target)),
            _ => None,
        };
        Self {
            id: model.id.0,
            name: model.name.as_str(),
            aliases: model.aliases.iter().map(ModelName::as_str).collect(),
            enabled: model.enabled,
            tiers: &model.tiers,
            options: OptionsView::new(&model.options),
            context_length: model.context_length,
            capabilities: &model.capabilities,
            created_at: model.created_at.to_rfc3339(),
            single,
            targets: model.targets.iter().map(TargetView::new).collect(),
        }
    }
}

impl<'a> OptionsView<'a> {
    fn new(options: &'a ModelOptions) -> Self {
        Self {
            num_ctx: options.num_ctx,
            keep_alive: options.keep_alive.as_deref(),
            openai_api: options.openai_api,
            truncate: options.truncate,
        }
    }
}

impl<'a> ServerView<'a> {
    fn new(target: &'a Target) -> Self {
        Self {
            backend_type: target.kind.as_str(),
            base_url: target.base_url.as_ref().map(BaseUrl::as_str),
            upstream_name: &target.upstream_name,
            has_api_key: target.credential.is_some(),
        }
    }
}

impl<'a> TargetView<'a> {
    fn new(target: &'a Target) -> Self {
        Self {
            id: target.id.0,
            server: ServerView::new(target),
            priority: target.priority,
        }
    }
}
