//! Lists of models.

use modelgate_adapters::backend::OpenAiBackend;
use modelgate_domain::{BackendKind, BaseUrl, Secret};
use modelgate_ports::driven::{
    Backend, BackendError, BackendFault, Discovered, Upstream as Server,
};

use crate::ask::backend;
use crate::upstream::{Act, Upstream, json};

async fn discover(kind: BackendKind, upstream: &Upstream) -> Result<Vec<Discovered>, BackendError> {
    let base_url = BaseUrl::parse(kind, &upstream.url()).unwrap();
    let backend: OpenAiBackend = backend();
    backend
        .discover(&Server {
            kind,
            base_url,
            credential: Secret::new("sk-x"),
        })
        .await
}

fn found(name: &str, context_length: Option<u64>, capabilities: &[&str]) -> Discovered {
    let capabilities = capabilities.iter().map(ToString::to_string).collect();
    Discovered {
        name: name.to_owned(),
        context_length,
        capabilities,
    }
}

fn ok(body: &str) -> Vec<Act> {
    vec![Act::Send(json("200 OK", body))]
}

#[tokio::test]
async fn vllm_tells_its_context() {
    let list = r#"{"object":"list","data":[
        {"id":"org/real","object":"model","created":1,"max_model_len":8192,"permission":[{}]},
        {"id":"lora","max_model_len":null,"parent":"org/real"},{"id":" "}]}"#;
    let upstream = Upstream::start(vec![ok(list)]).await;
    let models = discover(BackendKind::Vllm, &upstream).await.unwrap();
    assert_eq!(
        models,
        [found("org/real", Some(8192), &[]), found("lora", None, &[])]
    );
    let seen = upstream.seen().remove(0);
    assert!(
        seen.head.starts_with("GET /v1/models HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("authorization"), Some("Bearer sk-x"));
    assert_eq!(
        (seen.header("content-type"), seen.header("content-length")),
        (None, None)
    );
}

#[tokio::test]
async fn llama_cpp_is_asked_for_what_its_list_does_not_tell() {
    let list = r#"{"models":[{"name":"m.gguf","capabilities":["completion"]}],"data":[{"id":"m.gguf","meta":null}]}"#;
    let props = r#"{"default_generation_settings":{"n_ctx":4096,"id":0},"modalities":{"vision":true,"audio":false}}"#;
    let upstream = Upstream::start(vec![ok(list), ok(props)]).await;
    let models = discover(BackendKind::LlamaCpp, &upstream).await.unwrap();
    assert_eq!(
        models,
        [found("m.gguf", Some(4096), &["completion", "vision"])]
    );
    assert!(
        upstream.seen()[1]
            .head
            .starts_with("GET /props HTTP/1.1\r\n")
    );
    let list = r#"{"data":[{"id":"m","meta":{"n_ctx":2048,"n_ctx_train":9}}]}"#;
    let upstream = Upstream::start(vec![ok(list)]).await;
    assert_eq!(
        discover(BackendKind::LlamaCpp, &upstream).await.unwrap(),
        [found("m", Some(2048), &[])]
    );
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_llama_cpp_without_props_has_models_nevertheless() {
    let missing = vec![Act::Send(json(
        "404 Not Found",
        "{\"error\":{\"code\":404}}",
    ))];
    let upstream = Upstream::start(vec![ok(r#"{"data":[{"id":"m"}]}"#), missing]).await;
    assert_eq!(
        discover(BackendKind::LlamaCpp, &upstream).await.unwrap(),
        [found("m", None, &[])]
    );
}

#[tokio::test]
async fn lists_that_cannot_be_had_are_errors() {
    let check = async |status: &str, body: &str, fault: BackendFault| {
        let upstream = Upstream::answering(vec![Act::Send(json(status, body))]).await;
        assert_eq!(
            discover(BackendKind::OpenAi, &upstream)
                .await
                .unwrap_err()
                .fault,
            fault
        );
    };
    check(
        "401 Unauthorized",
        "{\"error\":\"Unauthorized\"}",
        BackendFault::Credential,
    )
    .await;
    check("503 Loading", "{}", BackendFault::Unavailable).await;
    check("200 OK", "<html>", BackendFault::Failed).await;
    check(
        "200 OK",
        "{\"data\":[{\"name\":\"no id\"}]}",
        BackendFault::Failed,
    )
    .await;
}

#[tokio::test]
async fn a_failed_list_does_not_repeat_the_credential() {
    let body = r#"{"error":"xsk-xy is no key for http://127.0.0.1/v1"}"#;
    let upstream = Upstream::answering(vec![Act::Send(json("500 Oops", body))]).await;
    let error = discover(BackendKind::OpenAi, &upstream).await.unwrap_err();
    assert_eq!(error.message, "x[key]y is no key for [address]");
}
