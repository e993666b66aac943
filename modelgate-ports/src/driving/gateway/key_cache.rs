//! Keys lately seen, so that a request costs no database read.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use modelgate_domain::{ApiKey, KeyDigest, Timestamp};

/// Entries in one generation; there are two, so at most twice as many keys are held.
const GENERATION: usize = 8_192;

/// A known key, or the knowledge that no key has that digest.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    Key {
        key: Arc<ApiKey>,
        secret_ends: Option<Timestamp>,
    },
    Nobody,
}

/// Two generations of entries: when the young one is full it becomes the old one, and what is asked for again is young
/// again. So memory is bounded and keys in use stay.
#[derive(Default)]
pub(crate) struct KeyCache {
    generations: Mutex<Generations>,
    edits: AtomicU64,
}

#[derive(Default)]
struct Generations {
    young: HashMap<KeyDigest, Known>,
    old: HashMap<KeyDigest, Known>,
}

/// The state of all keys before a read: what was read is kept only if no key changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edition(u64);

impl KeyCache {
    pub(crate) fn get(&self, digest: &KeyDigest) -> Option<Known> {
        let mut generations = self.lock();
        if let Some(known) = generations.young.get(digest) {
            return Some(known.clone());
        }
        let known = generations.old.remove(digest)?;
        generations.insert(*digest, known.clone());
        Some(known)
    }

    pub(crate) fn edition(&self) -> Edition {
        Edition(self.edits.load(Ordering::Acquire))
    }

    pub(crate) fn put(&self, digest: KeyDigest, known: Known, read_at: Edition) {
        let mut generations = self.lock();
        if self.edition() == read_at {
            generations.insert(digest, known);
        }
    }

    /// Forgets everything: some key changed.
    pub(crate) fn clear(&self) {
        let mut generations = self.lock();
        self.edits.fetch_add(1, Ordering::AcqRel);
        *generations = Generations::default();
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, digest: KeyDigest, known: Known) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, known);
    }
}

#[cfg(test)]
mod tests {
    use modelgate_domain::PlainKey;

    use super::*;

    fn digest(number: usize) -> KeyDigest {
        PlainKey::presented(&format!("key-{number}"))
            .unwrap()
            .digest()
    }

    #[test]
    fn memory_is_bounded_and_keys_in_use_stay() {
        let cache = KeyCache::default();
        for number in 0..GENERATION * 5 {
            cache.put(digest(number), Known::Nobody, cache.edition());
            assert!(cache.get(&digest(0)).is_some(), "after {number}");
        }
        let generations = cache.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let cache = KeyCache::default();
        let before = cache.edition();
        cache.clear();
        cache.put(digest(1), Known::Nobody, before);
        assert!(cache.get(&digest(1)).is_none());
    }
}
