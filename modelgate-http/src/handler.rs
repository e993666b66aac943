//! What each route does: parse, one call, encode. Wire types stand beside the handlers.

pub(crate) mod admin_keys;
pub(crate) mod admin_models;
pub(crate) mod admin_requests;
pub(crate) mod health;
pub(crate) mod inference;
pub(crate) mod models;
pub(crate) mod own_key;
pub(crate) mod panel;
pub(crate) mod sync;
pub(crate) mod verify;

use crate::form::FormError;

/// A number that names a key or a model.
fn id(text: &str) -> Result<i64, FormError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text
        .parse()
        .ok()
        .filter(|&number: &i64| digits && number > 0);
    number.ok_or_else(|| FormError::value("id", "must be a whole number from 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positive_numbers() {
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(id(text).ok(), expected, "{text}");
        check("1", Some(1));
        check("9223372036854775807", Some(i64::MAX));
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "1 ",
            "1.0",
            "x",
            "%31",
            "9223372036854775808",
            "1' OR 1=1",
        ] {
            check(text, None);
        }
    }
}
