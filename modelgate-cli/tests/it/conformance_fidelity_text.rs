//! Cases 7–9: half characters, bytes that are no UTF-8, and what may stand before a body.

use crate::client::Answer;
use crate::gate::{Key, TestGate};
use crate::samples::{KINDS, PASS_THROUGH};

const CHAT: &str = "/v1/chat/completions";

async fn send(gate: &TestGate, key: &Key, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let body: Vec<u8> = body.into();
    gate.post(path).bearer(key).json_text(body).send().await
}

/// Bodies of all routes with one text in them.
fn with_text(model: &str, text: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let around = |before: &str, after: &str| {
        let before = format!("{{\"model\":\"{model}\",{before}");
        [before.as_bytes(), text, after.as_bytes()].concat()
    };
    [
        (
            CHAT,
            around("\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"),
        ),
        ("/v1/completions", around("\"prompt\":\"", "\"}")),
        ("/v1/embeddings", around("\"input\":\"", "\"}")),
    ]
}

#[tokio::test]
async fn case_07_half_a_surrogate_pair_is_passed_on_as_it_is() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for half in ["\\ud800", "a\\uDFFFb", "\\ud83d \\ude00", "\\ude00\\ud83d"] {
        for kind in PASS_THROUGH {
            for (path, body) in with_text(kind, half.as_bytes()) {
                send(&gate, &key, path, body).await.expect_status(200);
                let got = gate.upstream.calls().pop().expect("a call");
                let [chat, completion, embedding] = with_text("upstream-model", half.as_bytes());
                let expected = [chat, completion, embedding]
                    .into_iter()
                    .find(|(known, _)| *known == path);
                assert_eq!(Some(got.body.to_vec()), expected.map(|(_, body)| body));
            }
        }
    }
}

#[tokio::test]
async fn case_07_a_translated_backend_refuses_half_a_surrogate_pair_and_says_where() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let params = [
        (CHAT, "messages[0].content"),
        ("/v1/completions", "prompt"),
        ("/v1/embeddings", "input"),
    ];
    for half in ["\\ud800", "a\\uDFFFb", "\\ude00\\ud83d"] {
        for ((path, body), (_, param)) in with_text("ollama", half.as_bytes()).iter().zip(params) {
            let refusal = send(&gate, &key, path, body.clone())
                .await
                .refused_with(400);
            assert_eq!(refusal.kind, "invalid_request_error", "{path} {half}");
            let named = refusal.param.unwrap_or_default();
            assert!(named.starts_with(param), "{path} {half}: {named}");
        }
    }
    let generated = gate.upstream.calls();
    assert!(
        generated.iter().all(|call| call.path == "/api/show"),
        "{generated:?}"
    );
}

#[tokio::test]
async fn case_07_half_a_surrogate_pair_never_becomes_another_character() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for (path, body) in with_text("echo", b"a \\ud800 b") {
        let answer = send(&gate, &key, path, body).await;
        match answer.status {
            200 => assert!(!answer.text().contains('\u{fffd}'), "{}", answer.describe()),
            _ => drop(answer.refused_with(400)),
        }
    }
    for kind in KINDS {
        let body = format!(
            "{{\"model\":\"{kind}\\ud800\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
        );
        let answer = send(&gate, &key, CHAT, body).await;
        assert!(matches!(answer.status, 400 | 404), "{}", answer.describe());
        answer.refused_with(answer.status);
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_08_bytes_that_are_no_utf8_get_400() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let wrong: [&[u8]; 12] = [
        b"\xff",
        b"\xfe",
        b"a\x80b",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xe2\x82",
        b"caf\xe9",
    ];
    for kind in KINDS {
        for text in wrong {
            for (path, body) in with_text(kind, text) {
                let answer = send(&gate, &key, path, body).await;
                let refusal = answer.refused_with(400);
                assert_eq!(
                    refusal.kind, "invalid_request_error",
                    "{kind} {path} {text:x?}"
                );
                assert!(!refusal.message.contains('\u{fffd}'), "{}", refusal.message);
            }
        }
    }
    assert!(gate.upstream.calls().is_empty());
    assert_eq!(gate.rows().await.len(), 0);
}

#[tokio::test]
async fn case_08_no_place_in_the_body_hides_such_bytes() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let messages = b"\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]";
    for kind in KINDS {
        let model = format!("\"model\":\"{kind}\",");
        let bodies: [Vec<u8>; 4] = [
            [b"{", model.as_bytes(), b"\"x\":\"\xff\",", messages, b"}"].concat(),
            [b"{", model.as_bytes(), b"\"\xff\":1,", messages, b"}"].concat(),
            [b"{\"model\":\"\xff\",".as_slice(), messages, b"}"].concat(),
            [b"{", model.as_bytes(), messages, b"}\xff"].concat(),
        ];
        for body in bodies {
            send(&gate, &key, CHAT, body).await.refused_with(400);
        }
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_09_white_space_before_and_after_a_body_is_accepted() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        for (path, body) in with_text(kind, b"hi") {
            let padded = [b" \t\r\n ".as_slice(), &body, b"\r\n\t  "].concat();
            let answer = send(&gate, &key, path, padded).await;
            assert_eq!(answer.status, 200, "{kind} {path} {}", answer.describe());
        }
        for space in ["\u{b}", "\u{c}", "\u{a0}", "\0"] {
            let (path, body) = with_text(kind, b"hi")[0].clone();
            let padded = [space.as_bytes(), &body].concat();
            send(&gate, &key, path, padded).await.refused_with(400);
        }
    }
}

#[tokio::test]
async fn case_09_a_byte_order_mark_is_accepted_or_refused_and_never_half_of_both() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        for (path, body) in with_text(kind, b"hi") {
            let before = gate.upstream.calls().len();
            let marked = [b"\xef\xbb\xbf".as_slice(), &body].concat();
            let answer = send(&gate, &key, path, marked).await;
            if answer.status == 200 {
                let calls = gate.upstream.calls();
                let got = calls.last().map(|call| call.body.clone());
                assert!(
                    kind == "echo" || got.is_some_and(|body| body.starts_with(b"{")),
                    "{kind} {path}: {:?}",
                    calls.last()
                );
            } else {
                answer.refused_with(400);
                assert_eq!(gate.upstream.calls().len(), before, "{kind} {path}");
            }
            let middle = [&body[..1], b"\xef\xbb\xbf", &body[1..]].concat();
            send(&gate, &key, path, middle).await.refused_with(400);
        }
    }
}
