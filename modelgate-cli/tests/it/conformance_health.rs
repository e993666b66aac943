//! Case 49: health and readiness.

use serde_json::json;

use crate::client::ends_well;
use crate::gate::TestGate;
use crate::upstream::{Latch, closed_port, openai_stream, usage};

#[tokio::test]
async fn case_49_health_and_readiness_need_no_key() {
    let gate = TestGate::start().await;
    let health = gate.get("/health").send().await.expect_status(200).json();
    assert!(
        health.to_string().contains(env!("CARGO_PKG_VERSION")),
        "{health}"
    );
    gate.get("/ready").send().await.expect_status(200);
    gate.get("/health")
        .bearer("mg-wrong")
        .send()
        .await
        .expect_status(200);
    gate.get("/ready")
        .bearer("mg-wrong")
        .send()
        .await
        .expect_status(200);
}

#[tokio::test]
async fn case_49_an_outage_of_all_backends_leaves_the_gateway_ready() {
    let gate = TestGate::start().await;
    let refusing = format!("http://{}", closed_port().await);
    gate.add_model(json!({"name": "m", "backend_type": "vllm", "base_url": refusing}))
        .await;
    let key = gate.free_key("k").await;
    for _ in 0..8 {
        let answer = gate.chat(&key, "hi").await;
        assert!(matches!(answer.status, 502 | 503), "{}", answer.describe());
    }
    let ready = gate.get("/ready").send().await.expect_status(200);
    assert!(
        !ready.text().contains(&refusing),
        "backend addresses are not for everybody: {}",
        ready.text()
    );
    gate.get("/health").send().await.expect_status(200);
}

#[tokio::test]
async fn case_49_a_draining_gateway_is_healthy_but_not_ready() {
    let settings = TestGate::with()
        .env("MG_SHUTDOWN_GRACE", "10s")
        .env("MG_SHUTDOWN_DRAIN", "10s");
    let mut gate = settings.start().await;
    let key = gate.with_model("m", "vllm").await;
    let latch = Latch::new();
    gate.upstream
        .answers(openai_stream(&["hel", "lo"], usage(5, 2)).hold_after(2, &latch));
    let mut stream = gate.chat_stream(&key, "hi").await;
    stream.next().await.expect("the role chunk");
    gate.terminate();
    // The signal is on its way: the change itself is what is waited for.
    let unready = loop {
        let answer = gate.get("/ready").send().await;
        if answer.status != 200 {
            break answer;
        }
    };
    unready.expect_status(503);
    gate.get("/health").send().await.expect_status(200);
    latch.open();
    let events = stream.collect().await;
    assert!(ends_well(&events), "the running stream ends well");
    drop(stream);
    assert_eq!(gate.wait_for_exit().await.code, Some(0));
}
