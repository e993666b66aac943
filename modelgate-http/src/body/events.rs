//! A streamed answer on its way out: events as they come, comments while it is silent, and one clear end.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use modelgate_ports::driven::{BackendError, BackendFault};
use modelgate_ports::driving::gateway::{Answer, AnswerBody, MeteredStream, Refused};

use crate::access_log::AccessLine;
use crate::link::Link;
use crate::patience::Patience;
use crate::problem::Problem;
use crate::service::{Phase, Service};

const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");
/// One line feed only: some clients take a comment and a blank line for an event without data.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n");

/// A call whose first event is not here yet.
pub(crate) type Calling = Pin<Box<dyn Future<Output = Result<Answer, Refused>> + Send>>;

/// A streamed answer. Polling it polls the server's own stream: no task and no queue stand between.
pub(crate) struct Events {
    service: Arc<Service>,
    link: Arc<Link>,
    line: Option<AccessLine>,
    source: Source,
    /// Counts what was sent, so that silence is told from a busy stream.
    sent: usize,
    patience: Patience<usize>,
}

enum Source {
    Calling(Calling),
    Flowing(Box<MeteredStream>),
    /// The error was told. What is left is to end without an end, so that nobody takes this answer for a whole one, nor
    /// this connection for one that takes another request.
    Cutting,
    Over,
}

/// A stream failed, said so, and is cut short on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream failed and was cut short")]
pub struct CutShort;

impl Events {
    /// A stream that begins now.
    pub(crate) fn flowing(
        service: &Arc<Service>,
        link: &Arc<Link>,
        stream: Box<MeteredStream>,
    ) -> Self {
        Self::of(service, link, Source::Flowing(stream))
    }

    /// A stream that may still be refused, which it tells in an event then.
    pub(crate) fn calling(service: &Arc<Service>, link: &Arc<Link>, call: Calling) -> Self {
        Self::of(service, link, Source::Calling(call))
    }

    fn of(service: &Arc<Service>, link: &Arc<Link>, source: Source) -> Self {
        let (service, link) = (Arc::clone(service), Arc::clone(link));
        Self {
            service,
            link,
            line: None,
            source,
            sent: 0,
            patience: Patience::new(),
        }
    }

    pub(super) fn take_line(&mut self, line: AccessLine) {
        self.line = Some(line);
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.source, Source::Over)
    }

    /// The next bytes; `None` at the end. A panic below ends this stream and nothing else.
    pub(super) fn poll_bytes(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CutShort>>> {
        if matches!(self.source, Source::Cutting) {
            // The socket wakes this task once the error is on its way.
            let cut = self.link.is_cut().then_some(Some(Err(CutShort)));
            return cut.map_or(Poll::Pending, Poll::Ready);
        }
        self.poll_text(task).map(|bytes| bytes.map(Ok))
    }

    fn poll_text(&mut self, task: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.link.is_stuck() {
            // Nothing more is asked for while the client takes nothing. The socket wakes this task.
            return Poll::Pending;
        }
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.poll_source(task))) {
            Ok(Poll::Pending) => self.poll_silence(task),
            Ok(ready) => ready,
            Err(panic) => self.fail(&Problem::panicked(&*panic)),
        }
    }

    fn poll_source(&mut self, task: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let is_ending = self.service.phase() == Phase::Ending;
            match &mut self.source {
                Source::Calling(call) => match call.as_mut().poll(task) {
                    Poll::Ready(outcome) => {
                        if let Err(problem) = self.begin(outcome) {
                            return self.fail(&problem);
                        }
                    }
                    Poll::Pending if is_ending => return self.fail(&Problem::stopping()),
                    Poll::Pending => return Poll::Pending,
                },
                Source::Flowing(stream) => {
                    if is_ending {
                        stream.stop(stopped());
                    }
                    return match stream.poll_events(task) {
                        Poll::Ready(Ok(Some(bytes))) => self.send(bytes),
                        Poll::Ready(Ok(None)) => self.end(),
                        Poll::Ready(Err(error)) => self.break_off(error),
                        Poll::Pending => Poll::Pending,
                    };
                }
                Source::Cutting | Source::Over => return Poll::Ready(None),
            }
        }
    }

    fn begin(&mut self, outcome: Result<Answer, Refused>) -> Result<(), Problem> {
        let context = match &outcome {
            Ok(answer) => &answer.context,
            Err(refused) => &refused.context,
        };
        if let Some(line) = &mut self.line {
            line.note(context);
        }
        match outcome?.body {
            AnswerBody::Stream(stream) => self.source = Source::Flowing(stream),
            AnswerBody::Whole(_) => return Err(Problem::no_stream()),
        }
        Ok(())
    }

    fn send(&mut self, bytes: Bytes) -> Poll<Option<Bytes>> {
        self.sent = self.sent.wrapping_add(1);
        if let Some(line) = &mut self.line {
            line.first_token();
        }
        Poll::Ready(Some(bytes))
    }

    fn end(&mut self) -> Poll<Option<Bytes>> {
        self.close(StatusCode::OK, None);
        Poll::Ready(Some(DONE))
    }

    fn break_off(&mut self, error: BackendError) -> Poll<Option<Bytes>> {
        if let Some(line) = &self.line {
            let cause = error.source.as_deref().map(|cause| cause as &dyn Error);
            tracing::warn!(request.id = %line.id(), error.code = error.word(), error.message, cause, "a stream broke off");
        }
        self.fail(&Problem::from(error))
    }

    /// Tells the error and ends without `[DONE]`, and cuts the connection where it carries nothing else.
    fn fail(&mut self, problem: &Problem) -> Poll<Option<Bytes>> {
        if let Some(line) = &self.line {
            problem.log(line.id());
        }
        self.close(problem.status(), Some(problem.log_code()));
        self.link.make_last();
        if self.link.cut_short() {
            self.source = Source::Cutting;
        }
        Poll::Ready(Some(problem.event()))
    }

    fn close(&mut self, status: StatusCode, code: Option<&str>) {
        self.note_usage();
        self.source = Source::Over;
        if let Some(line) = &mut self.line {
            line.finish(status, code);
        }
    }

    fn note_usage(&mut self) {
        if let (Some(line), Source::Flowing(stream)) = (&mut self.line, &self.source) {
            line.usage = stream.usage();
        }
    }

    fn poll_silence(&mut self, task: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let keep_alive = self.service.config.keep_alive;
        let wait = (!keep_alive.is_zero()).then_some((self.sent, keep_alive));
        self.patience.poll(task, wait).map(|()| {
            self.sent = self.sent.wrapping_add(1);
            Some(KEEP_ALIVE)
        })
    }
}

/// Dropped early, the client went away. What was counted by then is told in the log.
impl Drop for Events {
    fn drop(&mut self) {
        self.note_usage();
    }
}

fn stopped() -> BackendError {
    BackendError::new(
        BackendFault::Stopped,
        "The gateway is shutting down. Please try again.",
    )
}
