//! Looking for models at the first start, while the gateway already answers.

use std::convert::Infallible;
use std::time::Duration;

use modelgate_domain::BackendKind;
use modelgate_ports::driving::Console;
use modelgate_ports::driving::console::{ServerReport, SyncAsk};

use super::talk::{self, Guide};
use crate::failure::causes;

/// Longest wait for the servers of one kind: nobody wants to wait for models at a start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the configured servers while there is no model, and tells what they have. Never returns, so that it can be
/// waited for beside the server.
pub(super) async fn at_start(console: &Console, wanted: bool, guide: &Guide) -> Infallible {
    if wanted && console.models().is_empty() {
        let found = look_around(console).await;
        talk::found(guide, &found);
    }
    std::future::pending().await
}

async fn look_around(console: &Console) -> Vec<ServerReport> {
    let mut found = Vec::new();
    for kind in BackendKind::ALL {
        let ask = SyncAsk {
            backend: Some(kind),
            ..SyncAsk::default()
        };
        match tokio::time::timeout(PATIENCE, console.sync(&ask)).await {
            Ok(Ok(report)) => found.extend(report.servers),
            Ok(Err(error)) => tracing::warn!(
                backend = kind.as_str(),
                error = causes(&error),
                "models could not be stored"
            ),
            Err(_) => tracing::warn!(
                backend = kind.as_str(),
                "did not tell its models in time: try `modelgate sync` later"
            ),
        }
    }
    for server in &found {
        log(server);
    }
    found
}

fn log(server: &ServerReport) {
    let (backend, url, added) = (
        server.kind.as_str(),
        server.base_url.as_str(),
        server.added.len(),
    );
    match server.failed.first() {
        Some(failure) => tracing::warn!(
            backend,
            url,
            added,
            failure,
            "a server could not tell all its models"
        ),
        None if server.not_running => tracing::debug!(backend, url, "no server there"),
        None => tracing::info!(backend, url, added, "models found"),
    }
}
