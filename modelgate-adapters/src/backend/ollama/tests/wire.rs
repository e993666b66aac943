//! Whole requests over a real socket: what goes out, what comes back, who is closed when.

use std::sync::{Arc, Mutex};

use modelgate_domain::{BackendKind, BaseUrl, Endpoint, Secret, TokenUsage};
use modelgate_ports::driven::{Backend, BackendError, BackendFault, Reply, ReplyBody, ReplyStream};
use modelgate_ports::test_util::{ManualClock, ScriptedBackend, SeededEntropy};

use super::fake::{Fake, Play};
use super::json;
use crate::backend::ollama::{OllamaBackend, OllamaConfig};
use crate::backend::sample::{self, Asked};
use crate::backend::transport::{Transport, TransportConfig};

pub(super) fn backend(
    config: OllamaConfig,
    clock: &Arc<ManualClock>,
    openai: Arc<dyn Backend>,
) -> OllamaBackend {
    let transport = Arc::new(Transport::new(TransportConfig::default()).unwrap());
    let clock = Arc::clone(clock);
    OllamaBackend::new(
        transport,
        config,
        clock,
        Arc::new(SeededEntropy::new(1)),
        openai,
    )
}

pub(super) fn plain_backend() -> OllamaBackend {
    backend(
        OllamaConfig::default(),
        &Arc::new(ManualClock::new()),
        Arc::new(ScriptedBackend::new()),
    )
}

/// A request to that server.
pub(super) fn asked(fake: &Fake, endpoint: Endpoint, body: &str) -> Asked {
    let mut asked = sample::asked(endpoint, body);
    asked.target.kind = BackendKind::Ollama;
    asked.target.base_url = Some(fake.base.clone());
    asked
}

pub(super) const CHAT: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const STREAM: &str =
    r#"{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
pub(super) const ANSWER: &str = r#"{"created_at":"2026-01-01T12:00:00Z","message":{"role":"assistant","content":"Hi"},"done":true,"prompt_eval_count":3,"eval_count":1}"#;

pub(super) fn whole(reply: Reply) -> (serde_json::Value, Option<TokenUsage>) {
    let ReplyBody::Whole { pieces, usage } = reply.body else {
        panic!("a stream")
    };
    (json(std::str::from_utf8(&pieces.concat()).unwrap()), usage)
}

pub(super) fn stream(reply: Reply) -> Box<dyn ReplyStream> {
    let ReplyBody::Stream(stream) = reply.body else {
        panic!("no stream")
    };
    stream
}

pub(super) async fn next(stream: &mut dyn ReplyStream) -> Result<Option<String>, BackendError> {
    let frame = std::future::poll_fn(|context| stream.poll_frame(context)).await?;
    Ok(frame.map(|frame| String::from_utf8(frame.bytes.to_vec()).unwrap()))
}

pub(super) async fn failure(play: Play, body: &str) -> BackendError {
    let fake = Fake::plays(play).await;
    let outcome = plain_backend()
        .send(asked(&fake, Endpoint::Chat, body).call())
        .await;
    outcome.err().expect("it fails")
}

