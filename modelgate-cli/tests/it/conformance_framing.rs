//! Cases 37–39: how requests are framed.

use crate::client::request;
use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::Recorded;

const PATH: &str = "/v1/chat/completions";

fn auth(key: &Key) -> String {
    format!("Authorization: Bearer {}", key.secret)
}

/// A head without any word on the length of the body.
fn head(key: &Key, lines: &[&str]) -> String {
    let auth = auth(key);
    request(
        "POST",
        PATH,
        &[&[auth.as_str(), "Content-Type: application/json"], lines].concat(),
        "",
    )
}

fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

fn text_of(call: &Recorded) -> String {
    call.json()["messages"][0]["content"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[tokio::test]
async fn case_37_a_waiting_client_gets_100_and_then_its_answer() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", "hi").to_string();
    let length = format!("Content-Length: {}", body.len());
    let mut client = gate.raw().await;
    client
        .send(head(&key, &[&length, "Expect: 100-continue"]))
        .await;
    client.head().await.expect_status(100);
    client.send(&body).await;
    client.answer().await.expect_status(200);
    assert_eq!(text_of(&gate.upstream.only_call()), "hi");
}

#[tokio::test]
async fn case_37_a_waiting_client_that_is_refused_gets_no_100() {
    let gate = TestGate::with()
        .env("MG_MAX_BODY_SIZE", "1024")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let bad = Key {
        id: 0,
        secret: "mg-wrong".to_owned(),
    };
    let expect = "Expect: 100-continue";
    let table = [
        (&bad, "Content-Length: 100", 401, Some("invalid_api_key")),
        (
            &bad,
            "Transfer-Encoding: chunked",
            401,
            Some("invalid_api_key"),
        ),
        (&key, "Content-Length: 1025", 413, Some("request_too_large")),
        (
            &key,
            "Content-Length: 99999999999",
            413,
            Some("request_too_large"),
        ),
    ];
    for (key, length, status, code) in table {
        let mut client = gate.raw().await;
        client.send(head(key, &[length, expect])).await;
        client.answer().await.refused(status, code);
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_38_http_1_0_gets_its_stream_unchunked_until_the_close() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let mut body = chat_body("m", "hi");
    body["stream"] = true.into();
    let text = request(
        "POST",
        PATH,
        &[&auth(&key), "Content-Type: application/json"],
        &body.to_string(),
    );
    let mut client = gate.raw().await;
    client.send(text.replace("HTTP/1.1", "HTTP/1.0")).await;
    let head = client.head().await.expect_status(200);
    assert_eq!(
        (
            head.header("transfer-encoding"),
            head.header("content-length")
        ),
        (None, None)
    );
    assert!(
        head.header("content-type")
            .is_some_and(|value| value.starts_with("text/event-stream"))
    );
    let stream = client.until_close().await;
    assert!(stream.starts_with("data: {"), "{stream}");
    assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
}

#[tokio::test]
async fn case_38_http_1_0_without_a_stream_gets_a_whole_answer_and_the_close() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let text = request(
        "POST",
        PATH,
        &[&auth(&key), "Content-Type: application/json"],
        &chat_body("m", "hi").to_string(),
    );
    let mut client = gate.raw().await;
    client.send(text.replace("HTTP/1.1", "HTTP/1.0")).await;
    let answer = client.answer().await.expect_status(200);
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
    assert_eq!(client.until_close().await, "");
}

#[tokio::test]
async fn case_39_a_body_in_one_byte_chunks_with_extensions_and_trailers_is_accepted() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", "grüße 😀").to_string();
    let mut client = gate.raw().await;
    client
        .send(head(
            &key,
            &["Transfer-Encoding: chunked", "Trailer: X-Api-Key"],
        ))
        .await;
    for byte in body.as_bytes() {
        client
            .send([b"1;ext=\"a;b\";flag\r\n".as_slice(), &[*byte], b"\r\n"].concat())
            .await;
    }
    client
        .send("0\r\nX-Api-Key: trailer-canary\r\nAuthorization: trailer-canary\r\n\r\n")
        .await;
    client.answer().await.expect_status(200);
    let call = gate.upstream.only_call();
    assert_eq!(text_of(&call), "grüße 😀");
    assert!(
        !format!("{:?}", call.headers).contains("canary"),
        "{:?}",
        call.headers
    );
}

