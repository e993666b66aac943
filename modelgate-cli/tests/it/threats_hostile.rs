//! Threat S15: backends that send without end, bombs, rubbish or one byte now and then.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::gate::{Key, TestGate, chat_body};
use crate::upstream::{Script, json, ollama_stream, openai_chunk, sse};
use crate::wait;

const MIB: usize = 1 << 20;

/// What the program may grow by while it refuses a hostile answer, in kB: the largest cap and room to work.
const ROOM_KB: u64 = 96 * 1_024;

async fn refused_within_memory(gate: &TestGate, key: &Key, what: &str, script: Script) {
    let before = gate.peak_rss_kb();
    gate.upstream.queue(script);
    gate.chat(key, "hi").await.refused(502, "upstream_error");
    let grown = gate.peak_rss_kb() - before;
    assert!(grown < ROOM_KB, "{what}: {grown} kB more");
}

/// As much of nothing as fits through a hole: 100 MB in less than one.
fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b' '; MIB];
    for _ in 0..100 {
        encoder.write_all(&zeros).expect("writing to memory");
    }
    encoder.finish().expect("writing to memory")
}

#[tokio::test]
async fn s15_json_without_end_and_bombs_are_cut_off() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let endless = Script::status(200)
        .header("content-type", "application/json")
        .chunked();
    let open = endless.clone().piece("{\"id\":\"");
    let packed = Script::status(200)
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    let bomb = bomb();
    let twice = packed.clone().header("content-encoding", "gzip");
    for (what, script) in [
        ("a text without end", open.repeated(vec![b'x'; MIB], 400)),
        (
            "white space without end",
            endless.repeated(vec![b' '; MIB], 400),
        ),
        ("a bomb", packed.piece(bomb.clone())),
        ("a bomb packed twice", twice.piece(bomb)),
    ] {
        refused_within_memory(&gate, &key, what, script).await;
    }
    gate.chat(&key, "still there").await.expect_status(200);
}

#[tokio::test]
async fn s15_an_event_or_a_line_without_end_is_cut_off() {
    for (kind, content_type, start) in [
        ("vllm", "text/event-stream", "data: {\"id\":\""),
        ("vllm", "text/event-stream", ": "),
        ("ollama", "application/x-ndjson", "{\"model\":\""),
    ] {
        let gate = TestGate::start().await;
        let key = gate.with_model("m", kind).await;
        let before = gate.peak_rss_kb();
        let script = Script::status(200)
            .header("content-type", content_type)
            .chunked()
            .piece(start);
        gate.upstream.answers(script.repeated(vec![b'x'; MIB], 400));
        let stream = gate.chat_stream(&key, "hi").await;
        stream.into_answer().await.refused(502, "upstream_error");
        let grown = gate.peak_rss_kb() - before;
        assert!(grown < ROOM_KB, "{kind} {start}: {grown} kB more");
    }
}

#[tokio::test]
async fn s15_a_hostile_second_event_ends_the_stream_with_an_error() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let first = openai_chunk(&json!({"role": "assistant", "content": "hel"}), None);
    let line = r#"{"model":"m","message":{"role":"assistant","content":"hel"},"done":false}"#;
    for (kind, good, bad) in [
        ("vllm", format!("data: {first}\n\n"), vec![b'x'; 17 * MIB]),
        (
            "vllm",
            format!("data: {first}\n\n"),
            b"data: \xff\xfe\n\n".to_vec(),
        ),
        (
            "vllm",
            format!("data: {first}\n\n"),
            b"data: {\"a\":\"\xc3\x28\"}\n\n".to_vec(),
        ),
        ("ollama", format!("{line}\n"), vec![b'x'; 17 * MIB]),
        (
            "ollama",
            format!("{line}\n"),
            b"{\"message\":{\"role\":\"assistant\",\"content\":\"\xff\"},\"done\":false}\n"
                .to_vec(),
        ),
    ] {
        let script = Script::status(200).chunked().piece(good);
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(20)]).into_owned();
        gate.upstream.answers(script.piece(bad).then_stall());
        let mut body = chat_body(kind, "hi");
        body["stream"] = true.into();
        let mut stream = gate.chat_call(&key, &body).stream().await;
        let limit = Duration::from_secs(10);
        let what = format!("the end of the {kind} stream after {shown:?}");
        let events = wait::bounded_within(limit, &what, stream.collect()).await;
        let last = events.last().expect("an error event");
        assert_eq!(last.json()["error"]["code"], "upstream_error", "{what}");
    }
}

