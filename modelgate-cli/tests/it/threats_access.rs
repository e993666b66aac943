//! Threats S3, S6 and S8: who may call what, guessing of keys, and refusals that all read alike.

use std::time::Duration;

use modelgate_domain::{PlainKey, Timestamp};
use serde_json::{Value, json};

use crate::client::{Answer, Call, request};
use crate::gate::{ADMIN_KEY, TestGate, chat_body};
use crate::wait;

/// Settings under which a sync asks nobody.
const NO_SERVERS: &str = "adapters:
  ollama: {base_url: ''}
  vllm: {base_url: ''}
  llamacpp: {base_url: ''}
";

/// What may be called with what: method, path, body, and the roles it opens to (user, viewer, admin).
fn routes() -> Vec<(&'static str, &'static str, Value, [bool; 3])> {
    let all = [true; 3];
    let readers = [false, true, true];
    let admins = [false, false, true];
    vec![
        ("GET", "/v1/models", Value::Null, all),
        ("GET", "/v1/models/m", Value::Null, all),
        ("GET", "/v1/key", Value::Null, all),
        ("POST", "/v1/chat/completions", chat_body("m", "hi"), all),
        (
            "POST",
            "/v1/completions",
            json!({"model": "m", "prompt": "hi"}),
            all,
        ),
        (
            "POST",
            "/v1/embeddings",
            json!({"model": "m", "input": "hi"}),
            all,
        ),
        ("GET", "/admin/keys", Value::Null, readers),
        ("GET", "/admin/keys/ID", Value::Null, readers),
        ("GET", "/admin/models", Value::Null, readers),
        ("GET", "/admin/models/1", Value::Null, readers),
        ("GET", "/admin/requests", Value::Null, readers),
        ("POST", "/admin/keys", json!({"name": "NEW"}), admins),
        ("PUT", "/admin/keys/ID", json!({"tier": "t"}), admins),
        ("POST", "/admin/keys/ID/rotate", json!({}), admins),
        (
            "POST",
            "/admin/models",
            json!({"name": "NEW", "backend_type": "echo"}),
            admins,
        ),
        ("PUT", "/admin/models/1", json!({"enabled": true}), admins),
        ("POST", "/admin/models/sync", json!({}), admins),
        ("DELETE", "/admin/keys/ID", Value::Null, admins),
    ]
}

async fn key_of(gate: &TestGate, name: &str, role: &str) -> String {
    let form = json!({"name": name, "role": role, "quota": null, "rate_limit": null});
    gate.issue_key(form).await.secret
}

fn begin(gate: &TestGate, method: &str, path: &str, body: &Value) -> Call {
    let call = gate.call(method, path);
    if body.is_null() {
        call
    } else {
        call.json(body)
    }
}

#[tokio::test]
async fn s03_every_route_opens_to_its_roles_only() {
    let gate = TestGate::with().config(NO_SERVERS).start().await;
    gate.with_model("m", "echo").await;
    let keys = [
        key_of(&gate, "u", "user").await,
        key_of(&gate, "v", "viewer").await,
        key_of(&gate, "a", "admin").await,
    ];
    for (method, path, body, allowed) in routes() {
        for (role, (key, allowed)) in keys.iter().zip(allowed).enumerate() {
            let victim = gate
                .free_key(&format!("victim {method} {path} {role}"))
                .await;
            let path = path.replace("ID", &victim.id.to_string());
            let mut body = body.clone();
            if body["name"] == "NEW" {
                body["name"] = format!("new {path} {role}").into();
            }
            let answer = begin(&gate, method, &path, &body).bearer(key).send().await;
            if allowed {
                assert!(
                    (200..300).contains(&answer.status),
                    "{role} {method} {path} {}",
                    answer.describe()
                );
            } else {
                answer.refused_with(403);
            }
            let nobody = begin(&gate, method, &path, &body).send().await;
            nobody.refused(401, None);
        }
    }
}

#[tokio::test]
async fn s03_no_spelling_of_a_path_changes_who_may_call_it() {
    let gate = TestGate::start().await;
    gate.with_model("m", "echo").await;
    let user = key_of(&gate, "u", "user").await;
    let before = count_of_keys(&gate).await;
    for (method, path, body, [is_open, ..]) in routes() {
        let path = path.replace("ID", "1");
        let (first, rest) = path[1..].split_once('/').expect("two segments");
        let shapes = [
            format!("/{path}"),
            format!("/{first}//{rest}"),
            format!("{path}/"),
            format!("/{}/{rest}", first.to_uppercase()),
            format!("/{first}%2f{rest}"),
            format!("/{first}%2F{rest}"),
            format!("/%{:02x}{}/{rest}", first.as_bytes()[0], &first[1..]),
            format!("{path};a=b"),
            format!("/{first};/{rest}"),
            format!("{path}."),
            format!("/{first}/./{rest}"),
            format!("/x/../{first}/{rest}"),
            format!("{path}%00"),
            format!("http://evil.example{path}"),
        ];
        let auth = format!("Authorization: Bearer {user}");
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        for shape in shapes {
            for headers in [
                vec!["Content-Type: application/json"],
                vec!["Content-Type: application/json", &auth],
            ] {
                let has_key = headers.len() == 2;
                let mut client = gate.raw().await;
                client.send(request(method, &shape, &headers, &text)).await;
                let answer = client.answer().await;
                let may_pass = is_open && has_key;
                assert!(
                    matches!(answer.status, 400..=405) || (may_pass && answer.status == 200),
                    "{method} {shape} {}",
                    answer.describe()
                );
            }
        }
    }
    assert_eq!(count_of_keys(&gate).await, before);
}

