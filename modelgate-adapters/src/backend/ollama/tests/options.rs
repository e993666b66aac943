//! Parameters beside the prompt: sampling, limits, thinking, format, what the operator says.

use modelgate_domain::model::ModelOptions;

use super::{Setup, json};

/// Checks what a chat with these members adds to the plain native request.
fn check(setup: &Setup, members: &str, expected: &str, dropped: &[&str]) {
    let (native, left_out) = setup.chat_with(members).unwrap();
    let expected = json(&format!(
        r#"{{"model":"qwen3:8b","stream":false,{}"messages":[{{"role":"user","content":"hi"}}]{}{expected}}}"#,
        if expected.contains("\"truncate\"") {
            ""
        } else {
            r#""truncate":false,"#
        },
        if expected.is_empty() { "" } else { "," },
    ));
    assert_eq!(native, expected, "{members}");
    assert_eq!(left_out, dropped, "{members}");
}

fn taken(members: &str, expected: &str) {
    check(&Setup::default(), members, expected, &[]);
}

#[test]
fn case_16_nothing_is_sent_that_nobody_gave() {
    taken("", "");
    taken(
        r#""temperature":null,"top_p":null,"stop":null,"tools":null,"n":null,"response_format":null,"options":null"#,
        "",
    );
}

#[test]
fn sampling_goes_into_the_options_with_every_digit() {
    for name in [
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "min_p",
        "typical_p",
        "repeat_penalty",
    ] {
        let expected = format!(r#""options":{{"{name}":0.1000000000000000055}}"#);
        taken(&format!(r#""{name}":0.1000000000000000055"#), &expected);
        taken(
            &format!(r#""options":{{"{name}":0.1000000000000000055}}"#),
            &expected,
        );
    }
    for name in [
        "seed",
        "top_k",
        "repeat_last_n",
        "num_keep",
        "num_ctx",
        "num_predict",
    ] {
        let expected = format!(r#""options":{{"{name}":42}}"#);
        taken(&format!(r#""{name}":42"#), &expected);
        taken(&format!(r#""options":{{"{name}":42}}"#), &expected);
    }
    taken(
        r#""seed":9223372036854775807"#,
        r#""options":{"seed":9223372036854775807}"#,
    );
    taken(r#""temperature":1E-2"#, r#""options":{"temperature":1E-2}"#);
}

#[test]
fn the_top_level_is_stronger_than_the_options() {
    taken(
        r#""temperature":1,"options":{"temperature":0,"top_k":5}"#,
        r#""options":{"temperature":1,"top_k":5}"#,
    );
    taken(
        r#""options":{"temperature":0},"temperature":1"#,
        r#""options":{"temperature":1}"#,
    );
}

#[test]
fn case_14_stop_is_an_array_without_empty_strings() {
    for (stop, expected) in [
        (r#""END""#, r#""options":{"stop":["END"]}"#),
        (r#"["a"]"#, r#""options":{"stop":["a"]}"#),
        (
            r#"["a","","b","c","d","e"]"#,
            r#""options":{"stop":["a","b","c","d","e"]}"#,
        ),
        (r#""""#, ""),
        ("[]", ""),
        (r#"[""]"#, ""),
    ] {
        taken(&format!(r#""stop":{stop}"#), expected);
        taken(&format!(r#""options":{{"stop":{stop}}}"#), expected);
    }
}

#[test]
fn case_15_output_limits_become_num_predict() {
    let limit = |limit: i64| format!(r#""options":{{"num_predict":{limit}}}"#);
    taken(r#""max_tokens":5,"max_completion_tokens":7"#, &limit(7));
    taken(r#""max_completion_tokens":7,"max_tokens":5"#, &limit(7));
    taken(r#""max_tokens":5"#, &limit(5));
    taken(r#""max_tokens":5,"n_predict":9"#, &limit(5));
    taken(r#""n_predict":9"#, &limit(9));
    taken(r#""max_completion_tokens":0"#, &limit(0));
    taken(r#""max_tokens":5,"options":{"num_predict":-1}"#, &limit(5));
    taken(r#""num_predict":500,"max_tokens":5"#, &limit(5));
    taken(r#""num_predict":-1"#, &limit(-1));
}

#[test]
fn the_gateways_own_limit_cannot_be_talked_around() {
    let setup = Setup {
        output_limit: Some(100),
        ..Setup::default()
    };
    let check = |members: &str, limit: i64| {
        check(
            &setup,
            members,
            &format!(r#""options":{{"num_predict":{limit}}}"#),
            &[],
        );
    };
    check("", 100);
    check(r#""num_predict":-1"#, 100);
    check(r#""num_predict":0"#, 100);
    check(r#""options":{"num_predict":0}"#, 100);
    check(r#""max_tokens":0,"num_predict":7"#, 0);
    check(r#""options":{"num_predict":-2}"#, 100);
    check(r#""options":{"num_predict":99999}"#, 100);
    check(r#""options":{"num_predict":5}"#, 5);
}

#[test]
fn case_18_the_format_is_json_or_the_schema_itself() {
    let schema = r#"{"type":"object","properties":{"b":{"const":1.0},"a":{}},"minimum":1e400}"#;
    let wrapped = format!(
        r#"{{"type":"json_schema","json_schema":{{"name":"x","strict":true,"schema":{schema}}}}}"#
    );
    taken(r#""response_format":{"type":"text"}"#, "");
    taken(
        r#""response_format":{"type":"json_object"}"#,
        r#""format":"json""#,
    );
    taken(
        &format!(r#""response_format":{wrapped}"#),
        &format!(r#""format":{schema}"#),
    );
    taken(
        r#""response_format":{"type":"json_schema","json_schema":{"name":"x"}}"#,
        r#""format":"json""#,
    );
    taken(r#""format":"json""#, r#""format":"json""#);
    taken(r#""format":"""#, "");
    taken(
        &format!(r#""format":{schema}"#),
        &format!(r#""format":{schema}"#),
    );
}

#[test]
fn case_19_effort_becomes_think_for_models_that_do() {
    let thinker = Setup {
        can: Some(&["completion", "thinking"]),
        ..Setup::default()
    };
    let unknown = Setup::default();
    let other = Setup {
        can: Some(&["completion"]),
        ..Setup::default()
    };
    for (effort, think) in [
        ("none", "false"),
        ("minimal", r#""low""#),
        ("low", r#""low""#),
        ("medium", r#""medium""#),
        ("high", r#""high""#),
        ("xhigh", r#""max""#),
        ("max", r#""max""#),
    ] {
        let flat = format!(r#""reasoning_effort":"{effort}""#);
        let nested = format!(r#""reasoning":{{"effort":"{effort}"}}"#);
        for members in [flat, nested] {
            let expected = format!(r#""think":{think}"#);
            check(&thinker, &members, &expected, &[]);
            check(&unknown, &members, &expected, &[]);
            check(
                &other,
                &members,
                "",
                if effort == "none" {
                    &[]
                } else {
                    &["reasoning_effort"]
                },
            );
        }
    }
    check(&thinker, "", "", &[]);
}

#[test]
fn think_is_taken_in_the_servers_own_words() {
    let thinker = Setup {
        can: Some(&["thinking"]),
        ..Setup::default()
    };
    for think in [
        "true",
        "false",
        r#""low""#,
        r#""medium""#,
        r#""high""#,
        r#""max""#,
    ] {
        let expected = format!(r#""think":{think}"#);
        check(&thinker, &expected, &expected, &[]);
        check(
            &thinker,
            &format!(r#""options":{{{expected}}}"#),
            &expected,
            &[],
        );
        check(
            &thinker,
            &format!(r#""reasoning_effort":"low",{expected}"#),
            &expected,
            &[],
        );
    }
    let other = Setup {
        can: Some(&[]),
        ..Setup::default()
    };
    check(&other, r#""think":true"#, "", &["think"]);
}

#[test]
fn keep_alive_truncate_and_shift_go_to_the_top() {
    for members in [
        r#""keep_alive":"5m","truncate":true,"shift":false"#,
        r#""options":{"keep_alive":"5m","truncate":true,"shift":false}"#,
    ] {
        taken(
            members,
            r#""keep_alive":"5m","truncate":true,"shift":false"#,
        );
    }
    taken(r#""keep_alive":-1"#, r#""keep_alive":-1"#);
    taken(r#""keep_alive":"300""#, r#""keep_alive":300"#);
}

#[test]
fn the_operator_has_the_last_word() {
    let options = ModelOptions {
        num_ctx: Some(8192),
        keep_alive: Some("-1".into()),
        truncate: true,
        ..ModelOptions::default()
    };
    let setup = Setup {
        options,
        ..Setup::default()
    };
    let theirs = r#""options":{"num_ctx":8192},"keep_alive":-1,"truncate":true"#;
    check(&setup, "", theirs, &[]);
    check(&setup, r#""num_ctx":8192,"keep_alive":"-1""#, theirs, &[]);
    check(
        &setup,
        r#""options":{"num_ctx":131072},"keep_alive":0"#,
        theirs,
        &["num_ctx", "keep_alive"],
    );
    check(
        &setup,
        r#""truncate":false"#,
        r#""options":{"num_ctx":8192},"keep_alive":-1,"truncate":false"#,
        &[],
    );
}

#[test]
fn logprobs_are_asked_for_by_the_same_names() {
    taken(r#""logprobs":true"#, r#""logprobs":true"#);
    taken(
        r#""logprobs":true,"top_logprobs":3"#,
        r#""logprobs":true,"top_logprobs":3"#,
    );
    taken(r#""logprobs":false,"top_logprobs":0"#, "");
}

#[test]
fn what_cannot_be_passed_on_is_told() {
    let left_out = |members: &str, dropped: &[&str]| check(&Setup::default(), members, "", dropped);
    left_out(
        r#""logit_bias":{"50256":-100},"verbosity":"low","web_search_options":{}"#,
        &["logit_bias", "verbosity", "web_search_options"],
    );
    left_out(
        r#""user":"u","metadata":{"a":"b"},"store":true,"service_tier":"flex","prompt_cache_key":"k""#,
        &[
            "user",
            "metadata",
            "store",
            "service_tier",
            "prompt_cache_key",
        ],
    );
    left_out(
        r#""prediction":{"type":"content","content":"x"},"modalities":["text","audio"],"foo":1"#,
        &["prediction", "modalities", "foo"],
    );
    left_out(
        r#""parallel_tool_calls":false,"reasoning":{"summary":"auto"}"#,
        &["parallel_tool_calls", "reasoning.summary"],
    );
    left_out(
        r#""options":{"num_gpu":99,"mirostat":1}"#,
        &["options.num_gpu", "options.mirostat"],
    );
    left_out(
        r#""n":1,"parallel_tool_calls":true,"store":false,"logit_bias":{},"modalities":["text"],"stream_options":{"include_usage":true}"#,
        &[],
    );
}
