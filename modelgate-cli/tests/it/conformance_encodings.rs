//! Cases 43 and 44: compressed requests and compressed upstream answers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::client::{Answer, content_of, ends_well};
use crate::gate::{Key, TestGate, chat_body};
use crate::samples::{PASS_THROUGH, post_routes};
use crate::upstream::{Latch, ollama_chat, ollama_stream, openai_chat, openai_stream, usage};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory")
}

/// A Zstandard frame of one raw block: magic, one-byte content size, last block of type raw.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let size = u8::try_from(bytes.len()).expect("a short body");
    let block = (u32::from(size) << 3) | 1;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, size];
    frame.extend_from_slice(&block.to_le_bytes()[..3]);
    frame.extend_from_slice(bytes);
    frame
}

async fn send(gate: &TestGate, key: &Key, coding: &str, body: Vec<u8>) -> Answer {
    let call = gate
        .post("/v1/chat/completions")
        .bearer(key)
        .json_text(body);
    call.header("content-encoding", coding).send().await
}

#[tokio::test]
async fn case_43_compressed_bodies_get_415_by_default() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    for (path, good) in post_routes("m") {
        for coding in ["gzip", "zstd", "br", "deflate", "gzip, gzip", "x-unknown"] {
            let call = gate
                .post(path)
                .bearer(&key)
                .json_text(gzip(good.to_string().as_bytes()));
            let refusal = call
                .header("content-encoding", coding)
                .send()
                .await
                .refused_with(415);
            assert_eq!(refusal.kind, "invalid_request_error", "{path} {coding}");
        }
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_43_enabled_codings_are_decoded_before_the_upstream() {
    let gate = TestGate::with()
        .env("MG_SERVER_REQUEST_ENCODINGS", "gzip,zstd")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", "hi").to_string().into_bytes();
    for (coding, packed) in [
        ("gzip", gzip(&body)),
        ("GZIP", gzip(&body)),
        ("zstd", zstd(&body)),
    ] {
        let before = gate.upstream.calls().len();
        send(&gate, &key, coding, packed).await.expect_status(200);
        let calls = gate.upstream.calls();
        assert_eq!(calls.len(), before + 1, "{coding}");
        assert_eq!(
            calls[before].json()["messages"],
            chat_body("m", "hi")["messages"],
            "{coding}"
        );
        assert_eq!(calls[before].header("content-encoding"), None, "{coding}");
    }
    gate.chat(&key, "plain").await.expect_status(200);
    for coding in ["br", "deflate", "gzip, br"] {
        send(&gate, &key, coding, body.clone())
            .await
            .refused_with(415);
    }
    assert_eq!(gate.upstream.calls().len(), 4);
}

#[tokio::test]
async fn case_43_bombs_get_413_and_broken_compression_400() {
    let settings = TestGate::with().env("MG_SERVER_REQUEST_ENCODINGS", "gzip,zstd");
    let gate = settings.env("MG_MAX_BODY_SIZE", "65536").start().await;
    let key = gate.with_model("m", "vllm").await;
    let bomb = chat_body("m", &"x".repeat(8 << 20)).to_string();
    let before = gate.peak_rss_kb();
    send(&gate, &key, "gzip", gzip(bomb.as_bytes()))
        .await
        .refused(413, "request_too_large");
    let grown = gate.peak_rss_kb() - before;
    assert!(grown < 32 * 1_024, "{grown} kB more for a bomb");

    let good = gzip(chat_body("m", "hi").to_string().as_bytes());
    let mut wrong_sum = good.clone();
    let place = wrong_sum.len() - 6;
    wrong_sum[place] ^= 0xff;
    for broken in [
        b"no gzip".to_vec(),
        good[..good.len() - 9].to_vec(),
        wrong_sum,
        Vec::new(),
    ] {
        send(&gate, &key, "gzip", broken).await.refused_with(400);
    }
    send(&gate, &key, "zstd", b"no zstd".to_vec())
        .await
        .refused_with(400);
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn s30_a_ratio_above_20_gets_413_even_below_the_size_limit() {
    let gate = TestGate::with()
        .env("MG_SERVER_REQUEST_ENCODINGS", "gzip")
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let body = chat_body("m", &"x".repeat(4 << 20)).to_string();
    send(&gate, &key, "gzip", gzip(body.as_bytes()))
        .await
        .refused(413, "request_too_large");
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_44_a_gzip_answer_is_decoded_and_counted() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        gate.upstream.queue(match kind {
            "ollama" => ollama_chat("packed", 7, 3).gzip(),
            _ => openai_chat("packed", usage(7, 3)).gzip(),
        });
        let answer = gate
            .chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        assert_eq!(answer.header("content-encoding"), None, "{kind}");
        assert_eq!(
            answer.json()["choices"][0]["message"]["content"],
            "packed",
            "{kind}"
        );
        let row = gate.row_of(answer.request_id()).await;
        assert_eq!(
            (&row["prompt_tokens"], &row["completion_tokens"]),
            (&json!(7), &json!(3)),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn case_44_a_gzip_stream_is_decoded_without_delay() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in PASS_THROUGH.into_iter().chain(["ollama"]) {
        let latch = Latch::new();
        gate.upstream.queue(match kind {
            "ollama" => ollama_stream(&["pac", "ked"], 7, 3)
                .gzip()
                .hold_after(1, &latch),
            _ => openai_stream(&["pac", "ked"], usage(7, 3))
                .gzip()
                .hold_after(2, &latch),
        });
        let mut body = chat_body(kind, "hi");
        body["stream"] = true.into();
        let mut stream = gate.chat_call(&key, &body).stream().await;
        assert_eq!(
            (stream.status, stream.header("content-encoding")),
            (200, None),
            "{kind}"
        );
        // The upstream waits: "pac" can only be here if it was not held back.
        let mut events = Vec::new();
        while !content_of(&events).contains("pac") {
            events.push(stream.next().await.expect("the first text"));
        }
        latch.open();
        events.extend(stream.collect().await);
        assert_eq!(content_of(&events), "packed", "{kind}");
        assert!(ends_well(&events), "{kind}");
        let id = stream.header("x-request-id").expect("an id").to_owned();
        let row = gate.row_of(&id).await;
        assert_eq!(
            (&row["prompt_tokens"], &row["completion_tokens"]),
            (&json!(7), &json!(3)),
            "{kind}"
        );
    }
}
