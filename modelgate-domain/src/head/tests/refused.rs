//! Bodies that are refused, and the words for it.

use super::{
    Endpoint::{Chat, Completions, Embeddings},
    *,
};

fn refused(endpoint: Endpoint, body: &[u8]) -> BadRequest {
    let outcome = read(endpoint, body);
    outcome.expect_err(&String::from_utf8_lossy(body))
}

#[test]
fn a_body_that_is_no_json_object_is_refused_with_the_place() {
    let check = |body: &[u8], expected: &str| {
        let error = refused(Chat, body);
        assert_eq!(error.to_string(), expected);
        assert_eq!((error.param, error.code), (None, None));
    };
    let parse = |reason: &str| {
        format!(
            "We could not parse the JSON body of your request: {reason}. Send one JSON object, in UTF-8."
        )
    };
    check(
        b"",
        "The body of your request is empty. Send one JSON object.",
    );
    check(
        b" \n",
        "The body of your request is empty. Send one JSON object.",
    );
    check(b"null", &parse("not an object at byte 0"));
    check(b" []", &parse("not an object at byte 1"));
    check(b"\"x\"", &parse("not an object at byte 0"));
    check(b"{", &parse("unexpected end at byte 1"));
    check(
        b"{\"model\":\"m\",\"messages\":[",
        &parse("unexpected end at byte 25"),
    );
    check(b"{\"model\":\"\xff\"}", &parse("invalid UTF-8 at byte 10"));
    check(
        b"{\"model\":\"a\nb\"}",
        &parse("raw control character in a string at byte 11"),
    );
    check(b"{}{}", &parse("text after the value at byte 2"));
    check(
        &[b"{\"a\":", &b"[".repeat(200)[..]].concat(),
        &parse("nesting deeper than 128 levels at byte 132"),
    );
    check(b"model=m&n=1", &parse("unexpected byte at byte 0"));
}

#[test]
fn what_is_not_json_is_told_before_the_end() {
    let mut reader = HeadReader::new(Chat, Caps::default());
    reader.feed(b"{\"model\":").unwrap();
    assert_eq!(reader.feed(b"}").unwrap_err().code, None);
    assert!(reader.feed(b"1}").is_err());
    assert!(reader.finish().is_err());
}

