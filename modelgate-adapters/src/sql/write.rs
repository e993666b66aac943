//! The one writer: a queue, and a thread that commits what is queued and never waits for more.

mod call;
mod keeper;
mod thread;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use modelgate_ports::driven::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::{WriteError, unavailable};
use super::open::Opened;
use super::{Fsync, OpenError};
use call::Call;
use thread::Thread;

/// Calls that may wait at the same time. Settlements are not counted: each has a row, and those are.
const WAITING: usize = 10_000;

/// Longest wait for the console's calls.
const PATIENCE: Duration = Duration::from_secs(5);

/// The writer has ended, or there never was one.
#[derive(Debug, thiserror::Error)]
#[error("the database is not open for writing")]
pub(super) struct Closed;

/// Too many calls wait already.
#[derive(Debug, thiserror::Error)]
#[error("too many calls wait for the database")]
pub(super) struct Crowded;

/// A piece of writing. What it answers, it answers after the commit.
pub(super) trait Job: Send {
    /// Whether somebody still waits for it, or it must happen anyway.
    fn is_wanted(&self) -> bool;

    /// Writes, inside a transaction that it may share. May run again when that transaction failed.
    ///
    /// # Errors
    /// Only when the database failed: then nothing of the whole transaction is stored.
    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Error>;

    /// It is committed.
    fn committed(self: Box<Self>);

    /// It could not be stored. A job that must not be lost gives itself back, to be tried again.
    fn failed(self: Box<Self>, error: &Error) -> Option<Box<dyn Job>>;
}

/// What the thread is told.
pub(super) enum Message {
    Job(Box<dyn Job>),
    Flush(oneshot::Sender<()>),
    Checkpoint,
    Stop,
}

/// A handle of the queue, for those who must leave a job behind when they go.
pub(super) type Queue = mpsc::Sender<Message>;

pub(super) struct Writer {
    queue: Queue,
    room: Arc<Semaphore>,
    well: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(opened: Opened, fsync: Fsync) -> Result<Self, OpenError> {
        let (queue, messages) = mpsc::channel();
        let well = Arc::new(AtomicBool::new(true));
        let path = opened.path.clone();
        let failed = |source| OpenError::File {
            path: path.clone(),
            source,
        };
        let keeper = keeper::start(&opened.path, fsync, queue.clone()).map_err(failed)?;
        let thread = Thread::new(opened, messages, keeper, Arc::clone(&well), fsync);
        let named = std::thread::Builder::new().name("ledger".into());
        let thread = named.spawn(move || thread.run()).map_err(failed)?;
        Ok(Self {
            queue,
            room: Arc::new(Semaphore::new(WAITING)),
            well,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A place among the calls that wait.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Crowded> {
        Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| Crowded)
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub(super) fn submit(&self, job: Box<dyn Job>) -> Result<(), Closed> {
        self.queue.send(Message::Job(job)).map_err(|_| Closed)
    }

    pub(super) async fn write_then<T: Send + 'static>(
        &self,
        op: impl Fn(&mut SqliteConnection) -> Result<T, WriteError> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.place().map_err(unavailable)?;
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Call::new(op, after, reply, place)))
            .map_err(unavailable)?;
        let answer = tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(unavailable)?;
        answer.map_err(|_| unavailable(Closed))?
    }

    /// Whether the last transaction was stored.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    pub(super) async fn flush(&self) {
        let (reply, stored) = oneshot::channel();
        if self.queue.send(Message::Flush(reply)).is_ok() {
            // An error says that the thread ended, and with it everything queued.
            let _ended = stored.await;
        }
    }

    /// Stores what was queued before and ends the thread. Blocks.
    pub(super) fn stop(&self) {
        // A thread that ended already does not listen.
        let _ended = self.queue.send(Message::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the database's writer ended with a panic");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}
