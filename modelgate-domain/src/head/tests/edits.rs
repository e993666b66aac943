//! Bodies as a backend gets them.

use super::*;

const AS_IT_IS: Rewrite<'_> = Rewrite {
    model: "m",
    ask_usage: false,
    output_limit: None,
    encoding: None,
};

/// Applies edits to a body in pieces of `lengths`.
pub(super) fn apply(body: &str, edits: Vec<Edit>, lengths: &[usize]) -> String {
    let mut starts = vec![0];
    starts.extend(lengths.iter().scan(0, |at, length| {
        *at += length;
        Some(*at)
    }));
    let expected_length = length_after(body.len() as u64, &edits);
    let mut out = Vec::new();
    for segment in plan(edits, lengths.iter().copied()) {
        match segment {
            Segment::Keep { piece, range } => {
                assert!(range.start < range.end && range.end <= lengths[piece]);
                out.extend_from_slice(&body.as_bytes()[starts[piece]..][range]);
            }
            Segment::Insert(bytes) => {
                assert!(!bytes.is_empty());
                out.extend_from_slice(&bytes);
            }
        }
    }
    assert_eq!(out.len() as u64, expected_length);
    String::from_utf8(out).unwrap()
}

/// Rewrites `body` whole and at every split point.
fn rewritten(endpoint: Endpoint, body: &str, send: &Rewrite<'_>) -> String {
    let head = read(endpoint, body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    let edits = head.edits(send);
    for pair in edits.windows(2) {
        assert!(pair[0].at.end <= pair[1].at.start, "{edits:?}");
    }
    let whole = apply(body, edits.clone(), &[body.len()]);
    for cut in 0..=body.len() {
        assert_eq!(
            apply(body, edits.clone(), &[cut, 0, body.len() - cut]),
            whole
        );
    }
    assert_eq!(apply(body, edits, &vec![1; body.len()]), whole);
    whole
}

fn check(endpoint: Endpoint, body: &str, send: &Rewrite<'_>, expected: &str) {
    assert_eq!(rewritten(endpoint, body, send), expected, "{body}");
}

#[test]
fn the_model_is_replaced_put_in_or_left() {
    let check = |body: &str, model: &str, expected: &str| {
        check(
            Endpoint::Chat,
            body,
            &Rewrite { model, ..AS_IT_IS },
            expected,
        );
    };
    check(
        r#"{"model":"m","messages":[1]}"#,
        "m",
        r#"{"model":"m","messages":[1]}"#,
    );
    check(
        r#"{"model":"\u006d","messages":[1]}"#,
        "m",
        r#"{"model":"\u006d","messages":[1]}"#,
    );
    check(
        r#"{"model" : "m" ,"messages":[1]}"#,
        "org/x",
        r#"{"model" : "org/x" ,"messages":[1]}"#,
    );
    check(
        r#"{"messages":[1],"mode\u006c":"a"}"#,
        "b\"c",
        r#"{"messages":[1],"mode\u006c":"b\"c"}"#,
    );
    check(
        r#"{"messages":[1],"model":null}"#,
        "b",
        r#"{"messages":[1],"model":"b"}"#,
    );
    check(
        r#"{"messages":[1],"model":" "}"#,
        "b",
        r#"{"messages":[1],"model":"b"}"#,
    );
    check(
        r#" { "messages":[1]}"#,
        "b",
        r#" {"model":"b", "messages":[1]}"#,
    );
}

#[test]
fn usage_is_asked_for_in_streams_when_wanted() {
    let check = |members: &str, expected: &str| {
        let send = Rewrite {
            ask_usage: true,
            ..AS_IT_IS
        };
        let body =
            |members: &str| format!(r#"{{"model":"m","messages":[1],"stream":true{members}}}"#);
        check(Endpoint::Chat, &body(members), &send, &body(expected));
    };
    let asked = r#","stream_options":{"include_usage":true}"#;
    check(asked, asked);
    check(r#","stream_options":null"#, asked);
    check(r#","stream_options":{}"#, asked);
    check(
        r#","stream_options": { } ,"a":1"#,
        r#","stream_options": {"include_usage":true} ,"a":1"#,
    );
    check(r#","stream_options":{"include_usage":false}"#, asked);
    check(
        r#","stream_options":{"include_usage" : null}"#,
        r#","stream_options":{"include_usage" : true}"#,
    );
    check(
        r#","stream_options":{"x":{"include_usage":false},"y":[]}"#,
        r#","stream_options":{"include_usage":true,"x":{"include_usage":false},"y":[]}"#,
    );
    check(
        r#","stream_options":{"x":1,"include_usage":false,"y":2}"#,
        r#","stream_options":{"x":1,"include_usage":true,"y":2}"#,
    );
}

#[test]
fn usage_is_asked_for_in_a_new_member_when_there_is_none() {
    let send = Rewrite {
        model: "b",
        ask_usage: true,
        ..AS_IT_IS
    };
    let body = r#"{"stream":true,"messages":[1]}"#;
    let expected =
        r#"{"model":"b","stream_options":{"include_usage":true},"stream":true,"messages":[1]}"#;
    check(Endpoint::Chat, body, &send, expected);
    let expected = r#"{"model":"b","stream":true,"messages":[1]}"#;
    check(
        Endpoint::Chat,
        body,
        &Rewrite {
            ask_usage: false,
            ..send
        },
        expected,
    );
}

#[test]
fn stream_options_go_where_there_is_no_stream() {
    let check = |body: &str, expected: &str| {
        check(Endpoint::Chat, body, &AS_IT_IS, expected);
        check(
            Endpoint::Chat,
            body,
            &Rewrite {
                ask_usage: true,
                ..AS_IT_IS
            },
            expected,
        );
    };
    check(
        r#"{"stream_options":{"a":1},"model":"m","messages":[1]}"#,
        r#"{"model":"m","messages":[1]}"#,
    );
    check(
        r#"{"model":"m", "stream_options" : null , "messages":[1]}"#,
        r#"{"model":"m", "stream_options" : null , "messages":[1]}"#,
    );
    check(
        r#"{"model":"m","messages":[1] , "stream_options":{} }"#,
        r#"{"model":"m","messages":[1] }"#,
    );
    check(
        r#"{"model":"m","messages":[1],"stream":false,"stream_options":{"include_usage":true}}"#,
        r#"{"model":"m","messages":[1],"stream":false}"#,
    );
    check(
        r#"{"stream_options":{},"messages":[1],"model":"m","stream":null}"#,
        r#"{"messages":[1],"model":"m","stream":null}"#,
    );
}

#[test]
fn a_member_goes_while_others_come_at_the_same_place() {
    let send = Rewrite {
        model: "b",
        output_limit: Some(("max_tokens", 7)),
        ..AS_IT_IS
    };
    let body = r#"{"stream_options":{"a":1},"messages":[1]}"#;
    check(
        Endpoint::Chat,
        body,
        &send,
        r#"{"model":"b","max_tokens":7,"messages":[1]}"#,
    );
    let body = r#"{"messages":[1],"stream_options":{"a":1}}"#;
    check(
        Endpoint::Chat,
        body,
        &send,
        r#"{"model":"b","max_tokens":7,"messages":[1]}"#,
    );
}

#[test]
fn an_output_limit_is_put_in_and_never_doubled() {
    let check = |members: &str, name: &str, expected: &str| {
        let send = Rewrite {
            output_limit: Some((name, 42)),
            ..AS_IT_IS
        };
        check(
            Endpoint::Chat,
            &format!(r#"{{{members}"model":"m","messages":[1]}}"#),
            &send,
            expected,
        );
    };
    check(
        "",
        "max_tokens",
        r#"{"max_tokens":42,"model":"m","messages":[1]}"#,
    );
    check(
        r#""max_tokens":null,"#,
        "max_tokens",
        r#"{"max_tokens":42,"model":"m","messages":[1]}"#,
    );
    check(
        r#""max_t\u006fkens": null ,"#,
        "max_tokens",
        r#"{"max_t\u006fkens": 42 ,"model":"m","messages":[1]}"#,
    );
    check(
        r#""max_tokens":null,"#,
        "n_predict",
        r#"{"n_predict":42,"max_tokens":null,"model":"m","messages":[1]}"#,
    );
    check(
        r#""max_completion_tokens":null,"#,
        "max_completion_tokens",
        r#"{"max_completion_tokens":42,"model":"m","messages":[1]}"#,
    );
}

#[test]
fn the_form_of_vectors_is_set() {
    let check = |members: &str, encoding: Option<&str>, expected: &str| {
        let send = Rewrite {
            encoding,
            ..AS_IT_IS
        };
        check(
            Endpoint::Embeddings,
            &format!(r#"{{"model":"m","input":"a"{members}}}"#),
            &send,
            expected,
        );
    };
    check("", None, r#"{"model":"m","input":"a"}"#);
    check(
        "",
        Some("float"),
        r#"{"encoding_format":"float","model":"m","input":"a"}"#,
    );
    let float = r#"{"model":"m","input":"a","encoding_format":"float"}"#;
    check(r#","encoding_format":"float""#, Some("float"), float);
    check(r#","encoding_format":"base64""#, Some("float"), float);
    check(r#","encoding_format":null"#, Some("float"), float);
    check(
        r#","stream":true,"stream_options":{}"#,
        None,
        r#"{"model":"m","input":"a","stream":true}"#,
    );
}

#[test]
fn a_body_that_says_it_all_is_left_alone() {
    let body =
        r#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#;
    let head = read(Endpoint::Chat, body.as_bytes()).unwrap();
    let send = Rewrite {
        ask_usage: true,
        ..AS_IT_IS
    };
    assert_eq!(head.edits(&send), []);
}

#[test]
fn everything_else_stays_to_the_last_byte() {
    let rest = r#" "seed" : 9223372036854775807,"x":{"foo":[1e400,-0,0.1000000000000000055,18446744073709551615,"\ud800\u2028"]},
        "logit_bias":{"50256":-100,"50256":1},"messages":[{"content":"é😀\/"}]} "#;
    let body = format!(r#"{{"model":"alias",{rest}"#);
    check(
        Endpoint::Chat,
        &body,
        &AS_IT_IS,
        &format!(r#"{{"model":"m",{rest}"#),
    );
}

#[test]
fn a_plan_survives_odd_pieces_and_edits() {
    let insert = |at: u64, with: &str| Edit {
        at: at..at,
        with: with.into(),
    };
    let keep = |piece, range| Segment::Keep { piece, range };
    assert_eq!(plan(vec![], []), []);
    assert_eq!(plan(vec![], [0, 3, 0]), [keep(1, 0..3)]);
    assert_eq!(
        plan(vec![insert(0, "a")], []),
        [Segment::Insert(b"a".to_vec())]
    );
    assert_eq!(
        plan(vec![insert(2, "a")], [2]),
        [keep(0, 0..2), Segment::Insert(b"a".to_vec())]
    );
    assert_eq!(
        plan(
            vec![Edit {
                at: 1..9,
                with: vec![]
            }],
            [2, 3, 5]
        ),
        [keep(0, 0..1), keep(2, 4..5)]
    );
    assert_eq!(
        plan(
            vec![Edit {
                at: 0..3,
                with: vec![]
            }],
            [1, 1, 1]
        ),
        []
    );
}
