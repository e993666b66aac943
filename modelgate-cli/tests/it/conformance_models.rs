//! Cases 31 and 32: the list of models and one model.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{RawClient, request};
use crate::gate::{Key, TestGate};
use crate::upstream::{Script, closed_port};
use crate::wait;

async fn list(gate: &TestGate, key: &Key) -> Vec<Value> {
    let answer = gate
        .get("/v1/models")
        .bearer(key)
        .send()
        .await
        .expect_status(200);
    let body = answer.json();
    assert_eq!(body["object"], "list");
    body["data"]
        .as_array()
        .unwrap_or_else(|| panic!("data is a list, never null: {body}"))
        .clone()
}

fn sorted_ids(models: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = models
        .iter()
        .map(|model| model["id"].as_str().expect("an id").to_owned())
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn case_31_without_models_data_is_an_empty_list() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    assert_eq!(list(&gate, &key).await, [] as [Value; 0]);
}

#[tokio::test]
async fn case_31_models_of_all_backends_are_listed_once_with_their_aliases() {
    let gate = TestGate::start().await;
    let url = gate.upstream.url();
    let mut aliased = gate.model_form("small", "vllm");
    aliased["aliases"] = json!(["fast", "cheap"]);
    gate.add_model(aliased).await;
    gate.add_model(gate.model_form("llama3.2:latest", "ollama"))
        .await;
    let target = |priority: u32| json!({"backend_type": "vllm", "base_url": url, "upstream_name": "x", "priority": priority});
    gate.add_model(json!({"name": "big", "targets": [target(0), target(1)]}))
        .await;
    gate.add_model(json!({"name": "off", "backend_type": "echo", "enabled": false}))
        .await;
    let key = gate.free_key("k").await;
    let models = list(&gate, &key).await;
    assert_eq!(
        sorted_ids(&models),
        ["big", "cheap", "fast", "llama3.2:latest", "small"]
    );
    for model in &models {
        assert_eq!(model["object"], "model", "{model}");
        assert!(
            model["created"].is_u64() && model["owned_by"].is_string(),
            "{model}"
        );
        assert!(
            !model.to_string().contains(&url),
            "no backend address in {model}"
        );
    }
}

#[tokio::test]
async fn case_31_only_what_the_key_may_use_is_listed() {
    let gate = TestGate::start().await;
    gate.with_all_kinds().await;
    let form = json!({"name": "narrow", "quota": null, "rate_limit": null, "allowed_models": ["vllm", "echo"]});
    let key = gate.issue_key(form).await;
    assert_eq!(sorted_ids(&list(&gate, &key).await), ["echo", "vllm"]);
    gate.get("/v1/models/ollama")
        .bearer(&key)
        .send()
        .await
        .refused(404, "model_not_found");
}

#[tokio::test]
async fn case_31_the_list_stays_fast_when_backends_hang_or_refuse() {
    let gate = TestGate::start().await;
    for path in ["/v1/models", "/api/tags", "/api/show", "/props", "/health"] {
        gate.upstream.on(path, Script::stall());
    }
    gate.add_model(gate.model_form("hangs", "vllm")).await;
    gate.add_model(gate.model_form("hangs-too", "ollama")).await;
    let refusing = format!("http://{}", closed_port().await);
    gate.add_model(json!({"name": "refuses", "backend_type": "llamacpp", "base_url": refusing}))
        .await;
    let key = gate.free_key("k").await;
    let models = wait::bounded_within(Duration::from_secs(2), "the list", list(&gate, &key)).await;
    assert_eq!(sorted_ids(&models), ["hangs", "hangs-too", "refuses"]);
}

#[tokio::test]
async fn case_32_one_model_is_found_by_any_spelling_of_its_path() {
    let gate = TestGate::start().await;
    for name in ["meta/llama-3:8b", "a b+c%d", "größe", "x.y/z/"] {
        gate.add_model(json!({"name": name, "backend_type": "echo"}))
            .await;
    }
    let key = gate.free_key("k").await;
    let listed = list(&gate, &key).await;
    let table = [
        ("meta/llama-3:8b", "meta/llama-3:8b"),
        ("meta%2Fllama-3:8b", "meta/llama-3:8b"),
        ("meta%2fllama-3%3A8b", "meta/llama-3:8b"),
        ("%6deta/llama-3:8b?x=1", "meta/llama-3:8b"),
        ("a%20b+c%25d", "a b+c%d"),
        ("gr%C3%B6%C3%9Fe", "größe"),
        ("x.y%2Fz%2F", "x.y/z/"),
    ];
    for (spelled, name) in table {
        let answer = gate
            .get(&format!("/v1/models/{spelled}"))
            .bearer(&key)
            .send()
            .await;
        let same = listed
            .iter()
            .find(|model| model["id"] == name)
            .expect("in the list");
        assert_eq!(&answer.expect_status(200).json(), same, "{spelled}");
    }
}

#[tokio::test]
async fn case_32_an_unknown_model_gets_404_and_a_broken_spelling_no_500() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    for name in ["no-such", "M", "m%20", "m%2F", "m%2525"] {
        let answer = gate
            .get(&format!("/v1/models/{name}"))
            .bearer(&key)
            .send()
            .await;
        assert_eq!(
            answer.refused(404, "model_not_found").kind,
            "invalid_request_error",
            "{name}"
        );
    }
    for name in ["%zz", "%f", "%ff", "%C3%28", "%"] {
        let mut client = RawClient::connect(gate.address()).await;
        let auth = format!("Authorization: Bearer {}", key.secret);
        client
            .send(request("GET", &format!("/v1/models/{name}"), &[&auth], ""))
            .await;
        let answer = client.answer().await;
        assert!(
            matches!(answer.status, 400 | 404),
            "{name}: {}",
            answer.describe()
        );
        answer.refused_with(answer.status);
    }
}