async fn count_of_keys(gate: &TestGate) -> Option<usize> {
    gate.admin("/admin/keys").await.as_array().map(Vec::len)
}

/// A key as the gateway makes them, which it never made.
fn unknown_key(number: u8) -> PlainKey {
    PlainKey::generate([number; 32])
}

#[tokio::test]
async fn s06_guessing_is_slowed_down_and_known_keys_pass_all_the_same() {
    let gate = TestGate::start().await;
    let known = gate.with_model("m", "echo").await;
    let mut slowed = 0;
    for number in 0..40 {
        let answer = gate
            .get("/v1/models")
            .bearer(unknown_key(number).reveal())
            .send()
            .await;
        if answer.status == 429 {
            slowed += 1;
            answer.refused_with(429);
            let wait: u64 = answer
                .header("retry-after")
                .and_then(|text| text.parse().ok())
                .expect("seconds");
            assert!((1..=60).contains(&wait), "{wait}");
        } else {
            assert_eq!(slowed, 0, "guess {number} came through after a refusal");
            answer.refused(401, "invalid_api_key");
        }
        gate.get("/v1/models")
            .bearer(&known)
            .send()
            .await
            .expect_status(200);
    }
    assert_eq!(slowed, 30, "ten guesses a minute");
    gate.chat(&known, "hi").await.expect_status(200);
    gate.get("/admin/keys")
        .bearer(ADMIN_KEY)
        .send()
        .await
        .expect_status(200);
}

#[tokio::test]
async fn s08_all_refusals_of_a_credential_are_one() {
    for path in ["/v1/models", "/admin/keys"] {
        let mut seen: Option<(&str, Answer)> = None;
        // A gate for each, or the brake on guessing comes between.
        let gate = TestGate::start().await;
        for (what, secret) in refused_secrets(&gate).await {
            let answer = gate.get(path).bearer(&secret).send().await;
            answer.refused(401, "invalid_api_key");
            if let Some((first, before)) = &seen {
                assert_eq!(answer.text(), before.text(), "{path}: {what} and {first}");
                assert_eq!(
                    headers(&answer),
                    headers(before),
                    "{path}: {what} and {first}"
                );
            } else {
                seen = Some((what, answer));
            }
        }
    }
}

fn headers(answer: &Answer) -> Vec<(String, String)> {
    let mut lines: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"))
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    lines.sort();
    lines
}

/// One secret for every reason there is, each with that reason.
async fn refused_secrets(gate: &TestGate) -> Vec<(&'static str, String)> {
    let good = gate.free_key("good").await;
    let (deleted, disabled) = (
        gate.free_key("deleted").await,
        gate.free_key("disabled").await,
    );
    gate.delete(&format!("/admin/keys/{}", deleted.id))
        .bearer(ADMIN_KEY)
        .send()
        .await;
    let off = gate
        .put(&format!("/admin/keys/{}", disabled.id))
        .bearer(ADMIN_KEY);
    off.json(&json!({"status": "disabled"}))
        .send()
        .await
        .expect_status(200);
    let rotated = gate.free_key("rotated").await;
    let rotate = gate
        .post(&format!("/admin/keys/{}/rotate", rotated.id))
        .bearer(ADMIN_KEY);
    rotate.json(&json!({})).send().await;
    let mut typo = good.secret.clone().into_bytes();
    typo[10] = if typo[10] == b'x' { b'y' } else { b'x' };
    vec![
        ("a foreign key", "sk-proj-1234567890".to_owned()),
        ("a typing error", String::from_utf8(typo).expect("ASCII")),
        ("an unknown key", unknown_key(1).reveal().to_owned()),
        ("a deleted key", deleted.secret),
        ("a disabled key", disabled.secret),
        ("a replaced secret", rotated.secret),
        ("an expired key", expired(gate).await),
    ]
}

async fn expired(gate: &TestGate) -> String {
    let key = gate.free_key("expired").await;
    let path = format!("/admin/keys/{}", key.id);
    let soon = json!({"expires_at": in_two_seconds(&gate.admin(&path).await)});
    gate.put(&path)
        .bearer(ADMIN_KEY)
        .json(&soon)
        .send()
        .await
        .expect_status(200);
    let ended = async {
        while gate.get("/v1/models").bearer(&key).send().await.status == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    wait::bounded("the end of the key", ended).await;
    key.secret
}

/// A time shortly after now, when the key was just made.
pub(crate) fn in_two_seconds(key: &Value) -> String {
    let created = key["created_at"].as_str().expect("a time");
    let created = Timestamp::parse(created).expect("a time of RFC 3339");
    created.after(Duration::from_secs(2)).to_rfc3339()
}
