//! A streamed answer, read event by event. Dropping it is a client that hangs up.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{HeaderMap, Response};

use super::call::{Connection, whole};
use super::events::EventReader;
use super::{Answer, Event};
use crate::wait;

pub(crate) struct Stream {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    reader: EventReader,
    raw: Vec<u8>,
    cut: Option<String>,
    _connection: Option<Connection>,
}

impl Stream {
    pub(super) fn new(response: Response<Incoming>, connection: Option<Connection>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            reader: EventReader::default(),
            raw: Vec::new(),
            cut: None,
            _connection: connection,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The next event, or `None` at the end; [`Stream::cut`] tells a clean end from a broken transport.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        while self.reader.ready.is_empty() {
            if !self.read().await {
                return None;
            }
        }
        self.reader.ready.pop_front()
    }

    /// The next event, which must come within `limit`.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Option<Event> {
        wait::bounded_within(limit, "the next event", self.next()).await
    }

    /// All events until the end, `[DONE]` included.
    pub(crate) async fn collect(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Reads on until `count` comments came (keep-alives).
    pub(crate) async fn wait_for_comments(&mut self, count: usize) -> &[String] {
        while self.reader.comments.len() < count {
            assert!(
                self.read().await,
                "the stream ended before {count} comments: {:?}",
                self.text()
            );
        }
        &self.reader.comments
    }

    /// Every byte so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Why the transport broke, if it did not end as HTTP says.
    pub(crate) fn cut(&self) -> Option<&str> {
        self.cut.as_deref()
    }

    /// For answers that turned out not to be a stream: the whole body as an [`Answer`].
    pub(crate) async fn into_answer(self) -> Answer {
        assert!(self.raw.is_empty(), "nothing may be read before");
        let mut response = Response::new(self.body);
        *response.headers_mut() = self.headers;
        *response.status_mut() = self.status.try_into().expect("a status");
        whole(response).await
    }

    async fn read(&mut self) -> bool {
        match wait::bounded("more of the stream", self.body.frame()).await {
            None => false,
            Some(Err(error)) => {
                self.cut = Some(format!("{error:?}"));
                false
            }
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                self.raw.extend_from_slice(&data);
                self.reader.feed(&data, wait::now());
                true
            }
        }
    }
}
