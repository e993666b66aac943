//! Whether every choice of a stream has come to its end.

use std::collections::BTreeMap;

use super::outline::Choice;

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

    pub(super) fn note(&mut self, choice: Choice) {
        *self.seen.entry(choice.index).or_default() |= choice.finished;
    }

    pub(super) fn is_complete(&self) -> bool {
        let finished = self.seen.values().filter(|finished| **finished).count();
        finished == self.seen.len() && finished >= self.expected.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_choices_must_have_finished() {
        let mut finish = Finish::new(2);
        let mut after = |index, finished| {
            finish.note(Choice { index, finished });
            finish.is_complete()
        };
        assert!(!after(0, false));
        assert!(!after(0, true));
        assert!(!after(1, false));
        assert!(after(1, true));
        assert!(!after(2, false));
        assert!(!Finish::new(0).is_complete());
    }
}
