//! What leaves the gateway.

use std::sync::Arc;

use modelgate_adapters::backend::{
    ImagePolicy, OpenAiBackend, OpenAiConfig, Transport, TransportConfig,
};
use modelgate_domain::{BackendKind, BaseUrl, Endpoint, Secret};
use modelgate_ports::driven::BackendFault;

use crate::ask::{Ask, backend};
use crate::upstream::{Act, Upstream, json};

const OK: &str = r#"{"model":"org/real","choices":[]}"#;

async fn ok() -> Upstream {
    Upstream::answering(vec![Act::Send(json("200 OK", OK))]).await
}

fn configured(config: OpenAiConfig) -> OpenAiBackend {
    OpenAiBackend::new(
        Arc::new(Transport::new(TransportConfig::default()).unwrap()),
        config,
    )
}

#[tokio::test]
async fn s13_only_our_headers_leave() {
    let upstream = ok().await;
    let ask = Ask::chat(&upstream.url()).with_credential("sk-upstream");
    ask.send(&backend()).await.unwrap();
    let seen = upstream.seen().remove(0);
    let mut lines: Vec<_> = seen.head.trim_end().lines().map(str::to_owned).collect();
    lines[1..].sort();
    let length = seen.body.len();
    assert_eq!(
        lines,
        [
            "POST /v1/chat/completions HTTP/1.1".to_owned(),
            "accept-encoding: identity".to_owned(),
            "accept: application/json".to_owned(),
            "authorization: Bearer sk-upstream".to_owned(),
            format!("content-length: {length}"),
            "content-type: application/json".to_owned(),
            format!("host: {}", upstream.address),
            format!("user-agent: modelgate/{}", env!("CARGO_PKG_VERSION")),
            format!("x-request-id: {}", ask.call().request),
        ]
    );
}

#[tokio::test]
async fn cases_1_to_6_and_10_the_clients_bytes_reach_the_server() {
    let upstream = ok().await;
    let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\\ude00 \u{1f600} \\u0000\\u2028\\ud800\",\"x\":{\"foo\":[1,null]}}],\
        \"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"z\":1,\"a\":0.1000000000000000055}}}],\
        \"seed\":9223372036854775807,\"big\":[9007199254740993,18446744073709551615,-0,1e400],\"logit_bias\":{\"50256\":-100},\
        \"stop\":null,\"temperature\":null, \"model\" : \"fast\" }";
    let mut ask = Ask::new(Endpoint::Chat, &upstream.url(), body);
    ask.body = body
        .as_bytes()
        .chunks(7)
        .map(bytes::Bytes::copy_from_slice)
        .collect();
    assert_eq!(
        ask.send(&backend()).await.unwrap(),
        OK.replace("org/real", "fast")
    );
    let sent = String::from_utf8(upstream.seen().remove(0).body).unwrap();
    assert_eq!(
        sent,
        body.replace("\"model\" : \"fast\"", "\"model\" : \"org/real\"")
    );
}

#[tokio::test]
async fn usage_is_asked_for_in_streams_only() {
    let upstream = Upstream::answering(vec![Act::Send(json("200 OK", "{\"error\":\"x\"}"))]).await;
    let backend = backend();
    for (body, expected) in [
        (
            r#"{"model":"org/real","messages":[1]}"#,
            r#"{"model":"org/real","messages":[1]}"#,
        ),
        (
            r#"{"model":"org/real","messages":[1],"stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"org/real","messages":[1],"stream":true}"#,
        ),
        (
            r#"{"model":"org/real","messages":[1],"stream":true,"stream_options":{"include_obfuscation":false}}"#,
            r#"{"model":"org/real","messages":[1],"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
        ),
    ] {
        Ask::new(Endpoint::Chat, &upstream.url(), body)
            .send(&backend)
            .await
            .unwrap_err();
        let sent = upstream.seen().pop().unwrap();
        assert_eq!(String::from_utf8(sent.body).unwrap(), expected);
    }
}

#[tokio::test]
async fn usage_is_not_asked_for_where_that_is_refused() {
    let upstream = Upstream::answering(vec![Act::Send(json("200 OK", "{\"error\":\"x\"}"))]).await;
    let config = OpenAiConfig {
        ask_usage: false,
        ..OpenAiConfig::new(BackendKind::Api3)
    };
    Ask::stream(&upstream.url())
        .send(&configured(config))
        .await
        .unwrap_err();
    let sent = String::from_utf8(upstream.seen().remove(0).body).unwrap();
    assert!(!sent.contains("stream_options"), "{sent}");
}

#[tokio::test]
async fn the_output_limit_has_the_name_that_the_server_knows() {
    let upstream = ok().await;
    let check = async |kind: BackendKind, endpoint: Endpoint, body: &str, expected: &str| {
        let mut ask = Ask::new(endpoint, &upstream.url(), body);
        ask.output_limit = Some(77);
        ask.send(&configured(OpenAiConfig::new(kind)))
            .await
            .unwrap();
        let sent = String::from_utf8(upstream.seen().pop().unwrap().body).unwrap();
        assert!(sent.starts_with(&format!("{{\"{expected}\":77,")), "{sent}");
    };
    let chat = r#"{"model":"org/real","messages":[1]}"#;
    check(
        BackendKind::OpenAi,
        Endpoint::Chat,
        chat,
        "max_completion_tokens",
    )
    .await;
    for kind in [BackendKind::Vllm, BackendKind::LlamaCpp, BackendKind::Api3] {
        check(kind, Endpoint::Chat, chat, "max_tokens").await;
    }
    let completion = r#"{"model":"org/real","prompt":"x"}"#;
    check(
        BackendKind::OpenAi,
        Endpoint::Completions,
        completion,
        "max_tokens",
    )
    .await;
}

#[tokio::test]
async fn s11_the_configured_credential_goes_to_its_own_origin_only() {
    let (own, other) = (ok().await, ok().await);
    let server = BaseUrl::parse(BackendKind::OpenAi, &own.url()).unwrap();
    let config = OpenAiConfig {
        server: Some((server, Secret::new("sk-configured"))),
        ..OpenAiConfig::new(BackendKind::OpenAi)
    };
    let backend = configured(config);
    Ask::chat(&own.url()).send(&backend).await.unwrap();
    Ask::chat(&other.url()).send(&backend).await.unwrap();
    Ask::chat(&own.url())
        .with_credential("sk-target")
        .send(&backend)
        .await
        .unwrap();
    let authorization = |upstream: &Upstream, index: usize| {
        upstream.seen()[index]
            .header("authorization")
            .map(str::to_owned)
    };
    assert_eq!(
        authorization(&own, 0).as_deref(),
        Some("Bearer sk-configured")
    );
    assert_eq!(authorization(&own, 1).as_deref(), Some("Bearer sk-target"));
    assert_eq!(authorization(&other, 0), None);
}

#[tokio::test]
async fn s12_addresses_of_images_are_passed_on_by_the_policy() {
    let upstream = ok().await;
    let body = r#"{"model":"fast","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]}"#;
    let ask = Ask::new(Endpoint::Chat, &upstream.url(), body);
    let with = |images| {
        configured(OpenAiConfig {
            images,
            ..OpenAiConfig::new(BackendKind::Vllm)
        })
    };
    let refused = ask.send(&with(ImagePolicy::DataOnly)).await.unwrap_err();
    assert_eq!(
        refused.fault,
        BackendFault::Request {
            status: 400,
            sent: false
        }
    );
    assert_eq!(upstream.connections(), 0);
    ask.send(&with(ImagePolicy::Allow)).await.unwrap();
}
