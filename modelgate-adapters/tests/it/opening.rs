//! Files that are opened, and files that are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use modelgate_adapters::sql::{Database, DatabaseConfig, OpenError, SqlKeyStore};
use modelgate_ports::driven::{KeyStore as _, StoreError};
use modelgate_ports::test_util::sample;

use crate::scratch::{Scratch, new_keys, refusal};

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn everything_is_made_for_its_owner_only() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    new_keys::<1>(&sql).await;
    assert_eq!(mode(scratch.path().parent().expect("a folder")), 0o700);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(
            mode(format!("{}{suffix}", scratch.path().display())),
            0o600,
            "{suffix}"
        );
    }
}

#[test]
fn what_others_may_do_with_an_older_file_is_taken_away() {
    let scratch = Scratch::new();
    drop(scratch.open());
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o664)).expect("changed");
    drop(scratch.open());
    assert_eq!(mode(scratch.path()), 0o600);
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_closed() {
    let scratch = Scratch::new();
    let first = scratch.open();
    let error = refusal(scratch.try_open());
    assert!(matches!(&error, OpenError::Locked { path } if *path == scratch.path()));
    assert_eq!(
        error.to_string(),
        format!(
            "the database {} is in use by another process",
            scratch.path().display()
        )
    );
    drop(first);
    drop(scratch.open());
}

#[tokio::test]
async fn closing_frees_the_file_though_others_still_hold_it() {
    let scratch = Scratch::new();
    let first = scratch.open();
    first.close().await;
    first.close().await;
    assert!(scratch.try_open().is_ok());
    let late = SqlKeyStore::new(first)
        .insert(&sample::new_key("late", 1))
        .await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path().parent().expect("a folder")).expect("made");
    for content in [&b"not a database, but long enough to be taken for one: 0123456789012345678901234567890123456789012345678901234567890123456789"[..], b"short"] {
        fs::write(scratch.path(), content).expect("written");
        let error = refusal(scratch.try_open());
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
        assert_eq!(fs::read(scratch.path()).expect("there"), content);
    }
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    for sql in [
        "CREATE TABLE notes (text TEXT)",
        "PRAGMA application_id = 1",
    ] {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.path().parent().expect("a folder")).expect("made");
        scratch.execute(sql);
        let before = fs::read(scratch.path()).expect("there");
        let error = refusal(scratch.try_open());
        assert!(
            matches!(error, OpenError::NotADatabase { .. }),
            "{sql}: {error:?}"
        );
        assert_eq!(fs::read(scratch.path()).expect("there"), before, "{sql}");
    }
}

#[test]
fn a_folder_in_its_place_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path()).expect("made");
    assert!(matches!(
        refusal(scratch.try_open()),
        OpenError::NotADatabase { .. }
    ));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let under_a_file = scratch.path().join("more/modelgate.db");
    let error = refusal(Database::open(&DatabaseConfig::new(&under_a_file)));
    assert!(
        matches!(&error, OpenError::Folder { path, .. } if path == under_a_file.parent().expect("a folder")),
        "{error:?}"
    );
    let nowhere = refusal(Database::open(&DatabaseConfig::new("/proc/modelgate.db")));
    assert!(matches!(nowhere, OpenError::File { .. }), "{nowhere:?}");
}

#[test]
fn a_read_only_file_is_refused() {
    let scratch = Scratch::new();
    drop(scratch.open());
    fs::set_permissions(scratch.path(), Permissions::from_mode(0o400)).expect("changed");
    assert!(matches!(
        refusal(scratch.try_open()),
        OpenError::ReadOnly { .. }
    ));
    assert_eq!(mode(scratch.path()), 0o400);
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    drop(scratch.open());
    scratch.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')");
    for error in [
        refusal(scratch.try_open()),
        refusal(Database::read_only(&scratch.path())),
    ] {
        assert!(
            matches!(&error, OpenError::Newer { step, .. } if step == "29990101000000"),
            "{error:?}"
        );
    }
}

#[test]
fn reading_does_not_bring_older_tables_up_to_date() {
    let scratch = Scratch::new();
    drop(scratch.open());
    scratch.execute("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT MAX(version) FROM __diesel_schema_migrations)");
    assert!(matches!(
        refusal(Database::read_only(&scratch.path())),
        OpenError::Older { .. }
    ));
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    new_keys::<50>(&sql).await;
    sql.close().await;
    drop(sql);
    let mut bytes = fs::read(scratch.path()).expect("there");
    for (page, content) in bytes.chunks_mut(4096).enumerate() {
        if page > 0 && content.windows(6).any(|found| found == b"key 17") {
            content[..64].fill(0xff);
        }
    }
    fs::write(scratch.path(), &bytes).expect("written");
    let error = refusal(scratch.try_open());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert_eq!(fs::read(scratch.path()).expect("there"), bytes);
}

#[tokio::test]
async fn reading_beside_a_writer_sees_what_is_committed_and_writes_nothing() {
    let scratch = Scratch::new();
    assert!(matches!(
        refusal(Database::read_only(&scratch.path())),
        OpenError::Missing { .. }
    ));
    assert!(!scratch.path().exists(), "reading makes nothing");
    let writer = scratch.open();
    let reader = SqlKeyStore::new(Database::read_only(&scratch.path()).expect("opened"));
    new_keys::<3>(&writer).await;
    assert_eq!(reader.list().await.expect("read").len(), 3);
    let refused = reader.insert(&sample::new_key("one more", 9)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert_eq!(reader.list().await.expect("read").len(), 3);
}

#[tokio::test]
async fn reading_works_without_a_writer() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    new_keys::<2>(&sql).await;
    sql.close().await;
    let reader = Database::read_only(&scratch.path()).expect("opened");
    assert_eq!(
        SqlKeyStore::new(reader).list().await.expect("read").len(),
        2
    );
}

#[test]
fn a_path_is_a_path_whatever_it_looks_like() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a b?mode=memory&x=%41#c.db");
    drop(Database::open(&DatabaseConfig::new(&path)).expect("opened"));
    assert!(path.exists());
}

#[tokio::test]
async fn numbers_and_names_survive_a_restart() {
    let scratch = Scratch::new();
    let [first] = new_keys(&scratch.open()).await;
    let store = SqlKeyStore::new(scratch.open());
    let record = store.get(first).await.expect("read").expect("there");
    assert_eq!(record.key.name.as_str(), "key 0");
    assert!(
        store
            .insert(&sample::new_key("next", 77))
            .await
            .expect("stored")
            .key
            .id
            > first
    );
}
