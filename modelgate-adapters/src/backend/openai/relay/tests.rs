//! Streams in, frames out, without a connection.

use bytes::Bytes;
use modelgate_domain::TokenUsage;
use modelgate_ports::driven::BackendFault;

use super::*;
use crate::backend::sample::{self, Asked};

mod recorded;

/// All that came of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    text: String,
    usage: Option<TokenUsage>,
    deltas: u32,
    /// The fault and message at the end.
    failure: Option<(BackendFault, String)>,
}

fn relay(asked: &Asked, normalize: bool) -> Relay {
    let call = asked.call();
    Relay::new(&call, Names::of(&call, None), normalize)
}

fn run(mut relay: Relay, chunks: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut chunks = chunks.iter();
    loop {
        match relay.step() {
            Ok(Step::Frame(frame)) => {
                outcome
                    .text
                    .push_str(std::str::from_utf8(&frame.bytes).unwrap());
                outcome.usage = frame.usage.or(outcome.usage);
                outcome.deltas += frame.deltas;
            }
            Ok(Step::Hungry) => match chunks.next() {
                Some(chunk) => relay.feed(Bytes::copy_from_slice(chunk)),
                None => relay.feed_end(),
            },
            Ok(Step::Done) => return outcome,
            Err(error) => {
                outcome.failure = Some((error.fault, error.message));
                return outcome;
            }
        }
    }
}

fn plain(text: &str) -> Outcome {
    run(
        relay(&sample::chat(r#""model":"fast","stream":true"#), false),
        &[text.as_bytes()],
    )
}

fn with_usage(text: &str) -> Outcome {
    let asked = sample::chat(r#""stream":true,"stream_options":{"include_usage":true}"#);
    run(relay(&asked, false), &[text.as_bytes()])
}

const fn usage(prompt: u64, completion: u64) -> TokenUsage {
    TokenUsage {
        prompt,
        cached: 0,
        completion,
        reasoning: 0,
    }
}

const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#[test]
fn case_25_every_chunk_shows_the_clients_name() {
    let outcome = plain(
        "data: {\"id\":\"1\",\"model\":\"org/real\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"1\",\"model\":\"org/real\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"1\",\"model\":\"\",\"choices\":[{\"index\":0,\"delta\":{\"model\":\"org/real\"},\"finish_reason\":\"stop\"}]}\n\n\
         data: [DONE]\n\n",
    );
    assert_eq!(
        outcome.text,
        "data: {\"id\":\"1\",\"model\":\"fast\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"1\",\"model\":\"fast\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"1\",\"model\":\"fast\",\"choices\":[{\"index\":0,\"delta\":{\"model\":\"org/real\"},\"finish_reason\":\"stop\"}]}\n\n"
    );
    assert_eq!((outcome.deltas, outcome.failure), (3, None));
}

#[test]
fn events_that_need_no_change_lie_where_they_came() {
    let mut relay = relay(&sample::chat(r#""stream":true"#), false);
    let event =
        "data: {\"model\":\"fast\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let chunk = Bytes::from(event.repeat(5));
    relay.feed(chunk.clone());
    let Ok(Step::Frame(frame)) = relay.step() else {
        panic!("a frame")
    };
    assert_eq!(frame.bytes, chunk);
    assert_eq!(frame.bytes.as_ptr(), chunk.as_ptr());
    assert_eq!(frame.deltas, 5);
}

const USAGE: &str = "data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";

#[test]
fn case_64_usage_is_shown_to_those_who_asked() {
    let text = format!(
        "data: {{\"id\":\"1\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":null}}\n\n{USAGE}data: [DONE]\n\n"
    );
    let asked = with_usage(&text);
    assert_eq!(asked.text, text.trim_end_matches("data: [DONE]\n\n"));
    assert_eq!((asked.usage, asked.failure), (Some(usage(5, 2)), None));
    let hidden = plain(&text);
    assert_eq!(
        hidden.text,
        "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    );
    assert_eq!((hidden.usage, hidden.failure), (Some(usage(5, 2)), None));
}

#[test]
fn case_65_the_last_usage_counts() {
    let event = |count: u64| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\"}}}}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":{count}}}}}\n\n"
        )
    };
    let text = [event(1), event(2), event(3), "data: [DONE]\n\n".to_owned()].concat();
    let outcome = plain(&text);
    assert_eq!((outcome.usage, outcome.deltas), (Some(usage(5, 3)), 3));
    assert_eq!(
        outcome.text,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".repeat(3)
    );
}