#[test]
fn members_that_make_no_sense_are_named() {
    let check = |members: &str, code: &str, param: &str| {
        let error = chat(members).expect_err(members);
        assert_eq!(
            (error.code, error.param.as_deref()),
            (Some(code), Some(param)),
            "{members}"
        );
        assert!(error.message.contains(&format!("'{param}'")), "{error}");
    };
    for wrong in ["1", "true", "[]", "{}", "[\"m\"]"] {
        check(&format!("\"model\":{wrong}"), "invalid_type", "model");
    }
    check(r#""model":"\ud800""#, "invalid_value", "model");
    check(r#""model":"\ud800\u0041""#, "invalid_value", "model");
    for wrong in ["1", "0", "\"true\"", "\"\"", "[]", "{}"] {
        check(&format!("\"stream\":{wrong}"), "invalid_type", "stream");
    }
    for wrong in ["true", "\"x\"", "[]", "1"] {
        check(
            &format!("\"stream_options\":{wrong}"),
            "invalid_type",
            "stream_options",
        );
        check(
            &format!("\"stream\":true,\"stream_options\":{wrong}"),
            "invalid_type",
            "stream_options",
        );
    }
    for wrong in ["1", "\"true\"", "{}"] {
        let options = format!("\"stream_options\":{{\"include_usage\":{wrong}}}");
        check(&options, "invalid_type", "stream_options.include_usage");
    }
}

#[test]
fn counts_that_could_evade_a_quota_are_refused() {
    let check = |member: &str, value: &str, code: &str| {
        let error = chat(&format!("\"{member}\":{value}")).expect_err(value);
        assert_eq!(
            (error.code, error.param.as_deref()),
            (Some(code), Some(member)),
            "{member} {value}"
        );
    };
    for member in [
        "n",
        "best_of",
        "max_tokens",
        "max_completion_tokens",
        "n_predict",
    ] {
        for wrong in [
            "1.5",
            "1.0",
            "0.0",
            "1e400",
            "1E2",
            "-1e3",
            "\"5\"",
            "\"\"",
            "true",
            "[1]",
            "{\"n\":1}",
        ] {
            check(member, wrong, "invalid_type");
        }
        for low in [
            "-1",
            "-0",
            "-9223372036854775808",
            "-99999999999999999999999",
        ] {
            check(member, low, "integer_below_min_value");
        }
        for high in [
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
        ] {
            check(member, high, "integer_above_max_value");
        }
        check(member, &"9".repeat(400), "integer_above_max_value");
    }
    check("n", "0", "integer_below_min_value");
    check("n", "129", "integer_above_max_value");
    check("best_of", "21", "integer_above_max_value");
    assert_eq!(chat("\"n\":128,\"best_of\":20").unwrap().choices, 128);
}

#[test]
fn caps_are_settable() {
    let caps = Caps {
        choices: 2,
        best_of: 1,
        inputs: 3,
    };
    let check = |endpoint: Endpoint, body: &str, expected: Option<&str>| {
        let mut reader = HeadReader::new(endpoint, caps);
        reader.feed(body.as_bytes()).unwrap();
        assert_eq!(
            reader.finish().err().and_then(|error| error.code),
            expected,
            "{body}"
        );
    };
    check(
        Completions,
        r#"{"n":2,"best_of":1,"prompt":["a","b","c"]}"#,
        None,
    );
    check(
        Completions,
        r#"{"n":3,"prompt":"a"}"#,
        Some("integer_above_max_value"),
    );
    check(
        Completions,
        r#"{"best_of":2,"prompt":"a"}"#,
        Some("integer_above_max_value"),
    );
    check(
        Completions,
        r#"{"prompt":["a","b","c","d"]}"#,
        Some("array_above_max_length"),
    );
    check(
        Embeddings,
        r#"{"input":["a","b","c",1]}"#,
        Some("array_above_max_length"),
    );
    check(Embeddings, r#"{"input":[1,2,3,4]}"#, None);
}

#[test]
fn each_endpoint_wants_its_prompt() {
    let check = |endpoint: Endpoint, body: &str, code: &str, param: &str| {
        let error = refused(endpoint, body.as_bytes());
        assert_eq!(
            (error.code, error.param.as_deref()),
            (Some(code), Some(param)),
            "{body}"
        );
    };
    check(
        Chat,
        r#"{"model":"m","prompt":"a"}"#,
        "missing_required_parameter",
        "messages",
    );
    check(
        Chat,
        r#"{"messages":null}"#,
        "missing_required_parameter",
        "messages",
    );
    check(Chat, r#"{"messages":[]}"#, "empty_array", "messages");
    check(
        Chat,
        r#"{"messages":{"a":[1]}}"#,
        "invalid_type",
        "messages",
    );
    check(Chat, r#"{"messages":"hi"}"#, "invalid_type", "messages");
    check(
        Completions,
        r#"{"messages":[{}]}"#,
        "missing_required_parameter",
        "prompt",
    );
    check(Completions, r#"{"prompt":[]}"#, "empty_array", "prompt");
    check(Completions, r#"{"prompt":1}"#, "invalid_type", "prompt");
    check(
        Completions,
        r#"{"prompt":{"a":1}}"#,
        "invalid_type",
        "prompt",
    );
    check(
        Embeddings,
        r#"{"model":"m"}"#,
        "missing_required_parameter",
        "input",
    );
    check(
        Embeddings,
        r#"{"input":null}"#,
        "missing_required_parameter",
        "input",
    );
    check(Embeddings, r#"{"input":""}"#, "invalid_value", "input");
    check(Embeddings, r#"{"input":[ ]}"#, "empty_array", "input");
    check(Embeddings, r#"{"input":true}"#, "invalid_type", "input");
    let inputs = format!(r#"{{"input":["a"{}]}}"#, ",\"a\"".repeat(2_048));
    check(Embeddings, &inputs, "array_above_max_length", "input");
    check(
        Embeddings,
        r#"{"input":"a","encoding_format":"hex"}"#,
        "invalid_value",
        "encoding_format",
    );
    check(
        Embeddings,
        r#"{"input":"a","encoding_format":"\ud800"}"#,
        "invalid_value",
        "encoding_format",
    );
    check(
        Embeddings,
        r#"{"input":"a","encoding_format":1}"#,
        "invalid_type",
        "encoding_format",
    );
}

#[test]
fn members_that_are_read_may_not_come_twice() {
    let read_members = [
        ("model", "\"a\""),
        ("messages", "[{}]"),
        ("prompt", "\"a\""),
        ("input", "\"a\""),
        ("stream", "true"),
        ("stream_options", "{}"),
        ("n", "1"),
        ("best_of", "1"),
        ("max_tokens", "1"),
        ("max_completion_tokens", "1"),
        ("n_predict", "1"),
        ("encoding_format", "\"float\""),
        ("tools", "[]"),
        ("functions", "[]"),
        ("dimensions", "1"),
    ];
    for (name, value) in read_members {
        let first = u32::from(name.as_bytes()[0]);
        let escaped = format!("\\u{first:04X}{}", &name[1..]);
        for endpoint in [Chat, Completions, Embeddings] {
            for (one, two) in [(name, name), (name, &*escaped), (&*escaped, name)] {
                for last in [value, "null"] {
                    let body = format!(r#"{{"{one}":{value},"x":1,"{two}":{last}}}"#);
                    let error = refused(endpoint, body.as_bytes());
                    assert_eq!(error, BadRequest::duplicate(name), "{body}");
                }
            }
        }
    }
    let usage = r#""stream_options":{"include_usage":true,"include_\u0075sage":false}"#;
    assert_eq!(
        chat(usage),
        Err(BadRequest::duplicate("stream_options.include_usage"))
    );
    assert!(
        chat(r#""seed":1,"seed":2,"x":{"n":1,"n":2},"Models":"a","model ":"b","model":"m""#)
            .is_ok()
    );
}

#[test]
fn members_that_are_read_may_not_hide_in_other_letters() {
    let check = |members: &str, param: &str| {
        assert_eq!(
            chat(members),
            Err(BadRequest::misspelled(param)),
            "{members}"
        );
    };
    check(r#""model":"m","Model":"k""#, "model");
    check(r#""MODE\u004C":"k""#, "model");
    check(r#""max_toKens":1"#, "max_tokens");
    check(r#""max_to\u212aens":1"#, "max_tokens");
    check(r#""ſtream":true"#, "stream");
    check(r#""N":100"#, "n");
}

#[test]
fn messages_say_what_to_do() {
    let check = |members: &str, expected: &str| {
        assert_eq!(chat(members).expect_err(members).message, expected);
    };
    check(
        r#""n":"2""#,
        "Invalid type for 'n': expected an integer, got a string.",
    );
    check(
        r#""n":1.5"#,
        "Invalid type for 'n': expected an integer, got a decimal number.",
    );
    check(
        r#""n":0"#,
        "Invalid 'n': integer below minimum value. Expected a value >= 1.",
    );
    check(
        r#""n":999"#,
        "Invalid 'n': integer above maximum value. Expected a value <= 128.",
    );
    check(
        r#""model":7"#,
        "Invalid type for 'model': expected a string, got an integer.",
    );
    check(
        r#""stream":"yes""#,
        "Invalid type for 'stream': expected a boolean, got a string.",
    );
    check(
        r#""n":1,"n":1"#,
        "Duplicate parameter: 'n'. Send it only once.",
    );
    let check = |body: &[u8], expected: &str| {
        assert_eq!(refused(Embeddings, body).message, expected);
    };
    check(
        b"{}",
        "Missing required parameter: 'input'. Add it to the body of your request.",
    );
    check(
        b"{\"input\":[]}",
        "Invalid 'input': empty array. Expected an array with at least 1 element.",
    );
    check(
        b"{\"input\":\"a\",\"encoding_format\":\"hex\"}",
        "Invalid value for 'encoding_format'. Supported values are 'float' and 'base64'.",
    );
}
