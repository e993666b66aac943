//! However the network cuts a stream, the client sees the same; and cut off, it is never complete.

use proptest::prelude::*;

use super::recorded::{CHATS, COMPLETIONS, FAILURES};
use super::streams::{Told, plan, run};
use crate::backend::ollama::chunks::Style;

fn recorded() -> Vec<(Style, &'static str)> {
    let chats = CHATS
        .into_iter()
        .chain(FAILURES)
        .map(|stream| (Style::Chat, stream));
    chats
        .chain(
            COMPLETIONS
                .into_iter()
                .map(|stream| (Style::Completion, stream)),
        )
        .collect()
}

fn told(style: Style, pieces: &[&[u8]]) -> Told {
    run(plan(style, true), pieces)
}

/// What a client can tell two streams apart by.
fn seen(
    told: &Told,
) -> (
    &str,
    Option<modelgate_domain::TokenUsage>,
    u32,
    Option<String>,
) {
    (
        &told.events,
        told.usage,
        told.deltas,
        told.error.as_ref().map(ToString::to_string),
    )
}

#[test]
fn case_78_every_split_point_gives_the_same_stream() {
    for (style, stream) in recorded() {
        let whole = told(style, &[stream.as_bytes()]);
        for at in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(at);
            assert_eq!(
                seen(&told(style, &[first, second])),
                seen(&whole),
                "cut at {at}: {stream}"
            );
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(
            seen(&told(style, &bytes)),
            seen(&whole),
            "byte by byte: {stream}"
        );
    }
}

#[test]
fn a_stream_cut_off_at_any_byte_is_not_complete() {
    for (style, stream) in recorded() {
        let mut was_complete = false;
        for at in 0..stream.len() {
            let cut = told(style, &[&stream.as_bytes()[..at]]);
            // Once the last line is there as a whole, nothing that follows matters.
            let is_complete = ends_well(&stream[..floor(stream, at)]);
            assert_eq!(cut.error.is_none(), is_complete, "cut at {at}: {stream}");
            assert_eq!(
                cut.events.contains("finish_reason\":\""),
                is_complete,
                "cut at {at}: {stream}"
            );
            assert!(is_complete || !was_complete);
            was_complete = is_complete;
        }
    }
}

/// Whether one of the lines is whole and says that the answer is, with no broken one before it.
fn ends_well(stream: &str) -> bool {
    let mut has_reason = false;
    for line in stream
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
            return false;
        };
        if !line["error"].is_null() || line["message"]["content"].is_number() {
            return false;
        }
        has_reason |= line["done_reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty());
        if line["done"] == true {
            return true;
        }
    }
    has_reason
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_number_of_splits_gives_the_same_stream(which in 0..recorded().len(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let (style, stream) = recorded()[which];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]).collect();
        let (split, whole) = (told(style, &pieces), told(style, &[stream.as_bytes()]));
        prop_assert_eq!(seen(&split), seen(&whole));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), line in "\\{\"(message|done|error|response|logprobs|tool_calls)\":[\\[\\]{}\",:a0-9]{0,20}\\}\n") {
        told(Style::Chat, &[&bytes, line.as_bytes(), &bytes]);
        told(Style::Completion, &[line.as_bytes(), &bytes]);
    }
}
