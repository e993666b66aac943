//! API keys in their tables.

mod row;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use modelgate_domain::{ApiKey, KeyDigest, KeyId, KeyStatus, Timestamp};
use modelgate_ports::driven::{
    FoundKey, KeyRecord, KeyStore, NewKey, StoreError, StoredSecret, Watcher,
};

use super::Database;
use super::error::{WriteError, taken, unavailable};
use super::row::time;
use super::schema::{api_keys, id_counters, key_secrets};
use row::{FreshBalance, KeyChange, KeyRow};

/// Keys and the digests of their secrets in SQLite.
#[derive(Clone)]
pub struct SqlKeyStore {
    sql: Database,
    watchers: Arc<Mutex<Vec<Watcher>>>,
}

impl SqlKeyStore {
    /// The keys of that database.
    pub fn new(sql: Database) -> Self {
        let watchers = Arc::default();
        Self { sql, watchers }
    }

    async fn change<T: Send + 'static>(
        &self,
        op: impl Fn(&mut SqliteConnection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let watchers = Arc::clone(&self.watchers);
        let tell = move |_: &T| lock(&watchers).iter().for_each(|changed| changed());
        self.sql.write_then(op, tell).await
    }
}

fn lock(watchers: &Mutex<Vec<Watcher>>) -> MutexGuard<'_, Vec<Watcher>> {
    watchers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The next number for a row of `table`.
pub(super) fn next_id(connection: &mut SqliteConnection, table: &'static str) -> QueryResult<i64> {
    let next = diesel::insert_into(id_counters::table)
        .values((id_counters::name.eq(table), id_counters::last.eq(1)))
        .on_conflict(id_counters::name)
        .do_update()
        .set(id_counters::last.eq(id_counters::last + 1));
    next.returning(id_counters::last).get_result(connection)
}

type Newest = (KeyRow, Option<(String, String)>);

/// Reads keys with their newest secret, which is the one without an end.
macro_rules! records {
    () => {
        api_keys::table
            .left_join(
                key_secrets::table.on(key_secrets::key_id
                    .eq(api_keys::id)
                    .and(key_secrets::valid_until.is_null())),
            )
            .select((
                KeyRow::as_select(),
                (key_secrets::prefix, key_secrets::last4).nullable(),
            ))
    };
}

fn record((row, secret): Newest) -> Result<KeyRecord, StoreError> {
    let (prefix, last4) = secret.unwrap_or_default();
    let (balance, last_used_at) = (row.balance(), time(row.last_used_at));
    Ok(KeyRecord {
        key: row.try_into()?,
        prefix,
        last4,
        balance,
        last_used_at,
    })
}

fn record_of(
    connection: &mut SqliteConnection,
    id: KeyId,
) -> Result<Option<KeyRecord>, WriteError> {
    let found: Option<Newest> = records!()
        .filter(api_keys::id.eq(id.0))
        .first(connection)
        .optional()?;
    Ok(found.map(record).transpose()?)
}

fn insert_secret(
    connection: &mut SqliteConnection,
    id: i64,
    secret: &StoredSecret,
) -> Result<(), WriteError> {
    let values = (
        key_secrets::digest.eq(secret.digest.to_hex()),
        key_secrets::key_id.eq(id),
        key_secrets::prefix.eq(&secret.prefix),
        key_secrets::last4.eq(&secret.last4),
    );
    taken(
        diesel::insert_into(key_secrets::table)
            .values(values)
            .execute(connection),
        "key",
    )
    .map(drop)
}

fn insert(connection: &mut SqliteConnection, new: &NewKey) -> Result<KeyRecord, WriteError> {
    let id = next_id(connection, "api_keys")?;
    let values = (
        api_keys::id.eq(id),
        KeyChange::from(&new.key),
        FreshBalance::since(new.key.created_at),
    );
    taken(
        diesel::insert_into(api_keys::table)
            .values(values)
            .execute(connection),
        "name",
    )?;
    insert_secret(connection, id, &new.secret)?;
    record_of(connection, KeyId(id))?.ok_or(WriteError::Failed(diesel::result::Error::NotFound))
}

