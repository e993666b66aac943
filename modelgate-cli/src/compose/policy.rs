//! Settings as the use cases want them.

use modelgate_domain::head::Caps;
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Zone;
use modelgate_domain::{BackendKind, PlainKey};
use modelgate_ports::driven::Upstream;
use modelgate_ports::driving::{Bound, Policy, Server};

use super::backends;
use crate::settings::{QuotaMode, Settings, SettingsError};

/// What the operator decided.
pub(super) fn policy(settings: &Settings) -> Result<Policy, SettingsError> {
    let rate = &settings.rate_limit;
    let zone = Zone::named(&settings.quota.time_zone)
        .map_err(|error| SettingsError::new(format!("quota.time_zone: {error}")))?;
    Ok(Policy {
        default_limits: Limits {
            rpm: rate.rpm,
            burst: rate.burst,
            ..Limits::default()
        },
        default_quota: settings.quota.default_tokens,
        bound: bound(settings.quota.mode),
        max_output: settings.quota.max_output,
        zone,
        caps: Caps::default(),
        root: root_key(settings)?.map(|key| key.digest()),
        servers: servers(settings)?,
    })
}

/// The configured admin key.
pub(super) fn root_key(settings: &Settings) -> Result<Option<PlainKey>, SettingsError> {
    let Some(text) = &settings.admin.api_key else {
        return Ok(None);
    };
    let key = PlainKey::presented(text.reveal());
    key.map(Some).ok_or_else(|| {
        SettingsError::new("admin.api_key must be visible ASCII characters without spaces")
    })
}

fn bound(mode: QuotaMode) -> Bound {
    match mode {
        QuotaMode::Estimate => Bound::Estimate,
        QuotaMode::Bytes => Bound::Bytes,
        QuotaMode::Window => Bound::Window,
    }
}

/// The servers that sync looks at: OpenAI only with a credential, because it answers nobody else.
fn servers(settings: &Settings) -> Result<Vec<Server>, SettingsError> {
    let defaults = Settings::default();
    let mut servers = Vec::new();
    for kind in BackendKind::ALL {
        let Some((base_url, credential)) = backends::configured(settings, kind)? else {
            continue;
        };
        if kind == BackendKind::OpenAi && credential.is_none() {
            continue;
        }
        let is_default =
            backends::configured(&defaults, kind)?.is_some_and(|(url, _)| url == base_url);
        // The adapter adds its own credential to requests for its own address.
        servers.push(Server {
            upstream: Upstream {
                kind,
                base_url,
                credential: None,
            },
            is_default,
        });
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Hidden;

    #[test]
    fn settings_become_a_policy() {
        let policy = policy(&Settings::default()).unwrap();
        let expected = Policy::default();
        assert_eq!(
            (policy.default_limits, policy.default_quota),
            (expected.default_limits, expected.default_quota)
        );
        assert_eq!(
            (policy.bound, policy.max_output),
            (expected.bound, expected.max_output)
        );
        assert!(policy.root.is_none());
    }

    #[test]
    fn openai_is_asked_only_with_a_credential() {
        let kinds = |settings: &Settings| -> Vec<&str> {
            policy(settings)
                .unwrap()
                .servers
                .iter()
                .map(|server| server.upstream.kind.as_str())
                .collect()
        };
        let mut settings = Settings::default();
        assert_eq!(kinds(&settings), ["ollama", "vllm", "llamacpp"]);
        settings.adapters.openai.api_key = Some(Hidden::new("sk-x"));
        settings.adapters.vllm.base_url = None;
        assert_eq!(kinds(&settings), ["ollama", "llamacpp", "openai"]);
    }

    #[test]
    fn only_default_addresses_may_be_silent() {
        let mut settings = Settings::default();
        settings.adapters.ollama.base_url = Some("http://gpu:11434".to_owned());
        let servers = policy(&settings).unwrap().servers;
        let defaults: Vec<bool> = servers.iter().map(|server| server.is_default).collect();
        assert_eq!(defaults, [false, true, true]);
    }
}