#[tokio::test]
async fn s15_bytes_that_are_no_text_are_no_answer() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in ["vllm", "llamacpp", "openai", "api3", "ollama"] {
        for body in [
            b"{\"id\":\"\xff\",\"choices\":[]}".to_vec(),
            b"\xff\xfe{\x00}\x00".to_vec(),
            vec![b'['; 100_000],
            b"{\"message\":{\"content\":\"\xed\xa0\x80\"},\"done\":true}".to_vec(),
        ] {
            let script = Script::status(200).header("content-type", "application/json");
            gate.upstream.answers(script.piece(body));
            let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
            answer.refused(502, "upstream_error");
        }
    }
}

#[tokio::test]
async fn s15_interim_answers_without_end_are_not_waited_for() {
    let settings = TestGate::with()
        .env("MG_TIMEOUT", "1s")
        .env("MG_TIMEOUTS_FIRST_EVENT", "1s");
    let gate = settings.start().await;
    let key = gate.with_model("m", "vllm").await;
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(200);
    let before = gate.peak_rss_kb();
    let script = || {
        let mut script = Script::exact("");
        for _ in 0..400 {
            script = script
                .piece(interim.clone())
                .pause(Duration::from_millis(10));
        }
        script.then_stall()
    };
    for stream in [false, true] {
        gate.upstream.answers(script());
        let mut body = chat_body("m", "hi");
        body["stream"] = stream.into();
        let answer = wait::bounded_within(
            Duration::from_secs(4),
            "an end of interim answers",
            gate.chat_call(&key, &body).send(),
        )
        .await;
        assert!(matches!(answer.status, 502 | 504), "{}", answer.describe());
        answer.refused_with(answer.status);
    }
    assert!(gate.peak_rss_kb() - before < ROOM_KB);
}

#[tokio::test]
async fn s15_a_head_without_end_is_not_taken() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let lines = format!("x-filler: {}\r\n", "y".repeat(1_000)).repeat(1_000);
    let script = Script::exact("HTTP/1.1 200 OK\r\n").repeated(lines, 50);
    let before = gate.peak_rss_kb();
    gate.upstream.answers(script.then_stall());
    gate.chat(&key, "hi").await.refused(502, "upstream_error");
    assert!(gate.peak_rss_kb() - before < ROOM_KB);
}

#[tokio::test]
async fn s15_a_drip_meets_the_end_of_its_time() {
    let settings = TestGate::with()
        .env("MG_TIMEOUT", "600ms")
        .env("MG_TIMEOUTS_STREAM", "600ms");
    let gate = settings.start().await;
    let key = gate.with_all_kinds().await;
    let drip = |script: Script, piece: &str| {
        (0..100).fold(script, |script, _| {
            let script = script.piece(piece.to_owned());
            script.pause(Duration::from_millis(50))
        })
    };
    for kind in ["vllm", "ollama"] {
        gate.upstream
            .answers(drip(Script::status(200).chunked(), " "));
        let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
        answer.refused(504, "upstream_timeout");
    }
    let chunk = openai_chunk(&json!({"content": "x"}), None);
    let event = format!("data: {chunk}\n\n");
    gate.upstream.answers(drip(sse(&[&chunk]), &event));
    let mut body = chat_body("vllm", "hi");
    body["stream"] = true.into();
    let events = gate.chat_call(&key, &body).stream().await.collect().await;
    let last = events.last().expect("an error event").json();
    assert_eq!(last["error"]["code"], "upstream_timeout", "{last}");
}

#[tokio::test]
async fn s15_the_same_server_may_behave_well_again() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in ["vllm", "ollama"] {
        gate.upstream
            .queue(Script::exact("SSH-2.0-OpenSSH_9.6\r\n").then_close());
        gate.upstream.queue(json(200, "not json"));
        for _ in 0..2 {
            let answer = gate.chat_call(&key, &chat_body(kind, "hi")).send().await;
            answer.refused(502, "upstream_error");
        }
        if kind == "ollama" {
            gate.upstream.queue(ollama_stream(&["fine"], 1, 1));
            let mut body = chat_body(kind, "hi");
            body["stream"] = true.into();
            let stream = gate.chat_call(&key, &body).stream().await;
            assert_eq!(stream.status, 200);
        } else {
            gate.chat_call(&key, &chat_body(kind, "hi"))
                .send()
                .await
                .expect_status(200);
        }
    }
}
