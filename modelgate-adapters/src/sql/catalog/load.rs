//! Reading all models with their names and targets.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::{
    BackendKind, BaseUrl, Model, ModelId, ModelName, Target, TargetId, Timestamp,
};
use modelgate_ports::driven::{Sealer, StoreError};

use super::row::{ModelRow, OptionsRow, TargetRow};
use super::seal_context;
use crate::sql::error::WriteError;
use crate::sql::row::Column;
use crate::sql::schema::{model_aliases, model_targets, models};

/// Every model. `unopened` is told of each target whose credential is left out.
pub(super) fn models(
    connection: &mut SqliteConnection,
    sealer: &dyn Sealer,
    unopened: &mut dyn FnMut(&str, TargetId),
) -> Result<Vec<Model>, WriteError> {
    let rows: Vec<ModelRow> = models::table
        .select(ModelRow::as_select())
        .load(connection)?;
    let mut aliases = aliases(connection)?;
    let mut targets = targets(connection)?;
    let mut read = |row: ModelRow| {
        let names = aliases.remove(&row.id).unwrap_or_default();
        let servers = targets.remove(&row.id).unwrap_or_default();
        let mut open = |server| target(server, sealer, &mut |id| unopened(&row.name, id));
        let servers: Result<Vec<Target>, StoreError> = servers.into_iter().map(&mut open).collect();
        model(&row, names, servers?)
    };
    Ok(rows
        .into_iter()
        .map(&mut read)
        .collect::<Result<Vec<Model>, StoreError>>()?)
}

fn aliases(connection: &mut SqliteConnection) -> Result<HashMap<i64, Vec<ModelName>>, WriteError> {
    let query = model_aliases::table
        .select((model_aliases::model_id, model_aliases::name))
        .order(model_aliases::position);
    let rows: Vec<(i64, String)> = query.load(connection)?;
    let mut aliases: HashMap<i64, Vec<ModelName>> = HashMap::new();
    for (model, name) in rows {
        let name = Column::new("model_aliases", "name").known(ModelName::new(&name).ok())?;
        aliases.entry(model).or_default().push(name);
    }
    Ok(aliases)
}

fn targets(connection: &mut SqliteConnection) -> Result<HashMap<i64, Vec<TargetRow>>, WriteError> {
    let query = model_targets::table
        .select(TargetRow::as_select())
        .order((model_targets::priority, model_targets::position));
    let rows: Vec<TargetRow> = query.load(connection)?;
    let mut targets: HashMap<i64, Vec<TargetRow>> = HashMap::new();
    for row in rows {
        targets.entry(row.model_id).or_default().push(row);
    }
    Ok(targets)
}

fn model(
    row: &ModelRow,
    aliases: Vec<ModelName>,
    targets: Vec<Target>,
) -> Result<Model, StoreError> {
    let column = |name| Column::new("models", name);
    Ok(Model {
        id: ModelId(row.id),
        name: column("name").known(ModelName::new(&row.name).ok())?,
        aliases,
        enabled: row.enabled != 0,
        tiers: column("tiers").list(&row.tiers)?,
        options: column("options").known(OptionsRow::parse(&row.options))?,
        context_length: column("context_length").number(row.context_length)?,
        capabilities: column("capabilities").list(&row.capabilities)?,
        targets,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

fn target(
    row: TargetRow,
    sealer: &dyn Sealer,
    unopened: &mut dyn FnMut(TargetId),
) -> Result<Target, StoreError> {
    let column = |name| Column::new("model_targets", name);
    let id = TargetId(row.id);
    let kind = column("kind").known(BackendKind::parse(&row.kind))?;
    let parse = |url: &str| column("base_url").known(BaseUrl::parse(kind, url).ok());
    let base_url = row.base_url.as_deref().map(parse).transpose()?;
    let credential = row.credential.and_then(|sealed| {
        let opened = sealer.open(&sealed, &seal_context(base_url.as_ref()));
        opened.inspect_err(|_| unopened(id)).ok()
    });
    Ok(Target {
        id,
        kind,
        base_url,
        upstream_name: row.upstream_name,
        credential,
        priority: row.priority,
    })
}
