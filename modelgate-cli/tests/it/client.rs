//! What a client does. `gate.get(..)` and `gate.post(..)` begin a [`Call`]:
//!
//! - `call.send()` gives an [`Answer`]: status, headers, body; `answer.refused(404, "model_not_found")` checks the
//!   whole error shape and hands out message and param;
//! - `call.stream()` gives a [`Stream`]: events one by one with arrival times; dropping it hangs up;
//! - [`RawClient`] sends exact bytes and reads heads, answers or everything until the close;
//! - [`H2Client`] speaks HTTP/2 by prior knowledge, many calls on one connection.
//!
//! Each `Call` has a connection of its own; tests about reused connections take the raw client.

mod answer;
mod call;
mod events;
mod h2;
mod raw;
mod stream;

pub(crate) use answer::{Answer, Refusal};
pub(crate) use call::Call;
pub(crate) use events::{Event, content_of, ends_well};
pub(crate) use h2::H2Client;
pub(crate) use raw::{RawClient, request};
pub(crate) use stream::Stream;