#[test]
fn case_66_an_event_without_choices_is_not_mistaken_for_usage() {
    let azure = "data: {\"choices\":[],\"id\":\"\",\"prompt_filter_results\":[{\"a\":1}]}\n\n";
    let outcome = plain(&format!(
        "{azure}data: {{\"choices\":null}}\n\n{FINISH}data: [DONE]\n\n"
    ));
    assert_eq!(
        outcome.text,
        format!("{azure}data: {{\"choices\":null}}\n\n{FINISH}")
    );
    let outcome = plain(&format!(
        "data: {{\"choices\":[],\"x\":1,\"usage\":null}}\n\n{FINISH}"
    ));
    assert_eq!(
        outcome.text,
        format!("data: {{\"choices\":[],\"x\":1}}\n\n{FINISH}")
    );
}

#[test]
fn case_67_what_goes_out_is_well_formed_whatever_came() {
    let outcome = plain(
        ": hello\r\n\r\nid: 1\r\nevent: chunk\r\nretry: 5\r\ndata:{\"choices\":[],\r\ndata: \"a\":1}\r\n\r\n\
         event: ping\r\n\r\n: OPENROUTER PROCESSING\n\ndata: {\"choices\":[{\"finish_reason\":\"eos\"}]}",
    );
    assert_eq!(
        outcome.text,
        "data: {\"choices\":[], \"a\":1}\n\ndata: {\"choices\":[{\"finish_reason\":\"eos\"}]}\n\n"
    );
    assert_eq!(outcome.failure, None);
}

