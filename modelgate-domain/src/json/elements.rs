//! The elements of an array that was checked before.

use std::ops::Range;

use super::plain::plain_end;

/// Where the elements of a JSON array are, one after the other. `array` is the array's own text, from `[` to `]`, as
/// [`members`](super::members) gives it: valid. Anything else yields spans without meaning, or none.
///
/// ```
/// let array = br#"[1, {"a": [2]}, "x,y"]"#;
/// let texts: Vec<_> = modelgate_domain::json::elements(array).map(|at| &array[at]).collect();
/// assert_eq!(texts, [&b"1"[..], br#"{"a": [2]}"#, br#""x,y""#]);
/// ```
pub fn elements(array: &[u8]) -> Elements<'_> {
    let at = if array.first() == Some(&b'[') {
        1
    } else {
        array.len()
    };
    Elements { array, at }
}

/// Whether the valid array `raw` has no elements; `false` for what is no array.
pub fn is_empty_array(raw: &[u8]) -> bool {
    raw.first() == Some(&b'[') && elements(raw).next().is_none()
}

/// See [`elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    array: &'a [u8],
    at: usize,
}

impl Iterator for Elements<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let between = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',');
        let skipped = self.array[self.at..]
            .iter()
            .position(|byte| !between(byte))?;
        let start = self.at + skipped;
        let value = &self.array[start..];
        self.at = start + value_len(value);
        (self.at > start).then_some(start..self.at)
    }
}

/// How long the value at the start of `text` is; 0 at a closing bracket.
fn value_len(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at += string_len(&text[at..]) - 1,
            b'[' | b'{' => depth += 1,
            b']' | b'}' | b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return at,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// How long the string at the start of `text` is, with its quotes.
fn string_len(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        at += plain_end(&text[at..]);
        match text.get(at) {
            Some(b'\\') => at = text.len().min(at + 2),
            Some(b'"') | None => return text.len().min(at + 1),
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_told_apart() {
        let check = |array: &str, expected: &[&str]| {
            let found: Vec<_> = elements(array.as_bytes()).map(|at| &array[at]).collect();
            assert_eq!(found, expected, "{array}");
            assert_eq!(
                is_empty_array(array.as_bytes()),
                expected.is_empty(),
                "{array}"
            );
        };
        check("[]", &[]);
        check("[ \n\t]", &[]);
        check("[1]", &["1"]);
        check("[ null ,-1.5e3\n, true ]", &["null", "-1.5e3", "true"]);
        check(
            r#"["a","","b\"]",{}]"#,
            &[r#""a""#, r#""""#, r#""b\"]""#, "{}"],
        );
        check(
            r#"[[1,[2]],{"a":[3,{"b":"}"}]},"\\"]"#,
            &["[1,[2]]", r#"{"a":[3,{"b":"}"}]}"#, r#""\\""#],
        );
    }

    #[test]
    fn what_is_no_array_has_no_elements_and_is_not_empty_either() {
        for raw in ["", "{}", "null", "\"[]\"", "1"] {
            assert_eq!(elements(raw.as_bytes()).next(), None);
            assert!(!is_empty_array(raw.as_bytes()));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(2_000))]
        #[test]
        fn no_text_makes_it_panic_or_loop(raw in "\\[[\\[\\]{},\" \\\\a1\\n]{0,24}") {
            let spans: Vec<_> = elements(raw.as_bytes()).collect();
            proptest::prop_assert!(spans.iter().all(|at| at.start < at.end && at.end <= raw.len()));
            proptest::prop_assert!(spans.len() <= raw.len());
        }
    }
}
