//! Threats S19, S20 and S22: paths that climb, text that forges logs, headers that smuggle.

use serde_json::json;

use crate::client::request;
use crate::gate::{ADMIN_KEY, TestGate, chat_body};
use crate::threats_ids::encoded;

#[tokio::test]
async fn s19_no_path_leads_out_of_the_panel() {
    let gate = TestGate::start().await;
    let secret_file = gate.path("secret.key");
    let database = gate.path("modelgate.db");
    for climb in [
        "/..",
        "/%2e%2e",
        "/%2E%2E",
        "/.%2e",
        "/..%2f",
        "/..%5c",
        "/....//",
        "/%252e%252e",
        "/..;",
    ] {
        let up = climb.repeat(12);
        for target in ["/etc/passwd", "/secret.key", "/modelgate.db"] {
            for start in ["", "/admin", "/admin/assets", "/admin/index.html"] {
                is_nothing(&gate, &format!("{start}{up}{target}")).await;
            }
        }
    }
    for file in [secret_file, database] {
        let file = file.display().to_string();
        for path in [
            format!("/admin/{file}"),
            format!("/admin//{file}"),
            format!("/admin/file:%2f%2f{file}"),
            file.clone(),
        ] {
            is_nothing(&gate, &path).await;
        }
    }
}

async fn is_nothing(gate: &TestGate, path: &str) {
    let mut client = gate.raw().await;
    client.send(request("GET", path, &[], "")).await;
    let answer = client.answer().await;
    assert!(
        matches!(answer.status, 400 | 401 | 404),
        "{path} {}",
        answer.describe()
    );
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        !shown.contains("root:") && !shown.contains("SQLite format"),
        "{path}"
    );
}

#[tokio::test]
async fn s19_the_panel_itself_is_there() {
    let gate = TestGate::start().await;
    let home = gate.get("/").send().await;
    assert!((300..400).contains(&home.status), "{}", home.describe());
    let target = home.header("location").expect("where to go").to_owned();
    assert!(target.trim_matches('/').ends_with("admin"), "{target}");
    let mut path = "/admin".to_owned();
    let mut answer = gate.get(&path).send().await;
    while (300..400).contains(&answer.status) {
        assert_eq!(path, "/admin", "one redirect at most");
        path = "/admin/".to_owned();
        answer = gate.get(&path).send().await;
    }
    let answer = answer.expect_status(200);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/html"), "{kind}");
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'"), "{policy}");
}

/// Texts that would be lines or colours of their own.
const FORGED: [&str; 4] = [
    "x\n{\"message\":\"request\",\"forged\":true}",
    "x\r\nINFO forged",
    "x\u{1b}[31mred\u{1b}]0;title\u{7}",
    "x\u{202e}\u{2028}\u{85}y",
];

#[tokio::test]
async fn s20_no_text_of_a_client_becomes_a_line_of_the_log() {
    for format in ["json", "text"] {
        let gate = TestGate::with()
            .env("MG_LOG_FORMAT", format)
            .env("MG_LOG_LEVEL", "debug")
            .start()
            .await;
        let key = gate.with_model("m", "echo").await;
        for forged in FORGED {
            gate.chat_call(&key, &chat_body(forged, "hi"))
                .send()
                .await
                .refused(404, "model_not_found");
            let encoded = encoded(forged);
            gate.get(&format!("/v1/models/{encoded}"))
                .bearer(&key)
                .send()
                .await
                .refused(404, "model_not_found");
            gate.get(&format!("/{encoded}"))
                .send()
                .await
                .refused_with(404);
            gate.get("/v1/models")
                .bearer(&key)
                .header("user-agent", forged.replace(char::is_control, "\t"))
                .send()
                .await;
            let form = json!({"name": forged, "quota": null});
            let issue = gate.post("/admin/keys").bearer(ADMIN_KEY).json(&form);
            issue.send().await.refused_with(400);
        }
        let last = gate.chat(&key, "hi").await.expect_status(200);
        let id = last.request_id().to_owned();
        crate::wait::until("the last line", || {
            gate.stderr().iter().any(|line| line.contains(&id))
        })
        .await;
        for line in gate.stderr() {
            let is_odd =
                |letter: char| letter.is_control() || matches!(letter, '\u{202e}' | '\u{2028}');
            assert!(!line.contains(is_odd), "{line:?}");
            assert!(
                !line.starts_with("INFO forged")
                    && !line.starts_with("{\"message\":\"request\",\"forged\"")
            );
        }
        if format == "json" {
            assert!(
                gate.log_lines()
                    .iter()
                    .all(|line| line.get("forged").is_none())
            );
        }
    }
}

