//! Failures before and after a good status.

use std::sync::Arc;
use std::time::Duration;

use modelgate_domain::{BackendKind, Endpoint};
use modelgate_ports::driven::{Backend, BackendFault};

use super::fake::{Fake, Play};
use super::wire::{CHAT, STREAM, asked, plain_backend};
use crate::backend::openai::{OpenAiBackend, OpenAiConfig};
use crate::backend::transport::{Transport, TransportConfig};

#[tokio::test]
async fn an_error_body_that_never_ends_is_not_waited_for() {
    let body = r#"{"error":"model is loading"}"#;
    let fake = Fake::plays(Play::Hung(503, body.into())).await;
    let request = asked(&fake, Endpoint::Chat, CHAT);
    let backend = plain_backend();
    let asking = tokio::time::timeout(Duration::from_secs(20), backend.send(request.call()));
    let error = asking.await.unwrap().err().unwrap();
    assert_eq!(
        (error.fault, error.message.as_str(), error.begun),
        (BackendFault::Unavailable, "model is loading", false)
    );
}

#[tokio::test]
async fn what_fails_after_a_good_status_had_begun() {
    let check = async |play: Play, endpoint: Endpoint, body: &str, begun: bool| {
        let fake = Fake::plays(play.clone()).await;
        let request = asked(&fake, endpoint, body);
        let error = plain_backend().send(request.call()).await.err().unwrap();
        assert_eq!(error.begun, begun, "{play:?}");
    };
    let whole = |status: u16, body: &str| Play::Whole(status, body.into());
    let input = r#"{"model":"fast","input":"x"}"#;
    let prompt = r#"{"model":"fast","prompt":"x"}"#;
    for (endpoint, body) in [
        (Endpoint::Chat, CHAT),
        (Endpoint::Completions, prompt),
        (Endpoint::Embeddings, input),
    ] {
        check(Play::Cut(vec!["{".into()]), endpoint, body, true).await;
        check(whole(200, "<html>"), endpoint, body, true).await;
        check(whole(200, r#"{"error":"boom"}"#), endpoint, body, false).await;
        check(whole(500, "<html>"), endpoint, body, false).await;
    }
    check(whole(200, "{}"), Endpoint::Chat, CHAT, true).await;
    check(whole(200, "{}"), Endpoint::Completions, prompt, true).await;
    check(whole(200, "{}"), Endpoint::Embeddings, input, true).await;
}

#[tokio::test]
async fn the_same_holds_for_servers_that_speak_openai() {
    let transport = Arc::new(Transport::new(TransportConfig::default()).unwrap());
    let backend = OpenAiBackend::new(transport, OpenAiConfig::new(BackendKind::Vllm));
    let check = async |play: Play, body: &str, begun: bool| {
        let fake = Fake::plays(play.clone()).await;
        let request = asked(&fake, Endpoint::Chat, body);
        let error = backend.send(request.call()).await.err().unwrap();
        assert_eq!(error.begun, begun, "{play:?}");
    };
    let whole = |status: u16, body: &str| Play::Whole(status, body.into());
    check(Play::Cut(vec!["{".into()]), CHAT, true).await;
    check(whole(200, "<html>"), CHAT, true).await;
    check(whole(200, "{}"), STREAM, false).await;
    check(whole(200, "<html>"), STREAM, false).await;
    check(whole(200, r#"{"error":"boom"}"#), CHAT, false).await;
    check(whole(500, "<html>"), CHAT, false).await;
}
