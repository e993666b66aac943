//! Token quotas: what a key may spend, what a request is promised, and when a period begins anew.

use crate::time::{Period, Timestamp, Zone};
use crate::usage::TokenUsage;

/// Tokens a key may spend in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Tokens, from 1.
    pub limit: u64,
    /// How often it begins anew.
    pub period: Period,
}

/// Tokens of one key since its period began: spent, and promised to running requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Spent by requests admitted since [`Balance::since`].
    pub used: u64,
    /// Promised to running requests, whenever they were admitted.
    pub reserved: u64,
    /// When the count began: start of the period, last reset, or creation of the key.
    pub since: Timestamp,
}

/// A request needs more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} tokens are needed and {left} are left")]
pub struct QuotaExceeded {
    /// What the request may cost at most.
    pub asked: u64,
    /// What is neither spent nor promised.
    pub left: u64,
    /// Promised to running requests: when it would be enough, waiting helps.
    pub reserved: u64,
}

impl QuotaExceeded {
    /// Whether only running requests stand in the way: then trying again soon makes sense.
    pub const fn may_pass_later(self) -> bool {
        self.left.saturating_add(self.reserved) >= self.asked
    }
}

/// Promises `asked` tokens if spent + promised + asked stays within `limit`.
///
/// # Errors
/// [`QuotaExceeded`] when it does not; nothing is promised then.
pub fn reserve(limit: Option<u64>, balance: Balance, asked: u64) -> Result<Balance, QuotaExceeded> {
    if let Some(limit) = limit {
        let left = left(limit, balance);
        if left < asked {
            return Err(QuotaExceeded {
                asked,
                left,
                reserved: balance.reserved,
            });
        }
    }
    Ok(Balance {
        reserved: balance.reserved.saturating_add(asked),
        ..balance
    })
}

/// Tokens neither spent nor promised.
pub const fn left(limit: u64, balance: Balance) -> u64 {
    limit
        .saturating_sub(balance.used)
        .saturating_sub(balance.reserved)
}

/// Replaces the promise of a request by what it spent. Spending is always charged, even above the limit; a request
/// admitted before the period began is charged to the period that ended.
#[must_use]
pub fn settle(balance: Balance, admitted: Timestamp, promised: u64, spent: u64) -> Balance {
    let charged = if admitted >= balance.since { spent } else { 0 };
    Balance {
        used: balance.used.saturating_add(charged),
        reserved: balance.reserved.saturating_sub(promised),
        since: balance.since,
    }
}

/// The balance at `now`: begun anew when a period began since it was last counted.
#[must_use]
pub fn current(balance: Balance, period: Period, now: Timestamp, zone: &Zone) -> Balance {
    match period.start(now, zone) {
        Some(start) if start > balance.since => Balance {
            used: 0,
            reserved: balance.reserved,
            since: start,
        },
        _ => balance,
    }
}

/// How many output tokens a request is promised, and what limit the backend is told when the client set none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputBound {
    /// Tokens promised for the output, over all choices.
    pub promised: u64,
    /// Limit for each choice that is sent in the client's stead.
    pub injected: Option<u64>,
}

/// What decides the output bound of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputAsk {
    /// The client's own limit for each choice.
    pub limit: Option<u64>,
    /// Choices the client asks for, from 1.
    pub choices: u64,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the endpoint generates text at all: embeddings do not.
    pub generates: bool,
    /// Whether a limit may be sent in the client's stead: legacy completions keep the backend's default.
    pub injectable: bool,
    /// Context of the model, where known.
    pub context: Option<u64>,
    /// Bound of the prompt, which is promised.
    pub prompt: u64,
    /// What the prompt will be, as far as can be guessed: charged when nobody tells better.
    pub estimate: u64,
    /// Tokens left of the key's quota; `None` for a key without one.
    pub left: Option<u64>,
    /// The operator's bound for answers without a limit (`quota.max_output`).
    pub max_output: u64,
}

/// Tokens promised to a stream that set no limit, for each choice.
pub const STREAM_PROMISE: u64 = 4096;

/// What a request is promised, and the balance with that promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Tokens promised, prompt and output.
    pub promised: u64,
    /// Output limit for each choice that is sent in the client's stead.
    pub injected: Option<u64>,
    /// The balance with this promise.
    pub balance: Balance,
    /// When the request counts as admitted: never before the period that it is charged to, though the clock went back.
    pub admitted: Timestamp,
}

/// Most that one request is promised, without which two absurd ones could not be added up.
const MOST_PROMISED: u64 = 2 * TokenUsage::MOST;

/// Decides on a request that was `admitted` while its key held that balance: begins the period anew when it is time,
/// bounds the output by what is left, and promises both together or nothing.
///
/// # Errors
/// [`QuotaExceeded`] when the quota does not allow it.
pub fn promise(
    quota: Option<Quota>,
    held: Balance,
    ask: &OutputAsk,
    admitted: Timestamp,
    zone: &Zone,
) -> Result<Promise, QuotaExceeded> {
    let period = quota.map_or(Period::Total, |quota| quota.period);
    let limit = quota.map(|quota| quota.limit);
    let balance = current(held, period, admitted, zone);
    let left = limit.map(|limit| left(limit, balance));
    let bound = output_bound(&OutputAsk { left, ..*ask });
    let promised = ask.prompt.saturating_add(bound.promised).min(MOST_PROMISED);
    let balance = reserve(limit, balance, promised)?;
    let admitted = admitted.max(balance.since);
    Ok(Promise {
        promised,
        injected: bound.injected,
        balance,
        admitted,
    })
}

/// The output bound of a request.
pub fn output_bound(ask: &OutputAsk) -> OutputBound {
    let choices = ask.choices.max(1);
    if !ask.generates {
        return OutputBound {
            promised: 0,
            injected: None,
        };
    }
    if let Some(limit) = ask.limit {
        return OutputBound {
            promised: limit.saturating_mul(choices),
            injected: None,
        };
    }
    let Some(left) = ask.left else {
        return OutputBound {
            promised: STREAM_PROMISE.saturating_mul(choices),
            injected: None,
        };
    };
    if ask.stream || !ask.injectable {
        return OutputBound {
            promised: STREAM_PROMISE.saturating_mul(choices),
            injected: None,
        };
    }
    // A bound of the prompt may be far above it. Where even the guess leaves no room, the server shall decide.
    let room = ask
        .context
        .map(|context| context.saturating_sub(ask.estimate));
    let room = room.filter(|&room| room > 0).unwrap_or(u64::MAX);
    let each = (left.saturating_sub(ask.prompt) / choices)
        .min(room)
        .min(ask.max_output)
        .max(1);
    OutputBound {
        promised: each.saturating_mul(choices),
        injected: Some(each),
    }
}

#[cfg(test)]
mod tests;
