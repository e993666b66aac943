//! Rewritten bodies mean what they should: against `serde_json`'s trees.

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};
use serde_json::{Map, Value};

use super::{edits::apply, *};

/// What a body should mean after a rewrite, told on its tree.
fn expected(mut body: Map<String, Value>, send: &Rewrite<'_>) -> Map<String, Value> {
    body.insert("model".into(), send.model.into());
    let stream = body.get("stream") == Some(&Value::Bool(true));
    if !stream {
        if body.get("stream_options") != Some(&Value::Null) {
            body.remove("stream_options");
        }
    } else if send.ask_usage {
        let options = body.entry("stream_options").or_insert(Value::Null);
        if !options.is_object() {
            *options = Value::Object(Map::new());
        }
        options["include_usage"] = true.into();
    }
    if let Some((name, limit)) = send.output_limit {
        body.insert(name.into(), limit.into());
    }
    body
}

fn member() -> impl Strategy<Value = (&'static str, &'static str)> {
    let known = prop::sample::select(vec![
        ("model", "\"m\""),
        ("model", "\"other\""),
        ("model", "null"),
        ("stream", "true"),
        ("stream", "true"),
        ("stream", "false"),
        ("stream_options", "null"),
        ("stream_options", "{}"),
        ("stream_options", "{\"include_usage\":false}"),
        ("stream_options", " {\"a\":[{}] , \"include_usage\":true} "),
        ("stream_options", "{ \"a\" : 1 }"),
        ("max_tokens", "null"),
        ("n_predict", "null"),
        ("n", "2"),
        ("tools", "[{\"model\":\"x\"}]"),
        ("seed", "123"),
        ("x", "{\"stream_options\":null}"),
    ]);
    known.prop_map(|member| member)
}

proptest! {
    #![proptest_config(Config::with_cases(3_000))]

    #[test]
    fn a_rewritten_body_means_what_it_should(
        members in vec((member(), "[ \\n]{0,2}"), 0..7),
        place in any::<Index>(),
        model in prop::sample::select(vec!["m", "b\"\n"]),
        ask_usage: bool,
        limit in prop::sample::select(vec![None, Some("max_tokens"), Some("n_predict")]),
        cuts in vec(any::<Index>(), 0..5),
    ) {
        let mut seen = vec![];
        let mut parts = vec![];
        for ((name, value), space) in &members {
            if !seen.contains(name) {
                seen.push(name);
                parts.push(format!("{space}\"{name}\"{space}:{value}{space}"));
            }
        }
        parts.insert(place.index(parts.len() + 1), "\"messages\":[{}]".to_owned());
        let body = format!("{{{}}}", parts.join(","));
        let send = Rewrite { model, ask_usage, output_limit: limit.map(|name| (name, 9)), encoding: None };
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.extend([0, body.len()]);
        ends.sort_unstable();
        let lengths: Vec<_> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let edits = read(Endpoint::Chat, body.as_bytes()).unwrap().edits(&send);
        let after = apply(&body, edits, &lengths);
        let meaning: Map<String, Value> = serde_json::from_str(&after).unwrap();
        prop_assert_eq!(meaning, expected(serde_json::from_str(&body).unwrap(), &send), "{}", after);
        // No member may be there twice, which the map above would not show.
        prop_assert!(read(Endpoint::Chat, after.as_bytes()).is_ok(), "{}", after);
    }
}
