//! Events as lines of JSON: time, level, message, and the event's own fields under their own names.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer};

use super::queue::Sink;
use crate::failure::causes;

/// Longest text in a field, in bytes.
const LONGEST: usize = 256;

/// A layer that writes JSON lines.
pub(super) struct JsonLines {
    sink: Sink,
}

impl JsonLines {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink }
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = String::with_capacity(512);
        line.push_str("{\"timestamp\":\"");
        // Writing into a string does not fail.
        let _written = SystemTime.format_time(&mut Writer::new(&mut line));
        let metadata = event.metadata();
        let _written = write!(
            line,
            "\",\"level\":\"{}\",\"logger\":\"{}\"",
            metadata.level(),
            metadata.target()
        );
        event.record(&mut Fields { line: &mut line });
        line.push_str("}\n");
        self.sink.push(line.as_bytes());
    }
}

struct Fields<'a> {
    line: &'a mut String,
}

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        self.line.push_str(",\"");
        self.line.push_str(field.name());
        self.line.push_str("\":");
    }

    fn plain(&mut self, field: &Field, value: impl std::fmt::Display) {
        self.name(field);
        let _written = write!(self.line, "{value}");
    }

    fn text(&mut self, field: &Field, text: std::fmt::Arguments<'_>) {
        self.name(field);
        self.line.push('"');
        // The only error is that the field is full.
        let _cut = Quoted {
            line: self.line,
            left: LONGEST,
        }
        .write_fmt(text);
        self.line.push('"');
    }
}

impl Visit for Fields<'_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, format_args!("{}", causes(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// The inside of a JSON string, cut when it gets too long.
struct Quoted<'a> {
    line: &'a mut String,
    left: usize,
}

impl Write for Quoted<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            if letter.len_utf8() > self.left {
                self.left = 0;
                return Err(std::fmt::Error);
            }
            self.left -= letter.len_utf8();
            match letter {
                '"' => self.line.push_str("\\\""),
                '\\' => self.line.push_str("\\\\"),
                '\n' => self.line.push_str("\\n"),
                letter if letter.is_control() => write!(self.line, "\\u{:04x}", u32::from(letter))?,
                letter => self.line.push(letter),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::queue::Queue;
    use super::*;

    #[derive(Clone, Default)]
    struct Shelf(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shelf {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(tell: impl FnOnce()) -> Vec<Value> {
        let shelf = Shelf::default();
        let mut queue = Queue::start(shelf.clone());
        tracing::subscriber::with_default(
            Registry::default().with(JsonLines::new(queue.sink())),
            tell,
        );
        queue.finish();
        let text = String::from_utf8(shelf.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    #[test]
    fn an_event_is_an_object_with_its_fields() {
        let lines = logged(|| {
            let absent: Option<&str> = None;
            tracing::info!(request.id = %"r-1", status = 200_u16, stream = true, change = -1, absent, "request");
        });
        let line = lines[0].as_object().unwrap();
        let named: Vec<&str> = line.keys().map(String::as_str).collect();
        assert_eq!(
            named,
            [
                "timestamp",
                "level",
                "logger",
                "message",
                "request.id",
                "status",
                "stream",
                "change"
            ]
        );
        assert_eq!(
            (&line["level"], &line["message"], &line["request.id"]),
            (&"INFO".into(), &"request".into(), &"r-1".into())
        );
        assert_eq!(
            (&line["status"], &line["stream"], &line["change"]),
            (&200.into(), &true.into(), &(-1).into())
        );
    }

    #[test]
    fn s20_texts_are_escaped_and_cut() {
        let long = "é".repeat(5_000);
        let lines = logged(|| tracing::warn!(text = "a\"b\\c\nd\u{1b}[31m\u{85}", long, "careful"));
        assert_eq!(lines[0]["text"], "a\"b\\c\nd\u{1b}[31m\u{85}");
        assert_eq!(lines[0]["long"].as_str().unwrap().len(), LONGEST);
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot save")]
        struct Outer(#[source] io::Error);
        let outer = Outer(io::Error::other("disk full"));
        let lines = logged(|| tracing::error!(error = &outer as &dyn std::error::Error, "failed"));
        assert_eq!(lines[0]["error"], "cannot save: disk full");
    }
}
