//! Cases 41 and 42, the caps of promise R17, and the endless answer of threat S15: sizes and slowness.

use std::time::Duration;

use serde_json::json;

use crate::client::request;
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{Script, sse};
use crate::wait;

const PATH: &str = "/v1/chat/completions";

/// A chat body of exactly `size` bytes.
fn sized(size: usize) -> String {
    let empty = chat_body("m", "").to_string().len();
    let body = chat_body("m", &"x".repeat(size - empty)).to_string();
    assert_eq!(body.len(), size);
    body
}

fn head(key: &Key, lines: &[&str]) -> String {
    let auth = format!("Authorization: Bearer {}", key.secret);
    request(
        "POST",
        PATH,
        &[&[auth.as_str(), "Content-Type: application/json"], lines].concat(),
        "",
    )
}

#[tokio::test]
async fn case_41_the_limit_is_accepted_and_one_byte_more_is_refused() {
    let gate = TestGate::with()
        .env("MG_MAX_BODY_SIZE", "4096")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let send = async |size| {
        gate.post(PATH)
            .bearer(&key)
            .json_text(sized(size))
            .send()
            .await
    };
    send(4_096).await.expect_status(200);
    send(4_097).await.refused(413, "request_too_large");
    assert_eq!(gate.upstream.calls().len(), 1);
}

