//! What can go wrong with running the place.

use http::StatusCode;
use modelgate_ports::driven::{LimitError, StoreError};
use modelgate_ports::driving::ConsoleError;
use modelgate_ports::driving::gateway::StandingError;

use super::{Kind, Problem, SOON};

impl From<ConsoleError> for Problem {
    fn from(error: ConsoleError) -> Self {
        match error {
            ConsoleError::Invalid { param, message } => {
                let message = format!("'{param}' {message}.");
                Self::request(StatusCode::BAD_REQUEST, "invalid_value", message)
                    .about(Some(param))
                    .retried(false)
            }
            ConsoleError::Taken { param } => {
                let message = format!("Something else has this '{param}' already.");
                Self::request(StatusCode::CONFLICT, "already_exists", message)
                    .about(Some(param))
                    .retried(false)
            }
            ConsoleError::NotFound(what) => Self::request(
                StatusCode::NOT_FOUND,
                "not_found",
                format!("There is no such {what}."),
            )
            .retried(false),
            ConsoleError::LastAdmin => {
                let message =
                    "This is the last active admin key: nobody could administer without it.";
                Self::request(StatusCode::CONFLICT, "last_admin", message).retried(false)
            }
            ConsoleError::Store(cause) => cause.into(),
            ConsoleError::NoEntropy(cause) => {
                let message =
                    "The system gives no randomness for a key now. Please try again soon.";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Kind::Server,
                    "no_randomness",
                    message,
                )
                .later(SOON)
                .retried(true)
                .because(cause)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { field } => Self::from(ConsoleError::Taken {
                param: field.to_owned(),
            }),
            StoreError::Unavailable(_) => Self::no_store().because(error),
            StoreError::Corrupt { .. } => {
                let message =
                    "The store holds a value that makes no sense. The gateway's log tells which.";
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    Kind::Server,
                    "store_corrupt",
                    message,
                )
                .retried(false)
                .because(error)
            }
        }
    }
}

impl From<StandingError> for Problem {
    fn from(error: StandingError) -> Self {
        match error {
            StandingError::Ledger(cause) => Self::no_store().because(cause),
            StandingError::Limiter(LimitError::Exceeded(exceeded)) => exceeded.into(),
            StandingError::Limiter(LimitError::Unavailable(cause)) => {
                Self::no_store().because(cause)
            }
        }
    }
}

impl Problem {
    fn no_store() -> Self {
        let message = "The store cannot be used now. Please try again soon.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Kind::Server,
            "store_unavailable",
            message,
        )
        .later(SOON)
        .retried(true)
    }
}
