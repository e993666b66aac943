//! Promise R24 and threat S21: after traffic of every sort, no key, no prompt and no answer is found in files, output
//! or answers of the admin API.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::conformance_streams_dialects::{
    SCRIPTED, refusal, stream_body, stream_head, streamed, text_piece, whole,
};
use crate::gate::{ADMIN_KEY, Key, TestGate, UPSTREAM_KEY, chat_body};
use crate::samples::{KINDS, post_routes};
use crate::upstream::Script;

const PROMPT: &str = "prompt-canary-1d7e";
const ANSWER: &str = "answer-canary-88c2";
const WRONG_KEY: &str = "mg-wrong-canary-27ab";
const URL_PASSWORD: &str = "password-canary-5f";

#[tokio::test]
async fn r24_no_secret_and_no_text_is_kept_or_shown() {
    let mut gate = TestGate::with()
        .env("MG_LOG_LEVEL", "debug")
        .env("MG_TIMEOUTS_IDLE", "300ms")
        .start()
        .await;
    let key = gate.with_all_kinds().await;
    let quota = gate
        .issue_key(json!({"name": "small", "quota": 20, "rate_limit": 1}))
        .await;
    answered_calls(&gate, &key).await;
    broken_calls(&gate, &key).await;
    refused_calls(&gate, &quota).await;
    let rotated = rotated_secret(&gate, &quota).await;
    let secrets = [
        &key.secret,
        &quota.secret,
        &rotated,
        ADMIN_KEY,
        UPSTREAM_KEY,
        PROMPT,
        ANSWER,
        WRONG_KEY,
        URL_PASSWORD,
    ];
    check_admin_answers(&gate, &secrets).await;
    gate.rows().await;
    gate.assert_secret_absent(&secrets);
    let exit = gate.stop().await;
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    gate.assert_secret_absent(&secrets);
}

fn asking(body: Value) -> Value {
    let mut body = body;
    body["messages"][0]["content"] = PROMPT.into();
    body["user"] = PROMPT.into();
    body
}

async fn answered_calls(gate: &TestGate, key: &Key) {
    for kind in KINDS {
        gate.plays(kind, whole(kind, ANSWER));
        gate.chat_call(key, &asking(chat_body(kind, "")))
            .send()
            .await
            .expect_status(200);
        gate.plays(kind, streamed(kind, &[ANSWER, ANSWER]));
        gate.chat_call(key, &asking(stream_body(kind)))
            .stream()
            .await
            .collect()
            .await;
        for (path, mut body) in post_routes(kind).into_iter().skip(1) {
            let field = if body["prompt"].is_null() {
                "input"
            } else {
                "prompt"
            };
            body[field] = PROMPT.into();
            gate.post(path).bearer(key).json(&body).send().await;
        }
    }
}

/// Streams that break, stall or are left, and servers that refuse with the credential in their words.
async fn broken_calls(gate: &TestGate, key: &Key) {
    for kind in SCRIPTED {
        let begun = || stream_head(kind).piece(text_piece(kind, ANSWER));
        for script in [
            begun().then_close(),
            begun().then_stall(),
            begun().piece("data: {\n\n"),
            Script::hang_up(),
        ] {
            gate.plays(kind, script);
            gate.chat_call(key, &asking(stream_body(kind)))
                .stream()
                .await
                .collect()
                .await;
        }
        gate.plays(kind, begun().then_stall());
        let mut left = gate
            .chat_call(key, &asking(stream_body(kind)))
            .stream()
            .await;
        left.next().await.expect("an event");
        drop(left);
        for status in [400, 401, 403, 429, 500, 503] {
            // Only these kinds have a credential here, so only their servers can repeat it.
            let repeated = if matches!(kind, "openai" | "api3") {
                UPSTREAM_KEY
            } else {
                "none"
            };
            let told = format!(
                "Incorrect API key provided: {repeated} (see http://user:{URL_PASSWORD}@10.0.0.1/)"
            );
            gate.plays(kind, refusal(kind, status, &told));
            let answer = gate
                .chat_call(key, &asking(chat_body(kind, "")))
                .send()
                .await;
            check_absent(&answer, &[UPSTREAM_KEY, URL_PASSWORD]);
        }
    }
}

/// Bodies, keys and limits that the gateway refuses itself.
async fn refused_calls(gate: &TestGate, small: &Key) {
    let path = "/v1/chat/completions";
    let good = asking(chat_body("vllm", ""));
    let long = asking(
        json!({"model": "vllm", "messages": [{"role": "user", "content": ""}], "max_tokens": 1_000}),
    );
    gate.post(path)
        .bearer(small)
        .json(&long)
        .send()
        .await
        .refused_with(429);
    for text in [
        format!("{{\"model\":\"vllm\",\"{PROMPT}"),
        format!("[\"{PROMPT}\"]"),
        good.to_string().replace("vllm", PROMPT),
    ] {
        gate.post(path).bearer(small).json_text(text).send().await;
    }
    for secret in [WRONG_KEY, UPSTREAM_KEY] {
        let answer = gate.post(path).bearer(secret).json(&good).send().await;
        answer.refused(401, "invalid_api_key");
        check_absent(&answer, &[secret, PROMPT]);
    }
    gate.get(&format!("/v1/models?api_key={WRONG_KEY}"))
        .header("x-api-key", WRONG_KEY)
        .send()
        .await;
    gate.get("/v1/unknown")
        .bearer(small)
        .header("cookie", WRONG_KEY)
        .send()
        .await;
    for form in [
        json!({"name": 7, "key": WRONG_KEY}),
        json!({"name": "x", "backend_type": "api3", "api_key": UPSTREAM_KEY}),
    ] {
        for path in ["/admin/keys", "/admin/models"] {
            let answer = gate.post(path).bearer(ADMIN_KEY).json(&form).send().await;
            check_absent(&answer, &[UPSTREAM_KEY, WRONG_KEY]);
        }
    }
}

async fn rotated_secret(gate: &TestGate, key: &Key) -> String {
    let call = gate
        .post(&format!("/admin/keys/{}/rotate", key.id))
        .bearer(ADMIN_KEY)
        .json(&json!({}));
    let answer = call.send().await;
    assert!(answer.status < 300, "{}", answer.describe());
    answer.json()["key"]
        .as_str()
        .expect("a new secret")
        .to_owned()
}

async fn check_admin_answers(gate: &TestGate, secrets: &[&str]) {
    let mut paths = vec![
        "/admin/keys".to_owned(),
        "/admin/models".to_owned(),
        "/admin/requests?limit=200".to_owned(),
    ];
    for list in ["/admin/keys", "/admin/models"] {
        let shown = gate.admin(list).await;
        let items = shown.as_array().expect("a list").clone();
        paths.extend(items.iter().map(|item| format!("{list}/{}", item["id"])));
    }
    for path in paths {
        let answer = gate
            .get(&path)
            .bearer(ADMIN_KEY)
            .send()
            .await
            .expect_status(200);
        check_absent(&answer, secrets);
    }
    for path in [
        "/admin/verify",
        "/v1/key",
        "/v1/models",
        "/health",
        "/ready",
    ] {
        check_absent(&gate.get(path).bearer(ADMIN_KEY).send().await, secrets);
    }
}

fn check_absent(answer: &Answer, secrets: &[&str]) {
    let shown = answer.describe() + answer.text();
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
