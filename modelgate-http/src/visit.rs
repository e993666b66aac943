//! One request under way: who asks, what it is, and what is told of it afterwards.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Version};
use modelgate_domain::{RequestId, Timestamp, address};
use modelgate_ports::driving::{App, Caller};

use crate::access_log::AccessLine;
use crate::body::receive;
use crate::body::{Body, Inbound};
use crate::config::ServerConfig;
use crate::cors;
use crate::credential;
use crate::form::Form;
use crate::link::Link;
use crate::problem::Problem;
use crate::service::{Phase, Place, Service};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What handlers need to know of the request beside its head.
pub(crate) struct Visit {
    pub(crate) service: Arc<Service>,
    pub(crate) link: Arc<Link>,
    pub(crate) id: RequestId,
    pub(crate) inbound: Inbound,
    pub(crate) line: AccessLine,
    pub(crate) place: Option<Place>,
    address: IpAddr,
    closes: bool,
    code: Option<String>,
}

impl Visit {
    pub(crate) fn new(
        service: &Arc<Service>,
        link: &Arc<Link>,
        peer: IpAddr,
        parts: &Parts,
        inbound: Inbound,
    ) -> Self {
        let id = service.app.gateway.request_id();
        let address = client_address(&service.config, peer, &parts.headers);
        Self {
            service: Arc::clone(service),
            link: Arc::clone(link),
            id,
            inbound,
            line: AccessLine::new(id, parts, address),
            place: None,
            address,
            closes: false,
            code: None,
        }
    }

    pub(crate) fn app(&self) -> &App {
        &self.service.app
    }

    pub(crate) fn config(&self) -> &ServerConfig {
        &self.service.config
    }

    /// When the request arrived: its id says so in its first 48 bits.
    pub(crate) fn arrived(&self) -> Timestamp {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.id.as_bytes()[..6]);
        Timestamp::from_millis(i64::from_be_bytes(millis))
    }

    /// Whose key was presented.
    pub(crate) async fn caller(&mut self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let secret = credential::presented(headers)?;
        let caller = self
            .service
            .app
            .gateway
            .authenticate(&secret, self.address)
            .await?;
        self.line.caller = Some(caller.clone());
        Ok(caller)
    }

    /// A caller who may read the admin API.
    pub(crate) async fn viewer(&mut self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let caller = self.caller(headers).await?;
        if caller.may_read() {
            Ok(caller)
        } else {
            Err(Problem::forbidden("viewer or admin"))
        }
    }

    /// A caller who may change things in the admin API.
    pub(crate) async fn admin(&mut self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let caller = self.caller(headers).await?;
        if caller.may_write() {
            Ok(caller)
        } else {
            Err(Problem::forbidden("admin"))
        }
    }

    /// The form that was sent.
    pub(crate) async fn form(&mut self, headers: &HeaderMap) -> Result<Form, Problem> {
        let body = receive::form(headers, &mut self.inbound, &self.service.config).await?;
        Ok(Form::read(&body)?)
    }

    /// The answer for a request that failed; the cause goes to the log.
    pub(crate) fn refuse(&mut self, problem: Problem) -> Response<Body> {
        problem.log(self.id);
        self.closes |= problem.closes();
        self.code = Some(problem.log_code().to_owned());
        problem.into_response()
    }

    /// Adds what every answer has, and closes the line in the log or leaves that to the stream.
    pub(crate) fn finish(self, parts: &Parts, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_bytes(&self.id.to_text()) {
            headers.insert(REQUEST_ID, id);
        }
        if parts.uri.path().starts_with("/admin/") {
            headers
                .entry(CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
        }
        cors::mark(&self.service.config.cors_origins, &parts.headers, headers);
        if self.must_close(parts) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if !self.inbound.has_ended() {
            self.link.leave_unread();
        }
        if parts.method == Method::HEAD {
            response = without_body(response);
        }
        let status = response.status();
        if let Some(mut line) = response.body_mut().hand_line(self.line) {
            line.finish(status, self.code.as_deref());
        }
        response.map(|body| body.hold_place(self.place))
    }

    /// HTTP/2 has other means; and there an unread body harms nobody.
    fn must_close(&self, parts: &Parts) -> bool {
        let waits_in_vain = !self.inbound.has_ended() && parts.headers.contains_key(EXPECT);
        let is_stopping = self.service.phase() != Phase::Serving;
        parts.version < Version::HTTP_2 && (self.closes || waits_in_vain || is_stopping)
    }
}

fn client_address(config: &ServerConfig, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if config.trusted_proxies.is_empty() {
        return peer.to_canonical();
    }
    // A value that is no text is no address, and ends the search as such.
    let values = headers.get_all("x-forwarded-for").iter();
    let forwarded: Vec<&str> = values.map(|value| value.to_str().unwrap_or("?")).collect();
    address::client(peer, &forwarded, &config.trusted_proxies)
}

/// The answer to HEAD tells the length of what GET would bring.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.length().filter(|&length| length > 0) {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, Body::empty())
}

#[cfg(test)]
mod tests {
    use modelgate_domain::AllowList;

    use super::*;

    #[test]
    fn only_listed_proxies_tell_where_a_client_is() {
        let check = |trusted: &[&str], forwarded: &[&[u8]], expected: &str| {
            let config = ServerConfig {
                trusted_proxies: AllowList::parse(trusted.iter().copied()).unwrap(),
                ..ServerConfig::default()
            };
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
            }
            let found = client_address(&config, "::ffff:127.0.0.1".parse().unwrap(), &headers);
            assert_eq!(found.to_string(), expected, "{trusted:?} {forwarded:?}");
        };
        check(&[], &[b"203.0.113.5"], "127.0.0.1");
        check(&["127.0.0.1"], &[b"203.0.113.5"], "203.0.113.5");
        check(
            &["127.0.0.1"],
            &[b"203.0.113.5", b"198.51.100.7"],
            "198.51.100.7",
        );
        check(&["127.0.0.1"], &[b"203.0.113.5", b"\xff"], "127.0.0.1");
        check(&["10.0.0.0/8"], &[b"203.0.113.5"], "127.0.0.1");
    }
}
