//! The tables, brought up to date step by step.

use std::collections::HashSet;

use diesel::migration::{Migration, MigrationSource as _};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use modelgate_ports::BoxError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// How a database's tables stand to this program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// As this program made them.
    UpToDate,
    /// Steps are missing.
    Behind,
    /// It holds a step that this program does not know.
    Newer(String),
}

/// Compares the steps a database took with those this program knows.
pub(super) fn standing(connection: &mut SqliteConnection) -> Result<Standing, BoxError> {
    let applied: HashSet<String> = connection
        .applied_migrations()?
        .iter()
        .map(ToString::to_string)
        .collect();
    let known: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations()?;
    let known: HashSet<String> = known
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    Ok(match applied.difference(&known).max() {
        Some(unknown) => Standing::Newer(unknown.clone()),
        None if applied.len() < known.len() => Standing::Behind,
        None => Standing::UpToDate,
    })
}

/// Takes the missing steps, each in a transaction of its own.
pub(super) fn run(connection: &mut SqliteConnection) -> Result<(), BoxError> {
    connection.run_pending_migrations(MIGRATIONS).map(drop)
}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;

    use super::super::schema;
    use super::*;

    fn every_table_can_be_read(connection: &mut SqliteConnection) {
        macro_rules! read {
            ($($table:ident),*) => { $(
                let rows = schema::$table::table.select(schema::$table::all_columns).into_boxed().count();
                assert_eq!(rows.get_result::<i64>(connection).as_ref(), Ok(&0), stringify!($table));
                let query = schema::$table::table.select(schema::$table::all_columns);
                diesel::RunQueryDsl::execute(query, connection).expect(stringify!($table));
            )* };
        }
        read!(
            id_counters,
            api_keys,
            key_secrets,
            models,
            model_aliases,
            model_targets,
            usage
        );
    }

    #[test]
    fn migrations_run_up_down_and_up_again() {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        assert_eq!(standing(&mut connection).unwrap(), Standing::Behind);
        run(&mut connection).unwrap();
        every_table_can_be_read(&mut connection);
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        assert_eq!(tables(&mut connection), ["__diesel_schema_migrations"]);
        run(&mut connection).unwrap();
        every_table_can_be_read(&mut connection);
        assert_eq!(standing(&mut connection).unwrap(), Standing::UpToDate);
    }

    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }

    fn tables(connection: &mut SqliteConnection) -> Vec<String> {
        let query = diesel::sql_query(
            "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%' ORDER BY name",
        );
        query
            .load::<Name>(connection)
            .unwrap()
            .into_iter()
            .map(|row| row.name)
            .collect()
    }
}
