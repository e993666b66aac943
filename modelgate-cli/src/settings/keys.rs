//! Every setting there is: its path, what it may hold, and whether its feature is still to come.

use modelgate_domain::BackendKind;

use super::rule::Rule;

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) rule: Rule,
    pub(super) state: State,
}

/// What is special about a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Plain,
    /// Its feature is not in this version: it may hold only this value.
    Planned {
        value: &'static str,
        feature: &'static str,
    },
}

/// The setting of that path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether settings stand below that path.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Every path that a setting or a section has.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let prefixes = |path: &'static str| {
        path.match_indices('.')
            .map(move |(dot, _)| &path[..dot])
            .chain([path])
    };
    KEYS.iter().flat_map(move |key| prefixes(key.path))
}

/// The setting that a variable means: `MG_` and the path in capitals, with `_` for `.`.
pub(super) fn of_variable(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| variable(key.path) == name)
}

/// The variable of a setting.
pub(super) fn variable(path: &str) -> String {
    format!("MG_{}", path.replace('.', "_").to_ascii_uppercase())
}

const MS: u64 = 1;
const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
const MANY: u64 = 1_000_000;
const KIB: u64 = 1 << 10;

const fn plain(path: &'static str, rule: Rule) -> Key {
    Key {
        path,
        rule,
        state: State::Plain,
    }
}

const fn planned(
    path: &'static str,
    rule: Rule,
    value: &'static str,
    feature: &'static str,
) -> Key {
    Key {
        path,
        rule,
        state: State::Planned { value, feature },
    }
}

const SHARED: &str = "limits shared through Redis";
const KINDS: &[&str] = &["vllm", "llamacpp", "openai", "api3"];

