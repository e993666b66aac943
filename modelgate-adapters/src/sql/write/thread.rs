//! The writer's thread: from messages to transactions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use diesel::connection::{SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::keeper::Keeper;
use super::{Job, Message};
use crate::sql::Fsync;
use crate::sql::connection::{self, Address};
use crate::sql::files::Lock;
use crate::sql::open::Opened;

/// Most jobs in one transaction.
const BATCH: usize = 512;

/// How soon what could not be stored is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Where a transaction failed.
enum Trouble {
    /// In one of its jobs.
    Job(Error),
    /// At its begin or commit: whatever was in it, it would have failed.
    Transaction(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Transaction(error)
    }
}

impl Trouble {
    const fn cause(&self) -> &Error {
        match self {
            Self::Job(error) | Self::Transaction(error) => error,
        }
    }
}

pub(super) struct Thread {
    connection: SqliteConnection,
    address: Address,
    fsync: Fsync,
    messages: Receiver<Message>,
    keeper: Keeper,
    well: Arc<AtomicBool>,
    /// Jobs that must not be lost and could not be stored yet, oldest first.
    owed: VecDeque<Box<dyn Job>>,
    flushes: Vec<oneshot::Sender<()>>,
    stopping: bool,
    /// Held as long as this thread may write.
    _lock: Lock,
}

impl Thread {
    pub(super) fn new(
        opened: Opened,
        messages: Receiver<Message>,
        keeper: Keeper,
        well: Arc<AtomicBool>,
        fsync: Fsync,
    ) -> Self {
        Self {
            connection: opened.connection,
            address: Address::writing(&opened.path),
            fsync,
            messages,
            keeper,
            well,
            owed: VecDeque::new(),
            flushes: Vec::new(),
            stopping: false,
            _lock: opened.lock,
        }
    }

    pub(super) fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while !self.stopping {
            self.collect(&mut batch);
            self.pay_owed();
            self.commit(&mut batch);
            self.answer_flushes();
        }
        self.finish();
    }

    fn answer_flushes(&mut self) {
        if !self.owed.is_empty() {
            return;
        }
        for stored in self.flushes.drain(..) {
            let _gone = stored.send(());
        }
    }

    /// Waits for one message and takes what else is there.
    fn collect(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        let first = if self.owed.is_empty() {
            self.messages
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            self.messages.recv_timeout(RETRY)
        };
        match first {
            Ok(message) => self.take(message, batch),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.stopping = true,
        }
        while batch.len() < BATCH && !self.stopping {
            let Ok(message) = self.messages.try_recv() else {
                break;
            };
            self.take(message, batch);
        }
    }

    fn take(&mut self, message: Message, batch: &mut Vec<Box<dyn Job>>) {
        match message {
            Message::Job(job) => batch.push(job),
            Message::Flush(reply) => self.flushes.push(reply),
            Message::Checkpoint => self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)"),
            Message::Stop => self.stopping = true,
        }
    }

    /// One transaction for all. Should a job fail in it, each gets one of its own, so that one cannot spoil the others'.
    fn commit(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        if batch.is_empty() {
            return;
        }
        match self.transact(batch) {
            Ok(()) => batch.drain(..).for_each(Job::committed),
            Err(Trouble::Job(_)) if batch.len() > 1 => {
                for job in batch.drain(..) {
                    let owed = self.commit_alone(job).err();
                    self.owed.extend(owed.flatten());
                }
            }
            Err(trouble) => self.owed.extend(
                batch
                    .drain(..)
                    .filter_map(|job| job.failed(trouble.cause())),
            ),
        }
    }

    /// Tries what is owed in its order, up to the first that fails again.
    fn pay_owed(&mut self) {
        while let Some(job) = self.owed.pop_front() {
            if let Err(owed) = self.commit_alone(job) {
                if let Some(job) = owed {
                    self.owed.push_front(job);
                }
                return;
            }
        }
    }

    fn commit_alone(&mut self, mut job: Box<dyn Job>) -> Result<(), Option<Box<dyn Job>>> {
        match self.transact(std::slice::from_mut(&mut job)) {
            Ok(()) => job.committed(),
            Err(trouble) => return Err(job.failed(trouble.cause())),
        }
        Ok(())
    }

    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
        let outcome = self.connection.immediate_transaction(|connection| {
            let mut wanted = jobs.iter_mut().filter(|job| job.is_wanted());
            wanted.try_for_each(|job| job.run(connection).map_err(Trouble::Job))
        });
        self.well.store(outcome.is_ok(), Ordering::Relaxed);
        match outcome {
            Ok(()) => self.keeper.note_commit(),
            Err(_) => self.mend(),
        }
        outcome
    }

    /// A connection whose transaction could not even be rolled back is of no use any more.
    fn mend(&mut self) {
        type Transactions = <SqliteConnection as Connection>::TransactionManager;
        if !Transactions::is_broken_transaction_manager(&mut self.connection) {
            return;
        }
        match connection::writer(&self.address, self.fsync) {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::error!(error = %error, "the database cannot be opened again"),
        }
    }

    fn checkpoint(&mut self, pragma: &str) {
        if let Err(error) = self.connection.batch_execute(pragma) {
            tracing::warn!(error = %error, "the database's log could not be emptied into its file");
        }
    }

    fn finish(mut self) {
        self.pay_owed();
        if !self.owed.is_empty() {
            let count = self.owed.len();
            tracing::error!(
                count,
                "requests could not be settled; the next start closes them as recovered"
            );
        }
        self.keeper.stop();
        self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)");
    }
}
