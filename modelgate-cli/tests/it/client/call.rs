//! One call: built step by step, sent over a connection of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Answer, Stream};
use crate::wait;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    address: SocketAddr,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// The task that moves bytes; dropping it closes the socket at once.
pub(crate) struct Connection {
    _task: JoinSet<()>,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let method = method.parse().expect("a method name");
        Self {
            address,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// `Authorization: Bearer <secret>`.
    pub(crate) fn bearer(self, secret: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", secret.as_ref()))
    }

    /// Adds a header; a second one of the same name stands beside the first.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers.append(
            name,
            HeaderValue::from_bytes(value.as_ref()).expect("a header value"),
        );
        self
    }

    /// A JSON body with its content type.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// The same with exact bytes, which need not be JSON at all.
    pub(crate) fn json_text(self, body: impl Into<Bytes>) -> Self {
        self.header(CONTENT_TYPE.as_str(), "application/json")
            .body(body)
    }

    /// Exact bytes and no content type.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        let (response, _connection) = self.open().await;
        whole(response).await
    }

    /// Sends and leaves the body to be read event by event.
    pub(crate) async fn stream(self) -> Stream {
        let (response, connection) = self.open().await;
        Stream::new(response, Some(connection))
    }

    /// As a request with an absolute URI when `authority` is wanted (HTTP/2), else origin form with Host.
    pub(super) fn into_request(self, authority: Option<&str>) -> Request<Full<Bytes>> {
        let uri = authority.map_or_else(
            || self.path.clone(),
            |host| format!("http://{host}{}", self.path),
        );
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = uri.parse().expect("a path");
        *request.headers_mut() = self.headers;
        request
    }

    async fn open(mut self) -> (Response<Incoming>, Connection) {
        let socket = TcpStream::connect(self.address)
            .await
            .expect("connect to the server");
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .expect("handshake");
        let mut task = JoinSet::new();
        task.spawn(async move { drop(driver.await) });
        let host = HeaderValue::from_str(&self.address.to_string()).expect("an address");
        self.headers.entry(HOST).or_insert(host);
        let what = format!("answer to {} {}", self.method, self.path);
        let response = wait::bounded(&what, sender.send_request(self.into_request(None))).await;
        (
            response.unwrap_or_else(|error| panic!("{what}: {error:?}")),
            Connection { _task: task },
        )
    }
}

pub(super) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = wait::bounded("end of the body", body.collect())
        .await
        .expect("a whole body")
        .to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}
