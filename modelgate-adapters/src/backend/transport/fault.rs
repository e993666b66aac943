//! What a failed exchange means, in the port's words.

use std::error::Error;
use std::time::Duration;

use hyper_util::client::legacy;
use modelgate_ports::BoxError;
use modelgate_ports::driven::{BackendError, BackendFault, Timer};

use super::TransportConfig;
use super::address::Refused;
use super::connect::TooSlow;

/// A timer ran out.
pub(super) fn timed_out(timer: Timer, config: &TransportConfig) -> BackendError {
    let limit = limit(timer, config);
    let name = timer.as_str();
    let what = match timer {
        Timer::Connect => "could not be connected to within",
        Timer::FirstEvent => "did not begin to answer within",
        Timer::Idle => "was silent for",
        Timer::Answer => "did not answer within",
        Timer::Stream => "did not end its stream within",
    };
    BackendError::new(
        BackendFault::TimedOut(timer),
        format!("the model server {what} {limit:?} ({name})"),
    )
}

/// No answer came.
pub(super) fn not_answered(error: legacy::Error, config: &TransportConfig) -> BackendError {
    if find::<TooSlow>(&error).is_some() {
        return with_source(timed_out(Timer::Connect, config), error);
    }
    let (fault, message) = if find::<Refused>(&error).is_some() {
        (
            BackendFault::Unreachable,
            "the model server's address is not allowed",
        )
    } else if error.is_connect() || was_not_sent(&error) {
        (
            BackendFault::Unreachable,
            "the model server cannot be reached",
        )
    } else {
        (
            BackendFault::Failed,
            "the model server closed the connection before it answered",
        )
    };
    with_source(BackendError::new(fault, message), error)
}

/// The answer broke off.
pub(super) fn broken_off(error: impl Into<BoxError>) -> BackendError {
    let message = "the connection to the model server broke off";
    with_source(BackendError::new(BackendFault::Failed, message), error)
}

/// The answer is larger than anything we take.
pub(super) fn too_large(most: usize) -> BackendError {
    let message = "the model server's answer is too large";
    let cause = format!("more than {most} bytes");
    with_source(BackendError::new(BackendFault::Failed, message), cause)
}

/// The answer cannot be decoded.
pub(super) fn undecodable(error: impl Into<BoxError>) -> BackendError {
    let message = "the model server's answer cannot be decoded";
    with_source(BackendError::new(BackendFault::Failed, message), error)
}

/// What should be an address is none.
pub(super) fn bad_address(error: http::uri::InvalidUri) -> BackendError {
    let message = "the model server's address makes no sense";
    with_source(BackendError::new(BackendFault::Unreachable, message), error)
}

fn limit(timer: Timer, config: &TransportConfig) -> Duration {
    match timer {
        Timer::Connect => config.connect,
        Timer::FirstEvent => config.first_event,
        Timer::Idle => config.idle,
        Timer::Answer => config.answer,
        Timer::Stream => config.stream,
    }
}

/// The request never left: its connection was gone before.
fn was_not_sent(error: &legacy::Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled)
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn with_source(mut error: BackendError, source: impl Into<BoxError>) -> BackendError {
    error.source = Some(source.into());
    error
}
