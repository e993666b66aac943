//! Cases 45 (keys stay here), 46 and 47: what crosses the gateway in headers, and what is logged of them.

use std::collections::HashSet;

use crate::client::Answer;
use crate::gate::{ADMIN_KEY, TestGate, UPSTREAM_KEY, chat_body};
use crate::samples::KINDS;
use crate::upstream::{ollama_chat, openai_chat, openai_stream, usage};

const CANARIES: [(&str, &str); 13] = [
    ("host", "canary.example"),
    ("origin", "https://canary.example"),
    ("referer", "https://canary.example/page"),
    ("cookie", "session=canary"),
    ("connection", "x-hop, x-api-base"),
    ("x-hop", "canary"),
    ("x-api-base", "http://canary.example"),
    ("x-upstream-host", "canary.example"),
    ("forwarded", "for=canary"),
    ("x-forwarded-for", "203.0.113.7, canary"),
    ("x-forwarded-host", "canary.example"),
    ("x-real-ip", "canary"),
    ("proxy-authorization", "Basic canary"),
];

fn kinds_with_an_upstream() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().filter(|kind| *kind != "echo")
}

#[tokio::test]
async fn case_46_no_header_of_the_client_reaches_an_upstream_by_accident() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in kinds_with_an_upstream() {
        let call = gate
            .chat_call(&key, &chat_body(kind, "hi"))
            .header("x-api-key", &key.secret);
        let call = CANARIES
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        call.send().await.expect_status(200);
    }
    let calls = gate.upstream.calls();
    assert_eq!(calls.len(), 5);
    let host = gate.upstream.address().to_string();
    for call in calls {
        let shown = format!("{:?}", call.headers).to_ascii_lowercase();
        for word in [
            "canary.example",
            "canary\"",
            "x-hop",
            "x-api-base",
            "forwarded",
            "cookie",
            &key.secret.to_lowercase(),
        ] {
            assert!(!shown.contains(word), "{word} in {shown}");
        }
        assert_eq!(call.header("host"), Some(host.as_str()), "{shown}");
    }
}

#[tokio::test]
async fn case_45_an_upstream_gets_its_own_credential_and_nobody_else_s() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let bearer = format!("Bearer {UPSTREAM_KEY}");
    for (kind, expected) in [
        ("vllm", None),
        ("llamacpp", None),
        ("ollama", None),
        ("openai", Some(&bearer)),
        ("api3", Some(&bearer)),
    ] {
        gate.chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        let call = gate.upstream.calls().pop().expect("a call");
        assert_eq!(
            call.header("authorization"),
            expected.map(String::as_str),
            "{kind}"
        );
        assert_eq!(call.header("x-api-key"), None, "{kind}");
    }
    gate.get("/v1/models")
        .bearer("mg-wrong-canary-6c02")
        .send()
        .await
        .refused(401, "invalid_api_key");
    gate.rows().await;
    gate.assert_secret_absent(&[&key.secret, ADMIN_KEY, UPSTREAM_KEY, "mg-wrong-canary-6c02"]);
}

#[tokio::test]
async fn case_46_headers_of_an_upstream_stay_with_it() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let table = [
        ("set-cookie", "session=upstream-trace"),
        ("server", "upstream-trace"),
        ("x-powered-by", "upstream-trace"),
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "upstream-trace"),
        ("keep-alive", "timeout=7777"),
        ("proxy-authenticate", "Basic realm=upstream-trace"),
        ("www-authenticate", "Basic realm=upstream-trace"),
        ("x-request-id", "upstream-trace"),
        ("access-control-allow-origin", "upstream-trace"),
    ];
    for kind in kinds_with_an_upstream() {
        let script = if kind == "ollama" {
            ollama_chat("hi", 1, 1)
        } else {
            openai_chat("hi", usage(1, 1))
        };
        gate.upstream.queue(
            table
                .iter()
                .fold(script, |script, (name, value)| script.header(name, value)),
        );
        let answer = gate
            .chat_call(&key, &chat_body(kind, "hi"))
            .send()
            .await
            .expect_status(200);
        let shown = format!("{:?}", answer.headers);
        assert!(
            !shown.contains("upstream-trace") && !shown.contains("7777"),
            "{kind}: {shown}"
        );
    }
    let script = openai_stream(&["hi"], usage(1, 1));
    gate.upstream.queue(
        table
            .iter()
            .fold(script, |script, (name, value)| script.header(name, value)),
    );
    let mut body = chat_body("vllm", "hi");
    body["stream"] = true.into();
    let stream = gate.chat_call(&key, &body).stream().await;
    let shown = format!("{:?}", stream.headers);
    assert!(
        !shown.contains("upstream-trace") && !shown.contains("7777"),
        "{shown}"
    );
}

