//! Ids of answers and of calls.

use std::fmt::Write;
use std::sync::Arc;

use modelgate_domain::RequestId;
use modelgate_ports::driven::Entropy;

/// Mints the ids of one answer.
pub(super) struct Ids {
    request: RequestId,
    entropy: Arc<dyn Entropy>,
    minted: u32,
}

impl Ids {
    pub(super) fn new(request: RequestId, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            request,
            entropy,
            minted: 0,
        }
    }

    /// Id of the answer. A request has one answer, so it takes its id from there.
    pub(super) fn answer(&self, prefix: &str) -> String {
        let mut id = prefix.to_owned();
        push_hex(&self.request.as_bytes(), &mut id);
        id
    }

    /// Id of a call that the server gave none: unique among all answers, as clients send them back.
    pub(super) fn call(&mut self) -> String {
        let mut random = [0; 12];
        let mut id = "call_".to_owned();
        if self.entropy.fill(&mut random).is_ok() {
            push_hex(&random, &mut id);
        } else {
            id = self.answer("call_");
            id.push_str(&self.minted.to_string());
        }
        self.minted += 1;
        id
    }
}

fn push_hex(bytes: &[u8], id: &mut String) {
    for byte in bytes {
        let _ = write!(id, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use modelgate_domain::Timestamp;
    use modelgate_ports::driven::NoEntropy;
    use modelgate_ports::test_util::SeededEntropy;

    use super::*;

    struct Dry;

    impl Entropy for Dry {
        fn fill(&self, _bytes: &mut [u8]) -> Result<(), NoEntropy> {
            Err(NoEntropy)
        }
    }

    #[test]
    fn ids_are_unique_with_and_without_randomness() {
        let request = RequestId::new(Timestamp::from_millis(1_700_000_000_123), [0xff; 10]);
        let mut ids = Ids::new(request, Arc::new(SeededEntropy::new(1)));
        assert_eq!(
            ids.answer("chatcmpl-"),
            "chatcmpl-018bcfe5687b7fffbfffffffffffffff"
        );
        let (first, second) = (ids.call(), ids.call());
        assert!(
            first.starts_with("call_") && first.len() == 29 && first != second,
            "{first} {second}"
        );

        let mut ids = Ids::new(request, Arc::new(Dry));
        assert_eq!(ids.call(), "call_018bcfe5687b7fffbfffffffffffffff0");
        assert_eq!(ids.call(), "call_018bcfe5687b7fffbfffffffffffffff1");
    }
}
