//! Models and targets as their rows hold them.

use diesel::prelude::*;
use modelgate_domain::model::ModelOptions;
use modelgate_domain::{BackendKind, BaseUrl};
use modelgate_ports::driven::{NewModel, NewTarget, Sealer};
use serde::{Deserialize, Serialize};

use super::seal_context;
use crate::sql::error::{WriteError, unavailable};
use crate::sql::row::{count, list};
use crate::sql::schema::{model_targets, models};

#[derive(Queryable, Selectable)]
#[diesel(table_name = models)]
pub(super) struct ModelRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) enabled: i32,
    pub(super) tiers: String,
    pub(super) options: String,
    pub(super) context_length: Option<i64>,
    pub(super) capabilities: String,
    pub(super) created_at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = model_targets)]
pub(super) struct TargetRow {
    pub(super) id: i64,
    pub(super) model_id: i64,
    pub(super) kind: String,
    pub(super) base_url: Option<String>,
    pub(super) upstream_name: String,
    pub(super) credential: Option<String>,
    pub(super) priority: i32,
}

/// All of a model but its number, its names beside the first, and its targets.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = models, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(super) struct ModelChange<'a> {
    name: &'a str,
    enabled: i32,
    tiers: String,
    options: String,
    context_length: Option<i64>,
    capabilities: String,
    created_at: i64,
}

impl<'a> ModelChange<'a> {
    pub(super) fn of(model: &'a NewModel) -> Result<Self, WriteError> {
        Ok(Self {
            name: model.name.as_str(),
            enabled: model.enabled.into(),
            tiers: list(model.tiers.iter().map(String::as_str)),
            options: OptionsRow::of(&model.options).to_text()?,
            context_length: model.context_length.map(count),
            capabilities: list(model.capabilities.iter().map(String::as_str)),
            created_at: model.created_at.millis(),
        })
    }
}

/// All of a target but its number and its model's.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = model_targets, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(super) struct TargetChange<'a> {
    kind: &'static str,
    base_url: Option<String>,
    upstream_name: &'a str,
    credential: Option<String>,
    priority: i32,
    position: i32,
}

impl<'a> TargetChange<'a> {
    /// `before` is what the target was. A credential of its that cannot be opened was shown to nobody: it stays as it is
    /// until another is given.
    pub(super) fn sealed(
        target: &'a NewTarget,
        before: Option<&TargetRow>,
        position: i32,
        sealer: &dyn Sealer,
    ) -> Result<Self, WriteError> {
        let context = seal_context(target.base_url.as_ref());
        let credential = match &target.credential {
            Some(secret) => Some(sealer.seal(secret, &context).map_err(unavailable)?),
            None => before.and_then(|row| row.unopened(sealer, &context)),
        };
        Ok(Self {
            kind: target.kind.as_str(),
            base_url: target.base_url.as_ref().map(ToString::to_string),
            upstream_name: &target.upstream_name,
            credential,
            priority: target.priority,
            position,
        })
    }
}

impl TargetRow {
    /// Whether it is the same server under the same name, whatever else changed.
    pub(super) fn is(&self, target: &NewTarget) -> bool {
        BackendKind::parse(&self.kind) == Some(target.kind)
            && self.base_url.as_deref() == target.base_url.as_ref().map(BaseUrl::as_str)
            && self.upstream_name == target.upstream_name
    }

    /// Whether credentials of this are meant for that, too.
    pub(super) fn is_at_the_server_of(&self, target: &NewTarget) -> bool {
        let parse = |url: &str| BaseUrl::parse(target.kind, url).ok();
        let base_url = self.base_url.as_deref().and_then(parse);
        self.kind == target.kind.as_str()
            && base_url.as_ref().map(BaseUrl::origin)
                == target.base_url.as_ref().map(BaseUrl::origin)
    }

    /// The sealed credential, if there is one that does not open.
    fn unopened(&self, sealer: &dyn Sealer, context: &str) -> Option<String> {
        let text = self.credential.as_ref()?;
        sealer.open(text, context).is_err().then(|| text.clone())
    }
}

/// Options as JSON; those that are not set are not there.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct OptionsRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_ctx: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    openai_api: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncate: bool,
}

impl OptionsRow {
    fn of(options: &ModelOptions) -> Self {
        let ModelOptions {
            num_ctx,
            keep_alive,
            openai_api,
            truncate,
        } = options.clone();
        Self {
            num_ctx,
            keep_alive,
            openai_api,
            truncate,
        }
    }

    fn to_text(&self) -> Result<String, WriteError> {
        Ok(serde_json::to_string(self).map_err(unavailable)?)
    }

    pub(super) fn parse(text: &str) -> Option<ModelOptions> {
        let Self {
            num_ctx,
            keep_alive,
            openai_api,
            truncate,
        } = serde_json::from_str(text).ok()?;
        Some(ModelOptions {
            num_ctx,
            keep_alive,
            openai_api,
            truncate,
        })
    }
}
