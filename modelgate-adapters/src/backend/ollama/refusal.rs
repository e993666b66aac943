//! Requests that are refused before anything is sent: always 400, always naming the field.

use modelgate_ports::driven::{BackendError, BackendFault};

/// A refusal in OpenAI's words: `code` is theirs, `param` is a path such as `messages[0].content`.
pub(super) fn refusal(code: &str, param: &str, message: &str) -> BackendError {
    let fault = BackendFault::Request {
        status: 400,
        sent: false,
    };
    let message = message
        .chars()
        .filter(|char| !char.is_control())
        .take(300)
        .collect::<String>();
    BackendError {
        code: Some(code.into()),
        param: Some(param.into()),
        ..BackendError::new(fault, message)
    }
}

/// The value is of another type than the field takes.
pub(super) fn invalid_type(param: &str, expected: &str) -> BackendError {
    refusal(
        "invalid_type",
        param,
        &format!("Invalid type for '{param}': expected {expected}."),
    )
}

/// The type fits, the value does not.
pub(super) fn invalid_value(param: &str, expected: &str) -> BackendError {
    refusal(
        "invalid_value",
        param,
        &format!("Invalid value for '{param}': expected {expected}."),
    )
}

/// A field that must be there is not.
pub(super) fn missing(param: &str) -> BackendError {
    refusal(
        "missing_required_parameter",
        param,
        &format!("Missing required parameter: '{param}'."),
    )
}

/// The value is fine elsewhere, but not with this kind of server.
pub(super) fn unsupported_value(param: &str, why: &str) -> BackendError {
    refusal(
        "unsupported_value",
        param,
        &format!("Unsupported value for '{param}': {why}."),
    )
}

/// The parameter is fine elsewhere, but not with this kind of server.
pub(super) fn unsupported_parameter(param: &str) -> BackendError {
    refusal(
        "unsupported_parameter",
        param,
        &format!("Unsupported parameter: '{param}' cannot be passed to this model."),
    )
}

/// A list without elements where at least one is needed.
pub(super) fn empty_array(param: &str) -> BackendError {
    refusal(
        "empty_array",
        param,
        &format!("Invalid '{param}': expected at least one element."),
    )
}

/// A list with more elements than are taken.
pub(super) fn long_array(param: &str, most: usize) -> BackendError {
    refusal(
        "array_above_max_length",
        param,
        &format!("Invalid '{param}': expected at most {most} elements."),
    )
}

/// The server answered 200 with something that is no answer.
pub(super) fn no_answer(cause: impl Into<modelgate_ports::BoxError>) -> BackendError {
    let error = BackendError::new(
        BackendFault::Failed,
        "the backend's answer could not be understood",
    );
    BackendError {
        source: Some(cause.into()),
        ..error
    }
}

/// A request that could not be written down. JSON of strings and numbers always can.
pub(super) fn unwritable(cause: serde_json::Error) -> BackendError {
    let error = BackendError::new(
        BackendFault::Request {
            status: 400,
            sent: false,
        },
        "the request could not be translated",
    );
    BackendError {
        source: Some(cause.into()),
        ..error
    }
}
