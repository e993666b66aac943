//! From a server's events to the client's: the name of the model, usage only if asked for, errors told apart.

use bytes::{Bytes, BytesMut};
use modelgate_domain::TokenUsage;
use modelgate_domain::json;
use modelgate_ports::driven::{BackendError, Call};

use super::super::error::{self, Names, nonsense};
use super::super::events;
use super::super::sse::Event;
use super::edit::{self, Edit};
use super::finish::Finish;
use super::frames::Frames;
use super::normalize::Normalizer;
use super::outline::{self, Outline};
use super::template::{Fit, Template};
use super::usage;

/// What is remembered between the events of one stream.
pub(super) struct Translator {
    /// The client's name for the model, as JSON.
    shown: Bytes,
    names: Names,
    /// The client asked for usage.
    include_usage: bool,
    normalizer: Option<Normalizer>,
    template: Template,
    finish: Finish,
    usage: Usage,
    /// `id`, `object` and `created` of the stream, as members.
    identity: Vec<u8>,
    done: bool,
    /// Kept for their memory.
    outline: Outline,
    edits: Vec<Edit<Bytes>>,
}

/// What the server told of tokens.
#[derive(Debug, Default)]
struct Usage {
    last: Option<TokenUsage>,
    /// Told in words that count more than timings.
    proper: bool,
    /// The client has an event with nothing but usage.
    passed_on: bool,
}

impl Translator {
    pub(super) fn new(call: &Call<'_>, names: Names, normalize: bool) -> Self {
        let mut shown = Vec::with_capacity(call.shown_model.len() + 2);
        json::quote(call.shown_model, &mut shown);
        Self {
            shown: Bytes::from(shown),
            names,
            include_usage: call.head.include_usage,
            normalizer: normalize.then(|| Normalizer::new(call.request, call.head.choices)),
            template: Template::default(),
            finish: Finish::new(call.head.choices),
            usage: Usage::default(),
            identity: Vec::new(),
            done: false,
            outline: Outline::default(),
            edits: Vec::new(),
        }
    }

    /// Whether the server said that this was all.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes an event and writes what the client gets of it.
    ///
    /// # Errors
    /// The event is an error, or no JSON.
    pub(super) fn event(
        &mut self,
        event: &Event<'_>,
        frames: &mut Frames,
    ) -> Result<(), BackendError> {
        let data = event.data.trim_ascii();
        if data.starts_with(b"[DONE]") {
            self.done = true;
            return Ok(());
        }
        if event.name == b"error" {
            return Err(error::in_stream(data, &self.names));
        }
        match self.template.fit(data) {
            Fit::Same(text) => {
                self.usual(text, event, frames);
                Ok(())
            }
            Fit::Almost => self.unusual(data, event, frames, false),
            Fit::Different => self.unusual(data, event, frames, true),
        }
    }

    /// Ends the stream, with the usage that the client asked for and did not get.
    ///
    /// # Errors
    /// The server did not say that this was all, nor finish every choice.
    pub(super) fn end(&mut self, frames: &mut Frames) -> Result<(), BackendError> {
        if !self.done && !self.finish.is_complete() {
            return Err(nonsense(
                "the model server's answer ended early",
                "no finish_reason, no [DONE]",
            ));
        }
        if let Some(usage) = self
            .usage
            .last
            .filter(|_| self.include_usage && !self.usage.passed_on)
        {
            self.usage.passed_on = true;
            self.write_usage(usage, frames.buffer());
        }
        Ok(())
    }

    fn usual(&mut self, text: &[u8], event: &Event<'_>, frames: &mut Frames) {
        self.template.hit();
        frames.deltas += 1;
        match &event.plain {
            Some((chunk, at)) if !self.template.changes() => frames.keep(chunk, at.clone()),
            _ => self.template.write(text, frames.buffer()),
        }
    }

    fn unusual(
        &mut self,
        data: &[u8],
        event: &Event<'_>,
        frames: &mut Frames,
        is_new: bool,
    ) -> Result<(), BackendError> {
        let outline = Outline::read(std::mem::take(&mut self.outline), data)
            .map_err(|cause| nonsense("the model server sent an event that is no JSON", cause))?;
        if let Some(error) = error_in(&outline, data) {
            return Err(error::in_stream(error, &self.names));
        }
        for choice in &outline.each {
            self.finish.note(*choice)?;
        }
        frames.deltas += u32::from(outline.output);
        let told = self.note_usage(&outline, data, frames);
        self.note_identity(&outline, data);
        if !(told && is_only_usage(&outline, data) && self.passes_usage_over()) {
            let settled = self.plan(&outline, data)?;
            self.write(data, event, frames);
            let is_usual = outline.each.len() == 1 && !outline.each[0].finished && !told;
            if let Some(content) = outline
                .content
                .clone()
                .filter(|_| is_new && settled && is_usual)
            {
                self.template.record(data, content, &self.edits);
            }
        }
        self.outline = outline;
        Ok(())
    }

