//! The secret a client presents: `Authorization: Bearer`, or `x-api-key`.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use modelgate_domain::PlainKey;

/// Why no secret could be taken from a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// None was presented.
    #[error("no API key was presented")]
    Missing,
    /// What was presented cannot be a key.
    #[error("what was presented cannot be an API key")]
    Malformed,
    /// Two were presented, and they differ.
    #[error("two different API keys were presented")]
    Conflict,
}

/// The one secret in these headers.
pub(crate) fn presented(headers: &HeaderMap) -> Result<PlainKey, CredentialError> {
    let bearers = headers
        .get_all(AUTHORIZATION)
        .iter()
        .map(|value| bearer(value.as_bytes()));
    let plain = headers
        .get_all("x-api-key")
        .iter()
        .map(|value| Some(value.as_bytes().trim_ascii()));
    let mut secrets = bearers.chain(plain);
    let first = secrets.next().ok_or(CredentialError::Missing)?;
    if secrets.any(|other| other != first) {
        return Err(CredentialError::Conflict);
    }
    let text = first.and_then(|secret| str::from_utf8(secret).ok());
    text.and_then(PlainKey::presented)
        .ok_or(CredentialError::Malformed)
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, rest) = value.trim_ascii().split_at_checked(SCHEME.len())?;
    let is_bearer =
        scheme.eq_ignore_ascii_case(SCHEME) && rest.first().is_some_and(u8::is_ascii_whitespace);
    is_bearer.then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn check(lines: &[(&str, &str)], expected: Result<&str, CredentialError>) {
        let mut headers = HeaderMap::new();
        for &(name, value) in lines {
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::try_from(value).unwrap(),
            );
        }
        let found = presented(&headers);
        assert_eq!(
            found.as_ref().map(PlainKey::reveal).map_err(|&error| error),
            expected,
            "{lines:?}"
        );
    }

    #[test]
    fn a_secret_is_taken_from_either_header() {
        check(&[("authorization", "Bearer abc")], Ok("abc"));
        check(&[("authorization", "bearer abc")], Ok("abc"));
        check(&[("authorization", "  BEARER   abc  ")], Ok("abc"));
        check(&[("authorization", "Bearer\tabc")], Ok("abc"));
        check(&[("x-api-key", "abc")], Ok("abc"));
        check(&[("x-api-key", " abc ")], Ok("abc"));
        check(
            &[("x-api-key", "abc"), ("authorization", "Bearer abc")],
            Ok("abc"),
        );
    }

    #[test]
    fn what_cannot_be_a_key_is_malformed() {
        check(&[], Err(CredentialError::Missing));
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwdw==",
            "abc",
            "Bearerabc",
            "Bearer a b",
            "Bearer \u{e9}",
        ] {
            check(&[("authorization", value)], Err(CredentialError::Malformed));
        }
        check(&[("x-api-key", "")], Err(CredentialError::Malformed));
        check(
            &[("x-api-key", &"x".repeat(513))],
            Err(CredentialError::Malformed),
        );
    }

    #[test]
    fn two_secrets_must_be_the_same() {
        check(
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
            Err(CredentialError::Conflict),
        );
        check(
            &[("authorization", "Basic a"), ("x-api-key", "a")],
            Err(CredentialError::Conflict),
        );
        check(
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            Err(CredentialError::Conflict),
        );
        check(
            &[("x-api-key", "a"), ("x-api-key", "b")],
            Err(CredentialError::Conflict),
        );
        check(
            &[("x-api-key", "a"), ("x-api-key", "")],
            Err(CredentialError::Conflict),
        );
    }
}
