//! Server-sent events as ModelGate writes them: LF line ends, `data:`, `event:` and comments, nothing else.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::time::Instant;

/// One event, when its blank line came.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: String,
    pub(crate) at: Instant,
}

impl Event {
    pub(crate) fn is_done(&self) -> bool {
        self.data == "[DONE]"
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data)
            .unwrap_or_else(|error| panic!("{error} in event {:?}", self.data))
    }
}

/// Whether the last event is `[DONE]`.
pub(crate) fn ends_well(events: &[Event]) -> bool {
    events.last().is_some_and(Event::is_done)
}

/// The text of all content deltas of choice 0.
pub(crate) fn content_of(events: &[Event]) -> String {
    let chunks = events
        .iter()
        .filter(|event| !event.is_done())
        .map(Event::json);
    let texts = chunks.filter_map(|chunk| {
        let choice = &chunk["choices"][0];
        let text = choice["delta"]["content"]
            .as_str()
            .or_else(|| choice["text"].as_str());
        text.map(str::to_owned)
    });
    texts.collect()
}

/// Cuts arriving bytes into events and comments; anything else in the stream is a failure of the server.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    line: Vec<u8>,
    name: Option<String>,
    data: Option<String>,
    pub(super) comments: Vec<String>,
    pub(super) ready: VecDeque<Event>,
}

impl EventReader {
    pub(super) fn feed(&mut self, bytes: &[u8], at: Instant) {
        for byte in bytes {
            if *byte == b'\n' {
                let line =
                    String::from_utf8(std::mem::take(&mut self.line)).expect("lines of UTF-8");
                self.take(&line, at);
            } else {
                self.line.push(*byte);
            }
        }
    }

    fn take(&mut self, line: &str, at: Instant) {
        if line.is_empty() {
            self.dispatch(at);
        } else if let Some(comment) = line.strip_prefix(':') {
            self.comments.push(comment.trim().to_owned());
        } else if let Some(data) = line.strip_prefix("data: ") {
            assert!(
                self.data.is_none(),
                "an event of two data lines, the second {line:?}"
            );
            self.data = Some(data.to_owned());
        } else if let Some(name) = line.strip_prefix("event: ") {
            self.name = Some(name.to_owned());
        } else {
            panic!("not a line that clients can take: {line:?}");
        }
    }

    /// Some clients parse an event without data and crash, so a blank line must always close one with data.
    fn dispatch(&mut self, at: Instant) {
        let data = self.data.take().expect("a blank line only after data");
        self.ready.push_back(Event {
            name: self.name.take(),
            data,
            at,
        });
    }
}
