//! Messages, images, calls and tools of chats.

use super::{Setup, json};

/// Checks the native messages of a chat.
fn check(messages: &str, expected: &str) {
    let body = format!(r#"{{"model":"fast","messages":{messages}}}"#);
    let (native, dropped) = Setup::default().chat(&body).unwrap();
    assert_eq!(json(&native)["messages"], json(expected), "{messages}");
    assert_eq!(dropped, [""; 0]);
}

#[test]
fn the_worked_example_of_the_protocol_goes_out_as_written() {
    let body = r#"{"model":"fast","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":64,"stop":"END",
        "tools":[{"type":"function","function":{"name":"w","parameters":{"type":"object","properties":{"c":{"type":"string"}}}}}],
        "messages":[{"role":"developer","content":"be short"},{"role":"user","content":[{"type":"text","text":"weather?"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#;
    let setup = Setup {
        stream: true,
        ..Setup::default()
    };
    let (native, dropped) = setup.chat(body).unwrap();
    let expected = r#"{"model":"qwen3:8b","stream":true,"truncate":false,"options":{"num_predict":64,"stop":["END"]},
        "tools":[{"type":"function","function":{"name":"w","description":"","parameters":{"type":"object","properties":{"c":{"type":"string"}}}}}],
        "messages":[{"role":"system","content":"be short"},{"role":"user","content":"weather?","images":["AAAA"]}]}"#;
    assert_eq!(json(&native), json(expected));
    assert_eq!(dropped, [""; 0]);
}

#[test]
fn roles_are_those_that_templates_know() {
    for (role, expected) in [
        ("developer", "system"),
        ("system", "system"),
        ("User", "user"),
        ("ASSISTANT", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
        ("Critic", "critic"),
    ] {
        check(
            &format!(r#"[{{"role":"{role}","content":"x"}}]"#),
            &format!(r#"[{{"role":"{expected}","content":"x"}}]"#),
        );
    }
}

#[test]
fn case_06_text_arrives_as_it_was_meant() {
    let (native, _) = Setup::default()
        .chat(r#"{"messages":[{"role":"user","content":"\ud83d\ude00 😀 \u0000 \u2028 \"\\\n"}]}"#)
        .unwrap();
    assert_eq!(
        json(&native)["messages"][0]["content"],
        "😀 😀 \0 \u{2028} \"\\\n"
    );
}

#[test]
fn case_11_a_call_without_content_and_its_result_are_taken() {
    check(
        r#"[{"role":"user","content":"weather?"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"w","arguments":"{\"c\": 1.0}"}}]},
            {"role":"tool","tool_call_id":"call_1","content":"sunny"}]"#,
        r#"[{"role":"user","content":"weather?"},
            {"role":"assistant","content":"","tool_calls":[{"id":"call_1","function":{"name":"w","arguments":{"c":1.0}}}]},
            {"role":"tool","content":"sunny","tool_name":"w","tool_call_id":"call_1"}]"#,
    );
}

#[test]
fn case_12_text_parts_are_joined_for_every_role() {
    for role in ["system", "user", "assistant"] {
        check(
            &format!(
                r#"[{{"role":"{role}","content":[{{"type":"text","text":"a"}},{{"type":"text","text":"b"}}]}}]"#
            ),
            &format!(r#"[{{"role":"{role}","content":"a\nb"}}]"#),
        );
    }
    check(
        r#"[{"role":"tool","tool_call_id":"x","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#,
        r#"[{"role":"tool","content":"a\nb","tool_call_id":"x"}]"#,
    );
}

#[test]
fn contents_may_be_missing() {
    check(r#"[{"role":"user"}]"#, r#"[{"role":"user","content":""}]"#);
    check(
        r#"[{"role":"user","content":[]}]"#,
        r#"[{"role":"user","content":""}]"#,
    );
    check(
        r#"[{"role":"assistant","content":null,"refusal":"no"}]"#,
        r#"[{"role":"assistant","content":"no"}]"#,
    );
}

#[test]
fn case_13_arguments_become_an_object() {
    for (arguments, expected) in [
        (r#""""#, "{}"),
        (r#"" ""#, "{}"),
        ("null", "{}"),
        (r#""{}""#, "{}"),
        (r#"{"a":1}"#, r#"{"a":1}"#),
        (
            r#""{\"b\":9007199254740993,\"a\":{\"x\":[1e2,\"\\u00e9\"]}}""#,
            r#"{"b":9007199254740993,"a":{"x":[1e2,"\u00e9"]}}"#,
        ),
    ] {
        check(
            &format!(
                r#"[{{"role":"assistant","tool_calls":[{{"function":{{"name":"f","arguments":{arguments}}}}}]}}]"#
            ),
            &format!(
                r#"[{{"role":"assistant","content":"","tool_calls":[{{"function":{{"name":"f","arguments":{expected}}}}}]}}]"#
            ),
        );
    }
}

#[test]
fn results_are_named_after_the_last_call_of_their_id() {
    let call = |id: &str, name: &str| {
        format!(
            r#"{{"role":"assistant","tool_calls":[{{"id":"{id}","function":{{"name":"{name}"}}}}]}}"#
        )
    };
    let native = |id: &str, name: &str| {
        format!(
            r#"{{"role":"assistant","content":"","tool_calls":[{{"id":"{id}","function":{{"name":"{name}","arguments":{{}}}}}}]}}"#
        )
    };
    check(
        &format!(
            r#"[{},{},{{"role":"tool","tool_call_id":"1","content":"x"}}]"#,
            call("1", "old"),
            call("1", "new")
        ),
        &format!(
            r#"[{},{},{{"role":"tool","tool_call_id":"1","content":"x","tool_name":"new"}}]"#,
            native("1", "old"),
            native("1", "new")
        ),
    );
    check(
        &format!(
            r#"[{},{{"role":"tool","tool_call_id":"1","name":"own","content":"x"}}]"#,
            call("1", "f")
        ),
        &format!(
            r#"[{},{{"role":"tool","tool_call_id":"1","content":"x","tool_name":"own"}}]"#,
            native("1", "f")
        ),
    );
    check(
        r#"[{"role":"tool","tool_call_id":"2","content":"x"}]"#,
        r#"[{"role":"tool","tool_call_id":"2","content":"x"}]"#,
    );
}

#[test]
fn the_older_form_of_calls_is_taken_too() {
    check(
        r#"[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}},
            {"role":"function","name":"f","content":"done"}]"#,
        r#"[{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},
            {"role":"tool","content":"done","tool_name":"f"}]"#,
    );
}

#[test]
fn thoughts_of_earlier_turns_go_along() {
    for field in ["reasoning_content", "reasoning", "thinking"] {
        check(
            &format!(r#"[{{"role":"assistant","content":"a","{field}":"hm"}}]"#),
            r#"[{"role":"assistant","content":"a","thinking":"hm"}]"#,
        );
    }
    check(
        r#"[{"role":"assistant","content":"a","reasoning_content":null,"reasoning":""}]"#,
        r#"[{"role":"assistant","content":"a"}]"#,
    );
}

#[test]
fn case_17_images_go_without_their_prefix() {
    check(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;charset=utf-8;base64,AAAA"}},
            {"type":"text","text":"what?"},{"type":"image_url","image_url":"BBBB"}]}]"#,
        r#"[{"role":"user","content":"what?","images":["AAAA","BBBB"]}]"#,
    );
}

#[test]
fn unknown_members_of_messages_are_left_behind() {
    check(
        r#"[{"role":"user","name":"bob","content":"hi","cache_control":{"type":"ephemeral"},"foo":[1]}]"#,
        r#"[{"role":"user","content":"hi"}]"#,
    );
}

#[test]
fn a_body_may_begin_with_a_byte_order_mark() {
    let (native, _) = Setup::default()
        .chat("\u{feff} {\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}")
        .unwrap();
    assert_eq!(json(&native)["messages"][0]["content"], "hi");
}