    /// Takes tokens from the event; `true` if there were any.
    fn note_usage(&mut self, outline: &Outline, data: &[u8], frames: &mut Frames) -> bool {
        let at = |place: &Option<std::ops::Range<usize>>| place.clone().map(|at| &data[at]);
        let proper = at(&outline.usage)
            .and_then(usage::of)
            .or_else(|| at(&outline.groq).and_then(usage::of_groq));
        let timed = || {
            at(&outline.timings)
                .and_then(usage::of_timings)
                .filter(|_| !self.usage.proper)
        };
        let Some(told) = proper.or_else(timed) else {
            return false;
        };
        self.usage.proper |= proper.is_some();
        self.usage.last = Some(told);
        frames.usage = Some(told);
        true
    }

    /// Whether an event with nothing but usage is left out; otherwise the client has it now.
    fn passes_usage_over(&mut self) -> bool {
        self.usage.passed_on |= self.include_usage;
        !self.include_usage
    }

    fn note_identity(&mut self, outline: &Outline, data: &[u8]) {
        if !self.identity.is_empty() || outline.id.is_none() {
            return;
        }
        let members = [
            ("id", &outline.id),
            ("object", &outline.object),
            ("created", &outline.created),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                self.identity
                    .extend_from_slice(format!("\"{name}\":").as_bytes());
                self.identity.extend_from_slice(&data[value.clone()]);
                self.identity.push(b',');
            }
        }
    }

    /// Finds what must change. `true` if the next event like it needs the same changes.
    fn plan(&mut self, outline: &Outline, data: &[u8]) -> Result<bool, BackendError> {
        self.edits.clear();
        if let Some(model) = outline
            .model
            .clone()
            .filter(|at| data[at.clone()] != self.shown)
        {
            self.edits.push(Edit::new(model, self.shown.clone()));
        }
        if let Some(usage) = outline.usage.as_ref().filter(|_| !self.include_usage) {
            self.edits
                .push(Edit::new(edit::member(data, usage), Bytes::new()));
        }
        let settled = match &mut self.normalizer {
            Some(normalizer) => normalizer.edit(data, outline, &mut self.edits)?,
            None => true,
        };
        self.edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        Ok(settled)
    }

    fn write(&self, data: &[u8], event: &Event<'_>, frames: &mut Frames) {
        if let (Some((chunk, at)), true) = (&event.plain, self.edits.is_empty()) {
            return frames.keep(chunk, at.clone());
        }
        let out = frames.buffer();
        out.reserve(data.len() + self.shown.len() + 16);
        out.extend_from_slice(events::BEFORE);
        edit::apply(data, &self.edits, 0..data.len(), |part| {
            events::push_line(out, part);
        });
        out.extend_from_slice(events::AFTER);
    }

    fn write_usage(&self, usage: TokenUsage, out: &mut BytesMut) {
        let TokenUsage {
            prompt,
            cached,
            completion,
            reasoning,
        } = usage;
        let total = usage.total();
        let tokens = format!(
            "\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{total},\
             \"prompt_tokens_details\":{{\"cached_tokens\":{cached}}},\
             \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}"
        );
        let parts: [&[u8]; 6] = [
            b"{",
            &self.identity,
            b"\"model\":",
            &self.shown,
            b",\"choices\":[],\"usage\":{",
            tokens.as_bytes(),
        ];
        let mut event = parts.concat();
        event.extend_from_slice(b"}}");
        events::push(out, &event);
    }
}

/// The error that an event is, or holds, in whatever shape.
fn error_in<'a>(outline: &Outline, data: &'a [u8]) -> Option<&'a [u8]> {
    if let Some(error) = outline
        .error
        .clone()
        .map(|at| &data[at])
        .filter(|raw| outline::is_truthy(raw))
    {
        return Some(error);
    }
    let says_so = outline
        .object
        .clone()
        .is_some_and(|at| &data[at] == b"\"error\"");
    (outline.choices.is_none() && (says_so || outline.complaint)).then_some(data)
}

/// Whether the event has usage and no choices.
fn is_only_usage(outline: &Outline, data: &[u8]) -> bool {
    let is_nothing = |raw: &[u8]| json::is_null(raw) || json::is_empty_array(raw);
    let choices = outline.choices.clone();
    let usage = outline.usage.clone();
    choices.is_none_or(|at| is_nothing(&data[at])) && usage.is_some_and(|at| data[at.start] == b'{')
}
