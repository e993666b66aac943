//! Bodies: what comes in, read within limits, and what goes out, piece by piece.

pub(crate) mod decode;
pub(crate) mod events;
mod inbound;
pub(crate) mod receive;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde::Serialize;

use crate::access_log::AccessLine;
use crate::link::Busy;
use crate::service::Place;
pub use events::CutShort;
pub(crate) use events::Events;
pub use inbound::Inbound;

/// The body of an answer.
pub struct Body {
    content: Content,
    busy: Option<Busy>,
    place: Option<Place>,
}

enum Content {
    Pieces {
        pieces: std::vec::IntoIter<Bytes>,
        left: u64,
    },
    Events(Box<Events>),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::pieces(Vec::new())
    }

    pub(crate) fn pieces(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self::of(Content::Pieces {
            pieces: pieces.into_iter(),
            left,
        })
    }

    pub(crate) fn events(events: Events) -> Self {
        Self::of(Content::Events(Box::new(events)))
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            busy: None,
            place: None,
        }
    }

    /// Length in bytes, when it is known before the end.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.content {
            Content::Pieces { left, .. } => Some(*left),
            Content::Events(_) => None,
        }
    }

    /// Leaves the end of the line to a stream; gives it back when this is none.
    pub(crate) fn hand_line(&mut self, line: AccessLine) -> Option<AccessLine> {
        match &mut self.content {
            Content::Events(events) => {
                events.take_line(line);
                None
            }
            Content::Pieces { .. } => Some(line),
        }
    }

    /// Keeps the place of a running call until a stream is over.
    pub(crate) fn hold_place(mut self, place: Option<Place>) -> Self {
        if matches!(self.content, Content::Events(_)) {
            self.place = place;
        }
        self
    }

    /// The connection is busy until this body is over.
    pub(crate) fn hold(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if let Some(busy) = &self.busy {
            busy.ask();
        }
        let piece = match &mut self.content {
            Content::Pieces { pieces, left } => {
                let piece = pieces.next();
                *left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
                piece.map(Ok)
            }
            Content::Events(events) => ready!(events.poll_bytes(task)),
        };
        if let (Some(busy), Some(Ok(_))) = (&self.busy, &piece) {
            busy.hand_over();
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Pieces { left, .. } => *left == 0,
            Content::Events(events) => events.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// An answer of that JSON document.
pub(crate) fn reply(status: StatusCode, view: &impl Serialize) -> Response<Body> {
    // The views hold nothing that cannot be written: no maps with odd keys, no failing types.
    let json = serde_json::to_vec(view).unwrap_or_default();
    json_pieces(status, vec![json.into()])
}

/// An answer of a JSON document that is there already.
pub(crate) fn json_pieces(status: StatusCode, pieces: Vec<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::pieces(pieces));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
