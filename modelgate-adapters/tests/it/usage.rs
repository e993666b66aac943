//! Rows tell who answered, also when the model has gone, and limits are rebuilt from them.

use std::sync::Arc;
use std::time::Duration;

use modelgate_adapters::limiter::LocalLimiter;
use modelgate_adapters::sealer::{AeadSealer, SecretKey};
use modelgate_adapters::sql::{SqlCatalog, SqlKeyStore, SqlUsageLog};
use modelgate_domain::rate::Limits;
use modelgate_domain::{KeyName, TargetId, Timestamp};
use modelgate_ports::driven::{
    Admission, Attempt, Catalog as _, KeyStore as _, NewModel, QuotaLedger as _, RateLimiter as _,
    RowFilter, Settlement, UsageLog as _,
};
use modelgate_ports::test_util::sample::{
    self, NOON, admission, new_model, new_target, request_id, settlement,
};
use modelgate_ports::test_util::{ManualClock, SeededEntropy};

use crate::scratch::{Scratch, ledger, new_keys};

const ALL: RowFilter = RowFilter {
    before: None,
    key: None,
    limit: 200,
};

#[tokio::test]
async fn a_row_names_the_servers_that_were_tried_also_when_they_have_gone() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let secret = SecretKey::parse(&"a1".repeat(32)).expect("a key");
    let sealer = AeadSealer::new(&secret, Arc::new(SeededEntropy::new(3))).expect("a sealer");
    let catalog = SqlCatalog::load(sql.clone(), Arc::new(sealer))
        .await
        .expect("read");
    let targets = vec![new_target("http://a"), new_target("http://b")];
    let model = catalog
        .insert(&NewModel {
            targets,
            ..new_model("m")
        })
        .await
        .expect("stored");
    let [first, second] = [model.targets[0].id, model.targets[1].id];
    let ledger = ledger(&sql);
    let attempt = |target, failure: Option<&str>| Attempt {
        target,
        failure: failure.map(Into::into),
    };
    let ends = [
        (
            second,
            vec![
                attempt(first, Some("refused, \"so\"")),
                attempt(second, None),
            ],
        ),
        (first, vec![attempt(first, None)]),
        (TargetId(4711), vec![attempt(TargetId(4711), Some("gone"))]),
    ];
    for (number, (target, attempts)) in (0..).zip(ends) {
        ledger
            .reserve(&admission(key, number, None, 1, 1))
            .await
            .expect("no limit");
        let end = Settlement {
            target: Some(target),
            attempts,
            ..settlement(1, 1)
        };
        ledger
            .settle(request_id(NOON, number), end)
            .await
            .expect("committed");
    }
    assert!(catalog.remove(model.id).await.expect("stored"));
    let rows = SqlUsageLog::new(sql).rows(&ALL).await.expect("read");
    let told: Vec<_> = rows
        .iter()
        .rev()
        .map(|row| {
            (
                row.backend.as_deref(),
                row.target.as_deref(),
                row.attempts,
                row.attempt_detail.join("; "),
            )
        })
        .collect();
    let (vllm, llama) = (Some("vllm"), Some("meta-llama/Llama-3"));
    let tried = "vllm meta-llama/Llama-3: refused, \"so\"; vllm meta-llama/Llama-3: answered";
    assert_eq!(
        told,
        [
            (vllm, llama, 2, tried.to_owned()),
            (
                vllm,
                llama,
                1,
                "vllm meta-llama/Llama-3: answered".to_owned()
            ),
            (None, None, 1, "target 4711: gone".to_owned()),
        ]
    );
}

#[tokio::test]
async fn rows_show_the_present_name_of_a_key() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    ledger(&sql)
        .reserve(&admission(key, 1, None, 1, 1))
        .await
        .expect("no limit");
    let store = SqlKeyStore::new(sql.clone());
    let odd = "x'); DELETE FROM usage; --";
    let mut renamed = store.get(key).await.expect("read").expect("there").key;
    renamed.name = KeyName::new(odd).expect("a good name");
    assert!(store.update(&renamed).await.expect("stored"));
    let rows = SqlUsageLog::new(sql).rows(&ALL).await.expect("read");
    assert_eq!(
        rows.iter()
            .map(|row| row.key_name.as_str())
            .collect::<Vec<_>>(),
        [odd]
    );
}

#[tokio::test]
async fn limits_survive_a_restart() {
    let scratch = Scratch::new();
    let sql = scratch.open();
    let [key] = new_keys(&sql).await;
    let ledger = ledger(&sql);
    let before = |seconds: i64| Timestamp::from_millis(NOON.millis() - seconds * 1000);
    for (number, seconds) in [(1, 70), (2, 50), (3, 20)] {
        let admitted = before(seconds);
        let admission = Admission {
            request: sample::request_id(admitted, number),
            admitted,
            ..admission(key, number, None, 1, 9)
        };
        ledger.reserve(&admission).await.expect("no limit");
    }
    sql.close().await;
    let clock = Arc::new(ManualClock::new());
    let limiter = LocalLimiter::new(clock.clone());
    let log = SqlUsageLog::new(scratch.open());
    limiter.restore(&log.recent(before(60)).await.expect("read"));
    let limits = Limits {
        rpm: Some(2),
        ..Limits::default()
    };
    assert!(limiter.admit(key, &limits, 0).await.is_err());
    clock.advance(Duration::from_secs(10));
    assert!(limiter.admit(key, &limits, 0).await.is_ok());
}
