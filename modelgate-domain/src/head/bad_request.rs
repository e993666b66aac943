//! A request that is refused for what its body says, in the words of OpenAI's API.

use crate::json::{JsonError, JsonErrorKind};

/// Becomes a 400 with type `invalid_request_error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// For the person who wrote the client; says how to do better.
    pub message: String,
    /// The member at fault, as a path.
    pub param: Option<String>,
    /// For the client's code.
    pub code: Option<&'static str>,
}

impl BadRequest {
    /// The body is not JSON, or not an object.
    pub fn not_json(error: JsonError) -> Self {
        let message = match error.kind {
            JsonErrorKind::Empty => {
                "The body of your request is empty. Send one JSON object.".to_owned()
            }
            _ => format!(
                "We could not parse the JSON body of your request: {error}. Send one JSON object, in UTF-8."
            ),
        };
        Self {
            message,
            param: None,
            code: None,
        }
    }

    /// `param` must be there and is not.
    pub fn missing(param: &str) -> Self {
        let message =
            format!("Missing required parameter: '{param}'. Add it to the body of your request.");
        Self::about(param, "missing_required_parameter", message)
    }

    /// `param` is there twice: two readers could see two values.
    pub fn duplicate(param: &str) -> Self {
        let message = format!("Duplicate parameter: '{param}'. Send it only once.");
        Self::about(param, "duplicate_parameter", message)
    }

    /// `param` is written in other letters, `Model` for `model`: some backends would read it, and it was not checked.
    pub fn misspelled(param: &str) -> Self {
        let message =
            format!("Unknown parameter: '{param}' in other letters. Write '{param}' exactly so.");
        Self::about(param, "unknown_parameter", message)
    }

    /// `param` should be `expected` and is `got`; both with their article.
    pub fn invalid_type(param: &str, expected: &str, got: &str) -> Self {
        let message = format!("Invalid type for '{param}': expected {expected}, got {got}.");
        Self::about(param, "invalid_type", message)
    }

    /// `param` has the right type and no meaning. `remedy` is a sentence.
    pub fn invalid_value(param: &str, remedy: &str) -> Self {
        Self::about(
            param,
            "invalid_value",
            format!("Invalid value for '{param}'. {remedy}"),
        )
    }

    /// An integer is lower than `min`.
    pub fn below_min(param: &str, min: u64) -> Self {
        let message =
            format!("Invalid '{param}': integer below minimum value. Expected a value >= {min}.");
        Self::about(param, "integer_below_min_value", message)
    }

    /// An integer is higher than `max`.
    pub fn above_max(param: &str, max: u64) -> Self {
        let message =
            format!("Invalid '{param}': integer above maximum value. Expected a value <= {max}.");
        Self::about(param, "integer_above_max_value", message)
    }

    /// An array has no elements.
    pub fn empty_array(param: &str) -> Self {
        let message =
            format!("Invalid '{param}': empty array. Expected an array with at least 1 element.");
        Self::about(param, "empty_array", message)
    }

    /// An array has `got` elements where `max` are allowed.
    pub fn long_array(param: &str, max: u64, got: u64) -> Self {
        let message = format!(
            "Invalid '{param}': array too long. Expected an array with at most {max} elements, got {got}."
        );
        Self::about(param, "array_above_max_length", message)
    }

    fn about(param: &str, code: &'static str, message: String) -> Self {
        Self {
            message,
            param: Some(param.to_owned()),
            code: Some(code),
        }
    }
}
