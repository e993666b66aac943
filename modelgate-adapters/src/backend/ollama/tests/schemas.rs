//! Tools: schemas byte for byte, and the choice among them.

use super::{Setup, json, refused};

const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}]"#;

/// Checks the names of the tools that are sent.
fn check(choice: &str, expected: &[&str], dropped: &[&str]) {
    let (native, left_out) = Setup::default()
        .chat_with(&format!("{TOOLS},{choice}"))
        .unwrap();
    let names: Vec<_> = native["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, expected, "{choice}");
    assert_eq!(left_out, dropped, "{choice}");
}

#[test]
fn case_02_and_04_schemas_keep_their_digits_and_their_order() {
    let schema = r#"{"type":"object", "properties":{"z":{"maximum":9007199254740993},"a":{"const":-0,"minimum":18446744073709551616},"m":{"multipleOf":0.1000000000000000055,"maximum":1e400}},"$defs":{},"x-é":"\u00e9\n"}"#;
    let tool = format!(
        r#"{{"type":"function","function":{{"strict":true,"parameters":{schema},"name":"f","description":"d"}}}}"#
    );
    for members in [
        format!(r#""tools":[{tool}]"#),
        format!(r#""functions":[{{"name":"f","description":"d","parameters":{schema}}}]"#),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
        let (native, dropped) = Setup::default().chat(&body).unwrap();
        let expected = format!(
            r#""tools":[{{"type":"function","function":{{"name":"f","description":"d","parameters":{schema}}}}}]"#
        );
        assert!(native.contains(&expected), "{native}");
        assert_eq!(dropped, [""; 0]);
    }
}

#[test]
fn a_tool_without_parameters_gets_an_empty_schema() {
    let (native, _) = Setup::default()
        .chat_with(r#""tools":[{"type":"function","function":{"name":"f","parameters":null}}]"#)
        .unwrap();
    let expected = r#"[{"type":"function","function":{"name":"f","description":"","parameters":{"type":"object","properties":{}}}}]"#;
    assert_eq!(native["tools"], json(expected));
}

#[test]
fn case_20_choices_are_honoured_as_far_as_they_can_be() {
    check(r#""tool_choice":"auto""#, &["a", "b"], &[]);
    check(r#""tool_choice":null"#, &["a", "b"], &[]);
    check(r#""tool_choice":"none""#, &[], &[]);
    check(r#""tool_choice":"required""#, &["a", "b"], &["tool_choice"]);
    check(
        r#""tool_choice":{"type":"function","function":{"name":"b"}}"#,
        &["b"],
        &["tool_choice"],
    );
    let allowed = |mode: &str| {
        format!(
            r#""tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"{mode}","tools":[{{"type":"function","function":{{"name":"a"}}}}]}}}}"#
        )
    };
    check(&allowed("auto"), &["a"], &[]);
    check(&allowed("required"), &["a"], &["tool_choice"]);
    check(r#""function_call":"none""#, &[], &[]);
    check(
        r#""function_call":{"name":"a"}"#,
        &["a"],
        &["function_call"],
    );
}

#[test]
fn an_empty_list_of_tools_is_no_list() {
    let (native, _) = Setup::default()
        .chat_with(r#""tools":[],"tool_choice":"auto""#)
        .unwrap();
    assert_eq!(native.get("tools"), None);
}

#[test]
fn choices_that_make_no_sense_are_refused() {
    let check = |choice: &str, code: &str, param: &str| {
        let outcome = Setup::default().chat_with(&format!(r#"{TOOLS},"tool_choice":{choice}"#));
        assert_eq!(refused(outcome), (code.into(), param.into()), "{choice}");
    };
    check(r#""always""#, "invalid_value", "tool_choice");
    check("5", "invalid_type", "tool_choice");
    check(
        r#"{"type":"function","function":{"name":"c"}}"#,
        "invalid_value",
        "tool_choice",
    );
    check(
        r#"{"type":"function"}"#,
        "missing_required_parameter",
        "tool_choice.function.name",
    );
    check(
        r#"{"type":"custom","custom":{"name":"a"}}"#,
        "unsupported_value",
        "tool_choice.type",
    );
    check(
        r#"{"type":"allowed_tools"}"#,
        "missing_required_parameter",
        "tool_choice.allowed_tools",
    );
}
