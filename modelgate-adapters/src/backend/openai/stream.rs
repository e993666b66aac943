//! A streamed answer: what comes from the server goes through the relay, as fast as the client takes it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use modelgate_ports::driven::{BackendError, Frame, ReplyStream};

use super::super::error::nonsense;
use super::super::transport::AnswerBody;
use super::relay::{Relay, Step};

/// Waits for the first event, so that an error in its place has a status of its own.
///
/// # Errors
/// The first event is an error, or there is none.
pub(super) async fn open(
    mut body: AnswerBody,
    relay: Relay,
) -> Result<Box<dyn ReplyStream>, BackendError> {
    body.hold();
    let mut stream = OpenAiStream {
        body: Some(body),
        relay,
        first: None,
        begun: false,
    };
    let first = poll_fn(|context| stream.poll_frame(context)).await?;
    let nothing = || nonsense("the model server sent an empty stream", "no event");
    stream.first = Some(first.ok_or_else(nothing)?);
    Ok(Box::new(stream))
}

struct OpenAiStream {
    /// Gone when it has ended or failed, and the connection with it.
    body: Option<AnswerBody>,
    relay: Relay,
    first: Option<Frame>,
    begun: bool,
}

impl ReplyStream for OpenAiStream {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, BackendError>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Ok(Some(first)));
        }
        loop {
            match self.relay.step() {
                Ok(Step::Frame(frame)) => return Poll::Ready(Ok(Some(self.begun(frame)))),
                Ok(Step::Done) => {
                    ready!(self.poll_parting(context));
                    return Poll::Ready(Ok(None));
                }
                Ok(Step::Hungry) => ready!(self.poll_feed(context))?,
                Err(error) => return Poll::Ready(Err(self.failed(error))),
            }
        }
    }
}

impl OpenAiStream {
    fn poll_feed(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        let Some(body) = &mut self.body else {
            self.relay.feed_end();
            return Poll::Ready(Ok(()));
        };
        match ready!(body.poll_chunk(context)) {
            Ok(Some(chunk)) => self.relay.feed(chunk),
            Ok(None) => self.relay.feed_end(),
            Err(error) => return Poll::Ready(Err(self.failed(error))),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_parting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.body
            .as_mut()
            .map_or(Poll::Ready(()), |body| body.poll_parting(context))
    }

    fn begun(&mut self, frame: Frame) -> Frame {
        if !self.begun {
            self.begun = true;
            self.body.iter_mut().for_each(AnswerBody::begun);
        }
        frame
    }

    fn failed(&mut self, error: BackendError) -> BackendError {
        self.body = None;
        error
    }
}
