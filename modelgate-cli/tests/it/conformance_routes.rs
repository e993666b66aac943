//! Cases 33–36: exact routes, methods, HEAD and CORS.

use serde_json::json;

use crate::client::{Answer, request};
use crate::gate::{ADMIN_KEY, TestGate, chat_body};

const ORIGIN: &str = "https://app.example";

#[tokio::test]
async fn case_33_only_exact_routes_are_known() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let auth = format!("Authorization: Bearer {}", key.secret);
    let table = [
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/v1/chat//completions"),
        ("POST", "/chat/completions"),
        ("POST", "/v1/Chat/Completions"),
        ("POST", "/v1/chat/completions.json"),
        ("POST", "/v1/chat/completions;x=1"),
        ("POST", "/v1/chat%2Fcompletions"),
        ("POST", "/v1/chat/../chat/completions"),
        ("POST", "/v1/unknown"),
        ("GET", "/models"),
        ("GET", "/v1/models/"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/v2/models"),
        ("DELETE", "/v1/unknown"),
    ];
    for (method, path) in table {
        for headers in [vec![auth.as_str()], vec![]] {
            let mut client = gate.raw().await;
            let body = if method == "POST" {
                chat_body("m", "hi").to_string()
            } else {
                String::new()
            };
            client.send(request(method, path, &headers, &body)).await;
            let refusal = client.answer().await.refused(404, "unknown_url");
            assert!(
                refusal.message.contains(path),
                "{path}: {}",
                refusal.message
            );
            assert_eq!(refusal.kind, "invalid_request_error", "{path}");
        }
    }
    assert!(gate.upstream.calls().is_empty());
    gate.get("/v1/models?limit=3")
        .bearer(&key)
        .send()
        .await
        .expect_status(200);
}

