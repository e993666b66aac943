//! A request body of known length, sent in the pieces in which it came.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The pieces, and which of them comes next. A clone starts where this one is.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    all: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl Pieces {
    pub(super) fn new(pieces: Vec<Bytes>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self {
            all: pieces.into(),
            next: 0,
            left,
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = self.all.get(self.next).cloned() else {
            return Poll::Ready(None);
        };
        self.next += 1;
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_go_out_as_they_are_and_can_go_out_again() {
        let pieces = [&b"{\"a\":"[..], b"", b"1}"].map(Bytes::from_static);
        let body = Pieces::new(pieces.to_vec());
        for body in [body.clone(), body] {
            assert_eq!(body.size_hint().exact(), Some(7));
            assert_eq!(body.collect().await.unwrap().to_bytes(), "{\"a\":1}");
        }
        assert!(Pieces::new(Vec::new()).is_end_stream());
    }
}
