//! Streams of OpenAI.

use super::{Recording, events};

pub(super) fn all() -> Vec<Recording> {
    vec![
        Recording::new("openai", "usage asked for", plain()).asking_for_usage(),
        Recording::new("openai", "usage hidden", plain()),
        Recording::new("openai", "tools", tools()),
        Recording::new("openai", "logprobs", logprobs()),
        Recording::new("openai", "two choices", two_choices()),
        Recording::new("openai", "refusal in many scripts", refusal()),
        Recording::new("openai", "a legacy completion", legacy()).legacy(),
        Recording::new(
            "openai",
            "no [DONE]",
            plain().replace("data: [DONE]\n\n", ""),
        )
        .asking_for_usage(),
    ]
}

fn plain() -> String {
    events(
        "\n",
        &[
            r#"{"id":"c1","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c1","created":1,"model":"up","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c1","created":1,"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"id":"c1","created":1,"model":"up","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}"#,
            "[DONE]",
        ],
    )
}

fn tools() -> String {
    events(
        "\n",
        &[
            r#"{"id":"c2","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#,
            r#"{"id":"c2","model":"up","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"w","arguments":""}}]}}]}"#,
            r#"{"id":"c2","model":"up","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"c\":\"R"}}]}}]}"#,
            r#"{"id":"c2","model":"up","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ome\"}"}}]}}]}"#,
            r#"{"id":"c2","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            "[DONE]",
        ],
    )
}

fn logprobs() -> String {
    events(
        "\n",
        &[
            r#"{"id":"c3","obfuscation":"xY","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":{"content":[{"token":"a","logprob":-0.10000000000000000555,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":null}]}"#,
            r#"{"id":"c3","model":"up","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}],"obfuscation":""}"#,
            "[DONE]",
        ],
    )
}

fn two_choices() -> String {
    events(
        "\n",
        &[
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant"}}]}"#,
            r#"{"model":"up","choices":[{"index":1,"delta":{"role":"assistant"}}]}"#,
            r#"{"model":"up","choices":[{"index":1,"delta":{"content":"b"}}]}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
            r#"{"model":"up","choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            "[DONE]",
        ],
    )
}

fn refusal() -> String {
    events(
        "\n",
        &[
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant","refusal":"Nein, tschüß"}}]}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{"refusal":"不行 😀\ud83d\ude00"}}]}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#,
            "[DONE]",
        ],
    )
}

fn legacy() -> String {
    events(
        "\n",
        &[
            r#"{"object":"text_completion","model":"up","choices":[{"text":"He","index":0,"logprobs":null,"finish_reason":null}]}"#,
            r#"{"object":"text_completion","model":"up","choices":[{"text":"llo","index":0,"finish_reason":"length"}]}"#,
            "[DONE]",
        ],
    )
}
