//! What can go wrong with a model call.

use http::StatusCode;
use modelgate_domain::head::BadRequest;
use modelgate_domain::quota::QuotaExceeded;
use modelgate_domain::rate::{LimitExceeded, Which};
use modelgate_ports::driven::{BackendError, BackendFault};
use modelgate_ports::driving::gateway::{InferError, Refused};

use super::{Kind, Problem, SOON};
use crate::rate;

impl From<Refused> for Problem {
    /// The client is told where it stands also when it is refused.
    fn from(refused: Refused) -> Self {
        // After every target was tried here, the client need not go the same round again.
        let spent = matches!(refused.error, InferError::Backend(_)) && refused.context.attempts > 1;
        let mut problem = Self::from(refused.error);
        if spent {
            problem = problem.retried(false);
        }
        rate::tell(problem.headers_mut(), &refused.context);
        problem
    }
}

impl From<InferError> for Problem {
    fn from(error: InferError) -> Self {
        match error {
            InferError::BadRequest(bad) => bad.into(),
            InferError::ModelNotFound(name) => Self::model_not_found(&name),
            InferError::Limited(exceeded) => exceeded.into(),
            InferError::QuotaExceeded(exceeded) => exceeded.into(),
            InferError::MeteringUnavailable(cause) => {
                let message =
                    "Requests cannot be metered now, so none is served. Please try again soon.";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Kind::Server,
                    "metering_unavailable",
                    message,
                )
                .later(SOON)
                .retried(true)
                .because(cause)
            }
            InferError::NoBackend => {
                let message = "No backend serves this model.";
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Kind::Server,
                    "no_backend_available",
                    message,
                )
                .later(SOON)
                .retried(false)
            }
            InferError::Backend(error) => error.into(),
        }
    }
}

impl From<BadRequest> for Problem {
    fn from(bad: BadRequest) -> Self {
        let problem = Self::request(StatusCode::BAD_REQUEST, "invalid_value", bad.message);
        problem.coded(bad.code).about(bad.param).retried(false)
    }
}

impl From<LimitExceeded> for Problem {
    fn from(exceeded: LimitExceeded) -> Self {
        let (kind, what) = match exceeded.which {
            Which::Requests => (Kind::Requests, "requests"),
            Which::Tokens => (Kind::Tokens, "tokens per minute"),
            Which::Parallel => (Kind::Requests, "parallel requests"),
        };
        let seconds = rate::retry_after(exceeded.retry_after);
        let message =
            format!("Rate limit of {what} reached for this key. Please try again in {seconds}s.");
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            kind,
            "rate_limit_exceeded",
            message,
        )
        .later(exceeded.retry_after)
        .retried(true)
    }
}

impl From<QuotaExceeded> for Problem {
    fn from(exceeded: QuotaExceeded) -> Self {
        let QuotaExceeded { asked, left, .. } = exceeded;
        if exceeded.may_pass_later() {
            let message = format!(
                "This request may need {asked} tokens and {left} of the key's quota are free while other requests of \
                 the key run. Please try again soon."
            );
            return Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                Kind::Tokens,
                "rate_limit_exceeded",
                message,
            )
            .later(SOON)
            .retried(true);
        }
        let message =
            format!("This request may need {asked} tokens and the key's quota has {left} left.");
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            Kind::Quota,
            "insufficient_quota",
            message,
        )
        .retried(false)
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        let word = error.word();
        let server =
            |status: StatusCode, message: String| Self::new(status, Kind::Server, word, message);
        let wait = error.retry_after.unwrap_or(SOON);
        let problem = match error.fault {
            BackendFault::Request { status, .. } => {
                return Self::request(client_fault(status), "invalid_value", error.message)
                    .coded(error.code)
                    .about(error.param)
                    .retried(false);
            }
            BackendFault::Limited => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                Kind::Requests,
                word,
                error.message,
            )
            .later(wait),
            BackendFault::Unavailable => {
                server(StatusCode::SERVICE_UNAVAILABLE, error.message).later(wait)
            }
            BackendFault::Credential | BackendFault::Unreachable | BackendFault::Failed => {
                server(StatusCode::BAD_GATEWAY, error.message).retried(false)
            }
            BackendFault::TimedOut(_) => {
                server(StatusCode::GATEWAY_TIMEOUT, error.message).retried(false)
            }
            BackendFault::Stopped => Self::stopping(),
        };
        problem.about(error.param)
    }
}

impl Problem {
    /// The same for a model that is not there and for one that is not for this key.
    pub(crate) fn model_not_found(name: &str) -> Self {
        let message = format!("The model `{name}` does not exist or you do not have access to it.");
        Self::request(StatusCode::NOT_FOUND, "model_not_found", message).retried(false)
    }
}

/// A backend's status is passed on as long as it blames the client.
fn client_fault(status: u16) -> StatusCode {
    let known = StatusCode::from_u16(status)
        .ok()
        .filter(StatusCode::is_client_error);
    known.unwrap_or(StatusCode::BAD_REQUEST)
}