#[test]
fn case_70_an_event_that_is_no_json_ends_the_stream() {
    for bad in [
        "{\"choices\":[",
        "nonsense",
        "[]",
        "1",
        "{\"a\":1}}",
        "{\"a\":\"\u{1}\"}",
    ] {
        let outcome = plain(&format!("{FINISH}data: {bad}\n\n{FINISH}data: [DONE]\n\n"));
        assert_eq!(outcome.text, FINISH, "{bad}");
        let message = "the model server sent an event that is no JSON".to_owned();
        assert_eq!(
            outcome.failure,
            Some((BackendFault::Failed, message)),
            "{bad}"
        );
    }
    let relay = relay(&sample::chat(r#""stream":true"#), false);
    let outcome = run(relay, &[b"data: {\"a\":\"\xff\"}\n\n"]);
    assert!(outcome.failure.is_some());
}

#[test]
fn case_71_without_done_every_choice_must_have_finished() {
    let delta = "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
    assert_eq!(plain(&format!("{delta}{FINISH}")).failure, None);
    let cut = plain(delta);
    assert_eq!(cut.text, delta);
    let message = "the model server's answer ended early".to_owned();
    assert_eq!(cut.failure, Some((BackendFault::Failed, message)));
    assert_eq!(plain(&format!("{delta}data: [DONE]\n\n")).failure, None);
    assert!(plain("").failure.is_some());
    let two = sample::chat(r#""stream":true,"n":2"#);
    let of_two = |text: &str| {
        run(relay(&two, false), &[text.as_bytes()])
            .failure
            .is_none()
    };
    let second = FINISH.replace("\"index\":0", "\"index\":1");
    assert!(!of_two(FINISH));
    assert!(of_two(&format!("{FINISH}{second}")));
    assert!(!of_two(&format!(
        "{FINISH}{}",
        delta.replace("\"index\":0", "\"index\":1")
    )));
}

#[test]
fn case_71_usage_that_was_asked_for_is_made_up_from_what_is_known() {
    let finish = "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],\"timings\":{\"cache_n\":1,\"prompt_n\":2,\"predicted_n\":4}}\n\n";
    let made_up = "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"fast\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":1},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n";
    for end in ["", "data: [DONE]\n\n"] {
        assert_eq!(
            with_usage(&format!("{finish}{end}")).text,
            format!("{finish}{made_up}")
        );
        assert_eq!(plain(&format!("{finish}{end}")).text, finish);
    }
    assert_eq!(with_usage(FINISH).text, FINISH);
}

#[test]
fn case_73_errors_in_any_shape_end_the_stream_once() {
    let check = |event: &str, message: &str| {
        let outcome = plain(&format!("{FINISH}{event}\n\n{FINISH}data: [DONE]\n\n"));
        assert_eq!(outcome.text, FINISH, "{event}");
        assert_eq!(
            outcome.failure.map(|(_, message)| message).as_deref(),
            Some(message),
            "{event}"
        );
    };
    check(
        r#"data: {"error":{"message":"boom","type":"server_error"}}"#,
        "boom",
    );
    check(r#"data: {"error":"boom"}"#, "boom");
    check(
        r#"data: {"error":true}"#,
        "the model server failed (status 500)",
    );
    check("event: error\ndata: {\"message\":\"boom\"}", "boom");
    check(
        "event: error\ndata: boom",
        "the model server failed (status 500)",
    );
    check(
        r#"data: {"object":"error","message":"boom","code":500}"#,
        "boom",
    );
    check(r#"data: {"detail":"boom"}"#, "boom");
    check(
        r#"data: {"choices":[{"finish_reason":"error"}],"error":{"code":502,"message":"model org/real died"}}"#,
        "model fast died",
    );
    let outcome = plain(&format!(
        "data: {{\"error\":null,\"choices\":[]}}\n\n{FINISH}"
    ));
    assert_eq!(outcome.failure, None);
}

#[test]
fn case_85_what_the_gateway_does_not_know_passes_unchanged() {
    let events = [
        r#"{"choices":[{"index":0,"delta":{"reasoning":"a","reasoning_content":"a","reasoning_details":[{"x":1}]}}],"obfuscation":"zzz"}"#,
        r#"{"choices":[{"index":0,"delta":{"audio":{"id":"a","data":"AA=="}},"logprobs":{"content":[{"token":"a","logprob":-0.10000000000000001}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"refusal":"no\ud83d\ude00\ud800"},"finish_reason":"stop"}],"seed":18446744073709551616}"#,
    ];
    let text: String = events.map(|event| format!("data: {event}\n\n")).concat();
    let outcome = plain(&text);
    assert_eq!(
        (outcome.text, outcome.deltas, outcome.failure),
        (text, 3, None)
    );
}

#[test]
fn legacy_completions_are_streams_like_others() {
    let event = |text: &str, reason: &str| {
        format!(
            "data: {{\"object\":\"text_completion\",\"model\":\"org/real\",\"choices\":[{{\"text\":\"{text}\",\"index\":0,\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let text = [
        event("a", "null"),
        event("b\\n", "null"),
        event("c", "null"),
        event("", "\"stop\""),
    ]
    .concat();
    let asked = sample::asked(
        modelgate_domain::Endpoint::Completions,
        r#"{"prompt":"x","stream":true}"#,
    );
    let outcome = run(relay(&asked, false), &[text.as_bytes()]);
    assert_eq!(outcome.text, text.replace("org/real", "fast"));
    assert_eq!((outcome.deltas, outcome.failure), (3, None));
}

#[test]
fn groq_tells_usage_in_its_own_place() {
    let text = "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}}\n\n";
    assert_eq!(plain(text).usage, Some(usage(3, 1)));
}

#[test]
fn case_69_a_large_event_and_many_tiny_ones_pass() {
    let large = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":\"{}\"}}}}]}}}}]}}\n\n",
        "x".repeat(5_000_000)
    );
    let text = format!("{large}{FINISH}");
    let chunks: Vec<_> = text.as_bytes().chunks(16 * 1024).collect();
    let relayed = run(relay(&sample::chat(r#""stream":true"#), false), &chunks);
    assert_eq!(
        (relayed.text.len(), relayed.deltas, relayed.failure),
        (text.len(), 1, None)
    );
    let tiny =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".repeat(100_000);
    let relayed = plain(&format!("{tiny}{FINISH}"));
    assert_eq!((relayed.deltas, relayed.failure), (100_000, None));
}

#[test]
fn an_event_over_the_limit_is_an_error() {
    let relay = relay(&sample::chat(r#""stream":true"#), false);
    let chunk = vec![b'x'; 1024 * 1024];
    let mut chunks = vec![&b"data: "[..]];
    chunks.extend(std::iter::repeat_n(chunk.as_slice(), 17));
    let failure = run(relay, &chunks).failure.unwrap();
    assert_eq!(
        failure.1,
        "the model server sent an event that is too large"
    );
}
