//! Writing server-sent events as every OpenAI client reads them: `data: `, one line of JSON, an empty line.

use bytes::BytesMut;

/// What stands before the JSON of an event.
pub(crate) const BEFORE: &[u8] = b"data: ";
/// What ends an event.
pub(crate) const AFTER: &[u8] = b"\n\n";

/// Appends an event that holds `json`: a valid text, in which line breaks may stand between tokens.
pub(crate) fn push(out: &mut BytesMut, json: &[u8]) {
    out.reserve(BEFORE.len() + json.len() + AFTER.len());
    out.extend_from_slice(BEFORE);
    push_line(out, json);
    out.extend_from_slice(AFTER);
}

/// Appends valid JSON with spaces for line breaks, which stand between tokens only.
pub(crate) fn push_line(out: &mut BytesMut, json: &[u8]) {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b" ");
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}