#[tokio::test]
async fn case_39_length_beside_chunked_is_read_as_chunked_and_framed_anew() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", "hi").to_string();
    for length in ["Content-Length: 4", "Content-Length: 100000"] {
        let before = gate.upstream.calls().len();
        let mut client = gate.raw().await;
        client
            .send(head(&key, &[length, "Transfer-Encoding: chunked"]) + &chunk(&body) + "0\r\n\r\n")
            .await;
        client.answer().await.expect_status(200);
        let calls = gate.upstream.calls();
        assert_eq!(calls.len(), before + 1);
        assert_eq!(text_of(&calls[before]), "hi");
        let framing = ["content-length", "transfer-encoding"]
            .map(|name| calls[before].header(name).is_some());
        assert_ne!(
            framing[0], framing[1],
            "exactly one framing: {:?}",
            calls[before].headers
        );
    }
}

#[tokio::test]
async fn case_39_contradicting_lengths_and_bad_chunks_get_400_and_the_close() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", "hi").to_string();
    let size = body.len();
    let good_chunks = chunk(&body) + "0\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked";
    let table: Vec<(Vec<String>, String)> = vec![
        (
            vec![
                format!("Content-Length: {size}"),
                "Content-Length: 5".into(),
            ],
            body.clone(),
        ),
        (
            vec![
                "Content-Length: 5".into(),
                format!("Content-Length: {size}"),
            ],
            body.clone(),
        ),
        (vec![format!("Content-Length: {size}, 5")], body.clone()),
        (vec![format!("Content-Length: +{size}")], body.clone()),
        (vec![format!("Content-Length: -{size}")], body.clone()),
        (vec![format!("Content-Length: 0x{size:x}")], body.clone()),
        (
            vec!["Content-Length: 99999999999999999999999".into()],
            body.clone(),
        ),
        (vec!["Content-Length: five".into()], body.clone()),
        (
            vec!["Transfer-Encoding: xchunked".into()],
            good_chunks.clone(),
        ),
        (
            vec!["Transfer-Encoding: chunked, identity".into()],
            good_chunks.clone(),
        ),
        (vec![chunked.into()], format!("zz\r\n{body}\r\n0\r\n\r\n")),
        (vec![chunked.into()], format!("-1\r\n{body}\r\n0\r\n\r\n")),
        (
            vec![chunked.into()],
            format!("0x{size:x}\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            vec![chunked.into()],
            format!("FFFFFFFFFFFFFFFFFF\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            vec![chunked.into()],
            format!("{size:x}\r\n{body}XX\r\n0\r\n\r\n"),
        ),
        (
            vec![chunked.into()],
            format!("{:x}\r\n{body}\r\n0\r\n\r\n", size - 1),
        ),
        (vec![chunked.into()], format!("\r\n{body}\r\n0\r\n\r\n")),
    ];
    for (lines, body) in table {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut client = gate.raw().await;
        // What follows is bait: a server that lost its place would answer it.
        client
            .send(head(&key, &lines) + &body + &request("GET", "/health", &[], ""))
            .await;
        let said = client.until_close().await;
        assert!(
            said.starts_with("HTTP/1.1 400"),
            "{lines:?} {body:?}: {said:?}"
        );
        assert_eq!(
            said.matches("HTTP/1.1 ").count(),
            1,
            "{lines:?} {body:?}: {said:?}"
        );
    }
    assert!(
        gate.upstream.calls().is_empty(),
        "{:?}",
        gate.upstream.calls()
    );
}

#[tokio::test]
async fn case_39_a_body_that_ends_early_reaches_no_upstream() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", "hi").to_string();
    let length = format!("Content-Length: {}", body.len() + 1);
    for text in [
        head(&key, &[&length]) + &body,
        head(&key, &["Transfer-Encoding: chunked"]) + &chunk(&body),
    ] {
        let mut client = gate.raw().await;
        client.send(text).await;
        client.finish_sending().await;
        let said = client.until_close().await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 400"),
            "{said:?}"
        );
    }
    assert!(gate.upstream.calls().is_empty());
    gate.get("/health").send().await.expect_status(200);
}
