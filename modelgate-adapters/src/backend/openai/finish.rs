//! Whether every choice of a stream has come to its end.

use std::collections::BTreeMap;

use modelgate_ports::driven::BackendError;

use super::super::error::nonsense;
use super::outline::Choice;

/// More choices, and more tool calls in one of them, than anybody asks for.
pub(super) const MOST: usize = 128;

/// The choices seen so far.
#[derive(Debug)]
pub(super) struct Finish {
    expected: usize,
    seen: BTreeMap<u64, bool>,
}

impl Finish {
    /// For a stream of at least so many choices.
    pub(super) fn new(expected: u64) -> Self {
        Self {
            expected: usize::try_from(expected).unwrap_or(usize::MAX),
            seen: BTreeMap::new(),
        }
    }

    /// Takes note of a choice.
    ///
    /// # Errors
    /// There are more of them than were asked for or than is sane.
    pub(super) fn note(&mut self, choice: Choice) -> Result<(), BackendError> {
        *self.seen.entry(choice.index).or_default() |= choice.finished;
        if self.seen.len() > self.expected.max(MOST) {
            return Err(too_many("choices"));
        }
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        let finished = self.seen.values().filter(|finished| **finished).count();
        finished == self.seen.len() && finished >= self.expected.max(1)
    }
}

/// A server that goes on and on.
pub(super) fn too_many(what: &str) -> BackendError {
    nonsense("the model server's answer has too many parts", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_choices_must_have_finished() {
        let mut finish = Finish::new(2);
        let mut after = |index, finished| {
            finish.note(Choice { index, finished }).unwrap();
            finish.is_complete()
        };
        assert!(!after(0, false));
        assert!(!after(0, true));
        assert!(!after(1, false));
        assert!(after(1, true));
        assert!(!after(2, false));
        assert!(!Finish::new(0).is_complete());
    }

    #[test]
    fn there_are_no_more_choices_than_were_asked_for_or_are_sane() {
        for (expected, most) in [(1, 128), (128, 128), (300, 300)] {
            let mut finish = Finish::new(expected);
            let mut note = |index| {
                let finished = false;
                finish.note(Choice { index, finished }).is_ok()
            };
            assert!((0..most).all(&mut note) && (0..most).all(&mut note));
            assert!(!note(u64::MAX));
        }
    }
}
