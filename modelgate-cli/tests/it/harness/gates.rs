//! A gate that starts, serves, stops, is killed and comes back on the same folder.

use serde_json::json;

use crate::gate::{ADMIN_KEY, TestGate, UPSTREAM_KEY, log_field};

#[tokio::test]
async fn a_gate_serves_a_chat_and_leaves_a_row_and_a_log_line() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let answer = gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
    let row = gate.row_of(answer.request_id()).await;
    assert_eq!(
        (&row["prompt_tokens"], &row["completion_tokens"]),
        (&json!(5), &json!(2))
    );
    assert_eq!(gate.rows().await, [row]);
    let line = gate.request_log(answer.request_id()).await;
    assert_eq!(log_field(&line, "status"), 200);
    assert_eq!(log_field(&line, "key.name"), "key for m");
}

#[tokio::test]
async fn a_stopped_and_a_killed_gate_come_back_with_their_keys() {
    let mut gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let exit = gate.stop().await;
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    gate.restart().await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.kill9().await;
    gate.restart().await;
    gate.chat(&key, "hi").await.expect_status(200);
    assert_eq!(gate.rows().await.len(), 2);
    assert!(gate.rss_kb() > 0 && gate.rss_kb() <= gate.peak_rss_kb());
}

#[tokio::test]
async fn a_setting_out_of_range_stops_the_start_with_one_line() {
    let exit = TestGate::with()
        .without("MG_LOG_LEVEL")
        .env("MG_SERVER_PORT", "no-port")
        .exit()
        .await;
    assert_eq!(exit.code, Some(2), "{exit:#?}");
    assert_eq!((exit.stdout.len(), exit.stderr.len()), (0, 1), "{exit:#?}");
    assert!(exit.stderr[0].contains("server.port"), "{exit:#?}");
}

#[tokio::test]
async fn a_configuration_file_is_read_and_variables_stand_above_it() {
    let gate = TestGate::with()
        .config("max_body_size: 1024\nserver:\n  port: 1\n")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    gate.chat(&key, &"x".repeat(2_000))
        .await
        .refused(413, "request_too_large");
}

#[tokio::test]
async fn secrets_are_in_no_file_and_no_output() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "api3").await;
    gate.chat(&key, "prompt-canary-90b1")
        .await
        .expect_status(200);
    gate.rows().await;
    assert!(gate.path("modelgate.db").exists());
    gate.assert_secret_absent(&[&key.secret, ADMIN_KEY, UPSTREAM_KEY, "prompt-canary-90b1"]);
}
