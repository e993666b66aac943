//! Case 45: credentials, on the model routes and on the admin routes; promise R25, threats S3 and S7.

use serde_json::json;

use crate::client::{Answer, request};
use crate::gate::{ADMIN_KEY, Key, TestGate, chat_body};
use crate::samples::post_routes;

/// A GET of the model list with exactly these header lines.
async fn list_with(gate: &TestGate, lines: &[String]) -> Answer {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut client = gate.raw().await;
    client.send(request("GET", "/v1/models", &lines, "")).await;
    client.answer().await
}

#[tokio::test]
async fn case_45_no_credential_gets_401_without_a_code_on_every_route() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    for (path, good) in post_routes("m") {
        let refusal = gate.post(path).json(&good).send().await.refused(401, None);
        assert_eq!(refusal.kind, "invalid_request_error", "{path}");
    }
    for path in [
        "/v1/models",
        "/v1/models/m",
        "/v1/models/unknown",
        "/v1/key",
    ] {
        gate.get(path).send().await.refused(401, None);
    }
    assert!(gate.upstream.calls().is_empty());
}

#[tokio::test]
async fn case_45_odd_credentials_get_401_and_odd_spelling_of_a_good_one_does_not() {
    let gate = TestGate::start().await;
    let Key { secret, .. } = gate.with_model("m", "vllm").await;
    let table = [
        (format!("Authorization: Basic {secret}"), 401),
        ("Authorization: Basic dXNlcjpwYXNz".to_owned(), 401),
        ("Authorization: Bearer".to_owned(), 401),
        ("Authorization: Bearer ".to_owned(), 401),
        ("Authorization:".to_owned(), 401),
        (format!("Authorization: {secret}"), 401),
        (format!("Authorization: Bearer {secret}x"), 401),
        (
            format!("Authorization: Bearer {}", &secret[..secret.len() - 1]),
            401,
        ),
        (
            format!("Authorization: Bearer {}", secret.to_uppercase()),
            401,
        ),
        (format!("Authorization: Bearer {secret} {secret}"), 401),
        (format!("Authorization: Bearer {secret}"), 200),
        (format!("Authorization: Bearer {secret} "), 200), // the end of a header value is trimmed by HTTP itself
        (format!("Authorization: bearer {secret}"), 200),
        (format!("authorization: BEARER {secret}"), 200),
        (format!("x-api-key: {secret}"), 200),
    ];
    for (line, status) in table {
        let answer = list_with(&gate, std::slice::from_ref(&line)).await;
        assert_eq!(answer.status, status, "{line} {}", answer.describe());
        if status == 401 {
            assert_eq!(
                answer.refused_with(401).kind,
                "invalid_request_error",
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn case_45_wrong_keys_of_every_kind_read_alike() {
    let gate = TestGate::start().await;
    let good = gate.with_model("m", "vllm").await;
    let issue = async |name: &str| gate.free_key(name).await;
    let (deleted, disabled) = (issue("deleted").await, issue("disabled").await);
    gate.delete(&format!("/admin/keys/{}", deleted.id))
        .bearer(ADMIN_KEY)
        .send()
        .await;
    let off = json!({"status": "disabled"});
    gate.put(&format!("/admin/keys/{}", disabled.id))
        .bearer(ADMIN_KEY)
        .json(&off)
        .send()
        .await
        .expect_status(200);
    let expired = json!({"name": "expired", "quota": null, "rate_limit": null, "expires_at": "2020-01-01T00:00:00Z"});
    let mut bodies = Vec::new();
    let mut wrong = vec![
        deleted.secret,
        disabled.secret,
        "mg-unknown".to_owned(),
        "sk-other".to_owned(),
    ];
    // A key that is expired already may be refused when it is made; if it is made, it must not work.
    let answer = gate
        .post("/admin/keys")
        .bearer(ADMIN_KEY)
        .json(&expired)
        .send()
        .await;
    if answer.status == 201 {
        wrong.push(
            answer.json()["key"]
                .as_str()
                .expect("the secret")
                .to_owned(),
        );
    } else {
        assert_eq!(
            answer.refused_with(400).param.as_deref(),
            Some("expires_at")
        );
    }
    for secret in wrong {
        let call = gate
            .post("/v1/chat/completions")
            .bearer(&secret)
            .json(&chat_body("m", "hi"));
        let refusal = call.send().await.refused(401, "invalid_api_key");
        assert!(!refusal.message.contains(&secret), "{}", refusal.message);
        bodies.push(refusal);
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
    assert!(gate.upstream.calls().is_empty());
    gate.chat(&good, "hi").await.expect_status(200);
}

#[tokio::test]
async fn s07_two_credentials_must_be_the_same() {
    let gate = TestGate::start().await;
    let (one, other) = (
        gate.with_model("m", "vllm").await,
        gate.free_key("other").await,
    );
    let bearer = |secret: &str| format!("Authorization: Bearer {secret}");
    let header = |secret: &str| format!("x-api-key: {secret}");
    let table = [
        ([bearer(&one.secret), header(&one.secret)], 200),
        ([bearer(&one.secret), header(&other.secret)], 400),
        ([bearer(&one.secret), header("mg-wrong")], 400),
        ([bearer("mg-wrong"), header(&one.secret)], 400),
        ([bearer(&one.secret), bearer(&other.secret)], 400),
        ([header(&one.secret), header(&other.secret)], 400),
    ];
    for (lines, status) in table {
        let answer = list_with(&gate, &lines).await;
        assert_eq!(answer.status, status, "{lines:?} {}", answer.describe());
        if status == 400 {
            assert_eq!(
                answer.refused_with(400).kind,
                "invalid_request_error",
                "{lines:?}"
            );
        }
    }
}

#[tokio::test]
async fn case_45_admin_routes_want_an_admin() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let table = [
        ("GET", "/admin/keys"),
        ("POST", "/admin/keys"),
        ("GET", "/admin/keys/1"),
        ("PUT", "/admin/keys/1"),
        ("DELETE", "/admin/keys/1"),
        ("POST", "/admin/keys/1/rotate"),
        ("GET", "/admin/models"),
        ("POST", "/admin/models"),
        ("DELETE", "/admin/models/1"),
        ("POST", "/admin/models/sync"),
        ("GET", "/admin/requests"),
    ];
    for (method, path) in table {
        gate.call(method, path).send().await.refused(401, None);
        gate.call(method, path)
            .bearer(&key)
            .send()
            .await
            .refused_with(403);
    }
    gate.get("/admin/keys")
        .bearer("mg-wrong")
        .send()
        .await
        .refused(401, "invalid_api_key");
    gate.get("/admin/keys")
        .bearer(format!("{ADMIN_KEY}x"))
        .send()
        .await
        .refused(401, "invalid_api_key");
    gate.chat(&key, "still there").await.expect_status(200);
    assert_eq!(gate.admin("/admin/verify").await["admin"], true);
}

#[tokio::test]
async fn s03_no_spelling_of_an_admin_path_lets_a_user_in() {
    let gate = TestGate::start().await;
    gate.free_key("name-canary-31f0").await;
    let key = gate.with_model("m", "echo").await;
    let auth = format!("Authorization: Bearer {}", key.secret);
    let shapes = [
        "/admin/keys",
        "/admin/keys/",
        "/admin//keys",
        "//admin/keys",
        "/ADMIN/keys",
        "/Admin/Keys",
        "/admin%2fkeys",
        "/%61dmin/keys",
        "/admin/keys;x=1",
        "/admin/keys.",
        "/admin/./keys",
        "/v1/../admin/keys",
        "/admin/keys%00",
        "/admin/keys?x=/v1/models",
        "http://evil.example/admin/keys",
        &gate.url("/admin/keys"),
        "/v1/models/../../admin/keys",
    ];
    for shape in shapes {
        for headers in [
            vec![auth.as_str()],
            vec![],
            vec![
                auth.as_str(),
                "X-Original-URL: /admin/keys",
                "X-Rewrite-Url: /admin/keys",
            ],
        ] {
            let mut client = gate.raw().await;
            client.send(request("GET", shape, &headers, "")).await;
            let answer = client.answer().await;
            assert!(
                matches!(answer.status, 400..=404),
                "{shape}: {}",
                answer.describe()
            );
            assert!(
                !answer.text().contains("name-canary"),
                "{shape}: {}",
                answer.describe()
            );
        }
    }
    let mut client = gate.raw().await;
    let tricky = format!("GET /admin/keys HTTP/1.1\r\nHost: x/v1/models#@y\r\n{auth}\r\n\r\n");
    client.send(tricky).await;
    let answer = client.answer().await;
    assert!(matches!(answer.status, 400 | 403), "{}", answer.describe());
}

#[tokio::test]
async fn r25_an_address_list_is_not_talked_around() {
    let forwarded = [
        "X-Forwarded-For: 10.1.2.3",
        "X-Forwarded-For: 10.1.2.3, 203.0.113.9",
        "X-Real-IP: 10.1.2.3",
        "Forwarded: for=10.1.2.3",
    ];
    let form = json!({"name": "k", "quota": null, "rate_limit": null, "allowed_ips": "10.0.0.0/8, fd00::/8"});
    let direct = TestGate::start().await;
    let key = direct.issue_key(form.clone()).await;
    let bearer = |key: &Key| format!("Authorization: Bearer {}", key.secret);
    for line in forwarded {
        let answer = list_with(&direct, &[bearer(&key), line.to_owned()]).await;
        answer.refused(403, "ip_not_allowed");
    }
    let behind = TestGate::with()
        .env("MG_SERVER_TRUSTED_PROXIES", "127.0.0.1/32")
        .start()
        .await;
    let key = behind.issue_key(form).await;
    let from = async |value: &str| {
        list_with(
            &behind,
            &[bearer(&key), format!("X-Forwarded-For: {value}")],
        )
        .await
        .status
    };
    for (value, status) in [
        ("10.1.2.3", 200),
        ("203.0.113.9, 10.1.2.3", 200),
        ("10.1.2.3, 127.0.0.1", 200),
        ("::ffff:10.1.2.3", 200),
        ("fd00::1", 200),
        ("10.1.2.3, 203.0.113.9", 403),
        ("203.0.113.9", 403),
        ("11.0.0.1", 403),
    ] {
        assert_eq!(from(value).await, status, "{value}");
    }
    assert_eq!(list_with(&behind, &[bearer(&key)]).await.status, 403);
}
