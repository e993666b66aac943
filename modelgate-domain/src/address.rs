//! Where a request comes from: allow-lists, and which hop to believe behind proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks a key may be used from. An empty list allows every address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Box<[IpNet]>);

/// An entry is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is neither an IP address nor a network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct NotANetwork(pub String);

impl AllowList {
    /// Reads addresses and networks; an address stands for itself alone.
    ///
    /// # Errors
    /// [`NotANetwork`] with the first entry that is neither.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, NotANetwork> {
        let networks: Result<Box<[IpNet]>, _> = entries.into_iter().map(network).collect();
        networks.map(Self)
    }

    /// Whether `address` may pass. IPv4 written inside IPv6 counts as IPv4.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.contains(address)
    }

    /// Whether `address` is in one of the networks: unlike [`AllowList::admits`], an empty list holds nothing.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each entry as text: single addresses without a prefix length.
    pub fn entries(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|network| {
            if network.prefix_len() == network.max_prefix_len() {
                network.addr().to_string()
            } else {
                network.to_string()
            }
        })
    }
}

fn network(entry: &str) -> Result<IpNet, NotANetwork> {
    let text = entry.trim();
    let parsed = text
        .parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    parsed
        .map(canonical)
        .ok_or_else(|| NotANetwork(entry.to_owned()))
}

/// `::ffff:10.0.0.0/104` means `10.0.0.0/8`; host bits are dropped.
fn canonical(network: IpNet) -> IpNet {
    match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(address), length) if network.addr().is_ipv6() && length >= 96 => {
            IpNet::new(IpAddr::V4(address), length - 96)
                .unwrap_or(network)
                .trunc()
        }
        _ => network.trunc(),
    }
}

/// The client's address: the peer, or, when the peer is a trusted proxy, the right-most hop of `forwarded`
/// (the values of `X-Forwarded-For`, in order) that is not one. A hop that is no address ends the search at the hop before it.
pub fn client(peer: IpAddr, forwarded: &[&str], trusted: &AllowList) -> IpAddr {
    let mut believed = peer.to_canonical();
    let hops = forwarded.iter().rev().flat_map(|value| value.rsplit(','));
    for hop in hops {
        if !trusted.contains(believed) {
            break;
        }
        let Some(address) = hop_address(hop.trim()) else {
            break;
        };
        believed = address.to_canonical();
    }
    believed
}

/// Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let with_port = || {
        hop.parse::<std::net::SocketAddr>()
            .ok()
            .map(|socket| socket.ip())
    };
    bare.unwrap_or(hop).parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_admit_what_they_name() {
        let check = |list: &str, address: &str, expected: bool| {
            let list = AllowList::parse(list.split(',').filter(|entry| !entry.is_empty())).unwrap();
            assert_eq!(
                list.admits(address.parse().unwrap()),
                expected,
                "{list:?} {address}"
            );
        };
        check("", "203.0.113.9", true);
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("10.1.2.3/8", "10.200.0.1", true);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("::ffff:10.0.0.0/104", "10.1.2.3", true);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("2001:db8::/32", "10.1.2.3", false);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("192.0.2.1, 10.0.0.0/8", "10.1.2.3", true);
    }

    #[test]
    fn entries_that_are_no_networks_are_named() {
        for entry in [
            "10.0.0.0/33",
            "300.1.1.1",
            "localhost",
            "",
            "10.0.0",
            "::1/129",
        ] {
            assert_eq!(
                AllowList::parse([entry]),
                Err(NotANetwork(entry.to_owned()))
            );
        }
    }

    #[test]
    fn entries_read_back() {
        let list = AllowList::parse(["10.1.2.3/8", "::1", "192.0.2.7"]).unwrap();
        assert_eq!(
            list.entries().collect::<Vec<_>>(),
            ["10.0.0.0/8", "::1", "192.0.2.7"]
        );
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let check = |peer: &str, forwarded: &[&str], trusted: &str, expected: &str| {
            let trusted = AllowList::parse(trusted.split_whitespace()).unwrap();
            let found = client(peer.parse().unwrap(), forwarded, &trusted);
            assert_eq!(
                found.to_string(),
                expected,
                "{peer} {forwarded:?} {trusted:?}"
            );
        };
        check("192.0.2.1", &[], "", "192.0.2.1");
        check("192.0.2.1", &["10.0.0.1"], "", "192.0.2.1");
        check("192.0.2.1", &["10.0.0.1"], "192.0.2.9", "192.0.2.1");
        check("127.0.0.1", &["203.0.113.5"], "127.0.0.1", "203.0.113.5");
        // A client that writes the header itself is only the left part of it.
        check(
            "127.0.0.1",
            &["10.0.0.1, 203.0.113.5"],
            "127.0.0.1",
            "203.0.113.5",
        );
        check(
            "127.0.0.1",
            &["10.0.0.1", "203.0.113.5"],
            "127.0.0.1",
            "203.0.113.5",
        );
        check(
            "127.0.0.1",
            &["203.0.113.5, 172.16.0.1"],
            "127.0.0.1 172.16.0.0/12",
            "203.0.113.5",
        );
        check(
            "127.0.0.1",
            &["172.16.0.1"],
            "127.0.0.1 172.16.0.0/12",
            "172.16.0.1",
        );
        check(
            "127.0.0.1",
            &["203.0.113.5, garbage"],
            "127.0.0.1",
            "127.0.0.1",
        );
        check("127.0.0.1", &[""], "127.0.0.1", "127.0.0.1");
        check(
            "::ffff:127.0.0.1",
            &["::ffff:203.0.113.5"],
            "127.0.0.1",
            "203.0.113.5",
        );
        check(
            "127.0.0.1",
            &["203.0.113.5:4711"],
            "127.0.0.1",
            "203.0.113.5",
        );
        check(
            "127.0.0.1",
            &["[2001:db8::1]:4711"],
            "127.0.0.1",
            "2001:db8::1",
        );
        check("127.0.0.1", &["[2001:db8::1]"], "127.0.0.1", "2001:db8::1");
    }
}