#[tokio::test]
async fn case_46_a_chat_goes_out_with_our_headers_and_nobody_elses() {
    let fake = Fake::plays(Play::Whole(200, ANSWER.into())).await;
    let asked = asked(&fake, Endpoint::Chat, CHAT);
    let (answer, usage) = whole(plain_backend().send(asked.call()).await.unwrap());
    assert_eq!(answer["choices"][0]["message"]["content"], "Hi");
    assert_eq!(answer["model"], "fast");
    assert_eq!(
        answer["id"],
        format!(
            "chatcmpl-{}",
            asked.call().request.to_string().replace('-', "")
        )
    );
    assert_eq!(
        usage,
        Some(TokenUsage {
            prompt: 3,
            completion: 1,
            ..TokenUsage::default()
        })
    );

    let seen = &fake.seen()[0];
    assert_eq!(seen.what, "POST /api/chat");
    assert_eq!(seen.header("host"), Some(fake.address.to_string().as_str()));
    assert_eq!(
        seen.header("x-request-id"),
        Some(asked.call().request.to_string().as_str())
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(
        (
            seen.header("origin"),
            seen.header("authorization"),
            seen.header("cookie")
        ),
        (None, None, None)
    );
    let expected = r#"{"model":"org/real","stream":false,"truncate":false,"messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(json(&seen.body), json(expected));
}

#[tokio::test]
async fn the_adapters_credential_goes_to_its_own_server_only() {
    let (own, other) = (
        Fake::plays(Play::Whole(200, ANSWER.into())).await,
        Fake::plays(Play::Whole(200, ANSWER.into())).await,
    );
    let config = OllamaConfig {
        server: Some((own.base.clone(), Secret::new("own-key"))),
        ..OllamaConfig::default()
    };
    let backend = backend(
        config,
        &Arc::new(ManualClock::new()),
        Arc::new(ScriptedBackend::new()),
    );
    let mut nameless = asked(&own, Endpoint::Chat, CHAT);
    nameless.target.base_url = None;
    let mut special = asked(&other, Endpoint::Chat, CHAT);
    special.target.credential = Secret::new("special-key");
    for asked in [
        &asked(&own, Endpoint::Chat, CHAT),
        &nameless,
        &asked(&other, Endpoint::Chat, CHAT),
        &special,
    ] {
        backend.send(asked.call()).await.unwrap();
    }
    let credentials = |fake: &Fake| -> Vec<_> {
        fake.seen()
            .iter()
            .map(|seen| seen.header("authorization").map(str::to_owned))
            .collect()
    };
    assert_eq!(
        credentials(&own),
        [Some("Bearer own-key".into()), Some("Bearer own-key".into())]
    );
    assert_eq!(
        credentials(&other),
        [None, Some("Bearer special-key".into())]
    );
}

#[tokio::test]
async fn a_model_without_any_server_is_out_of_reach() {
    let mut asked = sample::asked(Endpoint::Chat, CHAT);
    asked.target.base_url = None;
    let error = plain_backend()
        .send(asked.call())
        .await
        .err()
        .expect("it fails");
    assert_eq!(error.fault, BackendFault::Unreachable);
}

#[tokio::test]
async fn a_refused_request_reaches_no_server() {
    let fake = Fake::plays(Play::Whole(200, ANSWER.into())).await;
    let body = r#"{"model":"fast","n":2,"messages":[{"role":"user","content":"hi"}]}"#;
    let error = plain_backend()
        .send(asked(&fake, Endpoint::Chat, body).call())
        .await
        .err()
        .expect("it fails");
    assert_eq!((error.status(), error.param.as_deref()), (400, Some("n")));
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn case_27_prompts_are_completed_one_after_the_other() {
    let fake = Fake::start(|seen| {
        let prompt = json(&seen.body)["prompt"].as_str().unwrap().to_owned();
        Play::Whole(
            200,
            format!(
                r#"{{"response":"{prompt}!","done":true,"prompt_eval_count":1,"eval_count":2}}"#
            ),
        )
    })
    .await;
    let asked = asked(
        &fake,
        Endpoint::Completions,
        r#"{"model":"fast","prompt":["a","b","c"],"foo":1}"#,
    );
    let reply = plain_backend().send(asked.call()).await.unwrap();
    assert_eq!(reply.dropped, ["foo"]);
    let (answer, usage) = whole(reply);
    let texts: Vec<_> = answer["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| (choice["index"].as_u64(), choice["text"].as_str()))
        .collect();
    assert_eq!(
        texts,
        [
            (Some(0), Some("a!")),
            (Some(1), Some("b!")),
            (Some(2), Some("c!"))
        ]
    );
    assert_eq!(
        usage,
        Some(TokenUsage {
            prompt: 3,
            completion: 6,
            ..TokenUsage::default()
        })
    );
    assert_eq!(fake.count("POST /api/generate"), 3);
}

#[tokio::test]
async fn case_29_embeddings_are_asked_for_without_truncation() {
    let fake = Fake::start(|seen| match json(&seen.body)["input"][0].as_str() {
        Some("long") => Play::Whole(
            400,
            r#"{"error":"the input length exceeds the context length"}"#.into(),
        ),
        _ => Play::Whole(
            200,
            r#"{"embeddings":[[1.0]],"prompt_eval_count":2}"#.into(),
        ),
    })
    .await;
    let backend = plain_backend();
    let short = asked(
        &fake,
        Endpoint::Embeddings,
        r#"{"model":"fast","input":"short","encoding_format":"base64"}"#,
    );
    let (answer, _) = whole(backend.send(short.call()).await.unwrap());
    assert_eq!(answer["data"][0]["embedding"], "AACAPw==");
    let long = asked(
        &fake,
        Endpoint::Embeddings,
        r#"{"model":"fast","input":"long"}"#,
    );
    let error = backend.send(long.call()).await.err().expect("it fails");
    assert_eq!(error.code.as_deref(), Some("context_length_exceeded"));
    assert_eq!(json(&fake.seen()[0].body)["truncate"], json("false"));
    assert_eq!(fake.count("POST /api/embed"), 2);
}

/// Remembers where it was asked to go.
#[derive(Default)]
struct Probe(Mutex<Vec<Sent>>);

type Sent = (Option<BaseUrl>, Option<Secret>, Option<u64>);

#[async_trait::async_trait]
impl Backend for Probe {
    async fn send<'a>(
        &self,
        call: modelgate_ports::driven::Call<'a>,
    ) -> Result<Reply, BackendError> {
        let target = call.target;
        self.0.lock().unwrap().push((
            target.base_url.clone(),
            target.credential.clone(),
            call.output_limit,
        ));
        Err(BackendError::new(BackendFault::Failed, "only a probe"))
    }

    async fn discover(
        &self,
        _server: &modelgate_ports::driven::Upstream,
    ) -> Result<Vec<modelgate_ports::driven::Discovered>, BackendError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_model_may_go_by_the_openai_layer() {
    let fake = Fake::plays(Play::Whole(200, ANSWER.into())).await;
    let probe = Arc::new(Probe::default());
    let config = OllamaConfig {
        server: Some((fake.base.clone(), Secret::new("own-key"))),
        ..OllamaConfig::default()
    };
    let openai: Arc<dyn Backend> = Arc::clone(&probe) as _;
    let backend = backend(config, &Arc::new(ManualClock::new()), openai);
    for (body, limit) in [
        (CHAT.to_owned(), None),
        (
            CHAT.replace("\"model\"", "\"max_completion_tokens\":9,\"model\""),
            Some(9),
        ),
    ] {
        let mut asked = asked(&fake, Endpoint::Chat, &body);
        asked.model.options.openai_api = true;
        backend
            .send(asked.call())
            .await
            .err()
            .expect("only a probe");
        let (base, credential, output_limit) = probe.0.lock().unwrap().pop().unwrap();
        assert_eq!(base.unwrap().as_str(), format!("{}/v1", fake.base));
        assert_eq!((credential, output_limit), (Secret::new("own-key"), limit));
    }
    assert_eq!(fake.seen().len(), 0);
}
