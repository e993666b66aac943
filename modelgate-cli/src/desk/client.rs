//! A small HTTP client for the admin API.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use modelgate_domain::PlainKey;
use serde_json::Value;

use crate::failure::{Failure, root_cause};

/// Calls one server with one key.
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    credential: HeaderValue,
    timeout: Duration,
}

const MOST: usize = 64 << 20;

impl Client {
    pub(super) fn new(server: &str, key: &PlainKey, timeout: Duration) -> Result<Self, Failure> {
        let server = server.trim().trim_end_matches('/').to_owned();
        check(&server)?;
        let mut credential = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))
            .map_err(|_| Failure::usage("the API key holds characters that no key has"))?;
        credential.set_sensitive(true);
        let tls = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            pool: Pool::builder(TokioExecutor::new()).build(tls),
            server,
            credential,
            timeout,
        })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Sends one request and reads the JSON that answers it.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let exchange = self.exchange(method, path, body);
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Err(self.unreachable(&format!("no answer within {} s", self.timeout.as_secs())))
            }
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(AUTHORIZATION, self.credential.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(text))
            .map_err(|error| {
                Failure::usage(format!("the server's address cannot be used: {error}"))
            })?;
        let answer = self
            .pool
            .request(request)
            .await
            .map_err(|error| self.unreachable(&root_cause(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body
            .map_err(|error| self.unreachable(&root_cause(&*error)))?
            .to_bytes();
        self.read(status, &body)
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Value, Failure> {
        let parsed = serde_json::from_slice::<Value>(body);
        match parsed {
            Ok(answer) if status.is_success() => Ok(answer),
            Ok(answer) if answer["error"]["message"].is_string() => Err(Failure::refused(answer)),
            _ => Err(Failure::strange(&format!(
                "{} (status {})",
                self.server,
                status.as_u16()
            ))),
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::unreachable(&self.server, why)
    }
}

fn check(server: &str) -> Result<(), Failure> {
    let wrong = || Failure::usage("--server must be an address such as http://127.0.0.1:8080");
    let address: Uri = server.parse().map_err(|_| wrong())?;
    let has_user = address
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    let is_http = matches!(address.scheme_str(), Some("http" | "https"));
    if is_http && address.query().is_none() && !has_user {
        Ok(())
    } else {
        Err(wrong())
    }
}
