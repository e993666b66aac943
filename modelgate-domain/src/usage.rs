//! What a request used: tokens, how they are known, and what is charged.

/// Tokens of one request. `cached` is a part of `prompt`, `reasoning` a part of `completion`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Of these, tokens the backend had cached.
    pub cached: u64,
    /// Tokens of the answer.
    pub completion: u64,
    /// Of these, tokens of reasoning.
    pub reasoning: u64,
}

impl TokenUsage {
    /// Most tokens that a prompt or an answer is believed to have, far above any model's context.
    pub const MOST: u64 = 100_000_000;

    /// Prompt and completion: what counts against a quota.
    pub const fn total(self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }

    /// Whether a backend that tells these figures may be believed.
    pub const fn is_believable(self) -> bool {
        self.prompt <= Self::MOST && self.completion <= Self::MOST
    }

    /// The same with impossible figures made possible: nothing above [`TokenUsage::MOST`], no part above its whole.
    #[must_use]
    pub fn believable(self) -> Self {
        let prompt = self.prompt.min(Self::MOST);
        let completion = self.completion.min(Self::MOST);
        Self {
            prompt,
            cached: self.cached.min(prompt),
            completion,
            reasoning: self.reasoning.min(completion),
        }
    }
}

/// How the tokens of a row are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The backend told them.
    Upstream,
    /// The gateway estimated the prompt and counted the output.
    Estimated,
    /// Found open after a crash, and closed with the last saved progress.
    Recovered,
}

impl Source {
    /// The word used in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Estimated => "estimated",
            Self::Recovered => "recovered",
        }
    }
}

/// What a request is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The tokens.
    pub usage: TokenUsage,
    /// How they are known.
    pub source: Source,
}

impl Spent {
    /// Nothing: the request never did any work upstream.
    pub const NOTHING: Self = Self {
        usage: TokenUsage {
            prompt: 0,
            cached: 0,
            completion: 0,
            reasoning: 0,
        },
        source: Source::Estimated,
    };

    /// What the backend told; without a believable word from it, the estimated prompt and the counted output.
    pub fn known(told: Option<TokenUsage>, prompt_estimate: u64, counted_output: u64) -> Self {
        let estimate = TokenUsage {
            prompt: prompt_estimate,
            completion: counted_output,
            ..TokenUsage::default()
        };
        let told = told.filter(|told| told.is_believable());
        let source = if told.is_some() {
            Source::Upstream
        } else {
            Source::Estimated
        };
        Self {
            usage: told.unwrap_or(estimate).believable(),
            source,
        }
    }
}

/// Where a row stands. Only an open row may change, and only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// Admitted and running.
    Open,
    /// Done, charged.
    Settled,
    /// Closed after a crash, charged with what was known.
    Recovered,
    /// Nothing was sent upstream; charged nothing.
    Void,
}

impl RowState {
    /// The word used in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
            Self::Recovered => "recovered",
            Self::Void => "void",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn usage(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> TokenUsage {
        TokenUsage {
            prompt,
            cached,
            completion,
            reasoning,
        }
    }

    #[test]
    fn impossible_figures_are_made_possible() {
        let check =
            |told: TokenUsage, expected: TokenUsage| assert_eq!(told.believable(), expected);
        check(usage(10, 5, 7, 3), usage(10, 5, 7, 3));
        check(usage(10, 11, 7, 8), usage(10, 10, 7, 7));
        check(
            usage(u64::MAX, 0, u64::MAX, 0),
            usage(TokenUsage::MOST, 0, TokenUsage::MOST, 0),
        );
    }

    #[test]
    fn the_backends_figure_wins_over_the_estimate() {
        assert_eq!(
            Spent::known(Some(usage(10, 0, 7, 0)), 99, 99).usage.total(),
            17
        );
        let estimated = Spent::known(None, 20, 3);
        assert_eq!(
            (estimated.usage.total(), estimated.source),
            (23, Source::Estimated)
        );
        let absurd = Spent::known(Some(usage(i64::MAX as u64, 0, 7, 0)), 20, 3);
        assert_eq!(absurd, estimated);
    }
}
