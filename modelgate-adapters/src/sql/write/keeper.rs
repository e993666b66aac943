//! What happens beside the commits: syncing the log to the disk once a second, and emptying it into the file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;

use super::{Message, Queue};
use crate::sql::Fsync;
use crate::sql::connection::{self, Address};
use crate::sql::files::beside;

const INTERVAL: Duration = Duration::from_secs(1);

/// From this size on, the log is copied into the file while the writer goes on.
const LONG: u64 = 4 << 20;

/// From this size on, the writer pauses to copy the rest, because only a log copied in full begins anew.
const TOO_LONG: u64 = 64 << 20;

/// The thread that keeps the files, as its owner sees it.
pub(super) struct Keeper {
    dirty: Arc<AtomicBool>,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

struct Keeping {
    path: PathBuf,
    log: PathBuf,
    fsync: Fsync,
    dirty: Arc<AtomicBool>,
    writer: Queue,
}

pub(super) fn start(path: &Path, fsync: Fsync, writer: Queue) -> io::Result<Keeper> {
    let dirty = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = mpsc::channel();
    let keeping = Keeping {
        path: path.to_owned(),
        log: beside(path, "-wal"),
        fsync,
        dirty: Arc::clone(&dirty),
        writer,
    };
    let thread = std::thread::Builder::new()
        .name("ledger-keeper".into())
        .spawn(move || keeping.run(&stopped))?;
    Ok(Keeper {
        dirty,
        stop,
        thread: Some(thread),
    })
}

impl Keeper {
    pub(super) fn note_commit(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Syncs once more and ends the thread.
    pub(super) fn stop(&mut self) {
        let _ended = self.stop.send(());
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the keeper of the database's files ended with a panic");
        }
    }
}

impl Keeping {
    fn run(self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.keep();
        }
        self.keep();
    }

    fn keep(&self) {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return;
        }
        if self.fsync == Fsync::EverySecond
            && let Err(error) = self.sync()
        {
            self.dirty.store(true, Ordering::Release);
            tracing::error!(error = %error, "commits could not be synced to the disk");
        }
        let length = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if length >= LONG {
            self.checkpoint();
        }
        if length >= TOO_LONG {
            // A writer that ended needs no checkpoint: it has made its own.
            let _ended = self.writer.send(Message::Checkpoint);
        }
    }

    /// SQLite holds no locks on its log, so that opening and closing it here takes none away.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.log)?.sync_data()
    }

    fn checkpoint(&self) {
        let copied = connection::writer(&Address::writing(&self.path), self.fsync).and_then(
            |mut connection| {
                let copied = connection.batch_execute("PRAGMA wal_checkpoint(PASSIVE)");
                copied.map_err(diesel::ConnectionError::CouldntSetupConfiguration)
            },
        );
        if let Err(error) = copied {
            tracing::warn!(error = %error, "the database's log could not be copied into its file");
        }
    }
}
