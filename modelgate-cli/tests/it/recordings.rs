//! Streams as servers send them, byte for byte, to be split and cut at every place.
//!
//! Texts are short: every byte more is one request more in each property.

mod ollama;
mod openai;
mod relatives;
mod third_parties;

/// One stream.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) name: &'static str,
    /// Kind of the server.
    pub(crate) kind: &'static str,
    /// Whether the client asks for usage.
    pub(crate) asks_usage: bool,
    /// Whether it answers `/v1/completions` and not a chat.
    pub(crate) is_legacy: bool,
    pub(crate) wire: Vec<u8>,
    fails: bool,
}

/// All of them.
pub(crate) fn all() -> Vec<Recording> {
    let parts = [
        openai::all(),
        relatives::all(),
        third_parties::all(),
        ollama::all(),
    ];
    parts.into_iter().flatten().collect()
}

impl Recording {
    fn new(kind: &'static str, name: &'static str, wire: String) -> Self {
        Self {
            name,
            kind,
            asks_usage: false,
            is_legacy: false,
            wire: wire.into_bytes(),
            fails: false,
        }
    }

    fn asking_for_usage(self) -> Self {
        Self {
            asks_usage: true,
            ..self
        }
    }

    fn legacy(self) -> Self {
        Self {
            is_legacy: true,
            ..self
        }
    }

    /// The server itself tells of a failure: no cut makes a success of it.
    fn failing(self) -> Self {
        Self {
            fails: true,
            ..self
        }
    }

    /// Whether the whole of it is a complete answer.
    pub(crate) fn succeeds(&self) -> bool {
        !self.fails
    }

    /// How many bytes must have come before a clean end makes a complete answer: all of the last finish.
    pub(crate) fn finished_at(&self) -> usize {
        let mark = if self.kind == "ollama" {
            "\"done\":true"
        } else {
            "\"finish_reason\":\""
        };
        let finish = last(&self.wire, mark).expect("a finish");
        let line_end = self.wire[finish..]
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'));
        line_end.map_or(self.wire.len(), |length| finish + length)
    }

    /// How many bytes must have come before even a broken connection makes a complete answer: all of `[DONE]`, or of
    /// Ollama's last line. `None` when the server never says that it is done.
    pub(crate) fn done_at(&self) -> Option<usize> {
        if self.kind == "ollama" {
            return Some(self.finished_at());
        }
        last(&self.wire, "[DONE]").map(|at| at + "[DONE]".len())
    }
}

fn last(bytes: &[u8], text: &str) -> Option<usize> {
    bytes
        .windows(text.len())
        .rposition(|window| window == text.as_bytes())
}

/// Events one after the other, each `data: `, its text and an empty line, with the given line ends.
fn events(line_end: &str, data: &[&str]) -> String {
    data.iter()
        .flat_map(|data| ["data: ", data, line_end, line_end])
        .collect()
}

#[test]
fn the_marks_of_the_recordings_are_where_they_belong() {
    let all = all();
    assert!(all.iter().filter(|recording| recording.succeeds()).count() >= 20);
    for recording in all.iter().filter(|recording| recording.succeeds()) {
        let text = String::from_utf8(recording.wire[..recording.finished_at()].to_vec())
            .expect("a border of text");
        let line = text
            .rsplit(['\r', '\n'])
            .next()
            .expect("a line")
            .trim_start_matches("data:");
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{} {line:?}",
            recording.name
        );
        assert!(
            recording
                .done_at()
                .is_none_or(|done| done >= recording.finished_at()),
            "{}",
            recording.name
        );
    }
}