fn update(connection: &mut SqliteConnection, key: &ApiKey) -> Result<bool, WriteError> {
    let live = api_keys::id
        .eq(key.id.0)
        .and(api_keys::status.ne(KeyStatus::Revoked.as_str()));
    let changed = diesel::update(api_keys::table.filter(live)).set(KeyChange::from(key));
    Ok(taken(changed.execute(connection), "name")? == 1)
}

fn replace_secret(
    connection: &mut SqliteConnection,
    id: KeyId,
    new: &StoredSecret,
    old_ends: Timestamp,
) -> Result<bool, WriteError> {
    let live = api_keys::id
        .eq(id.0)
        .and(api_keys::status.ne(KeyStatus::Revoked.as_str()));
    if !diesel::select(diesel::dsl::exists(api_keys::table.filter(live))).get_result(connection)? {
        return Ok(false);
    }
    let later = key_secrets::valid_until
        .is_null()
        .or(key_secrets::valid_until.gt(old_ends.millis()));
    diesel::update(
        key_secrets::table
            .filter(key_secrets::key_id.eq(id.0))
            .filter(later),
    )
    .set(key_secrets::valid_until.eq(old_ends.millis()))
    .execute(connection)?;
    insert_secret(connection, id.0, new)?;
    Ok(true)
}

#[async_trait]
impl KeyStore for SqlKeyStore {
    fn watch(&self, changed: Watcher) {
        lock(&self.watchers).push(changed);
    }

    #[tracing::instrument(name = "sql.keys.find", level = "debug", skip_all)]
    async fn find(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        let digest = digest.to_hex();
        let found = self.sql.read(move |connection| {
            let found = api_keys::table
                .inner_join(key_secrets::table)
                .filter(key_secrets::digest.eq(digest))
                .select((KeyRow::as_select(), key_secrets::valid_until));
            found
                .first::<(KeyRow, Option<i64>)>(connection)
                .optional()
                .map_err(unavailable)
        });
        let Some((row, valid_until)) = found.await? else {
            return Ok(None);
        };
        Ok(Some(FoundKey {
            key: row.try_into()?,
            secret_ends: time(valid_until),
        }))
    }

    #[tracing::instrument(name = "sql.keys.list", level = "debug", skip_all)]
    async fn list(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.sql.read(|connection| {
            let live = records!()
                .filter(api_keys::status.ne(KeyStatus::Revoked.as_str()))
                .order(api_keys::id);
            live.load::<Newest>(connection).map_err(unavailable)
        });
        rows.await?.into_iter().map(record).collect()
    }

    #[tracing::instrument(name = "sql.keys.get", level = "debug", skip_all, fields(key.id = id.0))]
    async fn get(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.sql
            .read(move |connection| record_of(connection, id).map_err(WriteError::into_store))
            .await
    }

    #[tracing::instrument(name = "sql.keys.insert", level = "debug", skip_all)]
    async fn insert(&self, new: &NewKey) -> Result<KeyRecord, StoreError> {
        let new = new.clone();
        self.change(move |connection| insert(connection, &new))
            .await
    }

    #[tracing::instrument(name = "sql.keys.update", level = "debug", skip_all, fields(key.id = key.id.0))]
    async fn update(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let key = key.clone();
        self.change(move |connection| update(connection, &key))
            .await
    }

    #[tracing::instrument(name = "sql.keys.replace_secret", level = "debug", skip_all, fields(key.id = id.0))]
    async fn replace_secret(
        &self,
        id: KeyId,
        new: &StoredSecret,
        old_ends: Timestamp,
    ) -> Result<bool, StoreError> {
        let new = new.clone();
        self.change(move |connection| replace_secret(connection, id, &new, old_ends))
            .await
    }
}