#[tokio::test]
async fn case_33_a_path_is_shown_without_harm() {
    let gate = TestGate::start().await;
    let mut client = gate.raw().await;
    let path = format!("/v1/\"quoted\"%1b{}", "x".repeat(4_000));
    client.send(request("GET", &path, &[], "")).await;
    let refusal = client.answer().await.refused(404, "unknown_url");
    assert!(
        refusal.message.contains("/v1/\"quoted\"%1b"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn case_34_wrong_method_gets_405_with_allow() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let table = [
        (
            "GET",
            "/v1/chat/completions",
            key.secret.as_str(),
            &["POST"][..],
        ),
        ("DELETE", "/v1/completions", &key.secret, &["POST"]),
        ("PUT", "/v1/embeddings", &key.secret, &["POST"]),
        ("PUT", "/v1/models", &key.secret, &["GET"]),
        ("POST", "/v1/models", &key.secret, &["GET"]),
        ("DELETE", "/v1/models/m", &key.secret, &["GET"]),
        ("POST", "/v1/key", &key.secret, &["GET"]),
        ("POST", "/health", &key.secret, &["GET"]),
        ("DELETE", "/ready", &key.secret, &["GET"]),
        ("PATCH", "/admin/keys", ADMIN_KEY, &["GET", "POST"]),
        (
            "POST",
            "/admin/keys/1",
            ADMIN_KEY,
            &["GET", "PUT", "DELETE"],
        ),
        ("BREW", "/v1/chat/completions", &key.secret, &["POST"]),
    ];
    for (method, path, secret, allowed) in table {
        let answer = gate.call(method, path).bearer(secret).send().await;
        let refusal = answer.refused(405, "method_not_supported");
        assert_eq!(refusal.kind, "invalid_request_error", "{method} {path}");
        let allow = answer
            .header("allow")
            .unwrap_or_else(|| panic!("no Allow on {method} {path}"));
        let listed: Vec<&str> = allow.split(',').map(str::trim).collect();
        assert!(
            allowed.iter().all(|one| listed.contains(one)),
            "{method} {path}: {allow}"
        );
        assert!(!listed.contains(&method), "{method} {path}: {allow}");
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_35_head_is_get_without_a_body_and_keeps_the_connection() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let auth = format!("Authorization: Bearer {}", key.secret);
    for path in [
        "/v1/models",
        "/v1/models/m",
        "/health",
        "/ready",
        "/v1/models/unknown",
    ] {
        let mut client = gate.raw().await;
        client.send(request("HEAD", path, &[&auth], "")).await;
        let head = client.head().await;
        // Were there a body, it would stand in front of this answer.
        client.send(request("GET", path, &[&auth], "")).await;
        let get = client.answer().await;
        assert!(!get.body.is_empty(), "{path}");
        assert_eq!(lasting_headers(&head), lasting_headers(&get), "{path}");
        assert_eq!(head.status, get.status, "{path}");
    }
}

#[tokio::test]
async fn case_36_preflights_are_answered_without_a_key() {
    let gate = TestGate::with()
        .env(
            "MG_SERVER_CORS_ORIGINS",
            format!("{ORIGIN},http://localhost:3000"),
        )
        .start()
        .await;
    let asked = "authorization, content-type, x-stainless-lang, x-stainless-package-version, openai-organization";
    for origin in [ORIGIN, "http://localhost:3000"] {
        let answer = preflight(&gate, origin, asked).await.expect_status(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let names = |header: &str| {
            answer
                .header(header)
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        assert!(
            names("access-control-allow-methods").contains("post"),
            "{}",
            answer.describe()
        );
        let allowed = names("access-control-allow-headers");
        let allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
        assert!(
            asked.split(", ").all(|name| allowed.contains(&name)),
            "{}",
            answer.describe()
        );
        assert!(
            names("access-control-max-age").parse::<u32>().is_ok(),
            "{}",
            answer.describe()
        );
        assert!(names("vary").contains("origin"), "{}", answer.describe());
        assert!(answer.body.is_empty());
    }
    let foreign = preflight(&gate, "https://evil.example", asked).await;
    assert_eq!(
        foreign.header("access-control-allow-origin"),
        None,
        "{}",
        foreign.describe()
    );
}

#[tokio::test]
async fn case_36_every_answer_to_an_allowed_origin_carries_cors_headers() {
    let gate = TestGate::with()
        .env("MG_SERVER_CORS_ORIGINS", ORIGIN)
        .start()
        .await;
    let key = gate.with_model("m", "vllm").await;
    let call = |method: &str, path: &str| gate.call(method, path).header("origin", ORIGIN);
    let answers = [
        call("GET", "/v1/models")
            .bearer(&key)
            .send()
            .await
            .expect_status(200),
        call("GET", "/v1/models").send().await.expect_status(401),
        call("GET", "/v1/unknown").send().await.expect_status(404),
        call("PUT", "/v1/models")
            .bearer(&key)
            .send()
            .await
            .expect_status(405),
        call("POST", "/v1/chat/completions")
            .bearer(&key)
            .json(&json!({}))
            .send()
            .await
            .expect_status(400),
        call("POST", "/v1/chat/completions")
            .bearer(&key)
            .json(&chat_body("m", "hi"))
            .send()
            .await
            .expect_status(200),
    ];
    for answer in answers {
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(ORIGIN),
            "{}",
            answer.describe()
        );
    }
    let mut body = chat_body("m", "hi");
    body["stream"] = true.into();
    let stream = call("POST", "/v1/chat/completions")
        .bearer(&key)
        .json(&body)
        .stream()
        .await;
    assert_eq!(stream.header("access-control-allow-origin"), Some(ORIGIN));
    let foreign = gate
        .get("/v1/models")
        .header("origin", "https://evil.example")
        .bearer(&key)
        .send()
        .await;
    assert_eq!(
        foreign
            .expect_status(200)
            .header("access-control-allow-origin"),
        None
    );
}

#[tokio::test]
async fn case_36_with_cors_off_options_is_a_wrong_method() {
    let gate = TestGate::start().await;
    let answer = preflight(&gate, ORIGIN, "authorization").await;
    answer.refused(405, "method_not_supported");
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control-")),
        "{}",
        answer.describe()
    );
    let get = gate
        .get("/health")
        .header("origin", ORIGIN)
        .send()
        .await
        .expect_status(200);
    assert_eq!(get.header("access-control-allow-origin"), None);
}

async fn preflight(gate: &TestGate, origin: &str, headers: &str) -> Answer {
    let call = gate
        .call("OPTIONS", "/v1/chat/completions")
        .header("origin", origin);
    let call = call
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", headers);
    call.send().await
}

/// Names and values of the headers that two answers to the same question share.
fn lasting_headers(answer: &Answer) -> Vec<(String, String)> {
    let passing = ["date", "x-request-id", "openai-processing-ms"];
    let lasting = answer.headers.iter().filter(|(name, _)| {
        !passing.contains(&name.as_str()) && !name.as_str().starts_with("x-ratelimit-")
    });
    let text =
        lasting.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    let mut headers: Vec<(String, String)> = text.collect();
    headers.sort();
    headers
}
