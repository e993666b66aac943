//! Models and their targets: stored, and held in memory for every request.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use modelgate_domain::model::ModelOptions;
use modelgate_domain::{BackendKind, BaseUrl, Model, ModelId, ModelName, Secret, Timestamp};

use super::StoreError;

/// All models at one moment.
#[derive(Debug, Default)]
pub struct Models {
    list: Vec<Arc<Model>>,
    by_name: HashMap<Box<str>, Arc<Model>>,
}

impl Models {
    /// Holds these models, ordered by name.
    pub fn new(models: impl IntoIterator<Item = Model>) -> Self {
        let mut list: Vec<Arc<Model>> = models.into_iter().map(Arc::new).collect();
        list.sort_by(|one, other| one.name.cmp(&other.name));
        let aliases = list
            .iter()
            .flat_map(|model| model.aliases.iter().map(move |alias| (alias, model)));
        let names = list.iter().map(|model| (&model.name, model));
        // Names come last, so that a name wins should an alias say the same.
        let by_name = aliases
            .chain(names)
            .map(|(name, model)| (name.as_str().into(), Arc::clone(model)))
            .collect();
        Self { list, by_name }
    }

    /// Every model, by name.
    pub fn all(&self) -> &[Arc<Model>] {
        &self.list
    }

    /// The model a client means: by name, by alias, or by an Ollama name whose tag `latest` was left out.
    pub fn resolve(&self, name: &str) -> Option<&Arc<Model>> {
        self.by_name.get(name).or_else(|| {
            let tagged = (!name.contains(':'))
                .then(|| self.by_name.get(format!("{name}:latest").as_str()))??;
            tagged
                .targets
                .iter()
                .any(|target| target.kind == BackendKind::Ollama)
                .then_some(tagged)
        })
    }

    /// One model by number.
    pub fn get(&self, id: ModelId) -> Option<&Arc<Model>> {
        self.list.iter().find(|model| model.id == id)
    }
}

/// A target to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    /// How it is spoken to.
    pub kind: BackendKind,
    /// Where it is; only `echo` has none.
    pub base_url: Option<BaseUrl>,
    /// What the server calls the model.
    pub upstream_name: String,
    /// Credential of this target alone; sealed before it is stored.
    pub credential: Option<Secret>,
    /// Lower comes first.
    pub priority: i32,
}

/// A model to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewModel {
    /// What clients say.
    pub name: ModelName,
    /// Other names for the same.
    pub aliases: Vec<ModelName>,
    /// Whether it is offered.
    pub enabled: bool,
    /// Tiers of keys that may use it; empty means all.
    pub tiers: Vec<String>,
    /// Operator's options.
    pub options: ModelOptions,
    /// Context in tokens, where known.
    pub context_length: Option<u64>,
    /// What it can do, where known.
    pub capabilities: Vec<String>,
    /// Servers; at least one.
    pub targets: Vec<NewTarget>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// The models. Reading costs no I/O; what was written is seen by the next read.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
#[async_trait]
pub trait Catalog: Send + Sync {
    /// All models now.
    fn models(&self) -> Arc<Models>;

    /// Stores a model with its targets, all or nothing, and gives them numbers.
    ///
    /// # Errors
    /// `Taken { field: "name" }` or `Taken { field: "aliases" }` when another model answers to one of its names.
    async fn insert(&self, new: &NewModel) -> Result<Arc<Model>, StoreError>;

    /// Replaces the model of that number and all its targets. `None` when there is none.
    ///
    /// # Errors
    /// As for [`Catalog::insert`].
    async fn replace(&self, id: ModelId, new: &NewModel) -> Result<Option<Arc<Model>>, StoreError>;

    /// Removes the model and its targets. `false` when there is none.
    async fn remove(&self, id: ModelId) -> Result<bool, StoreError>;
}
