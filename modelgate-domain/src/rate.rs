//! Limits per key: requests per minute with a burst, tokens per minute, parallel requests.
//!
//! Never more than N requests are admitted in *any* 60 seconds, because the window remembers the last N admissions. Above
//! [`EXACT_RPM`] that memory would be large, so the generic cell rate algorithm takes over: at most `burst + rate × t`
//! requests in any span `t`, with a burst of one second's worth unless the key sets one.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Monotonic;

/// Requests per minute up to which the window is exact.
pub const EXACT_RPM: u32 = 6_000;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// What one key may do in a minute. `None` means no limit; the others are at least 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in any 60 seconds.
    pub rpm: Option<u32>,
    /// Of these, requests within one second.
    pub burst: Option<u32>,
    /// Tokens in any 60 seconds, promised ones included.
    pub tpm: Option<u64>,
    /// Requests at the same time.
    pub max_parallel: Option<u32>,
}

/// One limit, as told to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    /// The limit.
    pub limit: u64,
    /// What is left of it now.
    pub remaining: u64,
    /// When all of it is there again, if nothing more is asked.
    pub reset: Duration,
}

/// Where a key stands, as told to clients with every answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests per minute.
    pub requests: Option<Meter>,
    /// Tokens per minute.
    pub tokens: Option<Meter>,
}

/// Which limit stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Requests per minute, or the burst within a second.
    Requests,
    /// Tokens per minute.
    Tokens,
    /// Parallel requests.
    Parallel,
}

/// A limit stood in the way; nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit of {which:?} reached, try again in {retry_after:?}")]
pub struct LimitExceeded {
    /// Which one.
    pub which: Which,
    /// After this wait the same request passes, if nobody else asks meanwhile.
    pub retry_after: Duration,
    /// Where the key stands.
    pub standing: Standing,
}

/// The last minute of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    admits: VecDeque<Monotonic>,
    paced_until: Monotonic,
    tokens: VecDeque<(u64, u64)>,
    running: u32,
}

impl Window {
    /// Counts one request that may use up to `tokens`, if every limit allows it: all of them or none.
    ///
    /// # Errors
    /// [`LimitExceeded`] when one does not; the window is as before then.
    pub fn admit(
        &mut self,
        limits: &Limits,
        tokens: u64,
        now: Monotonic,
    ) -> Result<Standing, LimitExceeded> {
        self.forget(limits, now);
        self.pace_remembered(limits);
        let refused = self
            .requests_wait(limits, now)
            .map(|wait| (Which::Requests, wait))
            .or_else(|| {
                self.tokens_wait(limits, tokens, now)
                    .map(|wait| (Which::Tokens, wait))
            })
            .or_else(|| {
                limits
                    .max_parallel
                    .filter(|&most| self.running >= most)
                    .map(|_| (Which::Parallel, SECOND))
            });
        if let Some((which, retry_after)) = refused {
            return Err(LimitExceeded {
                which,
                retry_after,
                standing: self.standing(limits, now),
            });
        }
        self.count(limits, tokens, now);
        Ok(self.standing(limits, now))
    }

    /// Undoes an admission, for a request that was refused by something else.
    pub fn take_back(&mut self, limits: &Limits, tokens: u64, admitted: Monotonic) {
        self.running = self.running.saturating_sub(1);
        if let Some(at) = self.admits.iter().rposition(|&admit| admit == admitted) {
            self.admits.remove(at);
        }
        if let Some(interval) = pace(limits) {
            self.paced_until =
                Monotonic::from_start(self.paced_until.since_start().saturating_sub(interval));
        }
        self.adjust(admitted, tokens, 0);
    }

    /// Ends a request: frees its place and replaces the tokens it was promised by those it used.
    pub fn finish(&mut self, promised: u64, used: u64, admitted: Monotonic) {
        self.running = self.running.saturating_sub(1);
        self.adjust(admitted, promised, used);
    }

    /// Counts a request that was admitted before this window existed: how a restart forgets nothing.
    pub fn remember(&mut self, tokens: u64, admitted: Monotonic) {
        self.admits.push_back(admitted);
        self.add_tokens(tokens, admitted);
    }

    /// Whether nothing of the last minute is left, so that the window may be dropped.
    pub fn is_idle(&self, now: Monotonic) -> bool {
        let recent = self
            .admits
            .back()
            .is_some_and(|&admit| now.since(admit) < MINUTE);
        self.running == 0 && !recent && self.paced_until <= now && self.spent_tokens(now) == 0
    }

    /// Where the key stands at `now`.
    pub fn standing(&self, limits: &Limits, now: Monotonic) -> Standing {
        let requests = limits.rpm.map(|rpm| self.requests_meter(rpm, limits, now));
        let tokens = limits.tpm.map(|limit| {
            let newest = self
                .tokens
                .back()
                .map_or(Duration::ZERO, |&(second, _)| leaves(second).since(now));
            Meter {
                limit,
                remaining: limit.saturating_sub(self.spent_tokens(now)),
                reset: newest,
            }
        });
        Standing { requests, tokens }
    }

