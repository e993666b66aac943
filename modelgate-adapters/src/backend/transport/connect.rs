//! From a URL to a connection: guarded names, TCP, perhaps a proxy, TLS, all within one time limit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use modelgate_ports::BoxError;
use tokio::net::TcpStream;
use tower_service::Service;

use super::address::{Guard, Resolver};
use super::link::Link;
use super::{TransportConfig, TransportError, tls};

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// No connection within the time limit.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(super) struct TooSlow(Duration);

/// Makes connections for the pools.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dialer>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(config: &TransportConfig) -> Result<Self, TransportError> {
        let dialer = Dialer::new(config)?;
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(config.ca_file.as_deref())?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dialer);
        Ok(Self {
            https,
            limit: config.connect,
        })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Link<MaybeHttpsStream<TokioIo<TcpStream>>>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        let connecting = self.https.call(uri);
        Box::pin(async move {
            let stream = tokio::time::timeout(limit, connecting)
                .await
                .map_err(|_| TooSlow(limit))??;
            Ok(TokioIo::new(Link::new(stream)))
        })
    }
}

/// Makes the TCP connection, to the server or to the proxy before it.
#[derive(Clone)]
struct Dialer {
    guard: Guard,
    direct: HttpConnector<Resolver>,
    /// The proxy is the operator's own: its address is not judged.
    tunnel: Option<Tunnel<HttpConnector<GaiResolver>>>,
}

impl Dialer {
    fn new(config: &TransportConfig) -> Result<Self, TransportError> {
        let guard = Guard {
            deny_private: config.deny_private,
        };
        let direct = prepared(HttpConnector::new_with_resolver(Resolver::new(guard)));
        let tunnel = config.proxy.as_deref().map(tunnel).transpose()?;
        Ok(Self {
            guard,
            direct,
            tunnel,
        })
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Err(refused) = self.guard.check_uri(&uri) {
            return Box::pin(async move { Err(refused.into()) });
        }
        match &mut self.tunnel {
            Some(tunnel) if uri.scheme() == Some(&Scheme::HTTPS) => {
                let connecting = tunnel.call(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
            _ => {
                let connecting = self.direct.call(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
        }
    }
}

fn prepared<R>(mut connector: HttpConnector<R>) -> HttpConnector<R> {
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(Duration::from_secs(60)));
    connector
}

fn tunnel(proxy: &str) -> Result<Tunnel<HttpConnector<GaiResolver>>, TransportError> {
    let matcher = Matcher::builder().https(proxy).build();
    let anywhere = Uri::from_static("https://example.com");
    let intercept = matcher.intercept(&anywhere).ok_or(TransportError::Proxy)?;
    let uri = intercept.uri().clone();
    if uri.scheme() != Some(&Scheme::HTTP) {
        return Err(TransportError::Proxy);
    }
    let tunnel = Tunnel::new(
        uri,
        prepared(HttpConnector::new_with_resolver(GaiResolver::new())),
    );
    Ok(match intercept.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_writes_leave_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let stream = Dialer::new(&TransportConfig::default())
            .unwrap()
            .call(uri)
            .await
            .unwrap();
        assert!(stream.inner().nodelay().unwrap());
    }

    #[test]
    fn only_http_proxies_are_taken() {
        let check = |proxy: &str| tunnel(proxy).is_ok();
        assert!(check("http://proxy.example:3128"));
        assert!(check("http://user:pa%20ss@proxy.example:3128"));
        assert!(check("proxy.example:3128"));
        assert!(!check("https://proxy.example:3128"));
        assert!(!check("socks5://proxy.example:1080"));
        assert!(!check(""));
    }
}