#[tokio::test]
async fn s20_names_that_are_long_make_no_long_lines() {
    let gate = TestGate::with().env("MG_LOG_LEVEL", "debug").start().await;
    let key = gate.with_model("m", "echo").await;
    let long = "n".repeat(100_000);
    let answer = gate.chat_call(&key, &chat_body(&long, "hi")).send().await;
    let id = answer.request_id().to_owned();
    answer.refused(404, "model_not_found");
    gate.request_log(&id).await;
    let longest = gate.stderr().iter().map(String::len).max();
    assert!(longest < Some(8_000), "{longest:?}");
}

#[tokio::test]
async fn s22_lines_within_header_values_are_refused() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let auth = format!("Authorization: Bearer {}", key.secret);
    let body = chat_body("m", "hi").to_string();
    for line in [
        "X-A: one\rX-B: two",
        "X-A: one\n\nX-B: two",
        "X-A: a\0b",
        "X-A : b",
        "X A: b",
        ": b",
        "X-A: one\r\n continued: two",
        "X-\u{e9}: b",
    ] {
        let mut client = gate.raw().await;
        let headers = [auth.as_str(), "Content-Type: application/json", line];
        client
            .send(request("POST", "/v1/chat/completions", &headers, &body))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{line:?} {}", answer.describe());
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn s22_a_connection_header_takes_no_credential_away_and_adds_nothing() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "api3").await;
    let call = gate.chat_call(&key, &chat_body("m", "hi"));
    let answer = call
        .header(
            "connection",
            "authorization, x-request-id, content-type, host",
        )
        .send()
        .await;
    assert!(matches!(answer.status, 200 | 401), "{}", answer.describe());
    for call in gate.upstream.calls() {
        assert!(
            call.header("authorization")
                .is_some_and(|value| !value.contains(&key.secret))
        );
        let connection = call.header("connection").unwrap_or_default();
        assert!(!connection.contains("authorization"), "{connection}");
    }
}

#[tokio::test]
async fn s22_trailers_never_become_headers() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "api3").await;
    let body = chat_body("m", "hi").to_string();
    let chunked = |head: &str, trailers: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
             Trailer: authorization, x-trailer\r\n{head}\r\n{:x}\r\n{body}\r\n0\r\n{trailers}\r\n",
            body.len()
        )
    };
    let auth = format!("Authorization: Bearer {}\r\n", key.secret);
    let mut client = gate.raw().await;
    client.send(chunked("", &auth)).await;
    client.answer().await.refused(401, None);
    let mut client = gate.raw().await;
    let trailers = "x-trailer: canary\r\nauthorization: Bearer canary\r\ncontent-length: 3\r\n";
    client.send(chunked(&auth, trailers)).await;
    client.answer().await.expect_status(200);
    let seen = format!("{:?}", gate.upstream.only_call());
    assert!(
        !seen.contains("canary\"") && !seen.contains("x-trailer"),
        "{seen}"
    );
}

#[tokio::test]
async fn s22_names_with_an_underscore_carry_no_credential() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    for name in ["x_api_key", "authorization_", "http_authorization"] {
        let call = gate
            .get("/v1/models")
            .header(name, format!("Bearer {}", key.secret));
        let answer = call.send().await;
        assert!(
            matches!(answer.status, 400 | 401),
            "{name} {}",
            answer.describe()
        );
    }
}
