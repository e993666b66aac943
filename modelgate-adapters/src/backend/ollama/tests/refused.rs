//! Requests that are refused with the place of the fault, before anything is sent.

use super::{Setup, refused};

fn check(setup: &Setup, members: &str, code: &str, param: &str) {
    assert_eq!(
        refused(setup.chat_with(members)),
        (code.into(), param.into()),
        "{members}"
    );
}

#[test]
fn wrong_types_name_their_field() {
    let check =
        |members: &str, param: &str| check(&Setup::default(), members, "invalid_type", param);
    for name in [
        "temperature",
        "top_p",
        "min_p",
        "seed",
        "top_k",
        "num_ctx",
        "num_keep",
        "num_predict",
    ] {
        for value in [r#""1""#, "true", "[]", "{}"] {
            check(&format!(r#""{name}":{value}"#), name);
            check(
                &format!(r#""options":{{"{name}":{value}}}"#),
                &format!("options.{name}"),
            );
        }
    }
    for name in ["seed", "top_k", "max_tokens", "max_completion_tokens", "n"] {
        check(&format!(r#""{name}":1.5"#), name);
        check(&format!(r#""{name}":1e3"#), name);
    }
    check(r#""options":[]"#, "options");
    check(r#""stop":5"#, "stop");
    check(r#""stop":["a",5]"#, "stop[1]");
    check(r#""options":{"stop":{}}"#, "options.stop");
    check(r#""think":5"#, "think");
    check(r#""reasoning_effort":5"#, "reasoning_effort");
    check(r#""reasoning":"high""#, "reasoning");
    check(r#""keep_alive":true"#, "keep_alive");
    check(r#""keep_alive":1.5"#, "keep_alive");
    check(r#""truncate":"yes""#, "truncate");
    check(r#""logprobs":1"#, "logprobs");
    check(r#""top_logprobs":"3""#, "top_logprobs");
    check(r#""format":5"#, "format");
    check(r#""response_format":"json""#, "response_format");
    check(
        r#""response_format":{"type":"json_schema","json_schema":{"schema":5}}"#,
        "response_format.json_schema.schema",
    );
    check(r#""tools":{}"#, "tools");
    check(
        r#""tools":[{"type":"function","function":{"name":5}}]"#,
        "tools[0].function.name",
    );
    check(
        r#""tools":[{"type":"function","function":{"name":"f","parameters":[]}}]"#,
        "tools[0].function.parameters",
    );
    check(r#""modalities":[5]"#, "modalities[0]");
}

#[test]
fn values_without_a_meaning_name_their_field() {
    let check =
        |members: &str, code: &str, param: &str| check(&Setup::default(), members, code, param);
    check(r#""temperature":1e400"#, "invalid_value", "temperature");
    check(r#""seed":9223372036854775808"#, "invalid_type", "seed");
    check(
        r#""max_tokens":-1"#,
        "integer_below_min_value",
        "max_tokens",
    );
    check(r#""num_ctx":0"#, "integer_below_min_value", "num_ctx");
    check(
        r#""top_logprobs":21,"logprobs":true"#,
        "integer_above_max_value",
        "top_logprobs",
    );
    check(r#""top_logprobs":2"#, "invalid_value", "logprobs");
    check(
        r#""reasoning_effort":"extreme""#,
        "invalid_value",
        "reasoning_effort",
    );
    check(
        r#""reasoning":{"effort":"extreme"}"#,
        "invalid_value",
        "reasoning.effort",
    );
    check(r#""think":"extreme""#, "invalid_value", "think");
    check(r#""format":"xml""#, "invalid_value", "format");
    check(
        r#""response_format":{"type":"grammar"}"#,
        "invalid_value",
        "response_format.type",
    );
    check(
        r#""response_format":{}"#,
        "missing_required_parameter",
        "response_format.type",
    );
    check(
        r#""tools":[{"type":"custom","custom":{"name":"x"}}]"#,
        "unsupported_value",
        "tools[0].type",
    );
    check(
        r#""tools":[{"type":"function"}]"#,
        "missing_required_parameter",
        "tools[0].function",
    );
    check(
        r#""tools":[{"type":"function","function":{}}]"#,
        "missing_required_parameter",
        "tools[0].function.name",
    );
    check(
        r#""modalities":["audio"]"#,
        "unsupported_value",
        "modalities",
    );
}

#[test]
fn case_21_several_choices_are_refused_and_never_become_one() {
    check(&Setup::default(), r#""n":2"#, "unsupported_value", "n");
    check(
        &Setup::default(),
        r#""n":0"#,
        "integer_below_min_value",
        "n",
    );
}

#[test]
fn case_07_lone_surrogates_are_refused_by_place() {
    let check = |body: &str, param: &str| {
        assert_eq!(
            refused(Setup::default().chat(body)),
            ("invalid_value".into(), param.into()),
            "{body}"
        );
    };
    check(
        r#"{"messages":[{"role":"user","content":"a"},{"role":"user","content":"\ud800"}]}"#,
        "messages[1].content",
    );
    check(
        r#"{"messages":[{"role":"user","content":"\udc00x"}]}"#,
        "messages[0].content",
    );
    check(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"\ud800\ud800"}]}]}"#,
        "messages[0].content[0].text",
    );
    let with =
        |members: &str| format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
    check(
        &with(
            r#""tools":[{"type":"function","function":{"name":"f","parameters":{"a":"\ud800"}}}]"#,
        ),
        "tools[0].function.parameters",
    );
    check(&with(r#""format":{"a":"\ud800"}"#), "format");
    check(&with(r#""stop":["\ud800"]"#), "stop[0]");
    check(
        r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"\\ud800\"}"}}]}]}"#,
        "messages[0].tool_calls[0].function.arguments",
    );
}

#[test]
fn case_13_and_17_messages_are_refused_by_place() {
    let check = |messages: &str, code: &str, param: &str| {
        let outcome = Setup::default().chat(&format!(r#"{{"messages":{messages}}}"#));
        assert_eq!(refused(outcome), (code.into(), param.into()), "{messages}");
    };
    check("[]", "empty_array", "messages");
    check("{}", "invalid_type", "messages");
    check("[5]", "invalid_type", "messages[0]");
    check(
        r#"[{"content":"x"}]"#,
        "missing_required_parameter",
        "messages[0].role",
    );
    check(
        r#"[{"role":"user","content":5}]"#,
        "invalid_type",
        "messages[0].content",
    );
    check(
        r#"[{"role":"user","content":{}}]"#,
        "invalid_type",
        "messages[0].content",
    );
    check(
        r#"[{"role":"user","content":["x"]}]"#,
        "invalid_type",
        "messages[0].content[0]",
    );
    check(
        r#"[{"role":"user","content":[{"text":"x"}]}]"#,
        "missing_required_parameter",
        "messages[0].content[0].type",
    );
    check(
        r#"[{"role":"user","content":[{"type":"file","file":{}}]}]"#,
        "unsupported_value",
        "messages[0].content[0].type",
    );
    check(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x/a.png"}}]}]"#,
        "unsupported_value",
        "messages[0].content[0].image_url",
    );
    check(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,?"}}]}]"#,
        "invalid_value",
        "messages[0].content[0].image_url",
    );
    let call = |call: &str| {
        format!(
            r#"[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{{"function":{{"name":"f"}}}},{call}]}}]"#
        )
    };
    for arguments in [r#""[1]""#, r#""not json""#, r#""{} {}""#, "[1]", "5"] {
        let call = call(&format!(
            r#"{{"function":{{"name":"f","arguments":{arguments}}}}}"#
        ));
        check(
            &call,
            "invalid_value",
            "messages[1].tool_calls[1].function.arguments",
        );
    }
    check(
        &call(r#"{"type":"custom","custom":{"name":"c","input":"i"}}"#),
        "unsupported_value",
        "messages[1].tool_calls[1].type",
    );
    check(
        &call("{}"),
        "missing_required_parameter",
        "messages[1].tool_calls[1].function",
    );
}

#[test]
fn bodies_that_are_no_chat_are_refused() {
    for body in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{\"messages\":[{\"role\":\"user\"",
    ] {
        let (code, _) = refused(Setup::default().chat(body));
        assert!(code.starts_with("invalid_"), "{body}: {code}");
    }
    assert_eq!(
        refused(Setup::default().chat("{}")),
        ("missing_required_parameter".into(), "messages".into())
    );
    let invalid = members_of(b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}");
    assert_eq!(invalid.0, "invalid_value");
}

fn members_of(body: &[u8]) -> (String, String) {
    refused(super::members(body))
}

#[test]
fn refusals_do_not_repeat_what_the_client_said() {
    let Err(error) =
        Setup::default().chat_with(r#""temperature":"secret words","stop":["a",{"secret":1}]"#)
    else {
        panic!("it was taken")
    };
    assert!(!error.message.contains("secret"), "{}", error.message);
}

#[test]
fn a_strict_gateway_refuses_what_it_would_leave_out() {
    let strict = Setup {
        strict: true,
        can: Some(&["completion"]),
        ..Setup::default()
    };
    let check =
        |members: &str, param: &str| check(&strict, members, "unsupported_parameter", param);
    let tools = r#""tools":[{"type":"function","function":{"name":"a"}}]"#;
    check(r#""logit_bias":{"1":1}"#, "logit_bias");
    check(r#""foo":1"#, "foo");
    check(r#""options":{"num_gpu":1}"#, "options.num_gpu");
    check(r#""parallel_tool_calls":false"#, "parallel_tool_calls");
    check(r#""reasoning_effort":"high""#, "reasoning_effort");
    check(
        &format!(r#"{tools},"tool_choice":"required""#),
        "tool_choice",
    );
    check(
        &format!(r#"{tools},"tool_choice":{{"type":"function","function":{{"name":"a"}}}}"#),
        "tool_choice",
    );
    let (_, dropped) = strict
        .chat_with(r#""user":"u","reasoning_effort":"none""#)
        .unwrap();
    assert_eq!(dropped, ["user"]);
}

#[test]
fn sounds_are_refused_by_models_that_do_not_hear() {
    let body = r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}"#;
    let deaf = Setup {
        can: Some(&["completion", "vision"]),
        ..Setup::default()
    };
    assert_eq!(
        refused(deaf.chat(body)),
        ("unsupported_value".into(), "messages[0].content".into())
    );
    for hearing in [
        Setup {
            can: Some(&["audio"]),
            ..Setup::default()
        },
        Setup::default(),
    ] {
        let (native, _) = hearing.chat(body).unwrap();
        assert_eq!(super::json(&native)["messages"][0]["images"][0], "AAAA");
    }
}
