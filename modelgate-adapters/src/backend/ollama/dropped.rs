//! Parameters that the server cannot take: told to the client, or refused when the gateway is strict.

use modelgate_domain::json;
use modelgate_ports::driven::BackendError;
use serde_json::value::RawValue;

use super::refusal::unsupported_parameter;

/// Notes that do not change the answer: left out even by a strict gateway.
const NOTES: [&str; 10] = [
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "prediction",
    "moderation",
];

/// The names become a response header, which has its limits.
const MOST: usize = 32;

/// What was left out so far.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    names: Vec<String>,
    strict: bool,
}

impl Dropped {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            names: Vec::new(),
            strict,
        }
    }

    /// Leaves out a parameter with that value, unless the value asks for nothing anyway.
    pub(super) fn take(&mut self, name: &str, raw: &RawValue) -> Result<(), BackendError> {
        if asks_for_nothing(name, raw.get()) {
            return Ok(());
        }
        if NOTES.contains(&name) {
            self.note(name);
            return Ok(());
        }
        self.leave_out(name)
    }

    /// Leaves out a parameter that would have changed the answer.
    pub(super) fn leave_out(&mut self, name: &str) -> Result<(), BackendError> {
        if self.strict {
            return Err(unsupported_parameter(name));
        }
        self.note(name);
        Ok(())
    }

    /// Tells the client that a parameter was left out.
    pub(super) fn note(&mut self, name: &str) {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let fits_a_header = !name.is_empty() && name.len() <= 64 && name.bytes().all(is_token);
        if fits_a_header && self.names.len() < MOST && !self.names.iter().any(|known| known == name)
        {
            self.names.push(name.to_owned());
        }
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

fn asks_for_nothing(name: &str, value: &str) -> bool {
    match name {
        "logit_bias" | "metadata" => value.trim_start_matches('{').trim() == "}",
        "modalities" => json::elements(value.as_bytes()).all(|at| &value[at] == "\"text\""),
        "parallel_tool_calls" => value == "true",
        "store" | "echo" => value == "false",
        "service_tier" => matches!(value, "\"auto\"" | "\"default\""),
        "best_of" => value == "1",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(strict: bool, name: &str, value: &str) -> Result<Vec<String>, String> {
        let raw = RawValue::from_string(value.into()).unwrap();
        let mut dropped = Dropped::new(strict);
        dropped
            .take(name, &raw)
            .map_err(|error| format!("{:?} {:?}", error.code, error.param))?;
        Ok(dropped.into_names())
    }

    #[test]
    fn what_asks_for_something_is_listed_or_refused() {
        let check = |name: &str, value: &str| {
            assert_eq!(outcome(false, name, value), Ok(vec![name.to_owned()]));
            let refused = format!("Some(\"unsupported_parameter\") Some(\"{name}\")");
            assert_eq!(outcome(true, name, value), Err(refused));
        };
        check("logit_bias", r#"{"50256":-100}"#);
        check("modalities", r#"["text","audio"]"#);
        check("parallel_tool_calls", "false");
        check("web_search_options", "{}");
        check("verbosity", r#""low""#);
        check("foo.bar-baz_1", "1");
    }

    #[test]
    fn notes_are_never_refused_and_neutral_values_never_listed() {
        assert_eq!(outcome(true, "user", r#""u""#), Ok(vec!["user".to_owned()]));
        assert_eq!(outcome(true, "store", "true"), Ok(vec!["store".to_owned()]));
        for (name, value) in [
            ("logit_bias", "{ }"),
            ("metadata", "{}"),
            ("modalities", r#"["text"]"#),
            ("parallel_tool_calls", "true"),
            ("store", "false"),
            ("service_tier", r#""auto""#),
            ("best_of", "1"),
        ] {
            assert_eq!(outcome(true, name, value), Ok(vec![]), "{name}");
        }
    }

    #[test]
    fn names_that_do_not_fit_a_header_are_not_listed() {
        for name in ["", "a,b", "a\r\nset-cookie: x", "é", &"x".repeat(65)] {
            assert_eq!(outcome(false, name, "1"), Ok(vec![]), "{name:?}");
        }
    }

    #[test]
    fn the_list_has_an_end() {
        let mut dropped = Dropped::new(false);
        (0..100).for_each(|number| dropped.note(&format!("p{}", number / 2)));
        let names = dropped.into_names();
        assert_eq!((names.len(), names[31].as_str()), (32, "p31"));
    }
}
