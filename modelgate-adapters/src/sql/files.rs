//! The database's files: made for their owner only, and locked against a second writer.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::OpenError;

/// Makes the folder of `path` when there is none; one that is there keeps its mode.
pub(super) fn make_folder(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made.map_err(|source| OpenError::Folder {
        path: folder,
        source,
    })
}

/// The right to write, which one process at a time can have. It goes when this is dropped, and with the process.
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Said aloud, because closing the file is not enough while a program that was just started has it too.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(error = %error, "the database's lock was not given back");
        }
    }
}

pub(super) fn lock(path: &Path) -> Result<Lock, OpenError> {
    let lock_path = beside(path, ".lock");
    let failed = |source| OpenError::File {
        path: lock_path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes an empty file when there is none, and takes away what others may do with one that is there.
///
/// The file is not opened again while the database is: closing any handle of it would drop the locks of all.
pub(super) fn make_private(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(OpenError::NotADatabase {
            path: path.to_owned(),
        });
    }
    if found.permissions().readonly() {
        return Err(OpenError::ReadOnly {
            path: path.to_owned(),
        });
    }
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        tighten(&file).map_err(failed)?;
    }
    Ok(())
}

fn tighten(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => fs::set_permissions(
            path,
            Permissions::from_mode(found.permissions().mode() & 0o700),
        ),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The file of that name with something added to it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
