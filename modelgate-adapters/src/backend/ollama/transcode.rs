//! Streams: native lines in, as the network cuts them; OpenAI's events out.

use bytes::Bytes;
use modelgate_domain::TokenUsage;
use modelgate_ports::driven::{BackendError, BackendFault, Frame};

use super::chunks::{Chunks, Style};
use super::envelope::{Envelope, finish_reason};
use super::ids::Ids;
use super::line::{Ending, Line, Quoted};
use super::lines::Lines;
use crate::backend::error::{Names, in_stream};

/// Turns one stream. Every read gives one frame, with the events of the lines that ended in it.
pub(super) struct Transcoder {
    lines: Lines,
    teller: Teller,
    end: End,
}

/// Whether the stream goes on.
enum End {
    NotYet,
    Done,
    Failed(BackendError),
}

/// What a stream is made with.
pub(super) struct Plan {
    pub(super) style: Style,
    pub(super) envelope: Envelope,
    pub(super) ids: Ids,
    pub(super) names: Names,
    /// Whether the client asked for usage.
    pub(super) tells_usage: bool,
    /// What comes before all output.
    pub(super) echo: Option<String>,
}

impl Transcoder {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            lines: Lines::default(),
            teller: Teller::new(plan),
            end: End::NotYet,
        }
    }

    /// Takes the next bytes. What follows an error or the end is ignored.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Frame {
        let mut written = Written::with_capacity(2 * bytes.len() + 256);
        if matches!(self.end, End::NotYet) {
            let taken = self
                .lines
                .feed(bytes, |line| self.teller.take(line, &mut written));
            self.settle(taken);
        }
        written.into_frame()
    }

    /// Takes the end of the bytes, which is a good one only after the last line.
    pub(super) fn finish(&mut self) -> Frame {
        let mut written = Written::with_capacity(0);
        if matches!(self.end, End::NotYet) {
            let mut taken = self
                .lines
                .finish(|line| self.teller.take(line, &mut written));
            if taken.is_ok() && !self.teller.is_done {
                taken = self.teller.end(&mut written);
            }
            self.settle(taken);
        }
        written.into_frame()
    }

    /// How the stream ended, once it has; an error is told once.
    pub(super) fn outcome(&mut self) -> Option<Result<(), BackendError>> {
        match std::mem::replace(&mut self.end, End::Done) {
            End::NotYet => {
                self.end = End::NotYet;
                None
            }
            End::Done => Some(Ok(())),
            End::Failed(error) => Some(Err(error)),
        }
    }

    fn settle(&mut self, taken: Result<(), BackendError>) {
        match taken {
            Err(error) => self.end = End::Failed(error),
            Ok(()) if self.teller.is_done => self.end = End::Done,
            Ok(()) => {}
        }
    }
}

/// The events of one frame.
struct Written {
    bytes: Vec<u8>,
    usage: Option<TokenUsage>,
    deltas: u32,
}

impl Written {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            usage: None,
            deltas: 0,
        }
    }

    fn into_frame(self) -> Frame {
        Frame {
            bytes: Bytes::from(self.bytes),
            usage: self.usage,
            deltas: self.deltas,
        }
    }
}

/// Knows what was told so far.
struct Teller {
    chunks: Chunks,
    ids: Ids,
    names: Names,
    tells_usage: bool,
    echo: Option<String>,
    has_begun: bool,
    calls: usize,
    usage: Option<TokenUsage>,
    /// Why the answer ended, when that was said.
    ending: Option<Ending>,
    is_done: bool,
}

impl Teller {
    fn new(plan: Plan) -> Self {
        let Plan {
            style,
            envelope,
            ids,
            names,
            tells_usage,
            echo,
        } = plan;
        Self {
            chunks: Chunks::new(style, envelope, tells_usage),
            ids,
            names,
            tells_usage,
            echo,
            has_begun: false,
            calls: 0,
            usage: None,
            ending: None,
            is_done: false,
        }
    }

    fn take(&mut self, line: &[u8], out: &mut Written) -> Result<(), BackendError> {
        if self.is_done {
            return Ok(());
        }
        let line = Line::parse(line)?;
        if let Some(error) = line.error {
            return Err(in_stream(error.get().as_bytes(), &self.names));
        }
        if !self.has_begun {
            self.begin(line.created(), out);
        }
        self.tell(&line, out);
        self.usage = line.usage().or(self.usage);
        self.ending = line.ending().or(self.ending);
        if line.is_done() {
            self.end(out)
        } else {
            Ok(())
        }
    }

    /// Writes what comes before all output. The time of the first line goes into all chunks.
    fn begin(&mut self, created: Option<i64>, out: &mut Written) {
        self.has_begun = true;
        self.chunks.begin(created, &mut out.bytes);
        if let Some(prompt) = self.echo.take() {
            self.chunks.echo(&prompt, &mut out.bytes);
        }
    }

    /// Writes what a line says: thoughts before words, words before calls.
    fn tell(&mut self, line: &Line<'_>, out: &mut Written) {
        let mut logprobs = line.logprobs();
        let content = line.content();
        if let Some(thinking) = line.thinking() {
            let with = if content.is_none() {
                logprobs.take()
            } else {
                None
            };
            self.chunks.thinking(thinking, with, &mut out.bytes);
            out.deltas += 1;
        }
        if content.is_some() || logprobs.is_some() {
            self.chunks
                .content(content.unwrap_or(Quoted::EMPTY), logprobs, &mut out.bytes);
            out.deltas += 1;
        }
        for call in line.calls() {
            self.chunks
                .call(self.calls, call, &mut self.ids, &mut out.bytes);
            self.calls += 1;
            out.deltas += 1;
        }
    }

    /// Writes what ends the stream, or says that it ended too early.
    fn end(&mut self, out: &mut Written) -> Result<(), BackendError> {
        let Some(ending) = self.ending else {
            return Err(cut_off());
        };
        self.chunks
            .finish(finish_reason(ending, self.calls > 0), &mut out.bytes);
        if self.tells_usage {
            self.chunks
                .usage(self.usage.unwrap_or_default(), &mut out.bytes);
        }
        out.usage = self.usage;
        self.is_done = true;
        Ok(())
    }
}

fn cut_off() -> BackendError {
    BackendError::new(
        BackendFault::Failed,
        "the backend ended the stream before the answer was complete",
    )
}
