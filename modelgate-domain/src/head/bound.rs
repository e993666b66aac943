//! How many tokens a prompt can be, before anybody counted.

use super::Head;

/// How the prompt is estimated when its tokens are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundMode {
    /// A third of the bytes: right for most text, too little for some.
    Estimate,
    /// One token for each byte: never too little where a tokenizer works on bytes.
    Bytes,
    /// The model's context of so many tokens: never too little.
    Window(u64),
}

const PER_MEDIUM: u64 = 1_500;
const PER_MESSAGE: u64 = 16;
const PER_BODY: u64 = 64;
const FOR_TOOLS: u64 = 1_024;

impl Head {
    /// How many tokens to reserve for the prompt, or prompts. `None`: more than can be counted.
    pub fn prompt_bound(&self, mode: BoundMode) -> Option<u64> {
        let text = self.bytes.saturating_sub(self.media.bytes);
        let tokens = match mode {
            BoundMode::Window(context) => return context.checked_mul(self.prompts),
            BoundMode::Estimate => text / 3,
            BoundMode::Bytes if self.tools => text.checked_add(PER_BODY + FOR_TOOLS)?,
            BoundMode::Bytes => text.checked_add(PER_BODY)?,
        };
        let media = self.media.count.checked_mul(PER_MEDIUM)?;
        let messages = self.messages.checked_mul(PER_MESSAGE)?;
        tokens.checked_add(media)?.checked_add(messages)
    }
}
