//! The inside of a long string, a block at a time.

use super::{
    super::{
        block::{BLOCK, ascii_len, marks, plain_len},
        utf8,
    },
    JsonErrorKind,
};

/// How far a string goes within a piece.
pub(super) struct Run {
    pub(super) at: usize,
    pub(super) stop: Stop,
    /// Where non-ASCII bytes start that nobody has checked yet.
    pub(super) foreign: Option<usize>,
}

/// What ended it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Quote,
    /// The piece ends, here in the string.
    Piece(Inside),
    Bad(JsonErrorKind),
}

/// Where in a string a piece ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Plain,
    Backslash,
    /// That many hexadecimal digits are still to come.
    Hex(u8),
}

/// Reads on at `at`, outside of an escape.
pub(super) fn run(piece: &[u8], mut at: usize) -> Run {
    let mut foreign = None;
    let stop = loop {
        if at == piece.len() {
            break Stop::Piece(Inside::Plain);
        }
        let found = marks(&piece[at..]);
        if found.foreign {
            foreign.get_or_insert(at);
        } else if let Some(start) = foreign.take()
            && let Err(bad) = utf8::check(&piece[start..at])
        {
            at = start + bad;
            break Stop::Bad(JsonErrorKind::Utf8);
        }
        let (next, stop) = pass(piece, at, found.stops);
        at = next;
        if let Some(stop) = stop {
            break stop;
        }
        if found.stops == 0 {
            let rest = &piece[at..];
            at += if foreign.is_none() {
                ascii_len(rest)
            } else {
                plain_len(rest)
            };
        }
    };
    Run { at, stop, foreign }
}

/// Passes the block at `start` with its `stops`: where to go on, or where it ends and why.
#[inline]
fn pass(piece: &[u8], start: usize, mut stops: u64) -> (usize, Option<Stop>) {
    while stops != 0 {
        let at = start + stops.trailing_zeros() as usize;
        match piece[at] {
            b'"' => return (at, Some(Stop::Quote)),
            b'\\' => match escape(piece, at + 1, Inside::Backslash) {
                Ok((next, Inside::Plain)) if next < start + BLOCK => {
                    stops &= u64::MAX << (next - start);
                }
                Ok((next, Inside::Plain)) => return (next, None),
                Ok((next, inside)) => return (next, Some(Stop::Piece(inside))),
                Err(bad) => return (bad, Some(Stop::Bad(JsonErrorKind::Escape))),
            },
            _ => return (at, Some(Stop::Bad(JsonErrorKind::Control))),
        }
    }
    (piece.len().min(start + BLOCK), None)
}

/// Reads the rest of an escape: where it or the piece ends, or the byte that does not belong to it.
#[inline]
pub(super) fn escape(
    piece: &[u8],
    mut at: usize,
    mut inside: Inside,
) -> Result<(usize, Inside), usize> {
    if inside == Inside::Backslash
        && let Some([b'u', digits @ ..]) = piece[at..].first_chunk::<5>()
        && digits.iter().all(u8::is_ascii_hexdigit)
    {
        return Ok((at + 5, Inside::Plain));
    }
    while inside != Inside::Plain
        && let Some(&byte) = piece.get(at)
    {
        inside = match (inside, byte) {
            (Inside::Backslash, b'u') => Inside::Hex(4),
            (Inside::Backslash, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
            | (Inside::Hex(1), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Inside::Plain,
            (Inside::Hex(left), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Inside::Hex(left - 1),
            _ => return Err(at),
        };
        at += 1;
    }
    Ok((at, inside))
}
