//! A few connections that cannot write, used away from the runtime's threads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use modelgate_ports::driven::StoreError;
use tokio::sync::Semaphore;

use super::connection::{self, Address};
use super::error::unavailable;

/// Reads at the same time; connections are made when first needed and kept.
const CONNECTIONS: usize = 4;

/// Longest wait for one of them.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Readers {
    address: Address,
    room: Arc<Semaphore>,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            room: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Mutex::default(),
        }
    }

    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        op: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.room).acquire_owned());
        let permit = turn.await.map_err(unavailable)?.map_err(unavailable)?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = readers.with_connection(op);
            drop(permit);
            outcome
        });
        reading.await.map_err(unavailable)?
    }

    /// No reads from now on; those that run end first when their connection is dropped.
    pub(super) fn close(&self) {
        self.room.close();
        self.idle().clear();
    }

    fn with_connection<T>(
        &self,
        op: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let kept = self.idle().pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => connection::reader(&self.address).map_err(unavailable)?,
        };
        let outcome = op(&mut connection);
        if !self.room.is_closed() {
            self.idle().push(connection);
        }
        outcome
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
