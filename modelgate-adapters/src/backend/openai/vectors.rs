//! Vectors in the form the client asked for: not every server listens to `encoding_format`.

use std::fmt::Write;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use modelgate_domain::head::Encoding;
use modelgate_domain::json;
use modelgate_ports::driven::BackendError;

use super::super::error::nonsense;
use super::edit::Edit;

/// What to change in `document` so that every vector in the array `data` has the form `wanted`.
///
/// # Errors
/// A vector cannot be read.
pub(super) fn edits(
    document: &[u8],
    data: Range<usize>,
    wanted: Encoding,
) -> Result<Vec<Edit<Bytes>>, BackendError> {
    let mut edits = Vec::new();
    for item in json::elements(&document[data.clone()]) {
        let item = data.start + item.start..data.start + item.end;
        let Ok([Some(value)]) = json::members(&document[item.clone()], &["embedding"]) else {
            continue;
        };
        let value = item.start + value.start..item.start + value.end;
        if let Some(with) = converted(&document[value.clone()], wanted)? {
            edits.push(Edit::new(value, Bytes::from(with)));
        }
    }
    Ok(edits)
}

/// The vector in the other form; nothing if it has the right one, or is no plain vector.
fn converted(vector: &[u8], wanted: Encoding) -> Result<Option<String>, BackendError> {
    let converted = match (vector.first(), wanted) {
        (Some(b'['), Encoding::Base64) if !holds_arrays(vector) => to_base64(vector),
        (Some(b'"'), Encoding::Float) => to_numbers(vector),
        _ => return Ok(None),
    };
    converted.map(Some).ok_or_else(unreadable)
}

/// Servers that give one vector for each token nest them.
fn holds_arrays(vector: &[u8]) -> bool {
    json::elements(vector)
        .next()
        .is_some_and(|first| vector[first.start] == b'[')
}

fn to_base64(vector: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(vector.len() / 2);
    for number in json::elements(vector) {
        let number: f32 = std::str::from_utf8(&vector[number]).ok()?.parse().ok()?;
        bytes.extend_from_slice(&number.is_finite().then_some(number)?.to_le_bytes());
    }
    Some(format!("\"{}\"", STANDARD.encode(bytes)))
}

fn to_numbers(vector: &[u8]) -> Option<String> {
    let bytes = STANDARD.decode(json::text(vector)?.as_bytes()).ok()?;
    let (numbers, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let mut out = String::with_capacity(numbers.len() * 14);
    for number in numbers {
        let number = f32::from_le_bytes(*number);
        out.push(if out.is_empty() { '[' } else { ',' });
        write!(out, "{:?}", number.is_finite().then_some(number)?).ok()?;
    }
    out.push_str(if out.is_empty() { "[]" } else { "]" });
    Some(out)
}

fn unreadable() -> BackendError {
    nonsense(
        "the model server sent a vector that cannot be read",
        "neither floats nor base64",
    )
}

#[cfg(test)]
mod tests {
    use super::super::edit;
    use super::*;

    fn convert(document: &str, wanted: Encoding) -> Result<String, BackendError> {
        let document = document.as_bytes();
        let [data] = json::members(document, &["data"]).unwrap();
        let edits = edits(document, data.unwrap(), wanted)?;
        let mut out = Vec::new();
        edit::apply(document, &edits, 0..document.len(), |part| {
            out.extend_from_slice(part);
        });
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn vectors_become_what_was_asked_for() {
        let floats = r#"{"data":[{"index":0,"embedding":[1.0,-0.5,1e-7]},{"embedding":[]}]}"#;
        let base64 = r#"{"data":[{"index":0,"embedding":"AACAPwAAAL+V" }]}"#;
        let encoded = convert(floats, Encoding::Base64).unwrap();
        assert_eq!(
            encoded,
            r#"{"data":[{"index":0,"embedding":"AACAPwAAAL+Vv9Yz"},{"embedding":""}]}"#
        );
        assert_eq!(convert(&encoded, Encoding::Float).unwrap(), floats);
        assert_eq!(convert(floats, Encoding::Float).unwrap(), floats);
        assert_eq!(convert(&encoded, Encoding::Base64).unwrap(), encoded);
        assert!(convert(base64, Encoding::Float).is_err());
    }

    #[test]
    fn what_is_no_vector_stays_or_is_an_error() {
        let check = |document: &str| convert(document, Encoding::Base64).unwrap() == document;
        assert!(check(
            r#"{"data":[{"embedding":[[1.0],[2.0]]},{"x":1},null,3]}"#
        ));
        assert!(check(r#"{"data":null}"#));
        assert!(convert(r#"{"data":[{"embedding":[1.0,"x"]}]}"#, Encoding::Base64).is_err());
        assert!(convert(r#"{"data":[{"embedding":[1e99]}]}"#, Encoding::Base64).is_err());
        assert!(convert(r#"{"data":[{"embedding":"AADAfw=="}]}"#, Encoding::Float).is_err());
        assert!(convert(r#"{"data":[{"embedding":"!"}]}"#, Encoding::Float).is_err());
    }

    proptest::proptest! {
        #[test]
        fn numbers_survive_the_way_there_and_back(numbers: Vec<f32>) {
            let numbers: Vec<_> = numbers.into_iter().filter(|number| number.is_finite()).collect();
            let document = format!("{{\"data\":[{{\"embedding\":{numbers:?}}}]}}").replace(' ', "");
            let encoded = convert(&document, Encoding::Base64).unwrap();
            proptest::prop_assert_eq!(convert(&encoded, Encoding::Float).unwrap(), document);
        }
    }
}
