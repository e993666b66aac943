//! Why a command did not do its work: one line for people, an error object for `--json`, and an exit code.

use std::error::Error;

use serde_json::{Value, json};

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u8,
    word: &'static str,
    line: String,
    told: Option<Value>,
}

impl Failure {
    /// The start failed, though the settings are good: exit code 1.
    pub(crate) fn start(line: impl Into<String>) -> Self {
        Self::new(1, "start_failed", line)
    }

    /// Wrong usage or settings: exit code 2.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self::new(2, "usage", line)
    }

    /// The server cannot be reached: exit code 3.
    pub(crate) fn unreachable(server: &str, why: &str) -> Self {
        let hint = "`modelgate serve` starts one here, --server or MODELGATE_SERVER names another";
        Self::new(
            3,
            "unreachable",
            format!("cannot reach {server}: {why}; {hint}"),
        )
    }

    /// Something answers, but no gateway: exit code 3.
    pub(crate) fn strange(server: &str) -> Self {
        Self::new(
            3,
            "unreachable",
            format!("what answers on {server} is no ModelGate: check --server"),
        )
    }

    /// The database cannot be used: exit code 4.
    pub(crate) fn database(line: impl Into<String>) -> Self {
        Self::new(4, "database", line)
    }

    /// The server said no: exit code 1. `answer` is its error object.
    pub(crate) fn refused(answer: Value) -> Self {
        let error = &answer["error"];
        let mut line = error["message"].as_str().unwrap_or_default().to_owned();
        if let Some(param) = error["param"].as_str()
            && !line.contains(param)
        {
            line = format!("{param}: {line}");
        }
        if error["code"] == "invalid_api_key" {
            line.push_str(" Set MODELGATE_API_KEY to an admin key of this server.");
        }
        Self {
            told: Some(answer),
            ..Self::new(1, "refused", line)
        }
    }

    fn new(code: u8, word: &'static str, line: impl Into<String>) -> Self {
        Self {
            code,
            word,
            line: line.into(),
            told: None,
        }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// One line, safe to show on a terminal.
    pub(crate) fn line(&self) -> String {
        format!("modelgate: {}", crate::output::printable(&self.line))
    }

    /// The server's error object, or one of the same shape.
    pub(crate) fn object(&self) -> Value {
        let own = || json!({"error": {"message": self.line, "type": "cli_error", "param": null, "code": self.word}});
        self.told.clone().unwrap_or_else(own)
    }
}

/// The cause at the bottom, which says most about a network.
pub(crate) fn root_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

/// An error with all that caused it, on one line and without repetition.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_field_and_keeps_the_object() {
        let answer = json!({"error": {"message": "must be at least 1", "type": "invalid_request_error", "param": "quota", "code": null}});
        let failure = Failure::refused(answer.clone());
        assert_eq!(
            (failure.code(), failure.line().as_str()),
            (1, "modelgate: quota: must be at least 1")
        );
        assert_eq!(failure.object(), answer);
    }

    #[test]
    fn own_failures_have_the_same_shape() {
        let failure = Failure::usage("no API key");
        assert_eq!(
            failure.object().to_string(),
            r#"{"error":{"message":"no API key","type":"cli_error","param":null,"code":"usage"}}"#
        );
        assert_eq!(Failure::unreachable("http://h", "refused").code(), 3);
    }

    #[test]
    fn a_servers_text_cannot_steer_the_terminal() {
        let answer = json!({"error": {"message": "bad\u{1b}[2J\nname"}});
        assert_eq!(
            Failure::refused(answer).line(),
            "modelgate: bad\\u{1b}[2J\\nname"
        );
    }
}
