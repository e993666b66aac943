//! Lines out of bytes that come in pieces of any size.

use modelgate_ports::driven::{BackendError, BackendFault};

/// The longest line that is taken.
const MOST: usize = 16 << 20;

/// The start of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Gives each line that ends in `bytes` to `take`, without its line feed; blank ones are left out. Lines that lie within
    /// `bytes` are not copied.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.check(end)?;
            if self.partial.is_empty() {
                give(&rest[..end], &mut take)?;
            } else {
                self.partial.extend_from_slice(&rest[..end]);
                give(&std::mem::take(&mut self.partial), &mut take)?;
            }
            rest = &rest[end + 1..];
        }
        self.check(rest.len())?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Gives the last line, which may lack its line feed.
    pub(super) fn finish(
        &mut self,
        take: impl FnMut(&[u8]) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        give(&std::mem::take(&mut self.partial), take)
    }

    fn check(&self, more: usize) -> Result<(), BackendError> {
        if self.partial.len() + more <= MOST {
            return Ok(());
        }
        Err(BackendError::new(
            BackendFault::Failed,
            "the backend sent a line that is too long",
        ))
    }
}

fn give(
    line: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), BackendError>,
) -> Result<(), BackendError> {
    let line = line.trim_ascii();
    if line.is_empty() { Ok(()) } else { take(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut all = Vec::new();
        let mut take = |line: &[u8]| {
            all.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        };
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, &mut take).unwrap();
        }
        lines.finish(take).unwrap();
        all
    }

    #[test]
    fn lines_end_in_any_way_and_blank_ones_do_not_count() {
        assert_eq!(lines(&[b"a\nb\r\n\n \r\nc"]), ["a", "b", "c"]);
        assert_eq!(lines(&[b"a", b"", b"b\r", b"\nc\n"]), ["ab", "c"]);
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn a_line_may_be_long_but_not_endless() {
        let piece = vec![b'x'; 1 << 20];
        let mut longest = 0;
        let mut lines = Lines::default();
        for _ in 0..16 {
            lines.feed(&piece, |_| Ok(())).unwrap();
        }
        assert!(lines.feed(b"x", |_| Ok(())).is_err());
        lines
            .feed(b"\n", |line| {
                longest = line.len();
                Ok(())
            })
            .unwrap();
        assert_eq!(longest, MOST);
        assert!(lines.feed(&vec![b'x'; MOST + 1], |_| Ok(())).is_err());
    }
}
