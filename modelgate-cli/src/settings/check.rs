//! What no single setting can say alone.

use super::{Settings, SettingsError};

/// Checks settings against each other.
pub(super) fn check(settings: &Settings) -> Result<(), SettingsError> {
    let tls = &settings.server.tls;
    let missing = match (&tls.cert, &tls.key) {
        (Some(_), None) => Some(("server.tls.cert", "server.tls.key")),
        (None, Some(_)) => Some(("server.tls.key", "server.tls.cert")),
        _ => None,
    };
    if let Some((given, missing)) = missing {
        return Err(SettingsError::new(format!(
            "{given} needs {missing} beside it"
        )));
    }
    let upstreams = &settings.upstreams;
    if (upstreams.image_policy == "hosts") == upstreams.image_hosts.is_empty() {
        return Err(SettingsError::new(
            "upstreams.image_hosts and upstreams.image_policy hosts need each other",
        ));
    }
    match (settings.rate_limit.rpm, settings.rate_limit.burst) {
        (Some(rpm), Some(burst)) if burst > rpm => Err(SettingsError::new(format!(
            "rate_limit.burst must be at most rate_limit.rpm, which is {rpm}, not {burst}"
        ))),
        _ => Ok(()),
    }
}
