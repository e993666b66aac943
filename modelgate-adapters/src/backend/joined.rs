//! A body in one piece, for those who must see it whole.

use bytes::{Bytes, BytesMut};

/// The pieces as one; copied only if there are several.
pub(crate) fn joined(pieces: &[Bytes]) -> Bytes {
    if let [piece] = pieces {
        return piece.clone();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}
