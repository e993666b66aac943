//! Models in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use modelgate_domain::{Model, ModelId, ModelName, Target, TargetId};

use crate::driven::{Catalog, Models, NewModel, NewTarget, StoreError};

/// A catalog in memory.
#[derive(Debug, Default)]
pub struct FakeCatalog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    models: Vec<Model>,
    shown: Arc<Models>,
    last_model: i64,
    last_target: i64,
}

impl FakeCatalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }
}

impl State {
    fn check_names(&self, new: &NewModel, own: Option<ModelId>) -> Result<(), StoreError> {
        let taken = |name: &ModelName| {
            self.models
                .iter()
                .any(|model| Some(model.id) != own && model.answers_to(name.as_str()))
        };
        if taken(&new.name) {
            return Err(StoreError::Taken { field: "name" });
        }
        if new.aliases.iter().any(taken) {
            return Err(StoreError::Taken { field: "aliases" });
        }
        Ok(())
    }

    fn target(&mut self, new: &NewTarget) -> Target {
        self.last_target += 1;
        Target {
            id: TargetId(self.last_target),
            kind: new.kind,
            base_url: new.base_url.clone(),
            upstream_name: new.upstream_name.clone(),
            credential: new.credential.clone(),
            priority: new.priority,
        }
    }

    fn store(&mut self, id: ModelId, new: &NewModel) {
        let mut aliases: Vec<ModelName> = Vec::new();
        for alias in &new.aliases {
            if *alias != new.name && !aliases.contains(alias) {
                aliases.push(alias.clone());
            }
        }
        let mut targets: Vec<Target> = new
            .targets
            .iter()
            .map(|target| self.target(target))
            .collect();
        targets.sort_by_key(|target| target.priority);
        self.models.retain(|model| model.id != id);
        self.models.push(Model {
            id,
            name: new.name.clone(),
            aliases,
            enabled: new.enabled,
            tiers: new.tiers.clone(),
            options: new.options.clone(),
            context_length: new.context_length,
            capabilities: new.capabilities.clone(),
            targets,
            created_at: new.created_at,
        });
        self.shown = Arc::new(Models::new(self.models.clone()));
    }

    fn shown(&self, id: ModelId) -> Arc<Model> {
        Arc::clone(self.shown.get(id).expect("just stored"))
    }
}

#[async_trait]
impl Catalog for FakeCatalog {
    fn models(&self) -> Arc<Models> {
        Arc::clone(&self.0.lock().expect("no panic while locked").shown)
    }

    async fn insert(&self, new: &NewModel) -> Result<Arc<Model>, StoreError> {
        let mut state = self.0.lock().expect("no panic while locked");
        state.check_names(new, None)?;
        state.last_model += 1;
        let id = ModelId(state.last_model);
        state.store(id, new);
        Ok(state.shown(id))
    }

    async fn replace(&self, id: ModelId, new: &NewModel) -> Result<Option<Arc<Model>>, StoreError> {
        let mut state = self.0.lock().expect("no panic while locked");
        if state.shown.get(id).is_none() {
            return Ok(None);
        }
        state.check_names(new, Some(id))?;
        state.store(id, new);
        Ok(Some(state.shown(id)))
    }

    async fn remove(&self, id: ModelId) -> Result<bool, StoreError> {
        let mut state = self.0.lock().expect("no panic while locked");
        let before = state.models.len();
        state.models.retain(|model| model.id != id);
        state.shown = Arc::new(Models::new(state.models.clone()));
        Ok(state.models.len() < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::contract::catalog_contract;

    #[tokio::test]
    async fn the_fake_keeps_the_contract() {
        catalog_contract(&FakeCatalog::new()).await;
    }
}
