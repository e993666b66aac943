//! Texts with a form of their own: hosts, networks, origins, addresses, log levels.

use std::net::IpAddr;

use modelgate_domain::{AllowList, BackendKind, BaseUrl};

use super::Rule;

/// What such a text must be, as the end of a sentence.
pub(super) fn wanted(rule: Rule) -> &'static str {
    match rule {
        Rule::Networks => "a list of IP addresses or networks such as 10.0.0.0/8",
        Rule::Origins => "a list of origins such as https://app.example.com, or *",
        Rule::Backend(BackendKind::Ollama) => "an address such as http://localhost:11434",
        Rule::Backend(_) => {
            "an address such as http://localhost:8000/v1, without user, query or fragment"
        }
        Rule::Backends(_) => "a list of addresses such as http://localhost:8000/v1",
        Rule::Proxy => "the address of a proxy such as http://proxy.example.com:3128, or off",
        Rule::Host => "an IP address or a host name, without a port",
        Rule::Hosts => "a list of host names such as images.example.com",
        Rule::Path => "a path",
        Rule::MaybePath => "a path, or null",
        Rule::Zone => "an IANA time zone such as UTC or Europe/Berlin",
        Rule::Level => {
            "error, warn, info, debug, trace or off, or directives such as info,modelgate_http=debug"
        }
        Rule::AdminKey => "a text of 1 to 512 visible ASCII characters without spaces",
        Rule::Credential => "a text of visible ASCII characters without spaces",
        _ => "a text",
    }
}

pub(super) fn is_network(text: &str) -> bool {
    AllowList::parse([text]).is_ok()
}

/// Scheme, host and port as browsers send them, without a path.
pub(super) fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let scheme_is_good = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let host_is_good = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte));
    scheme_is_good && host_is_good
}

pub(super) fn is_backend(kind: BackendKind, text: &str) -> bool {
    BaseUrl::parse(kind, text).is_ok()
}

/// A proxy may be reached with a name and a password.
pub(super) fn is_proxy(text: &str) -> bool {
    let Ok(address) = text.parse::<http::Uri>() else {
        return false;
    };
    let scheme = address.scheme_str() == Some("http");
    scheme
        && address.host().is_some_and(|host| !host.is_empty())
        && matches!(address.path(), "" | "/")
}

pub(super) fn is_host(text: &str) -> bool {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let name_is_good = || {
        !text.is_empty()
            && text.len() <= 253
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    bare.parse::<IpAddr>().is_ok() || name_is_good()
}

pub(super) fn is_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let parts = text
        .split(',')
        .map(|part| part.rsplit_once('=').unwrap_or((".", part)));
    let mut parts =
        parts.map(|(target, level)| !target.is_empty() && LEVELS.contains(&level.trim()));
    parts.all(|good| good) && text.parse::<tracing_subscriber::filter::Targets>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_no_path() {
        for good in [
            "*",
            "https://app.example.com",
            "http://localhost:3000",
            "http://[::1]:3000",
            "chrome-extension://abc",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "app.example.com",
            "https://",
            "https://a.example/",
            "https://a.example/x",
            "https://a b",
            "null",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn hosts_have_no_port() {
        for good in [
            "127.0.0.1",
            "0.0.0.0",
            "::1",
            "[::1]",
            "localhost",
            "gate.example.com",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:80",
            "300.1.1.1",
            "a b",
            "http://localhost",
            "localhost:80",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn levels_are_words_or_directives() {
        for good in [
            "info",
            "off",
            "warn,modelgate_http=debug",
            "modelgate::serve=trace",
        ] {
            assert!(is_level(good), "{good}");
        }
        for bad in ["", "loud", "info,", "modelgate=loud", "=info", "5"] {
            assert!(!is_level(bad), "{bad}");
        }
    }

    #[test]
    fn proxies_are_addresses() {
        for good in [
            "http://proxy:3128",
            "http://proxy.example.com/",
            "http://user:pw@proxy:3128",
        ] {
            assert!(is_proxy(good), "{good}");
        }
        for bad in [
            "proxy",
            "proxy:3128",
            "socks5://proxy:1080",
            "https://proxy",
            "http://proxy/path",
            "http://",
        ] {
            assert!(!is_proxy(bad), "{bad}");
        }
    }
}