    fn requests_meter(&self, rpm: u32, limits: &Limits, now: Monotonic) -> Meter {
        if let Some(interval) = pace(limits) {
            let ahead = self.paced_until.since(now);
            let used =
                u64::try_from(ahead.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u64::MAX);
            return Meter {
                limit: rpm.into(),
                remaining: u64::from(rpm).saturating_sub(used),
                reset: ahead,
            };
        }
        let used = self
            .admits
            .iter()
            .filter(|&&admit| now.since(admit) < MINUTE)
            .count();
        let reset = self
            .admits
            .back()
            .map_or(Duration::ZERO, |admit| admit.after(MINUTE).since(now));
        let used = u64::try_from(used).unwrap_or(u64::MAX);
        Meter {
            limit: rpm.into(),
            remaining: u64::from(rpm).saturating_sub(used),
            reset,
        }
    }

    fn forget(&mut self, limits: &Limits, now: Monotonic) {
        let keep = if limits.rpm.is_none() && limits.burst.is_some() {
            SECOND
        } else {
            MINUTE
        };
        while self
            .admits
            .front()
            .is_some_and(|&admit| now.since(admit) >= keep)
        {
            self.admits.pop_front();
        }
        while self
            .tokens
            .front()
            .is_some_and(|&(second, _)| leaves(second) <= now)
        {
            self.tokens.pop_front();
        }
    }

    /// Paced keys keep no list of admissions: what was remembered of them becomes their pace.
    fn pace_remembered(&mut self, limits: &Limits) {
        if let Some(interval) = pace(limits) {
            let paced = self.admits.drain(..);
            self.paced_until = paced.fold(self.paced_until, |until, admit| {
                until.max(admit).after(interval)
            });
        }
    }

    fn requests_wait(&self, limits: &Limits, now: Monotonic) -> Option<Duration> {
        if let Some(interval) = pace(limits) {
            let ahead = self.paced_until.since(now);
            let allowed = interval.saturating_mul(paced_burst(limits).saturating_sub(1));
            return ahead.checked_sub(allowed).filter(|wait| !wait.is_zero());
        }
        let minute = limits
            .rpm
            .and_then(|most| self.wait_for_room(most, MINUTE, now));
        let second = limits
            .burst
            .and_then(|most| self.wait_for_room(most, SECOND, now));
        minute.max(second)
    }

    /// How long until fewer than `most` admissions lie within `span`; `None` when it is so already.
    fn wait_for_room(&self, most: u32, span: Duration, now: Monotonic) -> Option<Duration> {
        let back = usize::try_from(most).unwrap_or(usize::MAX);
        let blocking = self
            .admits
            .len()
            .checked_sub(back)
            .and_then(|index| self.admits.get(index))?;
        let wait = blocking.after(span).since(now);
        (wait > Duration::ZERO).then_some(wait)
    }

    fn tokens_wait(&self, limits: &Limits, asked: u64, now: Monotonic) -> Option<Duration> {
        let limit = limits.tpm?;
        let mut left = self.spent_tokens(now).saturating_add(asked);
        if left <= limit {
            return None;
        }
        for &(second, tokens) in &self.tokens {
            left = left.saturating_sub(tokens);
            if left <= limit {
                return Some(leaves(second).since(now));
            }
        }
        Some(MINUTE)
    }

    fn count(&mut self, limits: &Limits, tokens: u64, now: Monotonic) {
        self.running = self.running.saturating_add(1);
        if let Some(interval) = pace(limits) {
            self.paced_until = self.paced_until.max(now).after(interval);
        } else if limits.rpm.is_some() || limits.burst.is_some() {
            self.admits.push_back(now);
        }
        if limits.tpm.is_some() {
            self.add_tokens(tokens, now);
        }
    }

    fn add_tokens(&mut self, tokens: u64, at: Monotonic) {
        let second = at.since_start().as_secs();
        match self.tokens.back_mut() {
            Some((last, sum)) if *last == second => *sum = sum.saturating_add(tokens),
            _ => self.tokens.push_back((second, tokens)),
        }
    }

    fn adjust(&mut self, admitted: Monotonic, from: u64, to: u64) {
        let second = admitted.since_start().as_secs();
        if let Some((_, sum)) = self.tokens.iter_mut().find(|(held, _)| *held == second) {
            *sum = sum.saturating_sub(from).saturating_add(to);
        }
    }

    fn spent_tokens(&self, now: Monotonic) -> u64 {
        let held = self
            .tokens
            .iter()
            .filter(|&&(second, _)| leaves(second) > now);
        held.fold(0, |sum: u64, &(_, tokens)| sum.saturating_add(tokens))
    }
}

/// When the tokens of that second leave the window: at its end plus a minute, so that no 60 seconds hold too many.
fn leaves(second: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_secs(second.saturating_add(61)))
}

/// Time between two requests at an even pace, for limits above [`EXACT_RPM`].
fn pace(limits: &Limits) -> Option<Duration> {
    limits
        .rpm
        .filter(|&rpm| rpm > EXACT_RPM)
        .map(|rpm| MINUTE / rpm)
}

fn paced_burst(limits: &Limits) -> u32 {
    limits
        .burst
        .unwrap_or_else(|| limits.rpm.unwrap_or(0) / 60)
        .max(1)
}

#[cfg(test)]
mod tests;
