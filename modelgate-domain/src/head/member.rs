//! The top-level members that the gateway reads.

/// One of them. Twice in a body, it is refused: the gateway and a backend could believe different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Model,
    Messages,
    Prompt,
    Input,
    Stream,
    StreamOptions,
    N,
    BestOf,
    MaxTokens,
    MaxCompletionTokens,
    NPredict,
    EncodingFormat,
    Tools,
    Functions,
    Dimensions,
}

const NAMES: [(Member, &str); Member::COUNT] = [
    (Member::Model, "model"),
    (Member::Messages, "messages"),
    (Member::Prompt, "prompt"),
    (Member::Input, "input"),
    (Member::Stream, "stream"),
    (Member::StreamOptions, "stream_options"),
    (Member::N, "n"),
    (Member::BestOf, "best_of"),
    (Member::MaxTokens, "max_tokens"),
    (Member::MaxCompletionTokens, "max_completion_tokens"),
    (Member::NPredict, "n_predict"),
    (Member::EncodingFormat, "encoding_format"),
    (Member::Tools, "tools"),
    (Member::Functions, "functions"),
    (Member::Dimensions, "dimensions"),
];

impl Member {
    pub(super) const COUNT: usize = 15;

    /// Limits on the length of one answer. A backend obeys one of them or another, so all count.
    pub(super) const LIMITS: [Self; 3] =
        [Self::MaxTokens, Self::MaxCompletionTokens, Self::NPredict];

    /// The member whose name this key is, be it in other letters, such as `Model`: some backends do not mind.
    pub(super) fn resembled(key: &[u8]) -> Option<Self> {
        if key.is_ascii() {
            return named(key);
        }
        // Upper case first: there are letters beside ASCII that have an ASCII one as their upper case.
        let key = std::str::from_utf8(key).ok()?;
        named(key.to_uppercase().to_lowercase().as_bytes())
    }

    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize].1
    }
}

fn named(key: &[u8]) -> Option<Member> {
    let same = |name: &str| name.as_bytes().eq_ignore_ascii_case(key);
    let found = NAMES.iter().find(|(_, name)| same(name));
    found.map(|(member, _)| *member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_members_belong_together() {
        for (index, (member, name)) in NAMES.into_iter().enumerate() {
            assert_eq!(member as usize, index);
            assert_eq!(member.name(), name);
            assert_eq!(Member::resembled(name.as_bytes()), Some(member));
        }
    }

    #[test]
    fn names_are_recognised_in_other_letters() {
        for key in [
            "Model",
            "MODEL",
            "\u{17f}tream",
            "max_to\u{212a}ens",
            "model",
        ] {
            assert!(Member::resembled(key.as_bytes()).is_some(), "{key}");
        }
        for key in [
            "",
            "models",
            "mödel",
            "м\u{43e}del",
            "top_p",
            "max-tokens",
            "N_",
        ] {
            assert_eq!(Member::resembled(key.as_bytes()), None, "{key}");
        }
    }
}
