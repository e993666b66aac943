//! A connection that remembers whether it was used before, and whether it has answered since the last request began.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use http::{Extensions, Response};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Notes that the connection behind this answer works.
pub(super) fn answered<B>(response: &Response<B>) {
    if let Some(Talk(talk)) = response.extensions().get() {
        talk.used.store(true, Relaxed);
        talk.answered.store(true, Relaxed);
    }
}

/// Whether the request failed on a connection that had worked before and gave not a single byte this time: the server
/// had closed it meanwhile. HTTP/2 connections say themselves what they did not process.
pub(super) fn was_stale(error: &Error) -> bool {
    let Some(connected) = error
        .connect_info()
        .filter(|connected| !connected.is_negotiated_h2())
    else {
        return false;
    };
    let mut extensions = Extensions::new();
    connected.get_extras(&mut extensions);
    let talk = extensions.get().map(|Talk(talk)| talk);
    talk.is_some_and(|talk| talk.used.load(Relaxed) && !talk.heard.load(Relaxed))
}

/// Goes with the connection's description to whoever used it.
#[derive(Clone)]
struct Talk(Arc<State>);

#[derive(Default)]
struct State {
    /// It has answered a request.
    used: AtomicBool,
    /// The last request has its answer: what is written next is another request.
    answered: AtomicBool,
    /// A byte came since the request began.
    heard: AtomicBool,
}

impl State {
    fn writes(&self) {
        if self.answered.load(Relaxed) {
            self.answered.store(false, Relaxed);
            self.heard.store(false, Relaxed);
        }
    }
}

/// The connection.
pub(super) struct Link<T> {
    io: TokioIo<T>,
    state: Arc<State>,
}

impl<T> Link<T> {
    pub(super) fn new(io: T) -> Self {
        Self {
            io: TokioIo::new(io),
            state: Arc::default(),
        }
    }
}

impl<T: Connection> Connection for Link<T> {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Talk(Arc::clone(&self.state)));
        if self.io.connected().is_negotiated_h2() {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl<T: Read + Unpin> AsyncRead for Link<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.state.heard.store(true, Relaxed);
        }
        polled
    }
}

impl<T: Write + Unpin> AsyncWrite for Link<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.state.writes();
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.state.writes();
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
