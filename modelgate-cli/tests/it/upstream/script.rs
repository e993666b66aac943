//! What goes over the wire for one request: a head, pieces of a body, and how it ends.
//!
//! Pieces of a chunked body are one chunk each, so the gateway sees exactly these borders.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Latch;
use super::framing::{BodyFraming, End, Head, Step, cut};

#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// `None`: the pieces are all there is.
    head: Option<Head>,
    steps: Vec<Step>,
    cut_after: Option<usize>,
    end: End,
}

impl Script {
    /// A status and an empty body of a known length; add headers and pieces.
    pub(crate) fn status(status: u16) -> Self {
        let headers = Vec::new();
        let framing = BodyFraming::Length;
        let head = Some(Head {
            status,
            headers,
            framing,
        });
        Self {
            head,
            ..Self::without_head()
        }
    }

    /// Exact bytes, head and all. Add `.then_close()` unless they are a whole message.
    pub(crate) fn exact(bytes: impl Into<Bytes>) -> Self {
        Self::without_head().piece(bytes)
    }

    /// Accepts the request and never says a word.
    pub(crate) fn stall() -> Self {
        Self::without_head().then_stall()
    }

    /// Closes instead of answering.
    pub(crate) fn hang_up() -> Self {
        Self::without_head().then_close()
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(head) = &mut self.head {
            head.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(crate) fn piece(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    /// The same piece many times, without holding it many times.
    pub(crate) fn repeated(mut self, bytes: impl Into<Bytes>, times: usize) -> Self {
        let step = Step::Send(bytes.into());
        self.steps.extend(std::iter::repeat_n(step, times));
        self
    }

    pub(crate) fn pause(mut self, time: Duration) -> Self {
        self.steps.push(Step::Pause(time));
        self
    }

    /// Waits here until the test opens the latch. Before the first piece it holds the head as well.
    pub(crate) fn hold(mut self, latch: &Latch) -> Self {
        self.steps.push(Step::Hold(latch.clone()));
        self
    }

    /// Appends one server-sent event.
    pub(crate) fn event(self, data: impl AsRef<str>) -> Self {
        self.piece(format!("data: {}\n\n", data.as_ref()))
    }

    /// Holds after so many pieces (events, lines) went out.
    pub(crate) fn hold_after(mut self, pieces: usize, latch: &Latch) -> Self {
        self.steps.insert(pieces, Step::Hold(latch.clone()));
        self
    }

    /// Holds the whole answer, its head included.
    pub(crate) fn held_back(mut self, latch: &Latch) -> Self {
        self.steps.insert(0, Step::Hold(latch.clone()));
        self
    }

    /// After the pieces nothing more comes, and the connection stays open.
    pub(crate) fn then_stall(mut self) -> Self {
        self.steps.push(Step::Stall);
        self
    }

    /// Closes after the pieces, in the middle of a chunked body if there is one.
    pub(crate) fn then_close(mut self) -> Self {
        self.end = End::Close;
        self
    }

    /// The same with a RST.
    pub(crate) fn then_reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// Sends only the first bytes of the body and closes, whatever the head promised.
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self.then_close()
    }

    /// Ends the body early and cleanly, as its framing ends it.
    pub(crate) fn truncated_to(mut self, bytes: usize) -> Self {
        let mut room = bytes;
        let steps = self.steps.into_iter();
        self.steps = steps.map(|step| cut(step, &mut room)).collect();
        self
    }

    pub(crate) fn chunked(self) -> Self {
        self.framed(BodyFraming::Chunked)
    }

    pub(crate) fn length_framed(self) -> Self {
        self.framed(BodyFraming::Length)
    }

    /// Neither length nor chunks: the close is the end.
    pub(crate) fn until_close(self) -> Self {
        self.framed(BodyFraming::UntilClose).then_close()
    }

    /// Cuts all pieces into pieces of `size` bytes, e.g. 1.
    pub(crate) fn split(self, size: usize) -> Self {
        self.each_piece(|bytes| {
            (0..bytes.len())
                .step_by(size)
                .map(|at| part(bytes, at, size))
                .collect()
        })
    }

    /// Joins the pieces and cuts them in two at one place. For steps without pauses.
    pub(crate) fn split_at(mut self, place: usize) -> Self {
        let whole = Bytes::from(self.body());
        let (left, right) = (whole.slice(..place), whole.slice(place..));
        self.steps = vec![Step::Send(left), Step::Send(right)];
        self
    }

    /// Compresses the body, each piece flushed so that it can be read when it arrives.
    pub(crate) fn gzip(self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut script = self.header("content-encoding", "gzip").each_piece(|bytes| {
            encoder
                .write_all(bytes)
                .and_then(|()| encoder.flush())
                .expect("writing to memory");
            vec![std::mem::take(encoder.get_mut()).into()]
        });
        script.steps.push(Step::Send(
            encoder.finish().expect("writing to memory").into(),
        ));
        script
    }

    /// All bytes of the body.
    pub(crate) fn body(&self) -> Vec<u8> {
        let pieces = self.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.as_ref()),
            _ => None,
        });
        pieces.flatten().copied().collect()
    }

    /// What the connection plays: the head put before the pieces, the framing around them.
    pub(super) fn into_steps(self) -> (Vec<Step>, End) {
        match self.head {
            None => (self.steps, self.end),
            Some(head) => (
                head.put_before(self.steps, self.cut_after, self.end),
                self.end,
            ),
        }
    }

    fn without_head() -> Self {
        Self {
            head: None,
            steps: Vec::new(),
            cut_after: None,
            end: End::KeepAlive,
        }
    }

    fn framed(mut self, wanted: BodyFraming) -> Self {
        if let Some(head) = &mut self.head {
            head.framing = wanted;
        }
        self
    }

    fn each_piece(mut self, mut cut: impl FnMut(&Bytes) -> Vec<Bytes>) -> Self {
        let steps = std::mem::take(&mut self.steps).into_iter();
        self.steps = steps
            .flat_map(|step| match step {
                Step::Send(bytes) => cut(&bytes).into_iter().map(Step::Send).collect(),
                other => vec![other],
            })
            .collect();
        self
    }
}

fn part(bytes: &Bytes, at: usize, size: usize) -> Bytes {
    bytes.slice(at..bytes.len().min(at + size))
}
