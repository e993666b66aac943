//! Models in their tables, and in memory for every request.

mod load;
mod row;
mod store;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::{BaseUrl, Model, ModelId, TargetId};
use modelgate_ports::driven::{Catalog, Models, NewModel, Sealer, StoreError};

use super::Database;
use super::error::WriteError;

/// Models in SQLite, with a copy in memory that readers share. Credentials are sealed before they are stored.
pub struct SqlCatalog {
    sql: Database,
    memory: Arc<Memory>,
}

struct Memory {
    sealer: Arc<dyn Sealer>,
    shown: ArcSwap<Models>,
    /// Targets whose credential did not open: told once.
    warned: Mutex<HashSet<TargetId>>,
}

impl SqlCatalog {
    /// Reads all models. A credential that does not open is left out, and the log says of which model.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load(sql: Database, sealer: Arc<dyn Sealer>) -> Result<Self, StoreError> {
        let memory = Arc::new(Memory {
            sealer,
            shown: ArcSwap::default(),
            warned: Mutex::default(),
        });
        let reading = Arc::clone(&memory);
        let models = sql
            .read(move |connection| reading.read(connection).map_err(WriteError::into_store))
            .await?;
        memory.shown.store(models);
        Ok(Self { sql, memory })
    }

    /// Writes, reads all models in the same transaction, and shows them once it is committed. Done by the writer's thread,
    /// so that the last to commit is the last to show, whether or not the caller still waits.
    async fn change<T: Send + 'static>(
        &self,
        op: impl Fn(&mut SqliteConnection, &dyn Sealer) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<(T, Arc<Models>), StoreError> {
        let (writing, showing) = (Arc::clone(&self.memory), Arc::clone(&self.memory));
        let write = move |connection: &mut SqliteConnection| {
            let told = op(connection, &*writing.sealer)?;
            Ok((told, writing.read(connection)?))
        };
        self.sql
            .write_then(write, move |(_, models): &(T, Arc<Models>)| {
                showing.shown.store(Arc::clone(models));
            })
            .await
    }
}

impl Memory {
    fn read(&self, connection: &mut SqliteConnection) -> Result<Arc<Models>, WriteError> {
        let models = load::models(connection, &*self.sealer, &mut |model, target| {
            self.warn(model, target);
        })?;
        Ok(Arc::new(Models::new(models)))
    }

    fn warn(&self, model: &str, target: TargetId) {
        if self
            .warned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target)
        {
            tracing::warn!(
                model.name = model,
                target.id = target.0,
                "the credential of a model cannot be opened with the present secret key and is left out: set it again"
            );
        }
    }
}

/// What a credential is sealed for: the server it is meant for, so that it opens for no other.
fn seal_context(base_url: Option<&BaseUrl>) -> String {
    format!("credential for {}", base_url.map_or("", BaseUrl::origin))
}

#[async_trait]
impl Catalog for SqlCatalog {
    fn models(&self) -> Arc<Models> {
        self.memory.shown.load_full()
    }

    #[tracing::instrument(name = "sql.models.insert", level = "debug", skip_all)]
    async fn insert(&self, new: &NewModel) -> Result<Arc<Model>, StoreError> {
        let new = new.clone();
        let (id, models) = self
            .change(move |connection, sealer| store::insert(connection, sealer, &new))
            .await?;
        models
            .get(id)
            .cloned()
            .ok_or(super::error::corrupt("models", "id"))
    }

    #[tracing::instrument(name = "sql.models.replace", level = "debug", skip_all, fields(model.id = id.0))]
    async fn replace(&self, id: ModelId, new: &NewModel) -> Result<Option<Arc<Model>>, StoreError> {
        let new = new.clone();
        let (_, models) = self
            .change(move |connection, sealer| store::replace(connection, sealer, id, &new))
            .await?;
        Ok(models.get(id).cloned())
    }

    #[tracing::instrument(name = "sql.models.remove", level = "debug", skip_all, fields(model.id = id.0))]
    async fn remove(&self, id: ModelId) -> Result<bool, StoreError> {
        let (removed, _) = self
            .change(move |connection, _| Ok(store::remove(connection, id)?))
            .await?;
        Ok(removed)
    }
}