#[tokio::test]
async fn case_41_a_declared_length_over_the_limit_is_refused_before_the_body() {
    let gate = TestGate::with()
        .env("MG_MAX_BODY_SIZE", "4096")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let mut client = gate.raw().await;
    client.send(head(&key, &["Content-Length: 4097"])).await;
    let refusal = client.answer().await.refused(413, "request_too_large");
    assert_eq!(refusal.kind, "invalid_request_error");
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_41_chunks_over_the_limit_are_refused_and_the_connection_closed() {
    let gate = TestGate::with()
        .env("MG_MAX_BODY_SIZE", "4096")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let (fits, over) = (sized(4_096), sized(4_097));
    let mut client = gate.raw().await;
    client
        .send(head(&key, &["Transfer-Encoding: chunked"]) + &chunk(&fits) + "0\r\n\r\n")
        .await;
    client.answer().await.expect_status(200);
    client
        .send(head(&key, &["Transfer-Encoding: chunked"]) + &chunk(&over))
        .await;
    client.answer().await.refused(413, "request_too_large");
    assert_eq!(client.until_close().await, "");
    assert_eq!(gate.upstream.calls().len(), 1);
}

#[tokio::test]
async fn case_41_fifty_megabytes_of_images_cost_bounded_memory() {
    let gate = TestGate::with()
        .env("MG_MAX_BODY_SIZE", "60000000")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    gate.chat(&key, "warm up").await.expect_status(200);
    let before = gate.peak_rss_kb();
    let url = format!("data:image/png;base64,{}", "iVBORw0K".repeat(625_000));
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    let body = json!({"model": "m", "messages": [{"role": "user", "content": vec![image; 10]}]})
        .to_string();
    assert!(body.len() > 50_000_000);
    gate.post(PATH)
        .bearer(&key)
        .json_text(body)
        .send()
        .await
        .expect_status(200);
    let call = gate.upstream.calls().remove(1);
    assert_eq!(
        call.json()["messages"][0]["content"][9]["image_url"]["url"],
        url
    );
    let grown = gate.peak_rss_kb() - before;
    assert!(grown < 128 * 1_024, "{grown} kB more for a body of 50 MB");
}

#[tokio::test]
async fn case_42_a_body_that_pauses_gets_408() {
    let gate = TestGate::with()
        .env("MG_LIMITS_BODY_TIMEOUT", "300ms")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = gate.raw().await;
        client.send(head(&key, &[framing])).await;
        if framing.starts_with("Transfer") {
            client.send("1\r\n{\r\n").await;
        }
        assert_eq!(
            client.answer().await.refused_with(408).kind,
            "invalid_request_error"
        );
        assert_eq!(client.until_close().await, "");
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_42_a_body_that_drips_gets_408() {
    let gate = TestGate::with()
        .env("MG_LIMITS_BODY_TIMEOUT", "2s")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let mut client = gate.raw().await;
    client.send(head(&key, &["Content-Length: 1000000"])).await;
    client.send("{\"model\":\"").await;
    // Never a gap of 2 s, but far below 1 KiB/s. Answered or closed, the dripping ends.
    let dripping = async {
        while client.silent_for(Duration::from_millis(100)).await && client.try_send("x").await {}
    };
    wait::bounded_within(Duration::from_secs(30), "the end of the patience", dripping).await;
    client.answer().await.refused_with(408);
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_42_a_reader_that_stalls_is_cut_and_its_upstream_released() {
    let gate = TestGate::with()
        .env("MG_LIMITS_WRITE_TIMEOUT", "2s")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    gate.chat(&key, "warm up").await.expect_status(200);
    let event = format!(
        "data: {}\n\n",
        crate::upstream::openai_chunk(&json!({"content": "x".repeat(60_000)}), None)
    );
    gate.upstream
        .answers(sse(&[] as &[&str]).repeated(event, 2_000));
    let before = gate.peak_rss_kb();
    let mut client = crate::client::RawClient::connect_narrow(gate.address()).await;
    let mut body = chat_body("m", "hi");
    body["stream"] = true.into();
    let auth = format!("Authorization: Bearer {}", key.secret);
    client
        .send(request(
            "POST",
            PATH,
            &[&auth, "Content-Type: application/json"],
            &body.to_string(),
        ))
        .await;
    let head = client.head().await.expect_status(200);
    let call = gate.upstream.wait_for_calls(2).await.remove(1);

    let sent = gate.upstream.wait_sent_settles(call.connection).await;
    assert!(
        sent < 32 << 20,
        "{sent} of 120 MB were read for a client that reads nothing"
    );
    let grown = gate.peak_rss_kb() - before;
    assert!(
        grown < 16 * 1_024,
        "{grown} kB more for one reader that stalls"
    );
    gate.upstream
        .wait_closed_within(Duration::from_secs(10), call.connection)
        .await;
    let row = gate.row_of(head.request_id()).await;
    assert!(
        row["completion_tokens"]
            .as_u64()
            .is_some_and(|counted| counted > 0),
        "{row}"
    );
}

#[tokio::test]
async fn r17_heads_that_do_not_come_are_not_waited_for() {
    let settings = TestGate::with()
        .env("MG_LIMITS_HEAD_TIMEOUT", "300ms")
        .env("MG_LIMITS_IDLE_TIMEOUT", "600ms");
    let gate = settings.start().await;
    for start in ["", "G", "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut client = gate.raw().await;
        client.send(start).await;
        let said = client.until_close().await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{said}"
        );
    }
    let mut idle = gate.raw().await;
    idle.send(request("GET", "/health", &[], "")).await;
    idle.answer().await.expect_status(200);
    assert_eq!(idle.until_close().await, "");
}

#[tokio::test]
async fn r17_each_cap_of_the_head_is_exact() {
    let gate = TestGate::start().await;
    let path = |length: usize| format!("/health?{}", "x".repeat(length - "/health?".len()));
    let many = |count: usize| {
        (0..count)
            .map(|number| format!("x-{number}: y"))
            .collect::<Vec<_>>()
    };
    let one_of = |size: usize| vec![format!("x-big: {}", "y".repeat(size))];
    // Host is one of the 100.
    let table = [
        (path(8_192), vec![], 200),
        (path(8_193), vec![], 414),
        (path(60_000), vec![], 414),
        ("/health".to_owned(), many(99), 200),
        ("/health".to_owned(), many(100), 431),
        ("/health".to_owned(), one_of(60_000), 200),
        ("/health".to_owned(), one_of(65_600), 431),
    ];
    for (path, lines, status) in table {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut client = gate.raw().await;
        client.try_send(request("GET", &path, &lines, "")).await;
        let answer = client.answer().await;
        assert_eq!(
            answer.status,
            status,
            "{} {} {}",
            path.len(),
            lines.len(),
            answer.describe()
        );
        if status != 200 {
            answer.refused_with(status);
        }
    }
}

#[tokio::test]
async fn s15_a_hostile_upstream_answer_is_not_taken_whole() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    gate.upstream.answers(
        Script::status(200)
            .chunked()
            .repeated(vec![b' '; 1 << 20], 64),
    );
    let answer = gate.chat(&key, "hi").await;
    answer.refused(502, "upstream_error");
    assert_eq!(gate.row_of(answer.request_id()).await["status"], 502);
}
