//! Model calls with whole answers: what comes back, and what stands in the way.

use http::HeaderValue;
use modelgate_domain::{AllowList, Role, TokenUsage};
use modelgate_http::ServerConfig;
use modelgate_ports::driven::{BackendError, BackendFault};
use modelgate_ports::driving::console::KeyPatch;
use serde_json::{Value, json};

use crate::fixture::{CHAT, Gate, call, chat_body};

const USAGE: TokenUsage = TokenUsage {
    prompt: 5,
    cached: 0,
    completion: 2,
    reasoning: 0,
};

#[tokio::test]
async fn an_answer_passes_as_it_is() {
    let gate = Gate::new().await;
    gate.backend
        .answers(r#"{"id":"x", "n":1e400}"#, Some(USAGE));
    let answer = gate.chat(&chat_body()).await.expect(200);
    assert_eq!(answer.text(), r#"{"id":"x", "n":1e400}"#);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let id = answer.header("x-request-id").expect("an id");
    assert_eq!(gate.backend.calls()[0].request.to_string(), id);
    assert_eq!(gate.ledger.requests()[0].to_string(), id);
}

#[tokio::test]
async fn all_three_endpoints_reach_the_model() {
    let gate = Gate::new().await;
    let table = [
        (CHAT, chat_body()),
        ("/v1/completions", json!({"model": "m", "prompt": "hi"})),
        ("/v1/embeddings", json!({"model": "m", "input": "hi"})),
    ];
    for (number, (path, body)) in table.into_iter().enumerate() {
        gate.backend.answers("{}", Some(USAGE));
        gate.send(call("POST", path, &gate.user, &body.to_string()))
            .await
            .expect(200);
        assert_eq!(
            gate.backend.calls()[number].body,
            body.to_string(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_answer_tells_the_limits() {
    let gate = Gate::new().await;
    let patch = KeyPatch {
        rpm: Some(Some(2)),
        quota: Some(Some(100_000)),
        ..KeyPatch::default()
    };
    let key = gate.key("limited", Role::User, patch).await.1;
    let send = async || {
        gate.send(call("POST", CHAT, &key, &chat_body().to_string()))
            .await
    };
    gate.backend.answers("{}", Some(USAGE));
    let first = send().await.expect(200);
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("1"));
    assert_eq!(first.header("x-ratelimit-limit-tokens"), Some("100000"));
    assert!(first.header("x-ratelimit-remaining-tokens").is_some());
    assert_eq!(
        first.header("x-ratelimit-reset-tokens"),
        None,
        "the quota never begins anew"
    );
    gate.backend
        .fails(BackendError::new(BackendFault::Failed, "it broke"));
    let second = send().await;
    assert_eq!(second.code(502), "upstream_error");
    assert_eq!(second.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(second.header("x-should-retry"), Some("false"));
    let third = send().await;
    assert_eq!(third.code(429), "rate_limit_exceeded");
    assert_eq!(third.json()["error"]["type"], "requests");
    assert_eq!(
        (third.header("retry-after"), third.header("x-should-retry")),
        (Some("60"), Some("true"))
    );
    assert_eq!(third.header("x-ratelimit-reset-requests"), Some("1m0s"));
}

#[tokio::test]
async fn a_spent_quota_is_told_without_a_time_to_come_back() {
    let gate = Gate::new().await;
    let key = gate
        .key(
            "poor",
            Role::User,
            KeyPatch {
                quota: Some(Some(3)),
                ..KeyPatch::default()
            },
        )
        .await
        .1;
    let answer = gate
        .send(call("POST", CHAT, &key, &chat_body().to_string()))
        .await;
    assert_eq!(answer.code(429), "insufficient_quota");
    assert_eq!(
        (
            answer.header("retry-after"),
            answer.header("x-should-retry")
        ),
        (None, Some("false"))
    );
    assert_eq!(answer.header("x-ratelimit-limit-tokens"), Some("3"));
    assert!(gate.backend.calls().is_empty());
}

#[tokio::test]
async fn bodies_that_ask_for_the_impossible_name_the_field() {
    let gate = Gate::new().await;
    let check = async |body: Value, param: &str, code: &str| {
        let answer = gate.chat(&body).await;
        assert_eq!(
            (answer.param(400).as_str(), answer.code(400).as_str()),
            (param, code),
            "{body}"
        );
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    };
    check(
        json!({"messages": [{}]}),
        "model",
        "missing_required_parameter",
    )
    .await;
    check(
        json!({"model": 7, "messages": [{}]}),
        "model",
        "invalid_type",
    )
    .await;
    check(
        json!({"model": "m", "messages": []}),
        "messages",
        "empty_array",
    )
    .await;
    assert!(gate.backend.calls().is_empty());
    assert!(gate.ledger.requests().is_empty());
}

#[tokio::test]
async fn credentials_are_checked_before_the_body() {
    let gate = Gate::new().await;
    let with = |name: &'static str, value: String| {
        let mut request = call("POST", CHAT, "", "not even JSON");
        request
            .headers_mut()
            .insert(name, HeaderValue::try_from(value).expect("a value"));
        request
    };
    assert_eq!(
        gate.send(call("POST", CHAT, "", "{")).await.refused(401),
        (None, None)
    );
    assert_eq!(
        gate.send(with("authorization", "Basic x".into()))
            .await
            .code(401),
        "invalid_api_key"
    );
    assert_eq!(
        gate.send(with("authorization", "Bearer mg-wrong".into()))
            .await
            .code(401),
        "invalid_api_key"
    );
    let mut two = with("authorization", format!("Bearer {}", gate.user));
    two.headers_mut()
        .insert("x-api-key", HeaderValue::from_static("other"));
    assert_eq!(gate.send(two).await.code(400), "conflicting_credentials");
    let good = with("x-api-key", gate.user.clone());
    assert_eq!(
        gate.send(good).await.refused(400),
        (None, None),
        "now the body is looked at"
    );
}

#[tokio::test]
async fn an_allow_list_is_held_against_the_believed_address() {
    let trusted = AllowList::parse(["192.0.2.7"]).expect("a network");
    let gate = Gate::with(ServerConfig {
        trusted_proxies: trusted,
        ..ServerConfig::default()
    })
    .await;
    let list = AllowList::parse(["203.0.113.0/24"]).expect("a network");
    let key = gate
        .key(
            "home",
            Role::User,
            KeyPatch {
                allowed_ips: Some(list),
                ..KeyPatch::default()
            },
        )
        .await
        .1;
    let from = async |forwarded: &str| {
        let mut request = call("GET", "/v1/models", &key, "");
        request.headers_mut().insert(
            "x-forwarded-for",
            HeaderValue::try_from(forwarded).expect("a value"),
        );
        gate.send(request).await
    };
    from("203.0.113.9").await.expect(200);
    assert_eq!(
        from("203.0.113.9, 198.51.100.1").await.code(403),
        "ip_not_allowed"
    );
    assert_eq!(
        gate.get("/v1/models", &key).await.code(403),
        "ip_not_allowed"
    );
}

#[tokio::test]
async fn guessing_keys_is_slowed_down_and_a_good_key_still_passes() {
    let gate = Gate::new().await;
    for _ in 0..10 {
        assert_eq!(
            gate.get("/v1/models", "mg-wrong").await.code(401),
            "invalid_api_key"
        );
    }
    let slowed = gate.get("/v1/models", "mg-wrong").await;
    assert_eq!(slowed.code(429), "rate_limit_exceeded");
    assert!(slowed.header("retry-after").is_some());
    gate.get("/v1/models", &gate.user).await.expect(200);
}
