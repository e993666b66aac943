//! Values of flags: numbers that may be `none`, kinds of backends, lists.

use bpaf::{Parser, long, short};
use modelgate_domain::BackendKind;
use serde_json::Value;

/// `none` or a number from 1, as the admin API takes it: `null` or a number.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a parser hands over what it read"
)]
pub(super) fn limit(text: String) -> Result<Value, String> {
    if matches!(text.as_str(), "none" | "null") {
        return Ok(Value::Null);
    }
    match text.replace('_', "").parse::<u64>() {
        Ok(number) if number > 0 => Ok(number.into()),
        _ => Err("write a whole number from 1, or none".to_owned()),
    }
}

/// A word, or `none`.
pub(super) fn word(text: String) -> Value {
    if text == "none" {
        Value::Null
    } else {
        text.into()
    }
}

/// Commas part the entries.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a parser hands over what it read"
)]
pub(super) fn list(text: String) -> Value {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect()
}

/// `-b` with a kind of backend.
pub(super) fn backend(help: &'static str) -> impl Parser<String> {
    let flag = short('b')
        .long("backend")
        .help(help)
        .argument::<String>("KIND");
    flag.guard(
        |text| BackendKind::parse(text).is_some(),
        "kinds are ollama, vllm, llamacpp, openai, api3 and echo",
    )
}

/// `--NAME true|false`.
pub(super) fn truth(name: &'static str, letter: char, help: &'static str) -> impl Parser<bool> {
    long(name)
        .short(letter)
        .help(help)
        .argument::<bool>("true|false")
}
