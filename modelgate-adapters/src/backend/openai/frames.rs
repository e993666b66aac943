//! Events on their way to the client: passed on as they lie in the chunk that came, copied only where one was changed.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use modelgate_domain::TokenUsage;
use modelgate_ports::driven::Frame;

/// The memory of larger frames is not kept.
const KEPT_BYTES: usize = 64 * 1024;

/// Collects the events of one read.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Events that lie side by side in the chunk.
    run: Option<(Bytes, Range<usize>)>,
    out: BytesMut,
    pub(super) usage: Option<TokenUsage>,
    pub(super) deltas: u32,
}

impl Frames {
    /// Passes on an event that stands in `chunk` as it should.
    pub(super) fn keep(&mut self, chunk: &Bytes, at: Range<usize>) {
        match &mut self.run {
            Some((_, run)) if run.end == at.start => run.end = at.end,
            None if self.out.is_empty() => self.run = Some((chunk.clone(), at)),
            _ => self.buffer().extend_from_slice(&chunk[at]),
        }
    }

    /// Where a changed event is written.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        if let Some((chunk, run)) = self.run.take() {
            self.out.extend_from_slice(&chunk[run]);
        }
        &mut self.out
    }

    /// What was collected, if anything.
    pub(super) fn take(&mut self) -> Option<Frame> {
        let bytes = match self.run.take() {
            Some((chunk, run)) => chunk.slice(run),
            None => self.out.split().freeze(),
        };
        if bytes.len() > KEPT_BYTES {
            self.out = BytesMut::new();
        }
        let frame = Frame {
            bytes,
            usage: self.usage.take(),
            deltas: std::mem::take(&mut self.deltas),
        };
        (!frame.bytes.is_empty() || frame.usage.is_some()).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stay_where_they_are() {
        let chunk = Bytes::from_static(b"aaabbbccc");
        let mut frames = Frames::default();
        frames.keep(&chunk, 0..3);
        frames.keep(&chunk, 3..6);
        let frame = frames.take().unwrap();
        assert_eq!(frame.bytes, "aaabbb");
        assert_eq!(frame.bytes.as_ptr(), chunk.as_ptr());
        assert_eq!(frames.take(), None);
    }

    #[test]
    fn changed_events_and_gaps_are_copied_in_order() {
        let chunk = Bytes::from_static(b"aaabbbccc");
        let mut frames = Frames::default();
        frames.keep(&chunk, 0..3);
        frames.keep(&chunk, 6..9);
        frames.buffer().extend_from_slice(b"X");
        frames.keep(&chunk, 3..6);
        assert_eq!(frames.take().unwrap().bytes, "aaacccXbbb");
    }

    #[test]
    fn usage_alone_is_news() {
        let usage = TokenUsage {
            prompt: 1,
            ..TokenUsage::default()
        };
        let mut frames = Frames {
            usage: Some(usage),
            ..Frames::default()
        };
        assert_eq!(
            frames.take(),
            Some(Frame {
                usage: Some(usage),
                ..Frame::default()
            })
        );
        assert_eq!(frames.take(), None);
    }
}
