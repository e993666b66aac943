//! Reading server-sent events: bytes in, cut anywhere; events out.

use std::ops::Range;

use bytes::Bytes;

/// Most bytes that one event may have.
pub(crate) const MOST_BYTES: usize = 16 * 1024 * 1024;
/// A buffer that a large event left behind is not kept.
const KEPT_BYTES: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One event that carries data.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    /// Its name, mostly empty.
    pub(crate) name: &'a [u8],
    /// Its data; several lines are joined by line feeds. UTF-8 is for the scan of the JSON to check.
    pub(crate) data: &'a [u8],
    /// The chunk, and where in it the event stands as `data: `, data and two line feeds: so it can be passed on as is.
    pub(crate) plain: Option<(&'a Bytes, Range<usize>)>,
}

/// An event has more than [`MOST_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than 16 MiB")]
pub(crate) struct TooLong;

/// Cuts a stream into events. Feed a chunk, then take events until there is none.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    chunk: Bytes,
    /// Where in the chunk the next line begins.
    at: usize,
    /// Start of a line whose end has not come yet.
    line: Vec<u8>,
    data: Data,
    /// Data that does not stand in the chunk as one piece.
    held: Vec<u8>,
    name: Vec<u8>,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    /// The first line is over, and with it any byte-order mark.
    begun: bool,
    /// The event was handed out: it is cleared before the next step.
    handed_out: bool,
}

/// Where the data of the current event is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Data {
    #[default]
    Nowhere,
    InChunk {
        line: usize,
        value: Range<usize>,
    },
    Held,
}

/// Where a complete line is.
enum Line {
    InChunk(Range<usize>),
    Held,
}

/// What a line says; numbers tell where its value begins.
enum Field {
    EndOfEvent,
    Data(usize),
    Name(usize),
    Other,
}

impl Reader {
    /// Takes the next chunk. The one before must have been read until there was no event.
    pub(crate) fn feed(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.at = 0;
    }

    /// The next event that is complete in what was fed.
    ///
    /// # Errors
    /// The current event is too long.
    pub(crate) fn next(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        self.clear();
        while let Some(line) = self.next_line() {
            if self.take(&line) {
                self.check()?;
                return Ok(Some(self.hand_out()));
            }
        }
        self.check()?;
        // Nobody waits for the memory of a chunk that was read.
        self.hold();
        self.chunk = Bytes::new();
        self.at = 0;
        Ok(None)
    }

    /// What is left when the stream has ended: an event without its empty line, perhaps cut short.
    ///
    /// # Errors
    /// The event is too long.
    pub(crate) fn finish(&mut self) -> Result<Option<Event<'_>>, TooLong> {
        self.clear();
        self.hold();
        if !self.line.is_empty() {
            self.take(&Line::Held);
        }
        self.check()?;
        Ok(self.has_data().then(|| self.hand_out()))
    }

    fn next_line(&mut self) -> Option<Line> {
        if self.after_return && self.at < self.chunk.len() {
            self.at += usize::from(self.chunk[self.at] == b'\n');
            self.after_return = false;
        }
        let rest = &self.chunk[self.at..];
        let Some(length) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.line.extend_from_slice(rest);
            self.at = self.chunk.len();
            return None;
        };
        let line = self.at..self.at + length;
        self.after_return = rest[length] == b'\r';
        self.at = line.end + 1;
        if self.line.is_empty() {
            return Some(Line::InChunk(line));
        }
        self.line.extend_from_slice(&rest[..length]);
        Some(Line::Held)
    }

    /// Takes a line; `true` if it ends an event that has data.
    fn take(&mut self, line: &Line) -> bool {
        let text = match line {
            Line::InChunk(at) => &self.chunk[at.clone()],
            Line::Held => &self.line,
        };
        let mark = if self.begun { 0 } else { mark_len(text) };
        self.begun = true;
        match field(&text[mark..]) {
            Field::EndOfEvent => {
                self.line.clear();
                return self.end_event();
            }
            Field::Data(skip) => self.add_data(line, mark + skip),
            Field::Name(skip) => {
                self.name.clear();
                self.name.extend_from_slice(&text[mark + skip..]);
            }
            Field::Other => {}
        }
        self.line.clear();
        false
    }

    /// `true` if the event has data; the rest is forgotten.
    fn end_event(&mut self) -> bool {
        let has_data = self.has_data();
        if !has_data {
            self.forget();
        }
        has_data
    }

    fn add_data(&mut self, line: &Line, skip: usize) {
        if let (Data::Nowhere, Line::InChunk(at)) = (&self.data, line) {
            let value = at.start + skip..at.end;
            self.data = Data::InChunk {
                line: at.start,
                value,
            };
            return;
        }
        self.hold();
        if self.data == Data::Held {
            self.held.push(b'\n');
        }
        let text = match line {
            Line::InChunk(at) => &self.chunk[at.clone()],
            Line::Held => &self.line,
        };
        self.held.extend_from_slice(&text[skip..]);
        self.data = Data::Held;
    }

    /// Saves data from a chunk that goes, or that is not enough.
    fn hold(&mut self) {
        if let Data::InChunk { value, .. } = &self.data {
            self.held.extend_from_slice(&self.chunk[value.clone()]);
            self.data = Data::Held;
        }
    }

    fn has_data(&self) -> bool {
        match &self.data {
            Data::Nowhere => false,
            Data::InChunk { value, .. } => !value.is_empty(),
            Data::Held => !self.held.is_empty(),
        }
    }

    fn hand_out(&mut self) -> Event<'_> {
        self.handed_out = true;
        let (data, plain) = match &self.data {
            Data::InChunk { line, value } => {
                let whole = *line..self.at;
                let is_plain = is_plain(&self.chunk[whole.clone()], value.len());
                (
                    &self.chunk[value.clone()],
                    is_plain.then_some((&self.chunk, whole)),
                )
            }
            Data::Nowhere | Data::Held => (self.held.as_slice(), None),
        };
        Event {
            name: &self.name,
            data,
            plain,
        }
    }

    fn clear(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.data = Data::Nowhere;
        self.name.clear();
        self.held.clear();
        for buffer in [&mut self.held, &mut self.line] {
            if buffer.is_empty() && buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }

    fn check(&self) -> Result<(), TooLong> {
        let in_chunk = match &self.data {
            Data::InChunk { value, .. } => value.len(),
            Data::Nowhere | Data::Held => 0,
        };
        let bytes = self.line.len() + self.held.len() + in_chunk + self.name.len();
        if bytes > MOST_BYTES {
            Err(TooLong)
        } else {
            Ok(())
        }
    }
}

/// Whether `whole` is `data: `, a value of that length and two line feeds.
fn is_plain(whole: &[u8], value: usize) -> bool {
    let (before, after) = (b"data: ", b"\n\n");
    whole.len() == before.len() + value + after.len()
        && whole.starts_with(before)
        && whole.ends_with(after)
}

fn mark_len(text: &[u8]) -> usize {
    if text.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    }
}

fn field(line: &[u8]) -> Field {
    let value_of = |name: &[u8]| {
        let after = line.strip_prefix(name)?;
        match after {
            [b':', b' ', ..] => Some(name.len() + 2),
            [b':', ..] => Some(name.len() + 1),
            [] => Some(name.len()),
            _ => None,
        }
    };
    if line.is_empty() {
        Field::EndOfEvent
    } else if let Some(skip) = value_of(b"data") {
        Field::Data(skip)
    } else if let Some(skip) = value_of(b"event") {
        Field::Name(skip)
    } else {
        Field::Other
    }
}

#[cfg(test)]
mod tests;
