//! What is read from bodies that are accepted.

use super::*;

fn head(endpoint: Endpoint, body: &str) -> Head {
    read(endpoint, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

#[test]
fn a_chat_says_what_it_wants() {
    let body = r#"{"model":"gpt\u002d4","n":2,"best_of":3,"stream":true,"stream_options":{"x":1,"include_usage":true},
        "max_tokens":10,"max_completion_tokens":30,"n_predict":20,"tools":[{}],"messages":[{"role":"user"},{}]}"#;
    let head = head(Endpoint::Chat, body);
    assert_eq!(head.model.as_deref(), Some("gpt-4"));
    assert!(head.stream && head.include_usage && head.stream_options && head.tools);
    assert_eq!(
        (head.max_output, head.choices, head.messages, head.prompts),
        (Some(30), 3, 2, 1)
    );
    assert_eq!(
        (head.media, head.token_input, head.encoding),
        (Media::default(), false, None)
    );
    assert_eq!(head.bytes, body.len() as u64);
}

#[test]
fn what_is_null_or_absent_is_not_given() {
    let nulls = r#""model":null,"n":null,"best_of":null,"stream":null,"stream_options":null,"max_tokens":null,
        "max_completion_tokens":null,"n_predict":null,"tools":null,"functions":null,"encoding_format":null"#;
    for members in ["", nulls] {
        let head = chat(members).unwrap();
        assert_eq!((head.model, head.model_blank), (None, false));
        assert!(!head.stream && !head.include_usage && !head.tools);
        assert_eq!(head.stream_options, !members.is_empty());
        assert_eq!((head.max_output, head.choices), (None, 1));
    }
}

#[test]
fn blank_models_are_told_from_absent_ones() {
    for (members, model, blank) in [
        (r#""model":"""#, None, true),
        (r#""model":" \t\u2003""#, None, true),
        (r#""model":" m ""#, Some(" m "), false),
        (r#""model":"\ud83d\ude00""#, Some("😀"), false),
    ] {
        let head = chat(members).unwrap();
        assert_eq!(
            (head.model.as_deref(), head.model_blank),
            (model, blank),
            "{members}"
        );
    }
}

#[test]
fn only_the_top_level_counts() {
    let head = chat(
        r#""x":{"model":"a","n":0,"stream":1,"stream_options":{"include_usage":true}},"y":[{"model":"b"}],
        "metadata":{"include_usage":true},"tool":[1],"stream_options":{"x":{"include_usage":true}}"#,
    )
    .unwrap();
    assert_eq!((head.model, head.choices), (None, 1));
    assert!(!head.stream && !head.include_usage && !head.tools);
}

#[test]
fn limits_count_whatever_they_are_called() {
    let check = |members: &str, expected: u64| {
        assert_eq!(
            chat(members).unwrap().max_output,
            Some(expected),
            "{members}"
        );
    };
    check(r#""max_tokens":5"#, 5);
    check(r#""max_completion_tokens":5"#, 5);
    check(r#""n_predict":5"#, 5);
    check(r#""max_tokens":5,"max_completion_tokens":7"#, 7);
    check(
        r#""max_tokens":9,"max_completion_tokens":7,"n_predict":8"#,
        9,
    );
    check(r#""max_t\u006fkens":5"#, 5);
    check(r#""max_tokens":0"#, 0);
    check(
        r#""max_tokens":9223372036854775807"#,
        9_223_372_036_854_775_807,
    );
}

#[test]
fn tools_and_functions_are_noticed_unless_empty() {
    let check = |members: &str, expected: bool| {
        assert_eq!(chat(members).unwrap().tools, expected, "{members}");
    };
    check(r#""tools":[]"#, false);
    check(r#""tools":[ ],"functions":[]"#, false);
    check(r#""tools":[{"type":"function"}]"#, true);
    check(r#""functions":[null]"#, true);
    check(r#""tools":{"a":1}"#, true);
    check(r#""tools":"x""#, true);
}

#[test]
fn media_are_counted_where_content_is() {
    let check = |message: &str, count: u64, bytes: u64| {
        let body = format!(r#"{{"messages":[{{"content":"x"}},{message}]}}"#);
        let media = head(Endpoint::Chat, &body).media;
        assert_eq!((media.count, media.bytes), (count, bytes), "{message}");
    };
    check(
        r#"{"content":[{"type":"image_url","image_url":{"url":"http"}}]}"#,
        1,
        14,
    );
    check(
        r#"{"content":[{"image_url":"abc"},{"input_audio":{}},{"file":[]},{"video_url":1},{"audio_url":""}]}"#,
        5,
        12,
    );
    check(r#"{"content":[{"image_url" : "abc" }]}"#, 1, 5);
    check(r#"{"c\u006fntent":[{"image\u005furl":"abc"}]}"#, 1, 5);
    check(r#"{"content":[{"image_url":null,"text":"a"}]}"#, 0, 0);
    check(r#"{"content":[{"image_url":1,"file":22}]}"#, 2, 3);
    check(r#"{"content":[{"x":{"image_url":"abc"}}]}"#, 0, 0);
    check(r#"{"content":{"x":{"image_url":"abc"}}}"#, 0, 0);
    check(
        r#"{"image_url":"abc","x":[{"image_url":"abc"}],"content":"image_url"}"#,
        0,
        0,
    );
    check(
        r#"{"content":[["image_url"],"image_url",{"text":"image_url"}]}"#,
        0,
        0,
    );
    check(
        r#"{"content":[1],"x":[{"image_url":"abc"}],"content":[{"file":"a"}],"y":[{"file":1}]}"#,
        1,
        3,
    );
    check(
        r#"{"content":[{"file":1},["image_url","abc"],{"text":"a"}]}"#,
        1,
        1,
    );
    check(r#"[{"content":[{"image_url":"abc"}]}]"#, 0, 0);
}

#[test]
fn prompts_are_counted_and_multiply_the_choices() {
    let check = |prompt: &str, n: u64, prompts: u64, token_input: bool| {
        let head = head(
            Endpoint::Completions,
            &format!(r#"{{"n":{n},"prompt":{prompt}}}"#),
        );
        assert_eq!(
            (head.prompts, head.choices),
            (prompts, prompts * n),
            "{prompt}"
        );
        assert_eq!(
            (head.token_input, head.messages),
            (token_input, 0),
            "{prompt}"
        );
    };
    check(r#""once""#, 1, 1, false);
    check(r#""""#, 2, 1, false);
    check("null", 3, 1, false);
    check(r#"["a","b","c"]"#, 2, 3, false);
    check("[1,2,3]", 2, 1, true);
    check("[[1,2],[3]]", 2, 2, true);
    check(r#"["a",1,2]"#, 2, 3, true);
    check(r#"[{"content":[{"file":"a"}]}]"#, 1, 1, false);
    assert_eq!(
        head(
            Endpoint::Completions,
            r#"{"prompt":[{"content":[{"file":"a"}]}]}"#
        )
        .media,
        Media::default()
    );
}

#[test]
fn embeddings_generate_nothing() {
    let check = |members: &str, prompts: u64, token_input: bool, encoding: Option<Encoding>| {
        let head = head(Endpoint::Embeddings, &format!("{{{members}}}"));
        assert_eq!(
            (head.prompts, head.token_input, head.encoding),
            (prompts, token_input, encoding),
            "{members}"
        );
        assert_eq!(
            (head.choices, head.max_output, head.stream),
            (0, None, false)
        );
    };
    check(r#""input":"a""#, 1, false, None);
    check(
        r#""input":["a",""],"encoding_format":"float""#,
        2,
        false,
        Some(Encoding::Float),
    );
    check(
        r#""input":[1,2],"encoding_format":"base64""#,
        1,
        true,
        Some(Encoding::Base64),
    );
    check(r#""input":[[1],[2]],"encoding_format":null"#, 2, true, None);
    check(
        r#""stream":true,"input":"a","n":7,"max_tokens":5"#,
        1,
        false,
        None,
    );
    check(
        &format!(r#""input":["a"{}]"#, ",\"a\"".repeat(2_047)),
        2_048,
        false,
        None,
    );
    check(
        &format!(r#""input":[1{}]"#, ",1".repeat(5_000)),
        1,
        true,
        None,
    );
}

#[test]
fn a_byte_order_mark_and_white_space_are_no_hindrance() {
    let body = "\u{feff} \r\n{ \"model\" : \"m\" , \"messages\" : [ {} ] } \n";
    let head = head(Endpoint::Chat, body);
    assert_eq!(
        (head.model.as_deref(), head.messages, head.bytes),
        (Some("m"), 1, body.len() as u64)
    );
}

#[test]
fn wherever_the_body_is_split_the_head_is_the_same() {
    let bodies = [
        (
            Endpoint::Chat,
            "\u{feff}{\"model\":\"m\\u00e9\\ud83d\\ude00é\",\"stream\":true, \"stream_options\" : {\"include_usage\": false},\"n\":12,\"max_tokens\":100,\"messages\":[{\"content\":[{\"image_url\":{\"url\":\"data:é\"}},{\"text\":\"a\\n\"}]},{\"content\":\"日本\"}],\"tools\":[{}]}",
        ),
        (
            Endpoint::Completions,
            r#"{"prompt":["a","b",[1,22]],"best_of":20,"n":3,"stream_options":null,"model":"x","n_predict":1234567890}"#,
        ),
        (
            Endpoint::Embeddings,
            r#" {"input":[[1,2],[3]],"encoding_format":"base64","dimensions":12,"model":"x"} "#,
        ),
        (
            Endpoint::Chat,
            r#"{"model":"m","messages":[{}],"mo\u0064el":"k"}"#,
        ),
        (Endpoint::Chat, r#"{"model":"m","messages":[{}],"n":1.5}"#),
        (Endpoint::Chat, r#"{"model":"m","messages":[{}}"#),
        (
            Endpoint::Chat,
            "{\"model\":\"m\",\"messages\":[{\"a\":\"\u{1}\"}]}",
        ),
    ];
    for (endpoint, body) in bodies {
        let whole = read(endpoint, body.as_bytes());
        for cut in 0..=body.len() {
            let (first, second) = body.as_bytes().split_at(cut);
            assert_eq!(
                read_pieces(endpoint, [first, second]),
                whole,
                "cut at {cut} of {body}"
            );
        }
        for size in 1..5 {
            assert_eq!(
                read_pieces(endpoint, body.as_bytes().chunks(size)),
                whole,
                "by {size} of {body}"
            );
        }
    }
}

#[test]
fn prompts_are_bounded() {
    let check = |endpoint: Endpoint, body: &str, mode: BoundMode, expected: u64| {
        assert_eq!(
            head(endpoint, body).prompt_bound(mode),
            Some(expected),
            "{body} {mode:?}"
        );
    };
    let hello = r#"{"messages":[{"content":"hello"},{}]}"#; // 37 bytes
    check(Endpoint::Chat, hello, BoundMode::Estimate, 37 / 3 + 32);
    check(Endpoint::Chat, hello, BoundMode::Bytes, 37 + 64 + 32);
    check(Endpoint::Chat, hello, BoundMode::Window(4_096), 4_096);
    let tools = r#"{"tools":[1],"messages":[1]}"#; // 28 bytes
    check(Endpoint::Chat, tools, BoundMode::Estimate, 28 / 3 + 16);
    check(
        Endpoint::Chat,
        tools,
        BoundMode::Bytes,
        28 + 64 + 1_024 + 16,
    );
    let image = r#"{"messages":[{"content":[{"image_url":"0123456789"},{"file":{}}]}]}"#; // 67 bytes, 14 of media
    check(
        Endpoint::Chat,
        image,
        BoundMode::Estimate,
        53 / 3 + 3_000 + 16,
    );
    check(
        Endpoint::Chat,
        image,
        BoundMode::Bytes,
        53 + 64 + 3_000 + 16,
    );
    check(Endpoint::Chat, image, BoundMode::Window(8_192), 8_192);
    let inputs = r#"{"input":["a","b","c"]}"#; // 23 bytes
    check(Endpoint::Embeddings, inputs, BoundMode::Estimate, 23 / 3);
    check(Endpoint::Embeddings, inputs, BoundMode::Bytes, 23 + 64);
    check(
        Endpoint::Embeddings,
        inputs,
        BoundMode::Window(512),
        3 * 512,
    );
    let inputs = head(Endpoint::Embeddings, inputs);
    assert_eq!(inputs.prompt_bound(BoundMode::Window(u64::MAX)), None);
}
