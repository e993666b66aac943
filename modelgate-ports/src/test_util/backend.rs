//! A server that says what the test wrote down.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use modelgate_domain::{RequestId, TargetId, TokenUsage};

use crate::driven::{
    Backend, BackendError, BackendFault, Call, Discovered, Frame, Reply, ReplyBody, ReplyStream,
    Upstream,
};

/// What a scripted stream does next.
#[derive(Debug)]
pub enum StreamStep {
    /// Gives this frame.
    Frame(Frame),
    /// Breaks.
    Fail(BackendError),
    /// Is pending once, and wakes its reader at once.
    Pause,
    /// Is silent for ever, as a server that hangs.
    Hang,
}

/// One call as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// Id of the request.
    pub request: RequestId,
    /// The target that was asked.
    pub target: TargetId,
    /// What the target calls the model.
    pub upstream_name: String,
    /// The client's name for the model.
    pub shown_model: String,
    /// The client's body, in one piece.
    pub body: Bytes,
    /// The limit to send in the client's stead.
    pub output_limit: Option<u64>,
}

#[derive(Debug)]
enum Script {
    Whole(Bytes, Option<TokenUsage>),
    Stream(Vec<StreamStep>),
    Fail(BackendError),
    Hang,
}

/// Answers calls with its script, in order; a call beyond the script fails with a message that says so.
#[derive(Debug, Default)]
pub struct ScriptedBackend {
    script: Mutex<VecDeque<Script>>,
    calls: Mutex<Vec<RecordedCall>>,
    offered: Mutex<Vec<Discovered>>,
    open: Arc<AtomicUsize>,
}

impl ScriptedBackend {
    /// A server without a script.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next call is answered with this JSON document.
    pub fn answers(&self, json: impl Into<Bytes>, usage: Option<TokenUsage>) {
        self.push(Script::Whole(json.into(), usage));
    }

    /// The next call is answered with a stream; it is complete after its last step.
    pub fn streams(&self, steps: impl IntoIterator<Item = StreamStep>) {
        self.push(Script::Stream(steps.into_iter().collect()));
    }

    /// The next call fails.
    pub fn fails(&self, error: BackendError) {
        self.push(Script::Fail(error));
    }

    /// The next call is never answered.
    pub fn hangs(&self) {
        self.push(Script::Hang);
    }

    /// What [`Backend::discover`] tells from now on.
    pub fn offers(&self, models: impl IntoIterator<Item = Discovered>) {
        *self.offered.lock().expect("no panic while locked") = models.into_iter().collect();
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.calls.lock().expect("no panic while locked").clone()
    }

    /// Calls and streams that were neither finished nor dropped: connections that a server would still serve.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn push(&self, script: Script) {
        self.script
            .lock()
            .expect("no panic while locked")
            .push_back(script);
    }
}

/// Counts one open call for as long as it lives.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct ScriptedStream {
    steps: VecDeque<StreamStep>,
    _open: Open,
}

impl ReplyStream for ScriptedStream {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, BackendError>> {
        match self.steps.pop_front() {
            None => Poll::Ready(Ok(None)),
            Some(StreamStep::Frame(frame)) => Poll::Ready(Ok(Some(frame))),
            Some(StreamStep::Fail(error)) => Poll::Ready(Err(error)),
            Some(StreamStep::Pause) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(StreamStep::Hang) => {
                self.steps.push_front(StreamStep::Hang);
                Poll::Pending
            }
        }
    }
}

fn recorded(call: &Call<'_>) -> RecordedCall {
    RecordedCall {
        request: call.request,
        target: call.target.id,
        upstream_name: call.target.upstream_name.clone(),
        shown_model: call.shown_model.to_owned(),
        body: call.body.concat().into(),
        output_limit: call.output_limit,
    }
}

#[async_trait]
impl Backend for ScriptedBackend {
    async fn send<'a>(&self, call: Call<'a>) -> Result<Reply, BackendError> {
        let open = Open::new(&self.open);
        self.calls
            .lock()
            .expect("no panic while locked")
            .push(recorded(&call));
        let script = self
            .script
            .lock()
            .expect("no panic while locked")
            .pop_front();
        let body = match script {
            Some(Script::Whole(json, usage)) => ReplyBody::Whole {
                pieces: vec![json],
                usage,
            },
            Some(Script::Stream(steps)) => ReplyBody::Stream(Box::new(ScriptedStream {
                steps: steps.into(),
                _open: open,
            })),
            Some(Script::Fail(error)) => return Err(error),
            Some(Script::Hang) => std::future::pending().await,
            None => {
                return Err(BackendError::new(
                    BackendFault::Failed,
                    "the script has no further call",
                ));
            }
        };
        Ok(Reply {
            body,
            dropped: Vec::new(),
        })
    }

    async fn discover(&self, _server: &Upstream) -> Result<Vec<Discovered>, BackendError> {
        Ok(self.offered.lock().expect("no panic while locked").clone())
    }
}