/// In the order of `config/modelgate.yaml`.
pub(super) const KEYS: &[Key] = &[
    plain("server.host", Rule::Host),
    plain("server.port", Rule::Count(0, 65_535)),
    planned(
        "server.admin_listen",
        Rule::Anything,
        "",
        "a separate address for administration",
    ),
    plain("server.trusted_proxies", Rule::Networks),
    plain("server.tls.cert", Rule::MaybePath),
    plain("server.tls.key", Rule::MaybePath),
    plain("server.request_encodings", Rule::Words(&["gzip", "zstd"])),
    plain("server.cors.origins", Rule::Origins),
    plain("shutdown.grace", Rule::Span(0, HOUR)),
    plain("shutdown.drain", Rule::Span(0, HOUR)),
    plain("database.path", Rule::Path),
    planned("database.url", Rule::Credential, "", "PostgreSQL"),
    planned("redis.addr", Rule::Anything, "", SHARED),
    planned("redis.password", Rule::Credential, "", SHARED),
    planned("redis.db", Rule::Count(0, 15), "0", SHARED),
    planned("redis.tls", Rule::Flag, "false", SHARED),
    planned(
        "redis.policy",
        Rule::Word(&["local", "closed", "open"]),
        "local",
        SHARED,
    ),
    plain("rate_limit.rpm", Rule::Limit(1, MANY * 10)),
    plain("rate_limit.burst", Rule::Limit(1, MANY * 10)),
    plain("quota.default_tokens", Rule::Limit(1, MANY * MANY)),
    plain("quota.mode", Rule::Word(&["estimate", "bytes", "window"])),
    plain("quota.time_zone", Rule::Zone),
    plain("quota.max_output", Rule::Count(1, MANY * 10)),
    plain("timeout", Rule::Span(MS, DAY)),
    plain("timeouts.connect", Rule::Span(MS, HOUR)),
    plain("timeouts.first_event", Rule::Span(MS, DAY)),
    plain("timeouts.idle", Rule::Span(MS, DAY)),
    plain("timeouts.stream", Rule::Span(MS, DAY)),
    planned(
        "metering.fsync",
        Rule::Word(&["1s", "always", "off"]),
        "1s",
        "a choice of when rows reach the disk",
    ),
    planned(
        "metering.retention",
        Rule::Span(DAY, 3_650 * DAY),
        "90d",
        "pruning of old rows",
    ),
    plain("streams.keep_alive", Rule::Span(0, HOUR)),
    plain("streams.early_headers", Rule::Flag),
    plain("streams.normalize", Rule::Words(KINDS)),
    plain(
        "streams.reasoning_field",
        Rule::Word(&["reasoning_content", "reasoning", "both"]),
    ),
    plain("streams.strict_params", Rule::Flag),
    plain("upstreams.deny_private", Rule::Flag),
    plain("upstreams.ca_file", Rule::MaybePath),
    plain("upstreams.proxy", Rule::Proxy),
    plain(
        "upstreams.image_policy",
        Rule::Word(&["allow", "hosts", "data_only"]),
    ),
    plain("upstreams.image_hosts", Rule::Hosts),
    plain("limits.connections", Rule::Count(1, MANY)),
    plain("limits.in_flight", Rule::Count(1, MANY)),
    plain("limits.head", Rule::Size(KIB, KIB * KIB)),
    plain("limits.head_timeout", Rule::Span(MS, HOUR)),
    plain("limits.idle_timeout", Rule::Span(MS, HOUR)),
    plain("limits.body_timeout", Rule::Span(MS, HOUR)),
    plain("limits.write_timeout", Rule::Span(MS, HOUR)),
    plain("max_body_size", Rule::Size(1, KIB * KIB * KIB)),
    plain("admin.api_key", Rule::AdminKey),
    planned("admin.ui_dir", Rule::Anything, "", "a panel from a folder"),
    plain(
        "adapters.ollama.base_url",
        Rule::Backend(BackendKind::Ollama),
    ),
    plain("adapters.ollama.api_key", Rule::Credential),
    planned(
        "adapters.ollama.fallback_urls",
        Rule::Backends(BackendKind::Ollama),
        "",
        FALLBACKS,
    ),
    plain("adapters.vllm.base_url", Rule::Backend(BackendKind::Vllm)),
    plain("adapters.vllm.api_key", Rule::Credential),
    planned(
        "adapters.vllm.fallback_urls",
        Rule::Backends(BackendKind::Vllm),
        "",
        FALLBACKS,
    ),
    plain(
        "adapters.llamacpp.base_url",
        Rule::Backend(BackendKind::LlamaCpp),
    ),
    plain("adapters.llamacpp.api_key", Rule::Credential),
    planned(
        "adapters.llamacpp.fallback_urls",
        Rule::Backends(BackendKind::LlamaCpp),
        "",
        FALLBACKS,
    ),
    plain(
        "adapters.openai.base_url",
        Rule::Backend(BackendKind::OpenAi),
    ),
    plain("adapters.openai.api_key", Rule::Credential),
    planned(
        "adapters.openai.fallback_urls",
        Rule::Backends(BackendKind::OpenAi),
        "",
        FALLBACKS,
    ),
    plain("adapters.api3.base_url", Rule::Backend(BackendKind::Api3)),
    plain("adapters.api3.api_key", Rule::Credential),
    planned(
        "adapters.api3.fallback_urls",
        Rule::Backends(BackendKind::Api3),
        "",
        FALLBACKS,
    ),
    planned("resilience.retries", Rule::Count(0, 10), "2", RESILIENCE),
    planned(
        "resilience.backoff",
        Rule::Span(0, HOUR),
        "200ms",
        RESILIENCE,
    ),
    planned(
        "resilience.breaker.failures",
        Rule::Count(1, 1_000),
        "5",
        RESILIENCE,
    ),
    planned(
        "resilience.breaker.open",
        Rule::Span(MS, HOUR),
        "30s",
        RESILIENCE,
    ),
    planned(
        "resilience.breaker.probes",
        Rule::Count(1, 100),
        "1",
        RESILIENCE,
    ),
    plain("sync.on_start", Rule::Flag),
    plain("log.level", Rule::Level),
    plain("log.format", Rule::Word(&["auto", "json", "text"])),
    plain("secrets.key_file", Rule::Path),
    plain("secrets.key", Rule::Credential),
];

const FALLBACKS: &str = "fallback addresses (give a model several targets instead)";
const RESILIENCE: &str = "retries and breakers";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_variable_means_one_setting() {
        let names: BTreeSet<String> = KEYS.iter().map(|key| variable(key.path)).collect();
        assert_eq!(names.len(), KEYS.len());
        assert_eq!(
            of_variable("MG_RATE_LIMIT_RPM").map(|key| key.path),
            Some("rate_limit.rpm")
        );
        assert_eq!(
            of_variable("MG_TIMEOUTS_FIRST_EVENT").map(|key| key.path),
            Some("timeouts.first_event")
        );
        assert_eq!(
            of_variable("MG_TIMEOUT").map(|key| key.path),
            Some("timeout")
        );
    }

    #[test]
    fn planned_settings_allow_the_value_they_have() {
        for key in KEYS {
            if let State::Planned { value, .. } = key.state {
                assert!(key.rule.read(&value.into()).is_ok(), "{}", key.path);
            }
        }
    }
}
