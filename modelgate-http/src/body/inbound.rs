//! The body of a request as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use modelgate_ports::BoxError;

/// The body of a request, whatever it comes from.
pub struct Inbound {
    body: UnsyncBoxBody<Bytes, BoxError>,
    has_ended: bool,
}

impl Inbound {
    /// Wraps any body.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let has_ended = body.is_end_stream();
        Self {
            body: body.map_err(Into::into).boxed_unsync(),
            has_ended,
        }
    }

    /// The next piece of data; `None` at the end. Trailers are dropped: they never become headers.
    pub(crate) fn poll_piece(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, BoxError>> {
        if self.has_ended {
            return Poll::Ready(Ok(None));
        }
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(task));
            self.has_ended = frame.is_none() || self.body.is_end_stream();
            match frame.transpose()?.map(http_body::Frame::into_data) {
                Some(Ok(piece)) => return Poll::Ready(Ok(Some(piece))),
                Some(Err(_)) if !self.has_ended => {}
                Some(Err(_)) | None => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Whether nothing more comes.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The least that is to come, as far as it was announced.
    pub(crate) fn announced(&self) -> u64 {
        self.body.size_hint().lower()
    }
}

impl From<Bytes> for Inbound {
    fn from(bytes: Bytes) -> Self {
        Self::new(http_body_util::Full::new(bytes))
    }
}
