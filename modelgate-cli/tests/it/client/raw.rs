//! A client of exact bytes: sends what it is told, reads heads, answers, or everything until the close.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::Answer;
use crate::wait;
use crate::wire::{Framing, Head, WireReader};

pub(crate) struct RawClient {
    reader: WireReader<TcpStream>,
}

/// The bytes of an HTTP/1.1 request: first line, Host, the given header lines, a Content-Length when there is a body.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        let length = body.len();
        write!(text, "Content-Length: {length}\r\n").expect("writing to memory");
    }
    text + "\r\n" + body
}

impl RawClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address)
            .await
            .expect("connect to the server");
        socket.set_nodelay(true).expect("nodelay");
        Self {
            reader: WireReader::new(socket),
        }
    }

    /// A reader with the smallest buffer the kernel gives, so that back-pressure is felt early.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        let socket = socket
            .connect(address)
            .await
            .expect("connect to the server");
        Self {
            reader: WireReader::new(socket),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(
            self.try_send(bytes).await,
            "the server closed while the test was sending"
        );
    }

    /// Sends, and says whether the server still took it.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sending = self.reader.get_mut().write_all(bytes.as_ref());
        wait::bounded("room to send", sending).await.is_ok()
    }

    /// The next head, which may be a `100 Continue`.
    pub(crate) async fn head(&mut self) -> Answer {
        self.try_head().await.expect("an answer before the close")
    }

    /// The next head, or `None` when the server closed instead.
    pub(crate) async fn try_head(&mut self) -> Option<Answer> {
        let head = wait::bounded("the head of an answer", self.reader.head()).await;
        head.unwrap_or_default()
            .map(|head| answer_of(&head, Bytes::new()))
    }

    /// The next whole answer, by its own framing.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer before the close")
    }

    /// The next whole answer, or `None` when the server closed instead of answering.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        let head = wait::bounded("the head of an answer", self.reader.head())
            .await
            .unwrap_or_default()?;
        let framing = match status_of(&head) {
            100..=199 | 204 | 304 => Framing::Length(0),
            _ => head.framing(Framing::UntilClose),
        };
        let body = wait::bounded("the body of an answer", self.reader.body(framing))
            .await
            .expect("a whole body");
        Some(answer_of(&head, body))
    }

    /// Exactly `count` bytes, as text.
    pub(crate) async fn exactly(&mut self, count: usize) -> String {
        let bytes = wait::bounded("more bytes", self.reader.exactly(count))
            .await
            .expect("bytes before the close");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Everything until the server closes; a reset counts as a close.
    pub(crate) async fn until_close(&mut self) -> String {
        let rest = wait::bounded("the close by the server", self.reader.rest()).await;
        String::from_utf8_lossy(&rest.unwrap_or_default()).into_owned()
    }

    /// Whether nothing at all arrives for `time`: neither a byte nor a close.
    pub(crate) async fn silent_for(&mut self, time: Duration) -> bool {
        let socket = self.reader.get_mut();
        tokio::time::timeout(time, socket.readable()).await.is_err()
    }

    /// Ends the sending half: the server sees the end of the request.
    pub(crate) async fn finish_sending(&mut self) {
        self.reader
            .get_mut()
            .shutdown()
            .await
            .expect("a connection to end");
    }

    /// Breaks the connection with a RST.
    pub(crate) fn reset(self) {
        SockRef::from(self.reader.get_ref())
            .set_linger(Some(Duration::ZERO))
            .expect("linger");
    }
}

fn answer_of(head: &Head, body: Bytes) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in &head.headers {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    Answer {
        status: status_of(head),
        headers,
        body,
    }
}

fn status_of(head: &Head) -> u16 {
    let mut words = head.first_line.split(' ');
    let version = words.next().unwrap_or_default();
    assert!(
        version.starts_with("HTTP/1."),
        "not an answer: {:?}",
        head.first_line
    );
    words
        .next()
        .and_then(|status| status.parse().ok())
        .expect("a status")
}
