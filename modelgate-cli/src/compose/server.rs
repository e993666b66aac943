//! Settings as the HTTP server wants them.

use modelgate_domain::AllowList;
use modelgate_http::{RequestEncodings, ServerConfig};

use crate::settings::{Settings, SettingsError};

/// The server's configuration.
pub(crate) fn server_config(settings: &Settings) -> Result<ServerConfig, SettingsError> {
    let (server, limits) = (&settings.server, &settings.limits);
    let takes = |name: &str| {
        server
            .request_encodings
            .iter()
            .any(|encoding| encoding == name)
    };
    let trusted_proxies = AllowList::parse(server.trusted_proxies.iter().map(String::as_str))
        .map_err(|error| SettingsError::new(format!("server.trusted_proxies: {error}")))?;
    Ok(ServerConfig {
        trusted_proxies,
        cors_origins: server.cors.origins.clone(),
        request_encodings: RequestEncodings {
            gzip: takes("gzip"),
            zstd: takes("zstd"),
        },
        max_body: settings.max_body_size,
        max_head: limits.head,
        connections: limits.connections,
        in_flight: limits.in_flight,
        head_timeout: limits.head_timeout,
        idle_timeout: limits.idle_timeout,
        body_timeout: limits.body_timeout,
        write_timeout: limits.write_timeout,
        keep_alive: settings.streams.keep_alive,
        early_headers: settings.streams.early_headers,
        grace: settings.shutdown.grace,
        drain: settings.shutdown.drain,
        ..ServerConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_defaults_are_those_of_the_settings() {
        let config = server_config(&Settings::default()).unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", ServerConfig::default())
        );
    }
}
