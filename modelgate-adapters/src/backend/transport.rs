//! The only HTTP client: one request in, at most one request out, framed by us, with a timer on every step.

mod address;
mod answer;
mod connect;
mod deadline;
mod fault;
mod gzip;
mod link;
mod pieces;
mod pools;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use modelgate_domain::{RequestId, Secret};
use modelgate_ports::BoxError;
use modelgate_ports::driven::BackendError;

pub(crate) use self::answer::AnswerBody;
use self::connect::Connector;
use self::deadline::Deadlines;
use self::pieces::Pieces;
use self::pools::{Pool, Pools};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("modelgate/", env!("CARGO_PKG_VERSION")));

/// How servers are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportConfig {
    /// Until a connection stands: name, TCP, proxy and TLS together.
    pub connect: Duration,
    /// Until the first event of a stream; models are loaded meanwhile.
    pub first_event: Duration,
    /// Between two reads of a stream.
    pub idle: Duration,
    /// Until a JSON answer is whole.
    pub answer: Duration,
    /// The whole of a stream.
    pub stream: Duration,
    /// Certificates (PEM) to trust beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// HTTP proxy, `http://[user:password@]host:port`, through which `https://` servers are reached. It resolves their
    /// names, so that only addresses that stand in a URL can be refused there.
    pub proxy: Option<String>,
    /// Refuse private and loopback addresses too. Link-local and metadata addresses are refused always.
    pub deny_private: bool,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_event: Duration::from_secs(300),
            idle: Duration::from_secs(60),
            answer: Duration::from_secs(300),
            stream: Duration::from_secs(30 * 60),
            ca_file: None,
            proxy: None,
            deny_private: false,
        }
    }
}

/// Why the settings make no client.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The certificates cannot be read.
    #[error("upstreams.ca_file {path} cannot be used")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// The proxy's address makes no sense.
    #[error(
        "upstreams.proxy must be http://host:port, with user:password@ before the host if needed"
    )]
    Proxy,
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The client. Shared by all backends of a process.
pub struct Transport {
    config: Arc<TransportConfig>,
    pools: Pools,
}

/// A request to send. Nothing goes out that is not in here.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) credential: Option<&'a Secret>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) body: Vec<Bytes>,
    /// Timers of a stream run, not those of a whole answer.
    pub(crate) stream: bool,
    pub(crate) accept: &'static str,
}

/// What came back, up to the headers.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

impl Transport {
    /// Sets the client up; connects to nothing.
    ///
    /// # Errors
    /// [`TransportError`] when a setting cannot be used.
    pub fn new(config: TransportConfig) -> Result<Self, TransportError> {
        let connector = Connector::new(&config)?;
        let pools = Pools::new(&connector);
        Ok(Self {
            config: Arc::new(config),
            pools,
        })
    }

    /// Sends a request and returns once status and headers have come. Redirects are answers like any other.
    ///
    /// # Errors
    /// There is no answer: [`BackendError`] says whether anything was sent.
    pub(crate) async fn send(&self, request: Outgoing<'_>) -> Result<Answer, BackendError> {
        let mut deadlines = Deadlines::start(&self.config, request.stream);
        let exchange = self.exchange(request);
        let response = match deadlines.race(exchange).await {
            Ok(response) => response?,
            Err(timer) => return Err(fault::timed_out(timer, &self.config)),
        };
        let (head, body) = response.into_parts();
        let body = AnswerBody::new(body, &head.headers, deadlines, Arc::clone(&self.config));
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// A pooled connection may have been closed while the request was on its way to it. Then, and only then, the
    /// request goes out again, over a connection of its own.
    async fn exchange(&self, outgoing: Outgoing<'_>) -> Result<Response<Incoming>, BackendError> {
        let pool = self.pools.of(outgoing.credential);
        let uri: Uri = outgoing.url.parse().map_err(fault::bad_address)?;
        let headers = headers(&outgoing, &pool);
        let body = Pieces::new(outgoing.body);
        let again = (headers.clone(), body.clone());
        let request = request(&outgoing.method, uri.clone(), headers, body);
        match pool.client.request(request).await {
            Ok(response) => {
                link::answered(&response);
                Ok(response)
            }
            Err(error) if link::was_stale(&error) => {
                let request = self::request(&outgoing.method, uri, again.0, again.1);
                let fresh = self.pools.fresh.request(request).await;
                fresh.map_err(|error| fault::not_answered(error, &self.config))
            }
            Err(error) => Err(fault::not_answered(error, &self.config)),
        }
    }
}

fn request(method: &Method, uri: Uri, headers: HeaderMap, body: Pieces) -> Request<Pieces> {
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}

fn headers(outgoing: &Outgoing<'_>, pool: &Arc<Pool>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, HeaderValue::from_static(outgoing.accept));
    headers.insert(ACCEPT_ENCODING, IDENTITY);
    if !outgoing.body.is_empty() {
        headers.insert(CONTENT_TYPE, JSON);
    }
    if let Some(authorization) = &pool.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    let id = outgoing
        .request_id
        .map(|id| HeaderValue::from_bytes(&id.to_text()));
    if let Some(Ok(id)) = id {
        headers.insert(X_REQUEST_ID, id);
    }
    headers
}
