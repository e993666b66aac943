//! `key create` and `key list`.

use crate::args::NewKeyArgs;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{Column, Output, Style};

/// Makes a key and shows its secret, this once.
pub(super) async fn create(
    desk: &dyn Desk,
    asked: &NewKeyArgs,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let key = desk.create_key(&asked.form).await?;
    if asked.quiet {
        output.line(key["key"].as_str().unwrap_or_default());
        return Ok(());
    }
    output.object(MADE, &key);
    if output.style() != Style::Json {
        eprintln!("The key is shown this once: keep it now.");
    }
    Ok(())
}

/// Lists keys.
pub(super) async fn list(desk: &dyn Desk, output: &mut Output<'_>) -> Result<(), Failure> {
    output.rows(LISTED, &desk.keys().await?);
    Ok(())
}

const MADE: &[Column] = &[
    ("key", "key"),
    ("id", "id"),
    ("name", "name"),
    ("role", "role"),
    ("quota", "quota"),
    ("quota period", "quota_period"),
    ("rate limit", "rate_limit"),
    ("allowed ips", "allowed_ips"),
    ("expires", "expires_at"),
];

const LISTED: &[Column] = &[
    ("id", "id"),
    ("name", "name"),
    ("role", "role"),
    ("status", "status"),
    ("prefix", "prefix"),
    ("used", "quota_used"),
    ("quota", "quota"),
    ("rate limit", "rate_limit"),
    ("allowed ips", "allowed_ips"),
    ("last used", "last_used_at"),
];
