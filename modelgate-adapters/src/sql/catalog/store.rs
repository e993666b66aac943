//! Writing one model with its names and targets.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::{ModelId, ModelName};
use modelgate_ports::driven::{NewModel, NewTarget, Sealer, StoreError};

use super::row::{ModelChange, TargetChange, TargetRow};
use crate::sql::error::WriteError;
use crate::sql::key_store::next_id;
use crate::sql::schema::{model_aliases, model_targets, models};

pub(super) fn insert(
    connection: &mut SqliteConnection,
    sealer: &dyn Sealer,
    new: &NewModel,
) -> Result<ModelId, WriteError> {
    check_names(connection, new, None)?;
    let id = next_id(connection, "models")?;
    diesel::insert_into(models::table)
        .values((models::id.eq(id), ModelChange::of(new)?))
        .execute(connection)?;
    write_aliases(connection, id, new)?;
    write_targets(connection, sealer, id, new)?;
    Ok(ModelId(id))
}

/// `false` when there is no such model.
pub(super) fn replace(
    connection: &mut SqliteConnection,
    sealer: &dyn Sealer,
    id: ModelId,
    new: &NewModel,
) -> Result<bool, WriteError> {
    let model = models::table.find(id.0);
    if !diesel::select(diesel::dsl::exists(model)).get_result(connection)? {
        return Ok(false);
    }
    check_names(connection, new, Some(id))?;
    diesel::update(model)
        .set(ModelChange::of(new)?)
        .execute(connection)?;
    write_aliases(connection, id.0, new)?;
    write_targets(connection, sealer, id.0, new)?;
    Ok(true)
}

pub(super) fn remove(connection: &mut SqliteConnection, id: ModelId) -> QueryResult<bool> {
    diesel::delete(model_aliases::table.filter(model_aliases::model_id.eq(id.0)))
        .execute(connection)?;
    diesel::delete(model_targets::table.filter(model_targets::model_id.eq(id.0)))
        .execute(connection)?;
    Ok(diesel::delete(models::table.find(id.0)).execute(connection)? == 1)
}

/// A name and an alias are one space of words: no word may mean two models.
fn check_names(
    connection: &mut SqliteConnection,
    new: &NewModel,
    own: Option<ModelId>,
) -> Result<(), WriteError> {
    let own = own.map_or(0, |own| own.0);
    let mut is_taken = |name: &ModelName| -> QueryResult<bool> {
        let named = models::table
            .filter(models::name.eq(name.as_str()))
            .filter(models::id.ne(own));
        let called = model_aliases::table
            .filter(model_aliases::name.eq(name.as_str()))
            .filter(model_aliases::model_id.ne(own));
        let taken: bool = diesel::select(diesel::dsl::exists(named)).get_result(connection)?;
        Ok(taken || diesel::select(diesel::dsl::exists(called)).get_result(connection)?)
    };
    if is_taken(&new.name)? {
        return Err(StoreError::Taken { field: "name" }.into());
    }
    for alias in &new.aliases {
        if is_taken(alias)? {
            return Err(StoreError::Taken { field: "aliases" }.into());
        }
    }
    Ok(())
}

fn write_aliases(connection: &mut SqliteConnection, id: i64, new: &NewModel) -> QueryResult<()> {
    diesel::delete(model_aliases::table.filter(model_aliases::model_id.eq(id)))
        .execute(connection)?;
    for (position, alias) in (0..).zip(&new.aliases) {
        if *alias == new.name {
            continue;
        }
        let values = (
            model_aliases::name.eq(alias.as_str()),
            model_aliases::model_id.eq(id),
            model_aliases::position.eq(position),
        );
        // The same word twice is said once.
        diesel::insert_into(model_aliases::table)
            .values(values)
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(())
}

/// A target that is the same server under the same name keeps its number, so that what is known of it stays with it.
fn write_targets(
    connection: &mut SqliteConnection,
    sealer: &dyn Sealer,
    id: i64,
    new: &NewModel,
) -> Result<(), WriteError> {
    let query = model_targets::table
        .filter(model_targets::model_id.eq(id))
        .order(model_targets::id);
    let mut old: Vec<TargetRow> = query.select(TargetRow::as_select()).load(connection)?;
    let take_same = |target: &NewTarget| take(&mut old, |row| row.is(target));
    let same: Vec<Option<TargetRow>> = new.targets.iter().map(take_same).collect();
    let gone: Vec<i64> = old.iter().map(|row| row.id).collect();
    diesel::delete(model_targets::table.filter(model_targets::id.eq_any(gone)))
        .execute(connection)?;
    for (position, (target, same)) in (0..).zip(new.targets.iter().zip(same)) {
        let number = same.as_ref().map(|row| row.id);
        let before = same.or_else(|| take(&mut old, |row| row.is_at_the_server_of(target)));
        let change = TargetChange::sealed(target, before.as_ref(), position, sealer)?;
        write_target(connection, id, number, change)?;
    }
    Ok(())
}

fn write_target(
    connection: &mut SqliteConnection,
    model: i64,
    number: Option<i64>,
    change: TargetChange<'_>,
) -> Result<(), WriteError> {
    if let Some(number) = number {
        diesel::update(model_targets::table.find(number))
            .set(change)
            .execute(connection)?;
        return Ok(());
    }
    let number = next_id(connection, "model_targets")?;
    let values = (
        model_targets::id.eq(number),
        model_targets::model_id.eq(model),
        change,
    );
    diesel::insert_into(model_targets::table)
        .values(values)
        .execute(connection)?;
    Ok(())
}

fn take(old: &mut Vec<TargetRow>, is_it: impl Fn(&TargetRow) -> bool) -> Option<TargetRow> {
    let index = old.iter().position(is_it)?;
    Some(old.remove(index))
}
