//! The rows of a fake ledger, read back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use modelgate_domain::{KeyId, Timestamp, TokenUsage};

use super::ledger::{Row, State};
use crate::driven::{Recent, RowFilter, Settlement, StoreError, UsageLog, UsageRow};

/// What a [`FakeLedger`](super::FakeLedger) wrote. Keys are called `key-<number>` unless named; targets have no names.
#[derive(Debug)]
pub struct FakeUsageLog {
    ledger: Arc<Mutex<State>>,
    names: HashMap<KeyId, String>,
}

impl FakeUsageLog {
    pub(super) fn over(ledger: Arc<Mutex<State>>) -> Self {
        Self {
            ledger,
            names: HashMap::new(),
        }
    }

    /// Shows that key by this name.
    #[must_use]
    pub fn named(mut self, key: KeyId, name: &str) -> Self {
        self.names.insert(key, name.to_owned());
        self
    }

    fn row(&self, row: &Row) -> UsageRow {
        let key = row.admission.key;
        let told = row.settlement.as_ref();
        let since = |time: Timestamp| {
            u64::try_from(time.millis() - row.admission.admitted.millis()).unwrap_or(0)
        };
        let charged = told.filter(|settlement| !settlement.void);
        UsageRow {
            id: row.admission.request,
            at: row.admission.admitted,
            key,
            key_name: self
                .names
                .get(&key)
                .cloned()
                .unwrap_or_else(|| format!("key-{key}")),
            model: row.admission.model_name.to_string(),
            target: None,
            backend: None,
            status: told.map(|settlement| settlement.status),
            error_code: told.and_then(|settlement| Some(settlement.error.as_ref()?.code.clone())),
            error_message: told
                .and_then(|settlement| Some(settlement.error.as_ref()?.message.clone())),
            stream: row.admission.stream,
            attempts: told.map_or(0, |settlement| {
                u32::try_from(settlement.attempts.len()).unwrap_or(u32::MAX)
            }),
            attempt_detail: told.map_or_else(Vec::new, attempts),
            state: row.state.as_str().to_owned(),
            source: charged.map(|settlement| settlement.spent.source.as_str().to_owned()),
            client: Some(row.admission.client),
            usage: charged.map_or_else(TokenUsage::default, |settlement| settlement.spent.usage),
            first_token_ms: told
                .and_then(|settlement| settlement.first_token)
                .map(since),
            duration_ms: told.map(|settlement| since(settlement.ended)),
        }
    }
}

fn attempts(settlement: &Settlement) -> Vec<String> {
    let outcome =
        |failure: &Option<String>| failure.clone().unwrap_or_else(|| "answered".to_owned());
    settlement
        .attempts
        .iter()
        .map(|attempt| format!("target {}: {}", attempt.target.0, outcome(&attempt.failure)))
        .collect()
}

#[async_trait]
impl UsageLog for FakeUsageLog {
    async fn rows(&self, filter: &RowFilter) -> Result<Vec<UsageRow>, StoreError> {
        let ledger = self.ledger.lock().expect("no panic while locked");
        let passes = |row: &&Row| {
            filter
                .before
                .is_none_or(|before| row.admission.request < before)
                && filter.key.is_none_or(|key| row.admission.key == key)
        };
        let most = filter.limit.clamp(1, 200) as usize;
        Ok(ledger
            .rows
            .values()
            .rev()
            .filter(passes)
            .take(most)
            .map(|row| self.row(row))
            .collect())
    }

    async fn recent(&self, since: Timestamp) -> Result<Vec<Recent>, StoreError> {
        let ledger = self.ledger.lock().expect("no panic while locked");
        let mut rows: Vec<Recent> = ledger
            .rows
            .values()
            .filter(|row| row.admission.admitted >= since)
            .map(recent)
            .collect();
        rows.sort_by_key(|row| row.admitted);
        Ok(rows)
    }
}

fn recent(row: &Row) -> Recent {
    let tokens = match &row.settlement {
        None => row.promised,
        Some(settlement) if settlement.void => 0,
        Some(settlement) => settlement.spent.usage.total(),
    };
    Recent {
        key: row.admission.key,
        admitted: row.admission.admitted,
        tokens,
    }
}
