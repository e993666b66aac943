//! The fast way for the usual event: all but its text is the same as in the one before.

use std::ops::Range;

use bytes::BytesMut;

use super::super::events;
use super::edit::{self, Edit};

/// So many events in a row that no template fitted: this server's events are never alike.
const PATIENCE: u8 = 16;

/// More around its text no ordinary event has.
const MOST_BYTES: usize = 4096;

/// The last ordinary event, in two halves: before and after the text of its delta.
#[derive(Debug, Default)]
pub(super) struct Template {
    before: Vec<u8>,
    after: Vec<u8>,
    /// The same halves as they go out, as an event.
    out_before: Vec<u8>,
    out_after: Vec<u8>,
    changed: bool,
    recorded_in_vain: u8,
}

/// How an event compares.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fit<'a> {
    /// It is the same but for this text, which has no need of a closer look.
    Same(&'a [u8]),
    /// Its text has escapes, or worse.
    Almost,
    Different,
}

impl Template {
    pub(super) fn fit<'a>(&self, event: &'a [u8]) -> Fit<'a> {
        let halves = self.before.len() + self.after.len();
        if halves == 0
            || event.len() <= halves
            || !event.starts_with(&self.before)
            || !event.ends_with(&self.after)
        {
            return Fit::Different;
        }
        let text = &event[self.before.len()..event.len() - self.after.len()];
        if is_plain(text) {
            Fit::Same(text)
        } else {
            Fit::Almost
        }
    }

    /// Whether events that fit go out differently from how they came.
    pub(super) fn changes(&self) -> bool {
        self.changed
    }

    /// Writes the event with this text.
    pub(super) fn write(&mut self, text: &[u8], out: &mut BytesMut) {
        out.reserve(self.out_before.len() + text.len() + self.out_after.len());
        out.extend_from_slice(&self.out_before);
        out.extend_from_slice(text);
        out.extend_from_slice(&self.out_after);
    }

    /// Notes that an event fitted.
    pub(super) fn hit(&mut self) {
        self.recorded_in_vain = 0;
    }

    /// Takes an event with one text at `content`, which goes out with these edits, as the template.
    pub(super) fn record<T: AsRef<[u8]>>(
        &mut self,
        event: &[u8],
        content: Range<usize>,
        edits: &[Edit<T>],
    ) {
        let is_large = event.len() - content.len() > MOST_BYTES;
        if is_large || self.recorded_in_vain >= PATIENCE {
            return;
        }
        self.recorded_in_vain += 1;
        replace(&mut self.before, &event[..content.start]);
        replace(&mut self.after, &event[content.end..]);
        let mut line = BytesMut::new();
        let mut part = |within: Range<usize>| {
            edit::apply(event, edits, within, |part| {
                events::push_line(&mut line, part);
            });
            line.split()
        };
        let (before, after) = (part(0..content.start), part(content.end..event.len()));
        replace(&mut self.out_before, events::BEFORE);
        self.out_before.extend_from_slice(&before);
        replace(&mut self.out_after, &after);
        self.out_after.extend_from_slice(events::AFTER);
        self.changed = before != *self.before || after != *self.after;
    }
}

fn replace(place: &mut Vec<u8>, with: &[u8]) {
    place.clear();
    place.extend_from_slice(with);
}

/// Text that stands in JSON as it is, and nowhere ends it.
fn is_plain(text: &[u8]) -> bool {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    !text.iter().any(special) && (text.is_ascii() || std::str::from_utf8(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        let event = br#"{"model":"real","delta":{"content":"Hi"},"usage":null}"#;
        let edits = [Edit::new(9..15, "\"fast\""), Edit::new(40..53, "")];
        let mut template = Template::default();
        assert_eq!(template.fit(event), Fit::Different);
        template.record(event, 36..38, &edits);
        template
    }

    #[test]
    fn an_event_that_fits_goes_out_with_the_same_changes() {
        let mut template = template();
        let event = r#"{"model":"real","delta":{"content":" wörld"},"usage":null}"#;
        assert_eq!(
            template.fit(event.as_bytes()),
            Fit::Same(" wörld".as_bytes())
        );
        assert!(template.changes());
        let mut out = BytesMut::new();
        template.write(" wörld".as_bytes(), &mut out);
        assert_eq!(
            out,
            "data: {\"model\":\"fast\",\"delta\":{\"content\":\" wörld\"}}\n\n"
        );
    }

    #[test]
    fn what_could_mean_something_else_does_not_fit() {
        let template = template();
        let fit = |text: &[u8]| {
            let event = [
                br#"{"model":"real","delta":{"content":""#,
                text,
                br#""},"usage":null}"#,
            ];
            match template.fit(&event.concat()) {
                Fit::Same(_) => "same",
                Fit::Almost => "almost",
                Fit::Different => "different",
            }
        };
        assert_eq!(fit(b"x"), "same");
        assert_eq!(fit(b""), "different");
        for text in [
            &b"\\n"[..],
            b"\"},{\"",
            b"\n",
            b"\x00",
            b"\xff",
            b"\xe2\x82",
        ] {
            assert_eq!(fit(text), "almost", "{text:?}");
        }
        assert_eq!(
            template.fit(br#"{"model":"other","delta":{"content":"x"},"usage":null}"#),
            Fit::Different
        );
        assert_eq!(template.fit(b""), Fit::Different);
    }

    #[test]
    fn a_server_whose_events_are_never_alike_costs_no_more_copies() {
        let mut template = Template::default();
        for number in 0..100 {
            let event = format!("{{\"n\":{number},\"content\":\"x\"}}");
            let at = event.len() - 3;
            template.record::<&str>(event.as_bytes(), at..at + 1, &[]);
        }
        assert_eq!(template.fit(br#"{"n":15,"content":"y"}"#), Fit::Same(b"y"));
        assert_eq!(template.fit(br#"{"n":99,"content":"y"}"#), Fit::Different);
    }
}
