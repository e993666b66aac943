//! What can be wrong with a request before anything is done for it.

use http::StatusCode;
use modelgate_ports::driving::AuthError;

use super::{Kind, Problem, SOON};
use crate::body::receive::BodyError;
use crate::credential::CredentialError;
use crate::form::FormError;

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Missing => {
                let message =
                    "No API key was given. Send it in a header: 'Authorization: Bearer YOUR_KEY'.";
                Self::request(StatusCode::UNAUTHORIZED, "", message)
                    .coded(None::<&str>)
                    .retried(false)
            }
            CredentialError::Malformed => Self::wrong_key(),
            CredentialError::Conflict => {
                let message = "Two different API keys were given. Send one, as 'Authorization: Bearer' or 'x-api-key'.";
                Self::request(StatusCode::BAD_REQUEST, "conflicting_credentials", message)
                    .retried(false)
            }
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid => Self::wrong_key(),
            AuthError::Address(address) => {
                let message = format!("This API key may not be used from the address {address}.");
                Self::request(StatusCode::FORBIDDEN, "ip_not_allowed", message).retried(false)
            }
            AuthError::TooManyUnknown { retry_after } => {
                let message =
                    "Too many unknown API keys came from this address. Please try again later.";
                Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    Kind::Requests,
                    "rate_limit_exceeded",
                    message,
                )
                .later(retry_after)
                .retried(true)
            }
            AuthError::Unavailable(cause) => {
                let message = "API keys cannot be checked now. Please try again soon.";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Kind::Server,
                    "store_unavailable",
                    message,
                )
                .later(SOON)
                .retried(true)
                .because(cause)
            }
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(most) => {
                let message = format!("The body of the request is longer than {most} bytes.");
                Self::request(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
                    .retried(false)
                    .closing()
            }
            BodyError::TooSlow => {
                let message = "The body of the request came too slowly.";
                Self::request(StatusCode::REQUEST_TIMEOUT, "request_timeout", message).closing()
            }
            BodyError::Broken(_) => {
                let message =
                    "The body of the request did not come whole, or its framing is broken.";
                Self::request(StatusCode::BAD_REQUEST, "broken_body", message)
                    .retried(false)
                    .closing()
            }
            BodyError::ContentType => {
                let message =
                    "The body must be JSON in UTF-8. Send 'Content-Type: application/json'.";
                Self::request(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_content_type",
                    message,
                )
                .retried(false)
            }
            BodyError::ContentEncoding => {
                let message = "This content encoding is not accepted. Send the body as it is.";
                Self::request(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_content_encoding",
                    message,
                )
                .retried(false)
            }
            BodyError::Encoding(_) => {
                let message =
                    "The body of the request cannot be decoded as its content encoding says.";
                Self::request(StatusCode::BAD_REQUEST, "broken_body", message).retried(false)
            }
            BodyError::BadRequest(bad) => bad.into(),
        }
    }
}

impl From<FormError> for Problem {
    fn from(error: FormError) -> Self {
        let problem = Self::request(StatusCode::BAD_REQUEST, "invalid_value", error.message);
        problem.coded(error.code).about(error.param).retried(false)
    }
}

impl Problem {
    /// The same for unknown, mistyped, disabled, expired and deleted keys.
    fn wrong_key() -> Self {
        let message = "The API key is not valid. Check it for typing errors, or ask for a new one.";
        Self::request(StatusCode::UNAUTHORIZED, "invalid_api_key", message).retried(false)
    }
}
