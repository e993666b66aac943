//! `verify`: is the server there, and whose key is this.

use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{Column, Output, Style};

/// Asks the server about the key.
pub(super) async fn verify(
    desk: &dyn Desk,
    server: &str,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut owner = desk.verify().await?;
    if output.style() != Style::Json {
        owner["server"] = server.into();
    }
    output.object(COLUMNS, &owner);
    Ok(())
}

const COLUMNS: &[Column] = &[
    ("server", "server"),
    ("valid", "valid"),
    ("id", "id"),
    ("name", "name"),
    ("role", "role"),
    ("admin", "admin"),
];
