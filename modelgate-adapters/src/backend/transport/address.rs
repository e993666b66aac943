//! Which addresses a server may have, checked on what its name resolves to, at the moment of connecting.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use modelgate_domain::model::is_metadata;
use modelgate_ports::BoxError;
use tower_service::Service;

/// An address to which nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0} is a link-local or metadata address")]
    Metadata(IpAddr),
    #[error("{0} is a private address and upstreams.deny_private is on")]
    Private(IpAddr),
}

/// The rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    pub(super) deny_private: bool,
}

impl Guard {
    /// Checks an address, and any IPv4 address that a translator would make of it.
    pub(super) fn check(self, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        for meant in [Some(address), translated(address)].into_iter().flatten() {
            if is_metadata(meant) {
                return Err(Refused::Metadata(address));
            }
            if self.deny_private && is_private(meant) {
                return Err(Refused::Private(address));
            }
        }
        Ok(())
    }

    /// Checks an address that stands in the URL itself, which nobody resolves.
    pub(super) fn check_uri(self, uri: &Uri) -> Result<(), Refused> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        host.parse().map_or(Ok(()), |address| self.check(address))
    }

    /// The addresses that may be connected to; an error when there were some, but none of these.
    fn allowed(self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(reason) => refused = Some(reason),
            }
        }
        match refused {
            Some(reason) if allowed.is_empty() => Err(reason),
            _ => Ok(allowed),
        }
    }
}

/// The system's resolver, of whose answers only allowed ones are passed on.
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    guard: Guard,
}

impl Resolver {
    pub(super) fn new(guard: Guard) -> Self {
        Self {
            system: GaiResolver::new(),
            guard,
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.system.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.guard;
        let resolving = self.system.call(name);
        Box::pin(async move {
            let allowed = guard.allowed(resolving.await?)?;
            Ok(allowed.into_iter())
        })
    }
}

/// The IPv4 address inside of a NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
fn translated(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let octets = address.octets();
    let inner: [u8; 4] = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => octets[12..].try_into().ok()?,
        [0x2002, ..] => octets[2..6].try_into().ok()?,
        _ => return None,
    };
    Some(Ipv4Addr::from(inner).into())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_shared = first == 100 && second & 0xc0 == 64;
    let is_benchmark = first == 198 && second & 0xfe == 18;
    address.is_private()
        || address.is_loopback()
        || address.is_broadcast()
        || first == 0
        || is_shared
        || is_benchmark
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local() || address.segments()[0] & 0xffc0 == 0xfec0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_refused_always_and_private_addresses_on_request() {
        let check = |address: &str, open: bool, strict: bool| {
            let address: IpAddr = address.parse().unwrap();
            let is_allowed = |deny_private| Guard { deny_private }.check(address).is_ok();
            assert_eq!(
                (is_allowed(false), is_allowed(true)),
                (open, strict),
                "{address}"
            );
        };
        for public in [
            "93.184.216.34",
            "2606:2800:220:1::1",
            "100.128.0.1",
            "172.32.0.1",
        ] {
            check(public, true, true);
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
        ] {
            check(private, true, false);
        }
        for private in [
            "::1",
            "fd12::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
        ] {
            check(private, true, false);
        }
        for metadata in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "::ffff:169.254.169.254",
        ] {
            check(metadata, false, false);
        }
        for metadata in [
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "100.100.100.200",
            "0.0.0.0",
        ] {
            check(metadata, false, false);
        }
    }

    #[test]
    fn addresses_in_urls_are_checked_too() {
        let check = |uri: &str| {
            Guard {
                deny_private: false,
            }
            .check_uri(&uri.parse().unwrap())
            .is_ok()
        };
        assert!(check("http://127.0.0.1:11434/api"));
        assert!(check("http://models.internal/v1"));
        assert!(!check("http://169.254.169.254/latest"));
        assert!(!check("http://[fe80::1]:80/"));
    }

    #[test]
    fn a_name_with_one_good_address_stays_usable() {
        let guard = Guard { deny_private: true };
        let all = |list: &[&str]| guard.allowed(list.iter().map(|text| text.parse().unwrap()));
        assert_eq!(all(&["10.0.0.1:80", "1.1.1.1:80"]).unwrap().len(), 1);
        assert!(matches!(
            all(&["10.0.0.1:80", "[::1]:80"]),
            Err(Refused::Private(_))
        ));
        assert_eq!(all(&[]).unwrap(), []);
    }

    #[tokio::test]
    async fn resolved_names_are_checked() {
        let resolve = |deny_private| async move {
            let name = "localhost".parse().unwrap();
            Resolver::new(Guard { deny_private }).call(name).await
        };
        assert!(
            resolve(false)
                .await
                .unwrap()
                .all(|address| address.ip().is_loopback())
        );
        let refused = resolve(true).await.unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(Refused::Private(_))));
    }
}
