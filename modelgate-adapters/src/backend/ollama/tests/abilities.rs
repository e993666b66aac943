//! What a model can do is asked when it matters, and remembered.

use std::sync::Arc;
use std::time::Duration;

use modelgate_domain::Endpoint;
use modelgate_ports::driven::Backend;
use modelgate_ports::test_util::{ManualClock, ScriptedBackend};

use super::fake::{Fake, Play};
use super::json;
use super::wire::{asked, backend};
use crate::backend::ollama::OllamaConfig;
use crate::backend::ollama::capabilities::Capabilities;

const ANSWER: &str = r#"{"message":{"role":"assistant","content":"Hi"},"done":true}"#;
const PLAIN: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
const THINKING: &str =
    r#"{"model":"fast","reasoning_effort":"high","messages":[{"role":"user","content":"hi"}]}"#;

/// Answers chats, and `/api/show` with this status and document.
async fn server(status: u16, show: &'static str) -> Fake {
    Fake::start(move |seen| match seen.what.as_str() {
        "POST /api/show" => Play::Whole(status, show.into()),
        _ => Play::Whole(200, ANSWER.into()),
    })
    .await
}

/// The `think` that the server was sent last.
fn think(fake: &Fake) -> serde_json::Value {
    let chats: Vec<_> = fake
        .seen()
        .into_iter()
        .filter(|seen| seen.what == "POST /api/chat")
        .collect();
    json(&chats.last().unwrap().body)["think"].clone()
}

#[tokio::test]
async fn a_model_is_asked_about_once_and_again_when_that_is_old() {
    let fake = server(
        200,
        r#"{"capabilities":["completion","thinking"],"model_info":{}}"#,
    )
    .await;
    let clock = Arc::new(ManualClock::new());
    let backend = backend(
        OllamaConfig::default(),
        &clock,
        Arc::new(ScriptedBackend::new()),
    );
    let (plain, thinking) = (
        asked(&fake, Endpoint::Chat, PLAIN),
        asked(&fake, Endpoint::Chat, THINKING),
    );
    backend.send(plain.call()).await.unwrap();
    assert_eq!(fake.count("POST /api/show"), 0);
    for _ in 0..3 {
        backend.send(thinking.call()).await.unwrap();
        assert_eq!(think(&fake), "high");
    }
    assert_eq!(fake.count("POST /api/show"), 1);
    assert_eq!(json(&fake.seen()[1].body), json(r#"{"model":"org/real"}"#));
    clock.advance(Duration::from_secs(599));
    backend.send(thinking.call()).await.unwrap();
    assert_eq!(fake.count("POST /api/show"), 1);
    clock.advance(Duration::from_secs(2));
    backend.send(thinking.call()).await.unwrap();
    assert_eq!(fake.count("POST /api/show"), 2);
}

#[tokio::test]
async fn case_19_a_model_that_does_not_think_is_not_asked_to() {
    let fake = server(200, r#"{"capabilities":["completion"]}"#).await;
    let backend = backend(
        OllamaConfig::default(),
        &Arc::new(ManualClock::new()),
        Arc::new(ScriptedBackend::new()),
    );
    let reply = backend
        .send(asked(&fake, Endpoint::Chat, THINKING).call())
        .await
        .unwrap();
    assert_eq!(
        (think(&fake), reply.dropped),
        (json("null"), vec!["reasoning_effort".to_owned()])
    );
}

#[tokio::test]
async fn if_the_server_says_nothing_the_catalog_does() {
    for (status, show) in [
        (500, "{}"),
        (404, r#"{"error":"not found"}"#),
        (200, "<html>"),
        (200, "{}"),
    ] {
        let fake = server(status, show).await;
        let clock = Arc::new(ManualClock::new());
        let backend = backend(
            OllamaConfig::default(),
            &clock,
            Arc::new(ScriptedBackend::new()),
        );
        let mut asked = asked(&fake, Endpoint::Chat, THINKING);
        backend.send(asked.call()).await.unwrap();
        assert_eq!(think(&fake), "high", "nobody knows");
        asked.model.capabilities = vec!["completion".into()];
        backend.send(asked.call()).await.unwrap();
        assert_eq!(think(&fake), json("null"), "the catalog knows");
        assert_eq!(
            fake.count("POST /api/show"),
            1,
            "a failure is remembered too"
        );
        clock.advance(Duration::from_secs(700));
        backend.send(asked.call()).await.unwrap();
        assert_eq!(fake.count("POST /api/show"), 2, "but not for long");
    }
}

#[test]
fn the_context_is_that_of_the_architecture() {
    let check = |show: &str, expected: Option<u64>| {
        assert_eq!(
            Capabilities::parse(show.as_bytes()).unwrap().context_length,
            expected,
            "{show}"
        );
    };
    check(
        r#"{"model_info":{"general.architecture":"llama","llama.context_length":131072,"x":[1,{}]}}"#,
        Some(131_072),
    );
    check(
        r#"{"model_info":{"general.architecture":"llama","qwen.context_length":131072}}"#,
        None,
    );
    check(
        r#"{"model_info":{"general.architecture":"llama","llama.context_length":"many"}}"#,
        None,
    );
    check(r#"{"model_info":{"llama.context_length":131072}}"#, None);
    check(r#"{"model_info":null}"#, None);
}
