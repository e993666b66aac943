//! The reader: a body in pieces goes in, its head comes out.

use super::{BadRequest, Caps, Endpoint, Head, check, finder::Finder};
use crate::json::Scanner;

/// Reads the head of one body while its pieces arrive.
#[derive(Debug)]
pub struct HeadReader {
    scanner: Scanner<Finder>,
    endpoint: Endpoint,
    caps: Caps,
    bytes: u64,
}

impl HeadReader {
    /// A reader for a body that was sent to `endpoint`.
    pub fn new(endpoint: Endpoint, caps: Caps) -> Self {
        let scanner = Scanner::new(Finder::new(endpoint));
        Self {
            scanner,
            endpoint,
            caps,
            bytes: 0,
        }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// The body cannot become JSON; the rest need not be read.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), BadRequest> {
        self.bytes += piece.len() as u64;
        self.scanner.feed(piece).map_err(BadRequest::not_json)
    }

    /// Ends the body.
    ///
    /// # Errors
    /// The body is not a JSON object, or a member that the gateway reads makes no sense.
    pub fn finish(self) -> Result<Head, BadRequest> {
        let found = self.scanner.finish().map_err(BadRequest::not_json)?;
        check::head(self.endpoint, self.caps, self.bytes, &found)
    }
}

/// Reads the head of a body that is there as a whole, with the default caps.
///
/// # Errors
/// As [`HeadReader`].
///
/// ```
/// use modelgate_domain::head::{Endpoint, read};
///
/// let head = read(Endpoint::Chat, br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#)?;
/// assert_eq!(head.model.as_deref(), Some("m"));
/// assert_eq!(head.messages, 1);
/// # Ok::<(), modelgate_domain::head::BadRequest>(())
/// ```
pub fn read(endpoint: Endpoint, body: &[u8]) -> Result<Head, BadRequest> {
    let mut reader = HeadReader::new(endpoint, Caps::default());
    reader.feed(body)?;
    reader.finish()
}
