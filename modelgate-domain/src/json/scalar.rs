//! Meaning of single values, from the bytes they were written with.

use std::borrow::Cow;

use super::plain::plain_end;

/// The characters of a JSON string, given with its quotes. `None`: no valid string, or one with a lone surrogate,
/// which no text can hold.
pub fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    inner_text(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?)
}

/// The same for what stands between the quotes.
pub(crate) fn inner_text(inner: &[u8]) -> Option<Cow<'_, str>> {
    match unescape(inner)? {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// An integer that is not negative and fits, written without point and exponent.
pub fn unsigned(raw: &[u8]) -> Option<u64> {
    if matches!(raw, [b'0', _, ..] | [b'+', ..]) {
        return None;
    }
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// An integer that fits, written without point and exponent.
pub fn integer(raw: &[u8]) -> Option<i64> {
    if matches!(raw, [b'0', _, ..] | [b'-', b'0', _, ..] | [b'+', ..]) {
        return None;
    }
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// `true` or `false`.
pub fn boolean(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// Whether the value is `null`.
pub fn is_null(raw: &[u8]) -> bool {
    raw == b"null"
}

/// What stands between the quotes of a valid string, unescaped; as it is when that has no text.
pub(crate) fn unescaped(inner: &[u8]) -> Cow<'_, [u8]> {
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    unescape(inner).unwrap_or(Cow::Borrowed(inner))
}

fn unescape(inner: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = inner;
    let mut out = Vec::new();
    loop {
        let (plain, special) = rest.split_at(plain_end(rest));
        if plain.len() == inner.len() {
            return Some(Cow::Borrowed(inner));
        }
        out.extend_from_slice(plain);
        let Some((b'\\', escape)) = special.split_first() else {
            return special.is_empty().then_some(Cow::Owned(out));
        };
        let (character, used) = character(escape)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &escape[used..];
    }
}

/// The character that an escape stands for, and how many bytes after the backslash say so.
fn character(escape: &[u8]) -> Option<(char, usize)> {
    let simple = match escape.first()? {
        b'u' => return unicode(&escape[1..]).map(|(character, used)| (character, used + 1)),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        &other @ (b'"' | b'\\' | b'/') => char::from(other),
        _ => return None,
    };
    Some((simple, 1))
}

fn unicode(digits: &[u8]) -> Option<(char, usize)> {
    let first = unit(digits)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    let second = unit(digits[4..].strip_prefix(b"\\u")?)?;
    let paired = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
    let code = paired.then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    char::from_u32(code).map(|character| (character, 10))
}

/// One UTF-16 code unit.
fn unit(digits: &[u8]) -> Option<u32> {
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(value * 16 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_become_text() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(text(raw.as_bytes()).as_deref(), expected, "{raw}");
        };
        check(r#""""#, Some(""));
        check(r#""plain é 中 😀""#, Some("plain é 中 😀"));
        check(r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t"));
        check(r#""\u0000\u00e9\u2028\uFFFF""#, Some("\0é\u{2028}\u{ffff}"));
        check(r#""a\ud83d\uDE00b""#, Some("a😀b"));
        check(r#""\ud800""#, None);
        check(r#""\udc00""#, None);
        check(r#""\ud800\ud800""#, None);
        check(r#""\ud800x""#, None);
        check(r#""\ud800\n""#, None);
        check(r#""\udc00\ud800""#, None);
        check(r#""\u12g4""#, None);
        check(r#""\u123""#, None);
        check(r#""\x""#, None);
        check("\"\\\"", None);
        check("\"line\nfeed\"", None);
        check(r#""a"b""#, None);
        check("\"", None);
        check("", None);
        check("null", None);
    }

    #[test]
    fn text_is_borrowed_when_nothing_is_escaped() {
        assert!(matches!(text(br#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(text(b"\"\xff\""), None);
        assert_eq!(text(b"\"\\n\xff\""), None);
    }

    #[test]
    fn integers_are_read_or_refused() {
        let check = |raw: &str, natural: Option<u64>, whole: Option<i64>| {
            assert_eq!(unsigned(raw.as_bytes()), natural, "{raw}");
            assert_eq!(integer(raw.as_bytes()), whole, "{raw}");
        };
        check("0", Some(0), Some(0));
        check("17", Some(17), Some(17));
        check("-17", None, Some(-17));
        check("-0", None, Some(0));
        check("9223372036854775807", Some(i64::MAX as u64), Some(i64::MAX));
        check("-9223372036854775808", None, Some(i64::MIN));
        check("18446744073709551615", Some(u64::MAX), None);
        check("18446744073709551616", None, None);
        for neither in [
            "", "-", "+1", "01", "-01", "00", "1.0", "1e3", "1E3", "\"1\"", "null", " 1", "é",
        ] {
            check(neither, None, None);
        }
    }

    #[test]
    fn words_are_words() {
        assert_eq!(boolean(b"true"), Some(true));
        assert_eq!(boolean(b"false"), Some(false));
        assert_eq!(boolean(b"1"), None);
        assert!(is_null(b"null"));
        assert!(!is_null(b"\"null\""));
    }
}
