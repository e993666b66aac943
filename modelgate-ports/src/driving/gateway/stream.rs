//! A streamed answer that counts while it flows, and is charged before its end.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use modelgate_domain::TokenUsage;

use crate::driven::{BackendError, LedgerError, ReplyStream};
use crate::driving::hold::{Hold, row_error};

type Settling = Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>;

/// Server-sent events of one answer. Dropping it early closes the connection to the server and charges what was counted.
pub struct MeteredStream {
    state: State,
    hold: Hold,
}

enum State {
    Flowing(Box<dyn ReplyStream>),
    Settling(Settling, Option<BackendError>),
    Done,
}

impl MeteredStream {
    pub(super) fn new(stream: Box<dyn ReplyStream>, hold: Hold) -> Self {
        Self {
            state: State::Flowing(stream),
            hold,
        }
    }

    /// The next events as they come; `None` once the answer is complete and charged.
    ///
    /// # Errors
    /// [`BackendError`] when the server failed in mid-stream, also charged by then. Nothing comes after it.
    pub fn poll_events(
        &mut self,
        task: &mut TaskContext<'_>,
    ) -> Poll<Result<Option<Bytes>, BackendError>> {
        loop {
            match &mut self.state {
                State::Flowing(stream) => match ready!(stream.poll_frame(task)) {
                    Ok(Some(frame)) => {
                        self.hold.told = frame.usage.or(self.hold.told);
                        self.hold.counted += u64::from(frame.deltas);
                        if self.hold.first_token.is_none() {
                            self.hold.first_token = Some(self.hold.now());
                        }
                        if !frame.bytes.is_empty() {
                            return Poll::Ready(Ok(Some(frame.bytes)));
                        }
                    }
                    Ok(None) => self.settle(None),
                    Err(error) => self.settle(Some(error)),
                },
                State::Settling(settling, _) => {
                    if let Err(error) = ready!(settling.as_mut().poll(task)) {
                        // The row exists and is closed at the next start; the answer is not held up for it.
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "a settlement could not be stored"
                        );
                    }
                    let State::Settling(_, failure) =
                        std::mem::replace(&mut self.state, State::Done)
                    else {
                        continue;
                    };
                    return Poll::Ready(failure.map_or(Ok(None), Err));
                }
                State::Done => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Tokens this request is charged if it ends now.
    pub fn usage(&self) -> TokenUsage {
        self.hold.spent().usage
    }

    /// Ends the stream from this side, as at shutdown: the server is let go and what was counted is charged.
    pub fn stop(&mut self, failure: BackendError) {
        if matches!(self.state, State::Flowing(_)) {
            self.settle(Some(failure));
        }
    }

    /// Leaving `Flowing` drops the server's stream, and with it the connection.
    fn settle(&mut self, failure: Option<BackendError>) {
        let status = failure.as_ref().map_or(200, BackendError::status);
        let settling = self.hold.settle(status, failure.as_ref().map(row_error));
        self.state = State::Settling(Box::pin(settling), failure);
    }
}
