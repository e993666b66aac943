//! What the parser has to say instead of a command: help on stdout, or what is wrong with the arguments.

use bpaf::ParseFailure;

/// Help, the version, or what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Help(String),
    Wrong(String),
}

impl From<ParseFailure> for Told {
    fn from(failure: ParseFailure) -> Self {
        match failure {
            ParseFailure::Stdout(text, full) => {
                let text = text.monochrome(full);
                Self::Help(text.strip_prefix("Version: ").unwrap_or(&text).to_owned())
            }
            ParseFailure::Completion(text) => Self::Help(text),
            ParseFailure::Stderr(text) => Self::Wrong(without_keys(&text.monochrome(true))),
        }
    }
}

/// A key that was typed in the wrong place is not repeated on the screen.
fn without_keys(text: &str) -> String {
    let is_key = |word: &str| {
        word.trim_start_matches(['`', '\'', '"']).starts_with("mg-") && word.len() > 16
    };
    let words = text
        .split_whitespace()
        .map(|word| if is_key(word) { "mg-…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_repeated() {
        assert_eq!(
            without_keys("`mg-0123456789abcdef` is not\nexpected"),
            "mg-… is not expected"
        );
        assert_eq!(
            without_keys("no such command: `mg-x`"),
            "no such command: `mg-x`"
        );
    }
}
