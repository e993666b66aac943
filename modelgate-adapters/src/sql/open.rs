//! Opening a database, and every reason not to.

use std::io;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use modelgate_ports::BoxError;

use super::connection::{self, Address};
use super::files::{self, Lock};
use super::migrate::{self, Standing};
use super::{DatabaseConfig, ledger};

/// `MGAT`: what this program writes into the header of its files.
const APPLICATION_ID: i32 = 0x4d47_4154;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be made.
    #[error("cannot make the folder {} for the database", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be made or looked at.
    #[error("cannot use the file {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process writes to it.
    #[error("the database {} is in use by another process", .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// There is none, and none is made by reading.
    #[error("there is no database {}", .path.display())]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The file may not be written.
    #[error("the database {} is read-only", .path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a database of this program", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("the database {} is damaged: {finding}", .path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        finding: String,
    },
    /// A newer program made its tables.
    #[error("the database {} was made by a newer version of this program (step {step})", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The first step that is not known here.
        step: String,
    },
    /// An older program made its tables, and reading does not change them.
    #[error("the database {} was made by an older version of this program: start the server once", .path.display())]
    Older {
        /// The database.
        path: PathBuf,
    },
    /// The program was built with a version of SQLite that is not safe.
    #[error("SQLite {found} is too old: this program needs 3.51.3 or newer")]
    OldSqlite {
        /// The version.
        found: String,
    },
    /// SQLite failed.
    #[error("the database {} cannot be used", .path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
}

/// A database that nobody else writes to, checked and up to date.
pub(super) struct Opened {
    pub(super) connection: SqliteConnection,
    pub(super) path: PathBuf,
    pub(super) lock: Lock,
}

pub(super) fn exclusive(config: &DatabaseConfig) -> Result<Opened, OpenError> {
    let path = config.path.clone();
    files::make_folder(&path)?;
    let lock = files::lock(&path)?;
    files::make_private(&path)?;
    let failed = |source: BoxError| failure(&path, source);
    let address = Address::writing(&path);
    // Whose file it is comes first: not even the journal mode of a stranger's is changed.
    let mut probe = connection::reader(&address).map_err(|source| failed(source.into()))?;
    let owner = check_owner(&mut probe, &path)?;
    drop(probe);
    let mut connection =
        connection::writer(&address, config.fsync).map_err(|source| failed(source.into()))?;
    check_version(&mut connection).map_err(failed)??;
    if owner == Owner::Nobody {
        mark(&mut connection).map_err(|source| failed(source.into()))?;
    }
    bring_up_to_date(&mut connection, &path)?;
    check_small_tables(&mut connection, &path)?;
    ledger::recover(&mut connection).map_err(|source| failed(source.into_store().into()))?;
    Ok(Opened {
        connection,
        path,
        lock,
    })
}

pub(super) fn shared(path: &Path) -> Result<(), OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let failed = |source: BoxError| failure(path, source);
    let mut connection =
        connection::reader(&Address::reading(path)).map_err(|source| failed(source.into()))?;
    check_version(&mut connection).map_err(failed)??;
    if check_owner(&mut connection, path)? == Owner::Nobody {
        return Err(OpenError::NotADatabase {
            path: path.to_owned(),
        });
    }
    match migrate::standing(&mut connection).map_err(failed)? {
        Standing::UpToDate => Ok(()),
        Standing::Behind => Err(OpenError::Older {
            path: path.to_owned(),
        }),
        Standing::Newer(step) => Err(OpenError::Newer {
            path: path.to_owned(),
            step,
        }),
    }
}

/// Whose file it is.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Us,
    /// It is empty.
    Nobody,
}

fn check_owner(connection: &mut SqliteConnection, path: &Path) -> Result<Owner, OpenError> {
    let failed = |source: diesel::result::Error| failure(path, source.into());
    let owner = connection::pragma_number(connection, "application_id").map_err(failed)?;
    let schema = connection::pragma_number(connection, "schema_version").map_err(failed)?;
    match (owner, schema) {
        (APPLICATION_ID, _) => Ok(Owner::Us),
        (0, 0) => Ok(Owner::Nobody),
        _ => Err(OpenError::NotADatabase {
            path: path.to_owned(),
        }),
    }
}

fn check_version(connection: &mut SqliteConnection) -> Result<Result<(), OpenError>, BoxError> {
    let found = connection::version(connection)?;
    Ok(if connection::is_recent_enough(&found) {
        Ok(())
    } else {
        Err(OpenError::OldSqlite { found })
    })
}

fn mark(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA application_id = {APPLICATION_ID}"))
}

fn bring_up_to_date(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let failed = |source: BoxError| failure(path, source);
    match migrate::standing(connection).map_err(failed)? {
        Standing::UpToDate => Ok(()),
        Standing::Behind => migrate::run(connection).map_err(failed),
        Standing::Newer(step) => Err(OpenError::Newer {
            path: path.to_owned(),
            step,
        }),
    }
}

#[derive(QueryableByName)]
struct Finding {
    #[diesel(sql_type = Text)]
    quick_check: String,
}

/// Checks the tables that say who may do what. The usage table is left out: it may hold millions of rows, and a start must
/// not wait for them.
fn check_small_tables(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    for table in [
        "api_keys",
        "key_secrets",
        "models",
        "model_aliases",
        "model_targets",
        "id_counters",
    ] {
        let check = diesel::sql_query(format!("PRAGMA quick_check({table})"));
        let findings = check
            .load::<Finding>(connection)
            .map_err(|source| failure(path, source.into()))?;
        if let Some(finding) = findings
            .into_iter()
            .find(|finding| finding.quick_check != "ok")
        {
            return Err(OpenError::Damaged {
                path: path.to_owned(),
                finding: finding.quick_check,
            });
        }
    }
    Ok(())
}

/// SQLite tells these apart by its message only, as far as Diesel passes it on.
fn failure(path: &Path, source: BoxError) -> OpenError {
    let (path, told) = (path.to_owned(), source.to_string());
    if told.contains("file is not a database") {
        OpenError::NotADatabase { path }
    } else if told.contains("malformed") {
        OpenError::Damaged {
            path,
            finding: told,
        }
    } else if told.contains("readonly database") {
        OpenError::ReadOnly { path }
    } else if told.contains("database is locked") {
        OpenError::Locked { path }
    } else {
        OpenError::Sqlite { path, source }
    }
}
