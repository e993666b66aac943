//! Events before and after repair.

use modelgate_ports::test_util::sample::{NOON, request_id};

use super::*;

/// What comes of the deltas of one choice, event by event.
fn repaired(deltas: &[&str]) -> Vec<String> {
    let mut normalizer = Normalizer::new(request_id(NOON, 1), 1);
    deltas
        .iter()
        .map(|delta| {
            let event = format!("{{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}");
            let outline = Outline::read(Outline::default(), event.as_bytes()).unwrap();
            let mut edits = Vec::new();
            normalizer
                .edit(event.as_bytes(), &outline, &mut edits)
                .unwrap();
            edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
            let mut out = Vec::new();
            edit::apply(event.as_bytes(), &edits, 0..event.len(), |part| {
                out.extend_from_slice(part);
            });
            let text = String::from_utf8(out).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            let start = "{\"choices\":[{\"index\":0,\"delta\":";
            text.strip_prefix(start)
                .unwrap()
                .strip_suffix("}]}")
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The element of a delta with one tool call.
fn calls(elements: &[&str]) -> Vec<String> {
    let deltas: Vec<_> = elements
        .iter()
        .map(|element| format!("{{\"tool_calls\":[{element}]}}"))
        .collect();
    let deltas: Vec<_> = deltas.iter().map(String::as_str).collect();
    let inner = |delta: String| delta["{\"tool_calls\":[".len()..delta.len() - 2].to_owned();
    repaired(&deltas).into_iter().map(inner).collect()
}

const ID: &str = "call_019b797cda007000800000000000000100";

fn made_id(index: u64) -> String {
    let id = request_id(NOON, 1).to_string().replace('-', "");
    format!("call_{id}_0_{index}")
}

#[test]
fn case_83_a_role_is_said_once() {
    let role = r#"{"role":"assistant","content":"a"}"#;
    assert_eq!(
        repaired(&[role, role, role]),
        [role, r#"{"content":"a"}"#, r#"{"content":"a"}"#]
    );
    let last = r#"{"content":"a","role":"assistant"}"#;
    assert_eq!(repaired(&[last, last]), [last, r#"{"content":"a"}"#]);
    assert_eq!(
        repaired(&[r#"{"role":null}"#, role]),
        [r#"{"role":null}"#, role]
    );
}

#[test]
fn case_83_ids_and_names_are_said_once() {
    let first = r#"{"index":0,"id":"x","type":"function","function":{"name":"w","arguments":""}}"#;
    let more = r#"{"index":0,"id":"x","type":"function","function":{"name":"w","arguments":"{"}}"#;
    let repaired = r#"{"index":0,"type":"function","function":{"arguments":"{"}}"#;
    assert_eq!(calls(&[first, more, more]), [first, repaired, repaired]);
}

#[test]
fn case_83_a_missing_index_follows_the_order() {
    let check = |elements: &[&str], expected: &[&str]| assert_eq!(calls(elements), expected);
    check(
        &[
            r#"{"id":"x","function":{"name":"w","arguments":""}}"#,
            r#"{"function":{"arguments":"{}"}}"#,
            r#"{"id":"y","function":{"name":"w","arguments":""}}"#,
            r#"{"id":"y","function":{"arguments":"{}"}}"#,
            r#"{"id":"x"}"#,
        ],
        &[
            r#"{"index":0,"id":"x","function":{"name":"w","arguments":""}}"#,
            r#"{"index":0,"function":{"arguments":"{}"}}"#,
            r#"{"index":1,"id":"y","function":{"name":"w","arguments":""}}"#,
            r#"{"index":1,"function":{"arguments":"{}"}}"#,
            r#"{"index":0}"#,
        ],
    );
}

#[test]
fn case_83_an_empty_id_is_replaced() {
    let (first, second) = (made_id(0), made_id(1));
    assert_eq!(first.len(), ID.len() + 2);
    assert_eq!(
        calls(&[
            r#"{"index":0,"id":"","function":{"name":"w"}}"#,
            r#"{"index":0,"id":"","function":{"arguments":"{}"}}"#,
            r#"{"function":{"name":"v"}}"#,
            "{}",
        ]),
        [
            format!(r#"{{"index":0,"id":"{first}","function":{{"name":"w"}}}}"#),
            r#"{"index":0,"function":{"arguments":"{}"}}"#.to_owned(),
            format!(r#"{{"index":1,"id":"{second}","function":{{"name":"v"}}}}"#),
            r#"{"index":1}"#.to_owned(),
        ]
    );
}

#[test]
fn several_calls_in_one_event_and_odd_elements_survive() {
    let event = r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}},{"id":"b","function":{"name":"f","arguments":"2"}}]}"#;
    let expected = r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"1"}},{"index":1,"id":"b","function":{"name":"f","arguments":"2"}}]}"#;
    assert_eq!(repaired(&[event]), [expected]);
    for odd in [
        r#"{"tool_calls":[null,1,[]]}"#,
        r#"{"tool_calls":[]}"#,
        r#"{"tool_calls":{}}"#,
    ] {
        assert_eq!(repaired(&[odd]), [odd]);
    }
}

#[test]
fn a_stream_has_no_more_choices_and_calls_than_is_sane() {
    let mut normalizer = Normalizer::new(request_id(NOON, 1), 1);
    let mut takes = |choice: u64, call: u64| {
        let event = format!(
            r#"{{"choices":[{{"index":{choice},"delta":{{"tool_calls":[{{"index":{call}}}]}}}}]}}"#
        );
        let outline = Outline::read(Outline::default(), event.as_bytes()).unwrap();
        let edited = normalizer.edit(event.as_bytes(), &outline, &mut Vec::new());
        edited.is_ok()
    };
    assert!((0..128).all(|call| takes(0, call)));
    assert!(!takes(0, 128));
    assert!(takes(0, 127));
    assert!((0..128).all(|choice| takes(choice, 0)));
    assert!(!takes(128, 0));
}

proptest::proptest! {
    #[test]
    fn whatever_comes_valid_json_goes_out(parts in proptest::collection::vec((0..3_u8, 0..3_u8, 0..3_u8, 0..2_u8), 1..6)) {
        let element = |(index, id, name, other): (u8, u8, u8, u8)| {
            let mut members = Vec::new();
            members.extend(["\"index\":0", "\"index\":1"].get(usize::from(index)).copied());
            members.extend(["\"id\":\"\"", "\"id\":\"x\""].get(usize::from(id)).copied());
            members.extend(["\"function\":{\"name\":\"f\"}", "\"function\":{\"name\":\"\",\"arguments\":\"\"}"].get(usize::from(name)).copied());
            members.extend(["\"type\":\"function\""].get(usize::from(other)).copied());
            format!("{{{}}}", members.join(" , "))
        };
        let elements: Vec<_> = parts.into_iter().map(element).collect();
        calls(&elements.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
