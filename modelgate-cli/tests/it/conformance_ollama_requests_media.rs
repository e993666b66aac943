//! Cases 17–19 for Ollama: images, answer formats, and how hard the model thinks.

use serde_json::{Value, json};

use crate::conformance_ollama_requests::{chatted, chatted_text, refused, with_ollama};
use crate::gate::TestGate;
use crate::upstream::{self, Upstream};

/// The smallest PNG there is.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn with_image(url: &Value) -> Value {
    let parts = json!([{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}]);
    json!({"messages": [{"role": "system", "content": "look"}, {"role": "user", "content": parts}]})
}

#[tokio::test]
async fn case_17_images_arrive_without_their_prefix() {
    let (gate, key) = with_ollama().await;
    for prefix in [
        "data:image/png;base64,",
        "data:image/jpeg;base64,",
        "data:image/webp;base64,",
        "data:image/png;charset=utf-8;base64,",
        "",
    ] {
        let got = chatted(&gate, &key, &with_image(&format!("{prefix}{PNG}").into())).await;
        let message = &got["messages"][1];
        assert_eq!(message["images"], json!([PNG]), "{prefix}");
        assert_eq!(message["content"], "what is it?", "{prefix}");
        assert!(got["messages"][0].get("images").is_none(), "{prefix}");
    }
}

#[tokio::test]
async fn case_17_several_images_stay_in_order() {
    let (gate, key) = with_ollama().await;
    let image = |data: &str| json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}"), "detail": "low"}});
    let parts =
        json!([image("AAAA"), {"type": "text", "text": "and"}, image("BBBB"), image("Q0M=")]);
    let got = chatted(
        &gate,
        &key,
        &json!({"messages": [{"role": "user", "content": parts}]}),
    )
    .await;
    assert_eq!(
        got["messages"],
        json!([{"role": "user", "content": "and", "images": ["AAAA", "BBBB", "Q0M="]}])
    );
}

#[tokio::test]
async fn case_17_a_link_is_refused_and_never_fetched() {
    let (gate, key) = with_ollama().await;
    let sink = Upstream::start().await;
    for url in [
        sink.url() + "/cat.png",
        "https://example.com/cat.png".to_owned(),
        "HTTP://example.com/cat.png".to_owned(),
    ] {
        let answer = refused(&gate, &key, &with_image(&url.clone().into())).await;
        let param = answer.refused_with(400).param.unwrap_or_default();
        assert!(
            param.starts_with("messages[1].content[1]"),
            "{url}: {param}"
        );
    }
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn case_17_what_is_no_base64_is_refused_by_place() {
    let (gate, key) = with_ollama().await;
    for url in [
        json!("data:image/png;base64,@@@@"),
        json!("data:image/png;base64,AAA"),
        json!("data:image/png;base64,AA A="),
        json!("data:image/png;base64,"),
        json!("data:image/png,AAAA"),
        json!("not base64!"),
        json!(""),
        json!(7),
        json!(null),
    ] {
        let answer = refused(&gate, &key, &with_image(&url)).await;
        let param = answer.refused_with(400).param.unwrap_or_default();
        assert!(
            param.starts_with("messages[1].content[1]"),
            "{url}: {param}"
        );
    }
}

#[tokio::test]
async fn case_18_a_schema_becomes_the_format_unchanged() {
    let (gate, key) = with_ollama().await;
    let schema = r#"{"type":"object","properties":{"z":{"type":"integer","maximum":9007199254740993},"a":{"const":0.10,"x":1e400}},"required":["z","a"],"10":0,"9":0}"#;
    let body = format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}],\"response_format\":\
         {{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"n\",\"strict\":true,\"schema\":{schema}}}}}}}"
    );
    let got = chatted_text(&gate, &key, &body).await;
    let kept = format!("\"format\":{schema}");
    assert!(got.body_text().contains(&kept), "{}", got.body_text());
}

#[tokio::test]
async fn case_18_the_other_formats_are_a_word_or_nothing() {
    let (gate, key) = with_ollama().await;
    let table = [
        (json!({"type": "json_object"}), Some(json!("json"))),
        (json!({"type": "text"}), None),
        (json!(null), None),
    ];
    for (format, expected) in table {
        let got = chatted(&gate, &key, &json!({"response_format": format})).await;
        assert_eq!(got.get("format"), expected.as_ref(), "{format}: {got}");
    }
    for format in [json!("json"), json!({"type": "yaml"}), json!({})] {
        let answer = refused(&gate, &key, &json!({"response_format": format})).await;
        let param = answer.refused_with(400).param.unwrap_or_default();
        assert!(param.starts_with("response_format"), "{format}: {param}");
    }
}

#[tokio::test]
async fn case_19_every_effort_has_its_value() {
    let (gate, key) = with_ollama().await;
    let table = [
        (json!("none"), Some(json!(false))),
        (json!("minimal"), Some(json!("low"))),
        (json!("low"), Some(json!("low"))),
        (json!("medium"), Some(json!("medium"))),
        (json!("high"), Some(json!("high"))),
        (json!("xhigh"), Some(json!("max"))),
        (json!("max"), Some(json!("max"))),
        (json!(null), None),
    ];
    for (effort, expected) in table {
        let got = chatted(&gate, &key, &json!({"reasoning_effort": effort})).await;
        assert_eq!(got.get("think"), expected.as_ref(), "{effort}: {got}");
        assert!(got.get("reasoning_effort").is_none(), "{got}");
    }
    for effort in [json!("much"), json!(3), json!("")] {
        let answer = refused(&gate, &key, &json!({"reasoning_effort": effort})).await;
        assert_eq!(
            answer.refused_with(400).param.as_deref(),
            Some("reasoning_effort"),
            "{effort}"
        );
    }
}

#[tokio::test]
async fn case_19_a_model_that_does_not_think_is_not_told_to() {
    let gate = TestGate::start().await;
    let show = r#"{"capabilities":["completion","tools"],"model_info":{}}"#;
    gate.upstream.on("/api/show", upstream::json(200, show));
    let key = gate.with_model("m", "ollama").await;
    for effort in ["none", "minimal", "low", "medium", "high", "xhigh", "max"] {
        let got = chatted(&gate, &key, &json!({"reasoning_effort": effort})).await;
        assert!(got.get("think").is_none(), "{effort}: {got}");
    }
}
