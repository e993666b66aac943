//! Heads, refusals and edits, by tables.

mod edits;
mod meaning;
mod read;
mod refused;

use super::*;

/// Reads a body in pieces.
fn read_pieces<'a>(
    endpoint: Endpoint,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Head, BadRequest> {
    let mut reader = HeadReader::new(endpoint, Caps::default());
    for piece in pieces {
        reader.feed(piece)?;
    }
    reader.finish()
}

/// A chat with these members besides its messages.
fn chat(members: &str) -> Result<Head, BadRequest> {
    let comma = if members.is_empty() { "" } else { "," };
    read(
        Endpoint::Chat,
        format!("{{{members}{comma}\"messages\":[{{}}]}}").as_bytes(),
    )
}
