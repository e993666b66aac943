//! Models and their targets: add, list, change, remove.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelgate_domain::model::ModelOptions;
use modelgate_domain::{BackendKind, BaseUrl, Model, ModelId, ModelName, Secret, Target, TargetId};

use super::{Console, ConsoleError};
use crate::driven::{NewModel, NewTarget};

/// Fields of a model. At creation an absent field takes its default, at a change it stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelPatch {
    /// What clients say.
    pub name: Option<ModelName>,
    /// Other names for the same.
    pub aliases: Option<Vec<ModelName>>,
    /// Whether it is offered.
    pub enabled: Option<bool>,
    /// Tiers of keys that may use it; empty means all.
    pub tiers: Option<Vec<String>>,
    /// Operator's options.
    pub options: OptionsPatch,
    /// Context in tokens; an inner `None` means unknown.
    pub context_length: Option<Option<u64>>,
    /// Fields of the only target, for models with one.
    pub target: TargetPatch,
    /// All targets anew, instead of `target`.
    pub targets: Option<Vec<TargetPatch>>,
}

/// Fields of a model's options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OptionsPatch {
    /// Context to load the model with; an inner `None` leaves it to the server.
    pub num_ctx: Option<Option<u32>>,
    /// How long the model stays loaded; an inner `None` leaves it to the server.
    pub keep_alive: Option<Option<String>>,
    /// Speak to Ollama by its OpenAI-compatible layer.
    pub openai_api: Option<bool>,
    /// Let Ollama drop the oldest messages of a prompt that is too long.
    pub truncate: Option<bool>,
}

/// Fields of a target. In a list, `id` names the one it was, so that its credential stays when none is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetPatch {
    /// Which of the present targets this is.
    pub id: Option<TargetId>,
    /// How it is spoken to; decides how `base_url` is read.
    pub kind: Option<BackendKind>,
    /// Where it is.
    pub base_url: Option<String>,
    /// What the server calls the model; the model's own name when never given.
    pub upstream_name: Option<String>,
    /// Credential; an inner `None` removes it.
    pub credential: Option<Option<Secret>>,
    /// Lower comes first.
    pub priority: Option<i32>,
}

impl TargetPatch {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Console {
    /// Every model, by name.
    pub fn models(&self) -> Vec<Arc<Model>> {
        self.ports.catalog.models().all().to_vec()
    }

    /// One model by number.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none.
    pub fn model(&self, id: ModelId) -> Result<Arc<Model>, ConsoleError> {
        self.ports
            .catalog
            .models()
            .get(id)
            .cloned()
            .ok_or(ConsoleError::NotFound("model"))
    }

    /// Adds a model. A name and at least one target are required.
    ///
    /// # Errors
    /// [`ConsoleError`] naming the field that stands in the way.
    pub async fn add_model(&self, patch: ModelPatch) -> Result<Arc<Model>, ConsoleError> {
        let Some(name) = patch.name.clone() else {
            return Err(ConsoleError::invalid(
                "name",
                "is required: what clients say in 'model'",
            ));
        };
        let blank = NewModel {
            name,
            aliases: Vec::new(),
            enabled: true,
            tiers: Vec::new(),
            options: ModelOptions::default(),
            context_length: None,
            capabilities: Vec::new(),
            targets: Vec::new(),
            created_at: self.ports.clock.now(),
        };
        let new = patched(blank, &[], patch)?;
        Ok(self.ports.catalog.insert(&new).await?)
    }

    /// Changes the fields that the patch names, and answers with the whole model. Seen by the next request.
    ///
    /// # Errors
    /// [`ConsoleError`] naming the field that stands in the way.
    pub async fn change_model(
        &self,
        id: ModelId,
        patch: ModelPatch,
    ) -> Result<Arc<Model>, ConsoleError> {
        let before = self.model(id)?;
        let new = patched(as_new(&before), &before.targets, patch)?;
        self.ports
            .catalog
            .replace(id, &new)
            .await?
            .ok_or(ConsoleError::NotFound("model"))
    }

