//! Percent-decoding (RFC 3986 §2.1), once and strictly.

/// The text that `raw` stands for; `None` when an escape is broken or the bytes are no UTF-8.
pub(crate) fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = digit(rest.next()?)?;
            let low = digit(rest.next()?)?;
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(decode(raw).as_deref(), expected, "{raw}");
        };
        check("llama3.2:latest", Some("llama3.2:latest"));
        check("meta%2Fllama", Some("meta/llama"));
        check("meta%2fllama%3A8b", Some("meta/llama:8b"));
        check("a%20b+c%25d", Some("a b+c%d"));
        check("gr%C3%B6%C3%9Fe", Some("größe"));
        check("m%2525", Some("m%25"));
        check("%", None);
        check("%f", None);
        check("%zz", None);
        check("%+1", None);
        check("%ff", None);
        check("%C3%28", None);
    }
}