#[tokio::test]
async fn case_47_every_answer_has_an_id_of_its_own() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let calls = [
        gate.get("/health"),
        gate.get("/ready"),
        gate.get("/v1/models"),
        gate.get("/v1/models").bearer(&key),
        gate.get("/v1/models").bearer(&key),
        gate.call("HEAD", "/v1/models").bearer(&key),
        gate.put("/v1/models").bearer(&key),
        gate.get("/v1/unknown"),
        gate.post("/v1/chat/completions")
            .bearer(&key)
            .json_text("{"),
        gate.post("/v1/chat/completions")
            .bearer(&key)
            .body("x")
            .header("content-type", "text/plain"),
        gate.chat_call(&key, &chat_body("unknown", "hi")),
        gate.chat_call(&key, &chat_body("m", "hi")),
        gate.get("/admin/keys"),
        gate.get("/admin/keys").bearer(ADMIN_KEY),
    ];
    let count = calls.len() + 1;
    let mut ids = HashSet::new();
    for call in calls {
        let answer: Answer = call.header("x-request-id", "client-made").send().await;
        ids.insert(answer.request_id().to_owned());
    }
    let stream = gate.chat_stream(&key, "hi").await;
    ids.insert(
        stream
            .header("x-request-id")
            .expect("an id on the stream")
            .to_owned(),
    );
    assert_eq!(ids.len(), count, "{ids:?}");
    assert!(!ids.contains("client-made") && !ids.contains(""), "{ids:?}");
}

#[tokio::test]
async fn case_47_the_upstream_gets_the_gateways_id_and_the_log_the_clients() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (number, kind) in kinds_with_an_upstream().enumerate() {
        let client_id = format!("client-{kind}-7d3a");
        let call = gate
            .chat_call(&key, &chat_body(kind, "hi"))
            .header("x-client-request-id", &client_id);
        let call = call
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
            .header("x-request-id", "mine");
        let answer = call.send().await.expect_status(200);
        let asked = &gate.upstream.calls()[number];
        assert_eq!(
            asked.header("x-request-id"),
            Some(answer.request_id()),
            "{kind}"
        );
        let line = gate.request_log(answer.request_id()).await.to_string();
        assert!(line.contains(&client_id), "{line}");
        assert!(line.contains(trace), "{line}");
    }
}

#[tokio::test]
async fn s20_control_characters_in_logged_headers_do_no_harm() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let hostile = [
        b"red\tgreen ".as_slice(),
        "\u{e9}\u{202e}".as_bytes(),
        &[0xff],
        &[b'x'; 5_000],
    ]
    .concat();
    let call = gate
        .chat_call(&key, &chat_body("m", "hi"))
        .header("x-client-request-id", hostile);
    let answer = call.send().await.expect_status(200);
    let line = gate.request_log(answer.request_id()).await.to_string();
    assert!(line.len() < 4_000, "fields are short: {line}");
    let said = gate.stderr().join("\n");
    assert!(!said.contains('\t') && !said.contains('\u{202e}'), "{said}");
}

#[tokio::test]
async fn s22_names_with_an_underscore_are_refused_or_dropped() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let call = gate
        .chat_call(&key, &chat_body("m", "hi"))
        .header("x_request_id", "canary");
    let answer = call.header("x_api_key", "canary").send().await;
    assert!(matches!(answer.status, 200 | 400), "{}", answer.describe());
    let seen = format!("{:?}", gate.upstream.calls());
    assert!(!seen.contains("canary"), "{seen}");
}
