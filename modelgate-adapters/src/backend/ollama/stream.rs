//! A streamed answer: reads from the server only when the client reads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use modelgate_ports::driven::{BackendError, Frame, ReplyStream};
use tokio::time::Sleep;

use super::transcode::Transcoder;
use crate::backend::transport::AnswerBody;

/// How long the connection may take to end after the last line. If it does in time it can be used again.
const PARTING: Duration = Duration::from_millis(250);

/// Frames of one answer.
pub(super) struct OllamaStream {
    body: AnswerBody,
    transcoder: Transcoder,
    /// Events that came before anybody asked for them.
    ready: Option<Frame>,
    parting: Option<Pin<Box<Sleep>>>,
}

impl OllamaStream {
    /// Waits for the first line: a failure until then can still be told by status, or be tried elsewhere.
    pub(super) async fn begin(
        mut body: AnswerBody,
        mut transcoder: Transcoder,
    ) -> Result<Self, BackendError> {
        body.hold();
        loop {
            let frame = match body.chunk().await? {
                Some(bytes) => transcoder.push(&bytes),
                None => transcoder.finish(),
            };
            if says_something(&frame) {
                body.begun();
                return Ok(Self {
                    body,
                    transcoder,
                    ready: Some(frame),
                    parting: None,
                });
            }
            if let Some(Err(error)) = transcoder.outcome() {
                return Err(error);
            }
        }
    }

    /// Reads the end of the body, but does not let a server that never ends it keep the client waiting.
    fn poll_parting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(more) = self.body.poll_chunk(context) {
            if !matches!(more, Ok(Some(_))) {
                return Poll::Ready(());
            }
        }
        let parting = self
            .parting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(PARTING)));
        parting.as_mut().poll(context)
    }
}

impl ReplyStream for OllamaStream {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, BackendError>> {
        if let Some(frame) = self.ready.take() {
            return Poll::Ready(Ok(Some(frame)));
        }
        loop {
            match self.transcoder.outcome() {
                Some(Err(error)) => return Poll::Ready(Err(error)),
                Some(Ok(())) => {
                    ready!(self.poll_parting(context));
                    return Poll::Ready(Ok(None));
                }
                None => {}
            }
            let frame = match ready!(self.body.poll_chunk(context))? {
                Some(bytes) => self.transcoder.push(&bytes),
                None => self.transcoder.finish(),
            };
            if says_something(&frame) {
                return Poll::Ready(Ok(Some(frame)));
            }
        }
    }
}

fn says_something(frame: &Frame) -> bool {
    !frame.bytes.is_empty() || frame.usage.is_some()
}
