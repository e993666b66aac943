//! Changes to a document that is in memory as a whole.

use std::ops::Range;

/// Bytes `at` become `with`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit<T> {
    pub(super) at: Range<usize>,
    pub(super) with: T,
}

impl<T> Edit<T> {
    pub(super) fn new(at: Range<usize>, with: T) -> Self {
        Self { at, with }
    }
}

/// Hands out the part `within` of the document after `edits`, which are sorted and do not overlap, piece by piece.
pub(super) fn apply<'a, T: AsRef<[u8]>>(
    document: &'a [u8],
    edits: &'a [Edit<T>],
    within: Range<usize>,
    mut out: impl FnMut(&'a [u8]),
) {
    let mut done = within.start;
    let inside = |edit: &&Edit<T>| edit.at.start >= within.start && edit.at.end <= within.end;
    for edit in edits.iter().filter(inside) {
        out(&document[done..edit.at.start]);
        out(edit.with.as_ref());
        done = edit.at.end;
    }
    out(&document[done..within.end]);
}

/// Where the member stands whose value is `value`, with the comma that goes when it goes. The document is valid JSON.
pub(super) fn member(document: &[u8], value: &Range<usize>) -> Range<usize> {
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let after = value.end
        + document[value.end..]
            .iter()
            .take_while(|byte| is_white(byte))
            .count();
    let start = key_start(document, value.start);
    if document.get(after) == Some(&b',') {
        let rest = &document[after + 1..];
        return start..after + 1 + rest.iter().take_while(|byte| is_white(byte)).count();
    }
    let before = document[..start].iter().rposition(|byte| !is_white(byte));
    match before {
        Some(comma) if document[comma] == b',' => comma..value.end,
        _ => start..value.end,
    }
}

/// Where the member stands whose value is `value`, without any comma.
pub(super) fn pair(document: &[u8], value: &Range<usize>) -> Range<usize> {
    key_start(document, value.start)..value.end
}

/// Where the key of the value at `value` begins. Keys with quotes in them are not among those we look for.
fn key_start(document: &[u8], value: usize) -> usize {
    let quote = |end: usize| {
        document[..end]
            .iter()
            .rposition(|byte| *byte == b'"')
            .unwrap_or(0)
    };
    quote(quote(value))
}

#[cfg(test)]
mod tests {
    use modelgate_domain::json;

    use super::*;

    #[test]
    fn a_member_goes_with_its_comma() {
        let check = |document: &str, expected: &str| {
            let [value] = json::members(document.as_bytes(), &["usage"]).unwrap();
            let edits = [Edit::new(member(document.as_bytes(), &value.unwrap()), "")];
            let mut out = Vec::new();
            apply(document.as_bytes(), &edits, 0..document.len(), |part| {
                out.extend_from_slice(part);
            });
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(r#"{"usage":null}"#, "{}");
        check(r#"{"usage":null,"a":1}"#, r#"{"a":1}"#);
        check(r#"{"a":1,"usage":{"b":2}}"#, r#"{"a":1}"#);
        check(r#"{"a":1,"usage":null,"c":"d"}"#, r#"{"a":1,"c":"d"}"#);
        check(
            "{ \"a\" : 1 , \"usage\" : null , \"c\" : 2 }",
            "{ \"a\" : 1 , \"c\" : 2 }",
        );
        check("{ \"a\" : 1 , \"usage\" : [1] }", "{ \"a\" : 1  }");
        check("{ \"usage\" : null }", "{  }");
    }

    #[test]
    fn parts_are_edited_alone() {
        let edits = [Edit::new(1..2, "X"), Edit::new(4..4, "Y")];
        let part = |within: Range<usize>| {
            let mut out = Vec::new();
            apply(b"abcdef", &edits, within, |part| {
                out.extend_from_slice(part);
            });
            String::from_utf8(out).unwrap()
        };
        assert_eq!(part(0..6), "aXcdYef");
        assert_eq!(part(0..3), "aXc");
        assert_eq!(part(3..6), "dYef");
    }
}
