//! Writing the events of a stream.

use modelgate_domain::TokenUsage;

use super::envelope::{self, Envelope, push};
use super::ids::Ids;
use super::line::{Call, Logprob, Quoted};

/// Which endpoint the chunks are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Chat,
    Completion,
}

/// Writes chunks that differ in their one choice only. What is the same in all is written once and copied.
#[derive(Debug)]
pub(super) struct Chunks {
    style: Style,
    envelope: Envelope,
    /// From `data: ` to the opening of the list of choices.
    front: Vec<u8>,
    /// From the end of the choice on.
    back: &'static [u8],
    /// Characters of the completion so far.
    offset: usize,
}

impl Chunks {
    /// Chunks of one stream. With the usage told at its end, every other chunk says that it has none.
    pub(super) fn new(style: Style, envelope: Envelope, tells_usage: bool) -> Self {
        let back = if tells_usage {
            &b"}],\"usage\":null}\n\n"[..]
        } else {
            b"}]}\n\n"
        };
        Self {
            style,
            envelope,
            front: Vec::new(),
            back,
            offset: 0,
        }
    }

    /// Begins the stream, which was created then. A chat opens with the role of who speaks.
    pub(super) fn begin(&mut self, created: Option<i64>, out: &mut Vec<u8>) {
        let object = match self.style {
            Style::Chat => "chat.completion.chunk",
            Style::Completion => "text_completion",
        };
        self.front = b"data: ".to_vec();
        self.envelope.begin(object, created, &mut self.front);
        if self.style == Style::Chat {
            self.plain(
                b"\"delta\":{\"role\":\"assistant\",\"content\":\"\"}",
                b"null",
                out,
            );
        }
    }

    /// Text of the client's own prompt, which a completion may repeat.
    pub(super) fn echo(&mut self, prompt: &str, out: &mut Vec<u8>) {
        let mut quoted = String::new();
        modelgate_domain::json::quote_into(prompt, &mut quoted);
        self.content(Quoted(&quoted), None, out);
        self.offset = prompt.chars().count();
    }

    pub(super) fn thinking(
        &mut self,
        thinking: Quoted<'_>,
        logprobs: Option<&[Logprob<'_>]>,
        out: &mut Vec<u8>,
    ) {
        self.open(out);
        match self.style {
            Style::Chat => out.extend_from_slice(b"\"delta\":{"),
            Style::Completion => out.extend_from_slice(b"\"text\":\"\","),
        }
        self.envelope.thinking(thinking, out);
        if self.style == Style::Chat {
            out.push(b'}');
        }
        self.close(logprobs, out);
    }

    pub(super) fn content(
        &mut self,
        content: Quoted<'_>,
        logprobs: Option<&[Logprob<'_>]>,
        out: &mut Vec<u8>,
    ) {
        self.open(out);
        match self.style {
            Style::Chat => {
                out.extend_from_slice(b"\"delta\":{\"content\":");
                out.extend_from_slice(content.0.as_bytes());
                out.push(b'}');
            }
            Style::Completion => {
                out.extend_from_slice(b"\"text\":");
                out.extend_from_slice(content.0.as_bytes());
            }
        }
        self.close(logprobs, out);
    }

    /// A whole call, which is number `index` of its answer.
    pub(super) fn call(&mut self, index: usize, call: &Call<'_>, ids: &mut Ids, out: &mut Vec<u8>) {
        self.open(out);
        push(
            out,
            format_args!(r#""delta":{{"tool_calls":[{{"index":{index},"#),
        );
        envelope::call(call, ids, out);
        out.extend_from_slice(b"}]}");
        self.close(None, out);
    }

    /// The chunk that ends the choice.
    pub(super) fn finish(&self, reason: &str, out: &mut Vec<u8>) {
        let empty: &[u8] = match self.style {
            Style::Chat => b"\"delta\":{}",
            Style::Completion => b"\"text\":\"\"",
        };
        self.plain(empty, format!("\"{reason}\"").as_bytes(), out);
    }

    /// The chunk after the last choice.
    pub(super) fn usage(&self, usage: TokenUsage, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.front);
        out.extend_from_slice(b"],");
        envelope::usage(usage, out);
        out.extend_from_slice(b"}\n\n");
    }

    fn plain(&self, inside: &[u8], reason: &[u8], out: &mut Vec<u8>) {
        self.open(out);
        out.extend_from_slice(inside);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":");
        out.extend_from_slice(reason);
        out.extend_from_slice(self.back);
    }

    fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.front);
        out.extend_from_slice(b"{\"index\":0,");
    }

    fn close(&mut self, logprobs: Option<&[Logprob<'_>]>, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"logprobs\":");
        match self.style {
            Style::Chat => envelope::chat_logprobs(logprobs, out),
            Style::Completion => envelope::text_logprobs(logprobs, &mut self.offset, out),
        }
        out.extend_from_slice(b",\"finish_reason\":null");
        out.extend_from_slice(self.back);
    }
}
