//! Whole streams as servers send them, cut everywhere.

use std::fmt::Write;

use super::*;

/// Streams in the manner of the servers we know.
fn streams() -> Vec<String> {
    let vllm = |delta: &str, tail: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"org/real\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,{tail}}}]}}\n\n"
        )
    };
    let open = "\"finish_reason\":null";
    let words = ["Hé", "llo \\\"", "😀", "\\n", " world"];
    let text: String = words
        .map(|word| vllm(&format!("{{\"content\":\"{word}\"}}"), open))
        .concat();
    let role = vllm("{\"role\":\"assistant\",\"content\":\"\"}", open);
    let end = vllm("{}", "\"finish_reason\":\"stop\",\"stop_reason\":null");
    let usage = "data: {\"id\":\"chatcmpl-1\",\"model\":\"org/real\",\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"total_tokens\":27,\"completion_tokens\":7}}\n\n";
    let plain = format!("{role}{text}{end}{usage}data: [DONE]\n\n");
    let llamacpp = "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],\"created\":1,\"id\":\"c\",\"model\":\"org/real\",\"object\":\"chat.completion.chunk\"}\n\n:\n\ndata: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"reasoning_content\":\"Let\"}}],\"created\":1,\"id\":\"c\",\"model\":\"org/real\"}\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}],\"created\":2,\"model\":\"org/real\",\"timings\":{\"prompt_n\":1,\"predicted_n\":2}}\n\ndata: [DONE]\n\n";
    let tools = format!(
        "{role}{}{}{}data: [DONE]\n\n",
        vllm(
            "{\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"index\":0,\"function\":{\"name\":\"w\"}}]}",
            open
        ),
        vllm(
            "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"c\\\":\"}}]}",
            open
        ),
        vllm("{\"content\":\"\"}", "\"finish_reason\":\"tool_calls\""),
    );
    let failed = format!(
        "{role}{text}data: {{\"error\":{{\"message\":\"boom\",\"code\":500}}}}\n\ndata: [DONE]\n\n"
    );
    vec![
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        plain.replace("data: {", "id: 4\ndata:{"),
        plain,
        llamacpp.to_owned(),
        tools,
        failed,
    ]
}

fn relays() -> [Relay; 2] {
    let hidden = sample::chat(r#""model":"fast","stream":true"#);
    let asked = sample::chat(r#""stream":true,"stream_options":{"include_usage":true}"#);
    [relay(&hidden, false), relay(&asked, true)]
}

#[test]
fn case_68_wherever_a_stream_is_split_the_same_comes_out() {
    for text in streams() {
        let bytes = text.as_bytes();
        let whole = relays().map(|relay| run(relay, &[bytes]));
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(relays().map(|relay| run(relay, &single)), whole);
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(
                relays().map(|relay| run(relay, &[first, second])),
                whole,
                "{at} of {text}"
            );
        }
    }
}

#[test]
fn r12_a_stream_that_is_cut_before_its_finish_is_never_complete() {
    for text in streams() {
        let finish = text
            .find("\"finish_reason\":\"")
            .unwrap_or(text.len() - "[DONE]\n\n".len());
        for at in 0..finish {
            let [outcome, _] = relays().map(|relay| run(relay, &[&text.as_bytes()[..at]]));
            assert!(outcome.failure.is_some(), "cut at {at} of {text}");
        }
    }
}

#[test]
fn frames_hold_whole_events_and_nothing_else() {
    for text in streams() {
        for cut in [1, 7, 64, 4096] {
            let chunks: Vec<_> = text.as_bytes().chunks(cut).collect();
            for relay in relays() {
                let outcome = run(relay, &chunks);
                let mut rebuilt = String::new();
                for event in outcome.text.split_terminator("\n\n") {
                    let json = event.strip_prefix("data: ").unwrap();
                    let value: serde_json::Value = serde_json::from_str(json).unwrap();
                    assert!(
                        value.get("model").is_none_or(|model| model == "fast"),
                        "{json}"
                    );
                    write!(rebuilt, "data: {json}\n\n").unwrap();
                }
                assert_eq!(rebuilt, outcome.text);
            }
        }
    }
}

mod random {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = String> {
        let text = prop_oneof!["[a-z é]{0,5}", Just("\\n\\\"".to_owned())];
        let delta = (0..2_u8, text).prop_map(|(index, text)| {
            format!("{{\"model\":\"org/real\",\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":null}}")
        });
        prop_oneof![
            8 => delta,
            1 => Just("{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}".to_owned()),
            1 => Just("{\"x\": [1,  {}]}".to_owned()),
        ]
    }

    /// What should come out, by the book.
    fn expected(events: &[String]) -> String {
        let mut out = String::new();
        for event in events
            .iter()
            .filter(|event| !event.contains("prompt_tokens"))
        {
            let event = event
                .replace("org/real", "fast")
                .replace(",\"usage\":null", "");
            write!(out, "data: {event}\n\n").unwrap();
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn the_fast_way_and_the_slow_way_agree(
            events in proptest::collection::vec(event(), 1..30),
            cut in 1_usize..400,
        ) {
            let text = format!("data: {}\n\ndata: [DONE]\n\n", events.join("\n\ndata: "));
            let chunks: Vec<_> = text.as_bytes().chunks(cut).collect();
            let [outcome, _] = relays().map(|relay| run(relay, &chunks));
            prop_assert_eq!(outcome.failure, None);
            prop_assert_eq!(outcome.text, expected(&events));
        }
    }
}