    /// Removes a model. Running requests end normally, the next one does not find it.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none.
    pub async fn remove_model(&self, id: ModelId) -> Result<(), ConsoleError> {
        if self.ports.catalog.remove(id).await? {
            Ok(())
        } else {
            Err(ConsoleError::NotFound("model"))
        }
    }
}

fn patched(
    before: NewModel,
    present: &[Target],
    patch: ModelPatch,
) -> Result<NewModel, ConsoleError> {
    let name = patch.name.unwrap_or(before.name);
    let targets = targets(before.targets, present, patch.target, patch.targets, &name)?;
    let aliases = patch.aliases.unwrap_or(before.aliases);
    check_aliases(&aliases, &name)?;
    let options = ModelOptions {
        num_ctx: patch.options.num_ctx.unwrap_or(before.options.num_ctx),
        keep_alive: patch
            .options
            .keep_alive
            .unwrap_or(before.options.keep_alive),
        openai_api: patch
            .options
            .openai_api
            .unwrap_or(before.options.openai_api),
        truncate: patch.options.truncate.unwrap_or(before.options.truncate),
    };
    Ok(NewModel {
        name,
        aliases,
        enabled: patch.enabled.unwrap_or(before.enabled),
        tiers: patch.tiers.unwrap_or(before.tiers),
        options,
        context_length: patch.context_length.unwrap_or(before.context_length),
        targets,
        ..before
    })
}

fn check_aliases(aliases: &[ModelName], name: &ModelName) -> Result<(), ConsoleError> {
    let mut seen = BTreeSet::from([name]);
    match aliases.iter().find(|alias| !seen.insert(alias)) {
        Some(twice) => {
            let message = format!("'{twice}' stands there twice, or is the name itself");
            Err(ConsoleError::invalid("aliases", message))
        }
        None => Ok(()),
    }
}

pub(super) fn as_new(model: &Model) -> NewModel {
    let target = |target: &Target| NewTarget {
        kind: target.kind,
        base_url: target.base_url.clone(),
        upstream_name: target.upstream_name.clone(),
        credential: target.credential.clone(),
        priority: target.priority,
    };
    NewModel {
        name: model.name.clone(),
        aliases: model.aliases.clone(),
        enabled: model.enabled,
        tiers: model.tiers.clone(),
        options: model.options.clone(),
        context_length: model.context_length,
        capabilities: model.capabilities.clone(),
        targets: model.targets.iter().map(target).collect(),
        created_at: model.created_at,
    }
}

fn targets(
    before: Vec<NewTarget>,
    present: &[Target],
    single: TargetPatch,
    list: Option<Vec<TargetPatch>>,
    name: &ModelName,
) -> Result<Vec<NewTarget>, ConsoleError> {
    if let Some(list) = list {
        if !single.is_empty() {
            return Err(ConsoleError::invalid(
                "targets",
                "cannot be given together with the fields of a single target",
            ));
        }
        if list.is_empty() {
            return Err(ConsoleError::invalid(
                "targets",
                "must hold at least one target",
            ));
        }
        let each = list.into_iter().enumerate().map(|(index, patch)| {
            let was = patch
                .id
                .and_then(|id| present.iter().position(|target| target.id == id));
            if patch.id.is_some() && was.is_none() {
                return Err(ConsoleError::invalid(
                    format!("targets[{index}].id"),
                    "is no target of this model",
                ));
            }
            let was = was.and_then(|at| before.get(at));
            target(was, patch, name, &format!("targets[{index}]."))
        });
        return each.collect();
    }
    if single.is_empty() && !before.is_empty() {
        return Ok(before);
    }
    if before.len() > 1 {
        return Err(ConsoleError::invalid(
            "targets",
            "this model has several targets: give all of them in 'targets'",
        ));
    }
    Ok(vec![target(before.first(), single, name, "")?])
}

/// A credential belongs to a host: a new host does not get the old one's.
fn target(
    was: Option<&NewTarget>,
    patch: TargetPatch,
    model: &ModelName,
    place: &str,
) -> Result<NewTarget, ConsoleError> {
    let param = |field: &str| format!("{place}{field}");
    let Some(kind) = patch.kind.or(was.map(|was| was.kind)) else {
        return Err(ConsoleError::invalid(
            param("backend_type"),
            "is required: ollama, vllm, llamacpp, openai, api3 or echo",
        ));
    };
    let text = patch.base_url.or_else(|| {
        was.and_then(|was| was.base_url.as_ref())
            .map(|url| url.as_str().to_owned())
    });
    let base_url = match (kind, text) {
        (BackendKind::Echo, _) => None,
        (_, Some(text)) => {
            let parsed = BaseUrl::parse(kind, &text)
                .map_err(|error| ConsoleError::invalid(param("base_url"), error.to_string()))?;
            Some(parsed)
        }
        (_, None) => {
            return Err(ConsoleError::invalid(
                param("base_url"),
                "is required: where the server is, such as http://localhost:11434",
            ));
        }
    };
    let kept = was.and_then(|was| was.credential.clone());
    let moved = was.is_some_and(|was| {
        was.base_url.as_ref().map(BaseUrl::origin) != base_url.as_ref().map(BaseUrl::origin)
    });
    if moved && kept.is_some() && patch.credential.is_none() {
        return Err(ConsoleError::invalid(
            param("api_key"),
            "must be given again, or cleared with null, when the host of base_url changes",
        ));
    }
    let upstream_name = patch
        .upstream_name
        .or_else(|| was.map(|was| was.upstream_name.clone()))
        .unwrap_or_else(|| model.as_str().to_owned());
    if ModelName::new(&upstream_name).is_err() {
        return Err(ConsoleError::invalid(
            param("upstream_name"),
            "must be 1 to 256 bytes without control characters",
        ));
    }
    Ok(NewTarget {
        kind,
        base_url,
        upstream_name,
        credential: patch.credential.unwrap_or(kept),
        priority: patch
            .priority
            .or(was.map(|was| was.priority))
            .unwrap_or_default(),
    })
}
