//! Connections to SQLite, set up for their use.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::sqlite::SqliteConnection;

use super::Fsync;

/// SQLite before this version could lose or damage data in the mode we use.
pub(super) const OLDEST: (u32, u32, u32) = (3, 51, 3);

/// A database file as SQLite's URI: nothing in its path can be mistaken for an option.
#[derive(Debug, Clone)]
pub(super) struct Address(String);

impl Address {
    pub(super) fn reading(path: &Path) -> Self {
        Self(uri(path, "ro"))
    }

    /// For writing; the file must be there.
    pub(super) fn writing(path: &Path) -> Self {
        Self(uri(path, "rw"))
    }
}

fn uri(path: &Path, mode: &str) -> String {
    let mut uri = String::from("file:");
    if path.is_relative() {
        uri.push_str("./");
    }
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(byte.into());
            }
            _ => write!(uri, "%{byte:02X}").unwrap_or_default(),
        }
    }
    uri + "?mode=" + mode
}

/// A connection of a pool: it refuses every statement that writes.
pub(super) fn reader(address: &Address) -> Result<SqliteConnection, diesel::ConnectionError> {
    let mut connection = SqliteConnection::establish(&address.0)?;
    let set_up = "PRAGMA busy_timeout = 2000; PRAGMA query_only = ON;";
    connection
        .batch_execute(set_up)
        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// The connection that writes. The log is emptied into the file by the keeper, not in the middle of a commit.
pub(super) fn writer(
    address: &Address,
    fsync: Fsync,
) -> Result<SqliteConnection, diesel::ConnectionError> {
    let mut connection = SqliteConnection::establish(&address.0)?;
    let synchronous = match fsync {
        Fsync::Always => "FULL",
        Fsync::EverySecond => "NORMAL",
        Fsync::Off => "OFF",
    };
    let set_up = format!(
        "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216; PRAGMA foreign_keys = ON;"
    );
    connection
        .batch_execute(&set_up)
        .map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

diesel::define_sql_function! {
    /// SQLite's own version.
    fn sqlite_version() -> diesel::sql_types::Text;
}

/// The version of SQLite that this program was built with.
pub(super) fn version(connection: &mut SqliteConnection) -> QueryResult<String> {
    diesel::select(sqlite_version()).get_result(connection)
}

/// Whether that version is at least [`OLDEST`].
pub(super) fn is_recent_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) => (major, minor, patch) >= OLDEST,
        _ => false,
    }
}

/// Asks the database for anything at all.
pub(super) fn ping(connection: &mut SqliteConnection) -> QueryResult<()> {
    pragma_number(connection, "schema_version").map(drop)
}

/// Writes something that means nothing, to see whether it can.
pub(super) fn touch(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute("PRAGMA user_version = 1")
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Integer)]
    number: i32,
}

/// The value of a pragma that is a number.
pub(super) fn pragma_number(
    connection: &mut SqliteConnection,
    pragma: &'static str,
) -> QueryResult<i32> {
    let query = diesel::sql_query(format!("SELECT {pragma} AS number FROM pragma_{pragma}"));
    query.get_result::<Number>(connection).map(|row| row.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_hold_no_options() {
        let check =
            |path: &str, expected: &str| assert_eq!(Address::writing(Path::new(path)).0, expected);
        check("/data/modelgate.db", "file:/data/modelgate.db?mode=rw");
        check("data/a b.db", "file:./data/a%20b.db?mode=rw");
        check(
            "/x?mode=memory&cache=shared#y%",
            "file:/x%3Fmode%3Dmemory%26cache%3Dshared%23y%25?mode=rw",
        );
        check(":memory:", "file:./%3Amemory%3A?mode=rw");
        check("file:x", "file:./file%3Ax?mode=rw");
    }

    #[test]
    fn old_versions_are_told_from_new_ones() {
        for (version, good) in [
            ("3.51.3", true),
            ("3.51.2", false),
            ("3.53.0", true),
            ("4.0.0", true),
            ("3.9.9", false),
            ("", false),
            ("3.x", false),
        ] {
            assert_eq!(is_recent_enough(version), good, "{version}");
        }
    }
}
