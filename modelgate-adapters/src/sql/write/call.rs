//! A call of the console: a closure in a savepoint of its own.

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sqlite::SqliteConnection;
use modelgate_ports::driven::StoreError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Job;
use crate::sql::error::{WriteError, unavailable};

pub(super) struct Call<Op, After, T> {
    op: Op,
    after: After,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _place: OwnedSemaphorePermit,
}

impl<Op, After, T> Call<Op, After, T> {
    pub(super) fn new(
        op: Op,
        after: After,
        reply: oneshot::Sender<Result<T, StoreError>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            op,
            after,
            outcome: None,
            reply,
            _place: place,
        }
    }
}

impl<Op, After, T> Job for Call<Op, After, T>
where
    Op: Fn(&mut SqliteConnection) -> Result<T, WriteError> + Send,
    After: FnOnce(&T) + Send,
    T: Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Error> {
        self.outcome = match connection.transaction(&self.op) {
            Ok(value) => Some(Ok(value)),
            Err(WriteError::Refused(refused)) => Some(Err(refused)),
            Err(WriteError::Failed(failed)) => return Err(failed),
        };
        Ok(())
    }

    fn committed(self: Box<Self>) {
        let Some(outcome) = self.outcome else { return };
        if let Ok(value) = &outcome {
            (self.after)(value);
        }
        // Nobody may be waiting any more; it is stored all the same.
        let _gone = self.reply.send(outcome);
    }

    fn failed(self: Box<Self>, error: &Error) -> Option<Box<dyn Job>> {
        let _gone = self.reply.send(Err(unavailable(error.to_string())));
        None
    }
}
