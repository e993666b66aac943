//! What must change in a body before a backend gets it, as few bytes as possible.

use std::ops::Range;

use super::{
    Encoding, Head,
    finder::{Finder, Given, Kind},
    member::Member,
};
use crate::json;

/// What a backend shall be told instead of, or besides, what the client said.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite<'a> {
    /// What the backend calls the model.
    pub model: &'a str,
    /// Ask for token usage at the end of a stream.
    pub ask_usage: bool,
    /// An output limit: `max_tokens`, `max_completion_tokens` or `n_predict`, where the client set none.
    pub output_limit: Option<(&'a str, u64)>,
    /// A form of vectors.
    pub encoding: Option<&'a str>,
}

/// Bytes `at` of the body, counted over all its pieces, become `with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where something is put in.
    pub at: Range<u64>,
    /// What comes there; empty where something is taken out.
    pub with: Vec<u8>,
}

/// Where the members are that may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// The byte after the outer `{`.
    open: u64,
    model: Option<Range<u64>>,
    encoding: Option<Range<u64>>,
    limits: [Option<Range<u64>>; 3],
    options: Option<OptionsPlace>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OptionsPlace {
    /// The member with the comma that goes when it goes.
    member: Range<u64>,
    value: Range<u64>,
    /// Says nothing, and may be sent as it is.
    null: bool,
    filled: bool,
    usage: Option<Range<u64>>,
}

impl Places {
    pub(super) fn new(open: usize, found: &Finder) -> Self {
        let place = |member| found.given(member).map(|given: &Given| span(&given.value));
        Self {
            open: open as u64,
            model: place(Member::Model),
            encoding: place(Member::EncodingFormat),
            limits: Member::LIMITS.map(place),
            options: OptionsPlace::new(found),
        }
    }
}

impl OptionsPlace {
    fn new(found: &Finder) -> Option<Self> {
        let given = found.given(Member::StreamOptions)?;
        let options = &found.options;
        let key = options.key?;
        let member = match (options.before, options.after) {
            (_, Some(after)) => key..after,
            (Some(before), None) => before..given.value.end,
            (None, None) => key..given.value.end,
        };
        Some(Self {
            member: span(&member),
            value: span(&given.value),
            null: matches!(given.kind, Kind::Null),
            filled: options.filled,
            usage: options.usage.as_ref().map(|(value, _)| span(value)),
        })
    }

    /// Makes it ask for usage, whatever else it says.
    fn ask(&self, edits: &mut Edits) {
        let inside = self.value.start + 1;
        match &self.usage {
            Some(usage) => edits.replace(usage, "true"),
            None if self.filled => edits.replace(&(inside..inside), "\"include_usage\":true,"),
            None => edits.replace(&self.value, ASKED),
        }
    }
}

/// A `stream_options` that asks for usage.
const ASKED: &str = "{\"include_usage\":true}";

impl Head {
    /// What to change, in the order of the body and without overlap. Nothing, where the body says it all already.
    pub fn edits(&self, send: &Rewrite<'_>) -> Vec<Edit> {
        let mut edits = Edits::default();
        if self.model.as_deref() != Some(send.model) {
            edits.set(self.places.model.as_ref(), "model", &quoted(send.model));
        }
        self.edit_options(send, &mut edits);
        if let Some((name, limit)) = send.output_limit {
            edits.set(self.limit_place(name), name, &limit.to_string());
        }
        if let Some(encoding) = send.encoding
            && self.encoding.map(Encoding::name) != Some(encoding)
        {
            edits.set(
                self.places.encoding.as_ref(),
                "encoding_format",
                &quoted(encoding),
            );
        }
        edits.sorted(self.places.open)
    }

    fn edit_options(&self, send: &Rewrite<'_>, edits: &mut Edits) {
        match &self.places.options {
            Some(options) if !self.stream && !options.null => edits.replace(&options.member, ""),
            _ if !self.stream || !send.ask_usage || self.include_usage => {}
            None => edits.set(None, Member::StreamOptions.name(), ASKED),
            Some(options) => options.ask(edits),
        }
    }

    fn limit_place(&self, name: &str) -> Option<&Range<u64>> {
        let index = Member::LIMITS
            .iter()
            .position(|member| member.name() == name)?;
        self.places.limits[index].as_ref()
    }
}

impl Encoding {
    /// As it is written in a body.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Base64 => "base64",
        }
    }
}

/// Edits in the making.
#[derive(Default)]
struct Edits {
    list: Vec<Edit>,
    /// New members, each with a comma: a body that was accepted has at least one more.
    members: String,
}

impl Edits {
    /// Gives a member this value, whether it is there already or not.
    fn set(&mut self, place: Option<&Range<u64>>, name: &str, value: &str) {
        if let Some(place) = place {
            return self.replace(place, value);
        }
        json::quote_into(name, &mut self.members);
        self.members.push(':');
        self.members.push_str(value);
        self.members.push(',');
    }

    fn replace(&mut self, place: &Range<u64>, with: &str) {
        let edit = Edit {
            at: place.clone(),
            with: with.as_bytes().to_vec(),
        };
        self.list.push(edit);
    }

    fn sorted(mut self, open: u64) -> Vec<Edit> {
        if !self.members.is_empty() {
            self.list.push(Edit {
                at: open..open,
                with: self.members.into_bytes(),
            });
        }
        self.list.sort_by_key(|edit| (edit.at.start, edit.at.end));
        self.list
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    json::quote_into(text, &mut quoted);
    quoted
}

fn span(at: &Range<usize>) -> Range<u64> {
    at.start as u64..at.end as u64
}
