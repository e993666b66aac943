//! A body in pieces, with edits, without copying what stays.

use std::ops::Range;

use super::Edit;

/// One stretch of the edited body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This part of that piece, as it came.
    Keep {
        /// Which piece, from 0.
        piece: usize,
        /// Which bytes of it; never none.
        range: Range<usize>,
    },
    /// New bytes; never none.
    Insert(Vec<u8>),
}

/// Cuts pieces of these `lengths` along `edits`, which [`Head::edits`](super::Head::edits) made.
///
/// ```
/// use modelgate_domain::head::{Edit, Segment, plan};
///
/// let edits = vec![Edit { at: 1..3, with: b"new".to_vec() }];
/// let segments = plan(edits, [2, 5]); // "o|ld" + "|rest", of which "ld" goes
/// assert_eq!(segments, [
///     Segment::Keep { piece: 0, range: 0..1 },
///     Segment::Insert(b"new".to_vec()),
///     Segment::Keep { piece: 1, range: 1..5 },
/// ]);
/// ```
pub fn plan(edits: Vec<Edit>, lengths: impl IntoIterator<Item = usize>) -> Vec<Segment> {
    let mut edits = edits.into_iter().peekable();
    let mut segments = Vec::new();
    let (mut start, mut done) = (0_u64, 0_u64);
    for (piece, length) in lengths.into_iter().enumerate() {
        let end = start + length as u64;
        while let Some(edit) = edits.next_if(|edit| edit.at.start < end) {
            keep(piece, start, done.max(start)..edit.at.start, &mut segments);
            insert(edit.with, &mut segments);
            done = edit.at.end;
        }
        keep(piece, start, done.max(start)..end, &mut segments);
        start = end;
    }
    edits.for_each(|edit| insert(edit.with, &mut segments));
    segments
}

/// How long a body of `bytes` is after these edits.
pub fn length_after(bytes: u64, edits: &[Edit]) -> u64 {
    edits.iter().fold(bytes, |length, edit| {
        let removed = edit.at.end.saturating_sub(edit.at.start);
        (length + edit.with.len() as u64).saturating_sub(removed)
    })
}

fn keep(piece: usize, start: u64, at: Range<u64>, segments: &mut Vec<Segment>) {
    let inside = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX);
    if at.start < at.end {
        let range = inside(at.start)..inside(at.end);
        segments.push(Segment::Keep { piece, range });
    }
}

fn insert(with: Vec<u8>, segments: &mut Vec<Segment>) {
    if !with.is_empty() {
        segments.push(Segment::Insert(with));
    }
}
