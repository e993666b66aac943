//! The client's body on its way out: its own pieces, with a few bytes put in between.

use bytes::Bytes;
use modelgate_domain::head::{Edit, Segment, plan};

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The body after `edits`. A byte-order mark is left out: not every server knows what it is.
pub(super) fn spliced(body: &[Bytes], mut edits: Vec<Edit>) -> Vec<Bytes> {
    if body.iter().flatten().take(3).eq(&BYTE_ORDER_MARK) {
        edits.insert(
            0,
            Edit {
                at: 0..3,
                with: Vec::new(),
            },
        );
    }
    if edits.is_empty() {
        return body.to_vec();
    }
    let segments = plan(edits, body.iter().map(Bytes::len));
    let piece = |segment| match segment {
        Segment::Keep { piece, range } => body[piece].slice(range),
        Segment::Insert(bytes) => Bytes::from(bytes),
    };
    segments.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use modelgate_domain::head::{Endpoint, HeadReader, Rewrite};

    use super::*;

    #[test]
    fn wherever_the_body_is_cut_the_same_goes_out() {
        let body = "\u{feff}{\"model\":\"fast\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,\"seed\":9007199254740993}";
        let expected = "{\"stream_options\":{\"include_usage\":true},\"model\":\"org/real\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,\"seed\":9007199254740993}";
        for cut in 0..=body.len() {
            let pieces =
                [&body.as_bytes()[..cut], &body.as_bytes()[cut..]].map(Bytes::copy_from_slice);
            let mut reader =
                HeadReader::new(Endpoint::Chat, modelgate_domain::head::Caps::default());
            for piece in &pieces {
                reader.feed(piece).unwrap();
            }
            let rewrite = Rewrite {
                model: "org/real",
                ask_usage: true,
                output_limit: None,
                encoding: None,
            };
            let edits = reader.finish().unwrap().edits(&rewrite);
            assert_eq!(
                spliced(&pieces, edits).concat(),
                expected.as_bytes(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn an_unchanged_body_is_passed_on_as_it_is() {
        let pieces = [Bytes::from_static(b"{}"), Bytes::from_static(b" ")];
        assert_eq!(spliced(&pieces, Vec::new()), pieces);
    }
}
