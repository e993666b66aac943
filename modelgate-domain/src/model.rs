//! Models as clients name them, and the targets that serve them.

use std::fmt;
use std::net::IpAddr;

use crate::id::{ModelId, ModelName, TargetId};

/// What kind of server a target is, which decides how it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackendKind {
    /// Ollama, by its native API.
    Ollama,
    /// vLLM's OpenAI-compatible server.
    Vllm,
    /// llama.cpp's `llama-server`.
    LlamaCpp,
    /// The OpenAI API itself.
    OpenAi,
    /// Any other OpenAI-compatible service.
    Api3,
    /// Built in: answers with the last message.
    Echo,
}

impl BackendKind {
    /// Every kind, in the order lists show them.
    pub const ALL: [Self; 6] = [
        Self::Ollama,
        Self::Vllm,
        Self::LlamaCpp,
        Self::OpenAi,
        Self::Api3,
        Self::Echo,
    ];

    /// The word used in settings, in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llamacpp",
            Self::OpenAi => "openai",
            Self::Api3 => "api3",
            Self::Echo => "echo",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A credential for an upstream. Printed never, stored sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a credential: visible ASCII, as it goes into a header.
    pub fn new(text: &str) -> Option<Self> {
        let visible = !text.is_empty()
            && text.len() <= 4096
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        visible.then(|| Self(text.into()))
    }

    /// The secret itself, for the request that carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// Address of a server, normalised: `http` or `https`, no user, query or fragment, no trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BaseUrl(Box<str>);

/// Why an address was refused. The text says what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// No `http://` or `https://` in front.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A user name or password inside.
    #[error("must not hold a user name or password: give the credential as api_key")]
    User,
    /// No host, a bad port, or characters that do not belong there.
    #[error("must be a host with an optional port and path, such as http://localhost:11434")]
    Shape,
    /// A question mark or a hash sign.
    #[error("must not hold a query or fragment")]
    Query,
    /// An address where clouds keep their metadata, or a link-local one.
    #[error("must not be a link-local or metadata address")]
    LinkLocal,
}

impl BaseUrl {
    /// Takes the address of a server of that kind. `/v1` is added unless the path already ends in a version segment;
    /// for Ollama, which is spoken natively, a trailing `/v1` is taken off.
    ///
    /// # Errors
    /// [`BadUrl`] when it is no plain address of an HTTP server.
    pub fn parse(kind: BackendKind, text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = split_scheme(text.trim()).ok_or(BadUrl::Scheme)?;
        if rest.contains(['?', '#']) {
            return Err(BadUrl::Query);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        check_authority(authority)?;
        if !path.bytes().all(|byte| {
            byte.is_ascii_graphic()
                && !matches!(
                    byte,
                    b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
                )
        }) {
            return Err(BadUrl::Shape);
        }
        let path = versioned(kind, path.trim_end_matches('/'));
        Ok(Self(
            format!("{scheme}://{}{path}", authority.to_ascii_lowercase()).into(),
        ))
    }

    /// The whole address, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port: what a credential is for.
    pub fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[after_scheme..]
            .find('/')
            .map_or(self.0.len(), |at| after_scheme + at);
        &self.0[..end]
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn split_scheme(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    ["http", "https"]
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known))
        .map(|known| (known, rest))
}

fn check_authority(authority: &str) -> Result<(), BadUrl> {
    if authority.contains('@') {
        return Err(BadUrl::User);
    }
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, port)) => {
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| BadUrl::Shape)?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_is_good = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let host_is_good = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if !port_is_good || !host_is_good {
        return Err(BadUrl::Shape);
    }
    match host.parse::<IpAddr>() {
        Ok(address) if is_metadata(address) => Err(BadUrl::LinkLocal),
        _ => Ok(()),
    }
}

fn versioned(kind: BackendKind, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_version = last
        .strip_prefix('v')
        .is_some_and(|digits| digits.starts_with(|first: char| first.is_ascii_digit()));
    match kind {
        BackendKind::Ollama => path.strip_suffix("/v1").unwrap_or(path).to_owned(),
        _ if is_version => path.to_owned(),
        _ => format!("{path}/v1"),
    }
}

/// Addresses no upstream may have: link-local ones and those where clouds serve credentials.
pub fn is_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.octets() == [100, 100, 100, 200]
                || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

/// One server that can answer for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Number.
    pub id: TargetId,
    /// How it is spoken to.
    pub kind: BackendKind,
    /// Where it is; `None` for [`BackendKind::Echo`], which is nowhere.
    pub base_url: Option<BaseUrl>,
    /// What the server calls the model.
    pub upstream_name: String,
    /// Credential of this target alone.
    pub credential: Option<Secret>,
    /// Lower comes first.
    pub priority: i32,
}

