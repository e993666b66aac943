//! The contract of `UsageLog`, over the rows of a ledger.

use std::net::IpAddr;
use std::time::Duration;

use modelgate_domain::{KeyId, RequestId, Source, Spent, Timestamp, TokenUsage};

use crate::driven::{
    Admission, QuotaLedger, Recent, RowError, RowFilter, Settlement, UsageLog, UsageRow,
};
use crate::test_util::sample::{NOON, admission, request_id, settlement};

/// Runs the whole contract. Ledger and log are of the same, empty store; the keys exist and were made at `sample::MADE`.
pub async fn usage_log_contract(ledger: &dyn QuotaLedger, log: &dyn UsageLog, keys: [KeyId; 2]) {
    let [one, other] = keys;
    assert_eq!(log.rows(&page(None, None, 10)).await.expect("read"), []);
    write_four_rows(ledger, one, other).await;
    rows_come_newest_first_and_page_by_page(log, one).await;
    a_row_tells_what_happened(log).await;
    recent_requests_are_told_with_what_they_cost(log, one, other).await;
}

fn at(second: u64) -> Timestamp {
    NOON.after(Duration::from_secs(second))
}

fn id(second: u64) -> RequestId {
    request_id(at(second), 1)
}

fn page(before: Option<RequestId>, key: Option<KeyId>, limit: u32) -> RowFilter {
    RowFilter { before, key, limit }
}

/// Second 0: settled; 1: failed, of the other key; 2: void; 3: still running.
async fn write_four_rows(ledger: &dyn QuotaLedger, one: KeyId, other: KeyId) {
    for (second, key) in [(0, one), (1, other), (2, one), (3, one)] {
        let admission = Admission {
            request: id(second),
            admitted: at(second),
            ..admission(key, 0, None, 10, 50)
        };
        let client: IpAddr = "2001:db8::1".parse().expect("an address");
        let admission = Admission {
            stream: second == 1,
            client,
            ..admission
        };
        ledger.reserve(&admission).await.expect("no limit");
    }
    let usage = TokenUsage {
        prompt: 9,
        cached: 4,
        completion: 5,
        reasoning: 2,
    };
    let good = Settlement {
        spent: Spent {
            usage,
            source: Source::Upstream,
        },
        ..settlement(0, 0)
    };
    ledger.settle(id(0), good).await.expect("committed");
    ledger.settle(id(1), failed()).await.expect("committed");
    ledger
        .settle(
            id(2),
            Settlement {
                void: true,
                status: 502,
                first_token: None,
                ended: at(4),
                ..settlement(1, 1)
            },
        )
        .await
        .expect("committed");
}

fn failed() -> Settlement {
    let error = RowError {
        code: "upstream_timeout".into(),
        message: "it took too long, 'really'\n\"so\"".into(),
    };
    Settlement {
        spent: Spent::known(None, 10, 3),
        status: 504,
        error: Some(error),
        first_token: None,
        ended: at(31),
        ..settlement(0, 0)
    }
}

async fn rows_come_newest_first_and_page_by_page(log: &dyn UsageLog, one: KeyId) {
    let check = async |filter: RowFilter, expected: &[u64]| {
        let rows = log.rows(&filter).await.expect("read");
        let ids: Vec<RequestId> = rows.iter().map(|row| row.id).collect();
        assert_eq!(
            ids,
            expected
                .iter()
                .map(|&second| id(second))
                .collect::<Vec<_>>(),
            "{filter:?}"
        );
    };
    check(page(None, None, 10), &[3, 2, 1, 0]).await;
    check(page(None, None, 2), &[3, 2]).await;
    check(page(Some(id(2)), None, 2), &[1, 0]).await;
    check(page(Some(id(0)), None, 2), &[]).await;
    check(page(None, Some(one), 10), &[3, 2, 0]).await;
    check(page(Some(id(2)), Some(one), 1), &[0]).await;
    check(page(None, Some(KeyId(4711)), 10), &[]).await;
    check(page(None, None, 0), &[3]).await;
}

async fn row(log: &dyn UsageLog, second: u64) -> UsageRow {
    let rows = log
        .rows(&page(Some(id(second + 1)), None, 1))
        .await
        .expect("read");
    rows.into_iter().next().expect("a row")
}

async fn a_row_tells_what_happened(log: &dyn UsageLog) {
    let good = row(log, 0).await;
    assert_eq!(
        (good.at, good.model.as_str(), good.stream),
        (at(0), "llama3", false)
    );
    assert_eq!(
        (good.state.as_str(), good.source.as_deref(), good.status),
        ("settled", Some("upstream"), Some(200))
    );
    assert_eq!(
        good.usage,
        TokenUsage {
            prompt: 9,
            cached: 4,
            completion: 5,
            reasoning: 2
        }
    );
    assert_eq!(
        (good.first_token_ms, good.duration_ms),
        (Some(250), Some(1000))
    );
    assert_eq!(good.client, "2001:db8::1".parse().ok());

    let failed_row = row(log, 1).await;
    assert_eq!(
        (
            failed_row.state.as_str(),
            failed_row.source.as_deref(),
            failed_row.stream
        ),
        ("settled", Some("estimated"), true)
    );
    assert_eq!(
        (failed_row.status, failed_row.error_code.as_deref()),
        (Some(504), Some("upstream_timeout"))
    );
    assert_eq!(
        failed_row.error_message,
        failed().error.map(|error| error.message)
    );
    assert_eq!(
        (failed_row.first_token_ms, failed_row.duration_ms),
        (None, Some(30_000))
    );

    let void = row(log, 2).await;
    assert_eq!(
        (void.state.as_str(), void.source, void.status),
        ("void", None, Some(502))
    );
    assert_eq!(void.usage, TokenUsage::default());

    let open = row(log, 3).await;
    assert_eq!(
        (
            open.state.as_str(),
            open.source,
            open.status,
            open.duration_ms
        ),
        ("open", None, None, None)
    );
    assert_eq!((open.usage, open.attempts), (TokenUsage::default(), 0));
}

async fn recent_requests_are_told_with_what_they_cost(
    log: &dyn UsageLog,
    one: KeyId,
    other: KeyId,
) {
    let recent = |key, second, tokens| Recent {
        key,
        admitted: at(second),
        tokens,
    };
    let all = [
        recent(one, 0, 14),
        recent(other, 1, 13),
        recent(one, 2, 0),
        recent(one, 3, 60),
    ];
    assert_eq!(log.recent(at(0)).await.expect("read"), all);
    assert_eq!(log.recent(at(2)).await.expect("read"), all[2..]);
    assert_eq!(log.recent(at(4)).await.expect("read"), []);
}
