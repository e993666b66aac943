//! The body of an answer: decoded, timed and bounded, chunk by chunk.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body;
use hyper::body::Incoming;
use modelgate_ports::driven::BackendError;
use tokio::time::{Instant, timeout_at};

use super::deadline::Deadlines;
use super::gzip::Gunzip;
use super::{TransportConfig, fault};

/// How long the end of a body may come after the last event.
const PARTING: Duration = Duration::from_millis(50);

/// How long the start of a body may take that only explains a failure: others wait for their turn.
const EXCERPT_PATIENCE: Duration = Duration::from_secs(2);

/// A body to be read. Dropped before its end, it closes the connection.
pub(crate) struct AnswerBody {
    /// Gone when it has ended or failed.
    incoming: Option<Incoming>,
    coding: Coding,
    deadlines: Deadlines,
    /// The first chunk does not count as the first event.
    held: bool,
    parting: bool,
    config: Arc<TransportConfig>,
}

enum Coding {
    Identity,
    Gzip(Box<Gunzip>),
    Unknown,
}

impl AnswerBody {
    pub(super) fn new(
        incoming: Incoming,
        headers: &HeaderMap,
        deadlines: Deadlines,
        config: Arc<TransportConfig>,
    ) -> Self {
        Self {
            incoming: Some(incoming),
            coding: Coding::of(headers),
            deadlines,
            held: false,
            parting: false,
            config,
        }
    }

    /// Lets the timer for the first event run on until [`begun`](Self::begun) is called: chunks may come that hold none.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// The first event has come.
    pub(crate) fn begun(&mut self) {
        self.deadlines.begun();
    }

    /// All events have come. Ready when the body has ended too, so that its connection can be used again, or when that
    /// takes too long to wait for.
    pub(crate) fn poll_parting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.parting {
            self.parting = true;
            self.deadlines.parting(PARTING);
        }
        if !matches!(ready!(self.poll_chunk(context)), Ok(None)) {
            self.incoming = None;
        }
        Poll::Ready(())
    }

    /// The next chunk, which is not empty; `None` after the last, when the body is complete.
    pub(crate) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, BackendError>> {
        let polled = self.poll_decoded(context);
        if let Poll::Ready(Err(_) | Ok(None)) = polled {
            self.incoming = None;
        }
        polled
    }

    /// The same as a future.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, BackendError> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    /// The whole body, as it came.
    pub(crate) async fn whole(mut self, cap: usize) -> Result<Vec<Bytes>, BackendError> {
        let mut pieces = Vec::new();
        let mut length = 0;
        while let Some(chunk) = self.chunk().await? {
            length += chunk.len();
            if length > cap {
                return Err(fault::too_large(cap));
            }
            pieces.push(chunk);
        }
        Ok(pieces)
    }

    /// The start of the body, as far as it can be had without much waiting.
    pub(crate) async fn excerpt(mut self, most: usize) -> Vec<u8> {
        let mut start = Vec::new();
        let until = Instant::now() + EXCERPT_PATIENCE;
        while start.len() < most
            && let Ok(Ok(Some(chunk))) = timeout_at(until, self.chunk()).await
        {
            start.extend_from_slice(&chunk);
        }
        start.truncate(most);
        start
    }

    fn poll_decoded(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, BackendError>> {
        while let Some(incoming) = &mut self.incoming {
            let frame = match Pin::new(incoming).poll_frame(context) {
                Poll::Ready(Some(frame)) => frame.map_err(fault::broken_off)?,
                Poll::Ready(None) => return Poll::Ready(self.coding.finish().map(|()| None)),
                Poll::Pending => {
                    let expired = self.deadlines.poll(context);
                    return expired.map(|timer| Err(fault::timed_out(timer, &self.config)));
                }
            };
            // Trailers say nothing that we would pass on.
            if let Ok(data) = frame.into_data() {
                let chunk = self.took(data)?;
                if !chunk.is_empty() {
                    return Poll::Ready(Ok(Some(chunk)));
                }
            }
        }
        Poll::Ready(Ok(None))
    }

    fn took(&mut self, data: Bytes) -> Result<Bytes, BackendError> {
        self.deadlines.progressed();
        let chunk = self.coding.decode(data)?;
        if !self.held && !chunk.is_empty() {
            self.deadlines.begun();
        }
        Ok(chunk)
    }
}

impl Coding {
    fn of(headers: &HeaderMap) -> Self {
        let Some(coding) = headers.get(CONTENT_ENCODING) else {
            return Self::Identity;
        };
        match coding
            .as_bytes()
            .trim_ascii()
            .to_ascii_lowercase()
            .as_slice()
        {
            b"" | b"identity" => Self::Identity,
            b"gzip" | b"x-gzip" => Self::Gzip(Box::new(Gunzip::new())),
            _ => Self::Unknown,
        }
    }

    fn decode(&mut self, data: Bytes) -> Result<Bytes, BackendError> {
        match self {
            Self::Identity => Ok(data),
            Self::Gzip(gunzip) => gunzip.decode(&data).map_err(fault::undecodable),
            Self::Unknown => Err(fault::undecodable(
                "a content-encoding that was not asked for",
            )),
        }
    }

    fn finish(&mut self) -> Result<(), BackendError> {
        match self {
            Self::Gzip(gunzip) => gunzip.finish().map_err(fault::undecodable),
            Self::Identity | Self::Unknown => Ok(()),
        }
    }
}