/// What an operator may set for a model beside its targets; only Ollama has such options today.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelOptions {
    /// Context to load the model with (`num_ctx`), in tokens.
    pub num_ctx: Option<u32>,
    /// How long the model stays loaded, as Ollama writes it (`5m`, `-1`).
    pub keep_alive: Option<String>,
    /// Speak to Ollama by its OpenAI-compatible layer instead of its native API.
    pub openai_api: bool,
    /// Let Ollama drop the oldest messages of a prompt that is too long instead of answering 400.
    pub truncate: bool,
}

/// A model as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Number, for people.
    pub id: ModelId,
    /// What clients say; unique among names and aliases.
    pub name: ModelName,
    /// Other names for the same.
    pub aliases: Vec<ModelName>,
    /// Whether it is offered.
    pub enabled: bool,
    /// Tiers of keys that may use it; empty means all.
    pub tiers: Vec<String>,
    /// Operator's options.
    pub options: ModelOptions,
    /// Context in tokens, where known.
    pub context_length: Option<u64>,
    /// What it can do (`completion`, `tools`, `vision`, `thinking`, `embedding` …), where known.
    pub capabilities: Vec<String>,
    /// Servers, in order of priority; at least one.
    pub targets: Vec<Target>,
    /// When it was added.
    pub created_at: crate::time::Timestamp,
}

impl Model {
    /// Whether `name` is this model's name or one of its aliases.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name.as_str() == name || self.aliases.iter().any(|alias| alias.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised_by_kind() {
        let check = |kind: BackendKind, text: &str, expected: &str| {
            assert_eq!(
                BaseUrl::parse(kind, text).unwrap().as_str(),
                expected,
                "{text}"
            );
        };
        check(
            BackendKind::Vllm,
            "http://localhost:8000",
            "http://localhost:8000/v1",
        );
        check(
            BackendKind::Vllm,
            "http://localhost:8000/",
            "http://localhost:8000/v1",
        );
        check(
            BackendKind::Vllm,
            "HTTP://LocalHost:8000/v1/",
            "http://localhost:8000/v1",
        );
        check(
            BackendKind::Api3,
            "https://api.example.com/openai/v2",
            "https://api.example.com/openai/v2",
        );
        check(
            BackendKind::Api3,
            "https://api.example.com/v1beta",
            "https://api.example.com/v1beta",
        );
        check(
            BackendKind::Api3,
            "https://api.example.com/version",
            "https://api.example.com/version/v1",
        );
        check(
            BackendKind::Ollama,
            "http://localhost:11434/v1",
            "http://localhost:11434",
        );
        check(
            BackendKind::Ollama,
            "http://localhost:11434/",
            "http://localhost:11434",
        );
        check(
            BackendKind::Ollama,
            "http://[::1]:11434",
            "http://[::1]:11434",
        );
        check(
            BackendKind::Ollama,
            "https://example.com/ollama",
            "https://example.com/ollama",
        );
    }

    #[test]
    fn odd_addresses_are_refused() {
        let check = |text: &str, expected: BadUrl| {
            assert_eq!(
                BaseUrl::parse(BackendKind::Vllm, text),
                Err(expected),
                "{text}"
            );
        };
        check("", BadUrl::Scheme);
        check("localhost:8000", BadUrl::Scheme);
        check("ftp://localhost", BadUrl::Scheme);
        check("file:///etc/passwd", BadUrl::Scheme);
        check("http://", BadUrl::Shape);
        check("http://host:0", BadUrl::Shape);
        check("http://host:99999", BadUrl::Shape);
        check("http://ho st", BadUrl::Shape);
        check("http://host/a b", BadUrl::Shape);
        check("http://[::1", BadUrl::Shape);
        check("http://user:pw@host", BadUrl::User);
        check("http://host/?a=1", BadUrl::Query);
        check("http://host#x", BadUrl::Query);
        check("http://169.254.169.254", BadUrl::LinkLocal);
        check("http://[fe80::1]", BadUrl::LinkLocal);
        check("http://[::ffff:169.254.169.254]", BadUrl::LinkLocal);
        check("http://0.0.0.0:80", BadUrl::LinkLocal);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = BaseUrl::parse(BackendKind::Api3, "https://api.example.com:8443/a/v1").unwrap();
        assert_eq!(url.origin(), "https://api.example.com:8443");
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(
            format!("{:?}", Secret::new("sk-upstream")),
            "Some(Secret(..))"
        );
        assert_eq!(Secret::new("two words"), None);
    }
}
