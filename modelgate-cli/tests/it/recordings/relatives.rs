//! Streams of vLLM and llama.cpp.

use super::{Recording, events};

pub(super) fn all() -> Vec<Recording> {
    vec![
        Recording::new("vllm", "reasoning and a tool", vllm_tool()).asking_for_usage(),
        Recording::new("vllm", "running usage", vllm_running_usage()),
        Recording::new("vllm", "error, then [DONE]", vllm_error()).failing(),
        Recording::new("vllm", "error first", vllm_error_first()).failing(),
        Recording::new(
            "llamacpp",
            "reasoning, pings, timings",
            llamacpp_reasoning(),
        ),
        Recording::new("llamacpp", "usage on the last chunk", llamacpp_old()),
        Recording::new("llamacpp", "error, then the end", llamacpp_error()).failing(),
    ]
}

fn vllm_tool() -> String {
    events(
        "\n",
        &[
            r#"{"id":"v1","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"id":"v1","model":"up","choices":[{"index":0,"delta":{"reasoning":"Let me"},"finish_reason":null}]}"#,
            r#"{"id":"v1","model":"up","choices":[{"index":0,"delta":{"tool_calls":[{"id":"chatcmpl-tool-9","type":"function","index":0,"function":{"name":"w"}}]}}]}"#,
            r#"{"id":"v1","model":"up","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}"#,
            r#"{"id":"v1","model":"up","choices":[{"index":0,"delta":{"content":""},"finish_reason":"tool_calls","stop_reason":null}]}"#,
            r#"{"id":"v1","model":"up","choices":[],"usage":{"prompt_tokens":20,"total_tokens":27,"completion_tokens":7}}"#,
            "[DONE]",
        ],
    )
}

fn vllm_running_usage() -> String {
    events(
        "\n",
        &[
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":2,"total_tokens":2,"completion_tokens":0}}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":2,"total_tokens":3,"completion_tokens":1}}"#,
            r#"{"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"total_tokens":4,"completion_tokens":2}}"#,
            "[DONE]",
        ],
    )
}

fn vllm_error() -> String {
    events(
        "\n",
        &[
            r#"{"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}"#,
            r#"{"error":{"message":"engine died","type":"InternalServerError","param":null,"code":500}}"#,
            "[DONE]",
        ],
    )
}

fn vllm_error_first() -> String {
    events(
        "\n",
        &[
            r#"{"error":{"message":"no memory","type":"InternalServerError","param":null,"code":500}}"#,
            "[DONE]",
        ],
    )
}

fn llamacpp_reasoning() -> String {
    let events = events(
        "\n",
        &[
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"model":"up"}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"Let"}}],"created":1,"model":"up"}"#,
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Hi"}}],"created":2,"model":"up"}"#,
            r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":2,"model":"up"}"#,
            r#"{"choices":[],"model":"up","usage":{"completion_tokens":7,"prompt_tokens":20,"total_tokens":27},"timings":{"prompt_ms":1.50}}"#,
            "[DONE]",
        ],
    );
    events.replacen("\n\n", "\n\n:\n\n: ping\n\n", 2)
}

fn llamacpp_old() -> String {
    events(
        "\n",
        &[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}],"model":"up"}"#,
            r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"model":"up","usage":{"completion_tokens":1,"prompt_tokens":2,"total_tokens":3},"timings":{"predicted_n":1}}"#,
            "[DONE]",
        ],
    )
}

fn llamacpp_error() -> String {
    events(
        "\n",
        &[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}],"model":"up"}"#,
            r#"{"error":{"code":500,"message":"slot lost","type":"server_error"}}"#,
        ],
    )
}
