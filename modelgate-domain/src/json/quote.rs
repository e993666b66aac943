//! Writing JSON strings.

use super::plain::plain_end;

/// Appends `text` as a JSON string, quotes included.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    write(text, |part| out.extend_from_slice(part.as_bytes()));
}

/// Appends `text` as a JSON string, quotes included.
///
/// ```
/// let mut out = String::from("[");
/// modelgate_domain::json::quote_into("say \"hi\"\n", &mut out);
/// assert_eq!(out, r#"["say \"hi\"\n""#);
/// ```
pub fn quote_into(text: &str, out: &mut String) {
    write(text, |part| out.push_str(part));
}

fn write(text: &str, mut push: impl FnMut(&str)) {
    push("\"");
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_end(rest.as_bytes()));
        push(plain);
        let mut characters = special.chars();
        let Some(character) = characters.next() else {
            break;
        };
        push_escape(character, &mut push);
        rest = characters.as_str();
    }
    push("\"");
}

/// Only quotes, backslashes and control characters come here.
fn push_escape(character: char, push: &mut impl FnMut(&str)) {
    match character {
        '"' => push("\\\""),
        '\\' => push("\\\\"),
        '\n' => push("\\n"),
        '\r' => push("\\r"),
        '\t' => push("\\t"),
        '\u{8}' => push("\\b"),
        '\u{c}' => push("\\f"),
        other => push(&format!("\\u{:04x}", u32::from(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_escaped_is() {
        let check = |text: &str, expected: &str| {
            let mut bytes = Vec::new();
            quote(text, &mut bytes);
            assert_eq!(String::from_utf8_lossy(&bytes), expected);
        };
        check("", r#""""#);
        check(
            "plain é 😀 \u{7f}\u{2028}/",
            "\"plain é 😀 \u{7f}\u{2028}/\"",
        );
        check("\"\\\n\r\t\u{8}\u{c}", r#""\"\\\n\r\t\b\f""#);
        check("\0\u{1f}", r#""\u0000\u001f""#);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(2_000))]
        #[test]
        fn what_is_quoted_reads_back(text in "(?s).{0,80}|[\"\\\\\\x00-\\x1f]{0,9}") {
            let mut quoted = String::new();
            quote_into(&text, &mut quoted);
            let theirs: String = serde_json::from_str(&quoted).unwrap();
            proptest::prop_assert_eq!(&theirs, &text);
            let ours = crate::json::text(quoted.as_bytes());
            proptest::prop_assert_eq!(ours.as_deref(), Some(text.as_str()));
        }
    }
}
