//! `sync`: models that the configured servers have.

use serde_json::{Value, json};

use crate::args::SyncArgs;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{Column, Output, Style};

/// Asks the server to look, and shows what it found.
pub(super) async fn sync(
    desk: &dyn Desk,
    asked: &SyncArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut ask = json!({"dry_run": asked.dry_run});
    if let Some(kind) = &asked.backend {
        ask["backend"] = kind.as_str().into();
    }
    let report = desk.sync(&ask).await?;
    if output.style() == Style::Json {
        output.json(&report);
        return Ok(());
    }
    let mut servers = report["backends"].as_array().cloned().unwrap_or_default();
    for server in &mut servers {
        if server["not_running"] == true {
            server["failed"] = "not running".into();
        }
    }
    output.rows(COLUMNS, &servers);
    eprintln!("{}", summary(&servers, asked.dry_run));
    Ok(())
}

const COLUMNS: &[Column] = &[
    ("backend", "backend"),
    ("base url", "base_url"),
    ("added", "added"),
    ("present", "present"),
    ("changed", "changed"),
    ("vanished", "vanished"),
    ("failed", "failed"),
];

fn summary(servers: &[Value], dry_run: bool) -> String {
    let added: usize = servers
        .iter()
        .map(|server| server["added"].as_array().map_or(0, Vec::len))
        .sum();
    let models = if added == 1 { "model" } else { "models" };
    let how = if dry_run { "would be added" } else { "added" };
    format!("{added} {models} {how}")
}
