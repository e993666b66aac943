//! What the echo was told.

use modelgate_domain::{Endpoint, json};

/// The texts to answer, and how many tokens all that was said has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// One for a chat; one for each prompt or input otherwise.
    pub(super) texts: Vec<String>,
    pub(super) tokens: u64,
    /// How many answers there shall be to each.
    pub(super) answers: u64,
}

impl Prompt {
    /// Reads a body that is known to be a valid request.
    pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Self {
        let names = ["messages", "prompt", "input", "n"];
        let found = json::members(body, &names).unwrap_or([const { None }; 4]);
        let [messages, prompt, input, n] = found.map(|at| at.map_or(&b"null"[..], |at| &body[at]));
        let (texts, tokens) = match endpoint {
            Endpoint::Chat => chat(messages),
            Endpoint::Completions => texts(prompt),
            Endpoint::Embeddings => texts(input),
        };
        Self {
            texts,
            tokens,
            answers: json::unsigned(n).unwrap_or(1).max(1),
        }
    }
}

/// Tokens are words here.
pub(super) fn tokens(text: &str) -> u64 {
    (text.split_whitespace().count() as u64).max(1)
}

/// The text of the last message of a user, or of the last message at all.
fn chat(messages: &[u8]) -> (Vec<String>, u64) {
    let mut count = 0;
    let (mut last, mut last_of_user) = (String::new(), None);
    for message in json::elements(messages) {
        let message = &messages[message];
        let [role, content] = json::members(message, &["role", "content"]).unwrap_or([None, None]);
        last = content
            .map(|at| content_text(&message[at]))
            .unwrap_or_default();
        count += tokens(&last);
        if role.is_some_and(|at| &message[at] == b"\"user\"") {
            last_of_user = Some(last.clone());
        }
    }
    (vec![last_of_user.unwrap_or(last)], count.max(1))
}

/// A string, or the texts among the parts of an array.
fn content_text(content: &[u8]) -> String {
    if let Some(text) = json::text(content) {
        return text.into_owned();
    }
    let part = |part: &[u8]| {
        let [text] = json::members(part, &["text"]).ok()?;
        json::text(&part[text?]).map(String::from)
    };
    json::elements(content)
        .filter_map(|at| part(&content[at]))
        .collect()
}

/// A string, an array of strings, one list of tokens or several.
fn texts(raw: &[u8]) -> (Vec<String>, u64) {
    let items: Vec<&[u8]> = json::elements(raw).map(|at| &raw[at]).collect();
    let is_one = items.is_empty()
        || items[0]
            .first()
            .is_some_and(|first| !b"[\"".contains(first));
    let texts: Vec<String> = if is_one {
        vec![text(raw)]
    } else {
        items.into_iter().map(text).collect()
    };
    let tokens = texts.iter().map(|text| tokens(text)).sum();
    (texts, tokens)
}

/// A string as it is; a list of tokens as words.
fn text(raw: &[u8]) -> String {
    if let Some(text) = json::text(raw) {
        return text.into_owned();
    }
    let numbers: Vec<_> = json::elements(raw)
        .map(|at| String::from_utf8_lossy(&raw[at]))
        .collect();
    numbers.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_the_user_count() {
        let check = |messages: &str, text: &str, tokens: u64| {
            let body = format!("{{\"messages\":{messages}}}");
            let prompt = Prompt::read(Endpoint::Chat, body.as_bytes());
            assert_eq!(
                (prompt.texts, prompt.tokens),
                (vec![text.to_owned()], tokens),
                "{messages}"
            );
        };
        check(r#"[{"role":"user","content":"hi there"}]"#, "hi there", 2);
        check(
            r#"[{"role":"system","content":"a b c"},{"role":"user","content":"x"},{"role":"assistant","content":"y"}]"#,
            "x",
            5,
        );
        check(r#"[{"role":"tool","content":"y z"}]"#, "y z", 2);
        check(
            r#"[{"role":"user","content":[{"type":"text","text":"a "},{"type":"image_url","image_url":{}},{"type":"text","text":"b"}]}]"#,
            "a b",
            2,
        );
        check(r#"[{"role":"user","content":null}]"#, "", 1);
        check(
            r#"[{"role":"user","content":"\u00e9\n\ud83d\ude00"}]"#,
            "é\n😀",
            2,
        );
    }

    #[test]
    fn prompts_of_every_form_are_texts() {
        let check = |prompt: &str, expected: &[&str], answers: u64| {
            let body = format!("{{\"prompt\":{prompt},\"n\":{answers}}}");
            let prompt = Prompt::read(Endpoint::Completions, body.as_bytes());
            assert_eq!(prompt.texts, expected);
            assert_eq!(prompt.answers, answers);
        };
        check(r#""one two""#, &["one two"], 1);
        check(r#"["a","b c"]"#, &["a", "b c"], 3);
        check("[1,2]", &["1 2"], 1);
        check("[[1,2],[3]]", &["1 2", "3"], 1);
        check("null", &[""], 1);
    }
}
