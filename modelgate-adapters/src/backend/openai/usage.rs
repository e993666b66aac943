//! Tokens, as servers tell them in one form or another.

use modelgate_domain::{TokenUsage, json};

/// A member that should be a count and is none.
struct NoCount;

/// OpenAI's `usage` object. `None` if it is none, or tells figures that are none.
pub(super) fn of(raw: &[u8]) -> Option<TokenUsage> {
    let names = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ];
    let found = json::members(raw, &names).ok()?;
    let [
        prompt,
        completion,
        total,
        prompt_details,
        completion_details,
    ] = found.map(|at| at.map(|at| &raw[at]).filter(|raw| !json::is_null(raw)));
    let [prompt, completion, total] = [prompt, completion, total].map(count);
    let (prompt, completion, total) = (prompt.ok()?, completion.ok()?, total.ok()?);
    let prompt = match (prompt, completion, total) {
        (Some(prompt), ..) => prompt,
        (None, completion, Some(total)) => total.saturating_sub(completion.unwrap_or(0)),
        (None, ..) => return None,
    };
    let rest = total.map_or(0, |total| total.saturating_sub(prompt));
    Some(TokenUsage {
        prompt,
        cached: part(prompt_details, "cached_tokens"),
        completion: completion.unwrap_or(rest),
        reasoning: part(completion_details, "reasoning_tokens"),
    })
}

/// llama.cpp's `timings`, which stand where no usage was asked for.
pub(super) fn of_timings(raw: &[u8]) -> Option<TokenUsage> {
    let found = json::members(raw, &["cache_n", "prompt_n", "predicted_n"]).ok()?;
    let [cached, prompt, completion] = found.map(|at| at.and_then(|at| json::unsigned(&raw[at])));
    let cached = cached.unwrap_or(0);
    Some(TokenUsage {
        prompt: cached.saturating_add(prompt?),
        cached,
        completion: completion?,
        reasoning: 0,
    })
}

/// Groq's `x_groq`, which holds a `usage`.
pub(super) fn of_groq(raw: &[u8]) -> Option<TokenUsage> {
    let [usage] = json::members(raw, &["usage"]).ok()?;
    of(&raw[usage?])
}

/// A count that may be missing.
fn count(raw: Option<&[u8]>) -> Result<Option<u64>, NoCount> {
    raw.map(|raw| json::unsigned(raw).ok_or(NoCount))
        .transpose()
}

fn part(details: Option<&[u8]>, name: &str) -> u64 {
    let value = |raw: &[u8]| {
        let [value] = json::members(raw, &[name]).ok()?;
        json::unsigned(&raw[value?])
    };
    details.and_then(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> TokenUsage {
        TokenUsage {
            prompt,
            cached,
            completion,
            reasoning,
        }
    }

    #[test]
    fn usage_is_read_and_rubbish_is_not() {
        let check = |raw: &str, expected| assert_eq!(of(raw.as_bytes()), expected, "{raw}");
        check(
            r#"{"prompt_tokens":20,"total_tokens":27,"completion_tokens":7}"#,
            Some(usage(20, 0, 7, 0)),
        );
        check(
            r#"{"prompt_tokens":9,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},
                "completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":0}}"#,
            Some(usage(9, 4, 5, 3)),
        );
        check(
            r#"{"prompt_tokens":8,"total_tokens":8}"#,
            Some(usage(8, 0, 0, 0)),
        );
        check(
            r#"{"prompt_tokens":8,"completion_tokens":null,"total_tokens":10}"#,
            Some(usage(8, 0, 2, 0)),
        );
        check(
            r#"{"total_tokens":10,"completion_tokens":4}"#,
            Some(usage(6, 0, 4, 0)),
        );
        check(
            r#"{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":null}"#,
            Some(usage(1, 0, 2, 0)),
        );
        check(
            r#"{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":[1]}"#,
            Some(usage(1, 0, 2, 0)),
        );
        check(r#"{"prompt_tokens":-1,"completion_tokens":2}"#, None);
        check(r#"{"prompt_tokens":1,"completion_tokens":"2"}"#, None);
        check(r#"{"prompt_tokens":1,"completion_tokens":1e99}"#, None);
        check(r#"{"completion_tokens":2}"#, None);
        check("{}", None);
        check("null", None);
        check("[]", None);
    }

    #[test]
    fn other_forms_are_read_too() {
        assert_eq!(
            of_timings(br#"{"cache_n":3,"prompt_n":2,"predicted_n":7,"x":1.5}"#),
            Some(usage(5, 3, 7, 0))
        );
        assert_eq!(
            of_timings(br#"{"prompt_n":2,"predicted_n":7}"#),
            Some(usage(2, 0, 7, 0))
        );
        assert_eq!(of_timings(br#"{"prompt_n":2}"#), None);
        let groq = br#"{"id":"r","usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        assert_eq!(of_groq(groq), Some(usage(1, 0, 2, 0)));
        assert_eq!(of_groq(br#"{"id":"r"}"#), None);
    }
}
