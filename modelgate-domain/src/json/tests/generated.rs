//! Generated and damaged texts: the same verdict as `serde_json`, at any split.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};
use serde_json::value::RawValue;

use super::{super::*, scan};

/// JSON text, spelled in all the ways it can be.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        string(),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(a, value, b)| a + &value + &b);
        let member = (space(), string(), space(), inner, space())
            .prop_map(|(a, key, b, value, c)| format!("{a}{key}{b}:{value}{c}"));
        prop_oneof![
            vec(element, 0..6).prop_map(|elements| format!("[{}]", elements.join(","))),
            vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,12}",
        1 => "[é中😀\u{7f}\u{800}\u{ffff}\u{10ffff}]{1,24}",
        1 => Just("a".repeat(70)),
        1 => prop::sample::select(vec!["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"]).prop_map(str::to_owned),
        1 => "\\\\u[0-9a-fA-F]{4}",
        1 => "\\\\ud[89a-f][0-9a-f]{2}\\\\ud[c-f][0-9a-f]{2}",
        1 => prop::sample::select(vec!["usage", "\\u0075sage", "model"]).prop_map(str::to_owned),
    ];
    vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \\n\\r\\t]{1,10}"]
}

/// One way to damage a text, or not.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
    Swap(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![
        prop::sample::select(
            b"\"\\{}[]:,0-19.eEtfnu \n\x00\x1f\x7f\x80\xbf\xc0\xc3\xe4\xed\xf0\xff".to_vec()
        ),
        any::<u8>(),
    ];
    prop_oneof![
        Just(Damage::None),
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Remove),
        any::<Index>().prop_map(Damage::Truncate),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

fn damaged(mut text: Vec<u8>, damage: &Damage) -> Vec<u8> {
    let len = text.len();
    match damage {
        Damage::None => {}
        _ if text.is_empty() => {}
        Damage::Replace(at, byte) => text[at.index(len)] = *byte,
        Damage::Insert(at, byte) => text.insert(at.index(len + 1), *byte),
        Damage::Remove(at) => drop(text.remove(at.index(len))),
        Damage::Truncate(at) => text.truncate(at.index(len)),
        Damage::Swap(a, b) => text.swap(a.index(len), b.index(len)),
    }
    text
}

/// Cuts `text` at these places.
fn pieces<'a>(text: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #![proptest_config(Config::with_cases(6_000))]

    /// A raw value is checked without being understood, so lone surrogates pass there as they do here.
    #[test]
    fn the_verdict_is_that_of_serde_json(
        text in json(),
        first in damage(),
        second in damage(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let text = damaged(damaged(text.into_bytes(), &first), &second);
        let theirs = serde_json::from_slice::<Box<RawValue>>(&text).is_ok();
        let ours = scan([&text[..]]);
        prop_assert_eq!(ours.is_ok(), theirs, "{:?} of {:?}", ours, String::from_utf8_lossy(&text));
        prop_assert_eq!(scan(pieces(&text, &cuts)), ours);
    }

    #[test]
    fn undamaged_texts_pass_and_bytes_never_panic(text in json(), noise in vec(any::<u8>(), 0..40)) {
        prop_assert!(scan([text.as_bytes()]).is_ok(), "{}", text);
        let ours = scan([&noise[..]]).is_ok();
        let theirs = serde_json::from_slice::<Box<RawValue>>(&noise).is_ok();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn members_and_elements_are_those_of_serde_json(text in vec((string(), json()), 0..5)) {
        let members_text: Vec<_> = text.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let doc = format!("{{{}}}", members_text.join(" ,"));
        let [usage, model] = members(doc.as_bytes(), &["usage", "model"]).unwrap();
        if let Ok(theirs) = serde_json::from_str::<HashMap<String, Box<RawValue>>>(&doc) {
            let expected = |name: &str| theirs.get(name).map(|value| value.get());
            prop_assert_eq!(usage.map(|at| &doc[at]), expected("usage"));
            prop_assert_eq!(model.map(|at| &doc[at]), expected("model"));
        }
        let values: Vec<_> = text.iter().map(|(_, value)| value.as_str()).collect();
        let array = format!("[ {} ]", values.join(" ,\n"));
        let found: Vec<_> = elements(array.as_bytes()).map(|at| &array[at]).collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn text_is_that_of_serde_json(raw in string()) {
        let theirs = serde_json::from_str::<String>(&raw).ok();
        let ours = text(raw.as_bytes());
        prop_assert_eq!(ours.as_deref(), theirs.as_deref());
    }
}
