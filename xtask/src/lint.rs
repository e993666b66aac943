//! What a change must satisfy before its tests run, and the audit that needs a network.

use crate::shell::{self, Failure};
use crate::tidy;

/// Formatting, house rules, clippy and documentation: the quick ones first.
pub(crate) fn lint() -> Result<(), Failure> {
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))?;
    tidy::tidy()?;
    shell::run(&mut shell::cargo(CLIPPY))?;
    shell::run(shell::cargo(DOCUMENTATION).env("RUSTDOCFLAGS", "-D warnings"))?;
    println!("lint: formatting, tidy, clippy and documentation are clean");
    Ok(())
}

/// The whole of `deny.toml`: advisories, licences, bans, sources.
pub(crate) fn audit() -> Result<(), Failure> {
    if !shell::works("cargo", &["deny", "--version"]) {
        return Err(Failure::new(
            "cargo-deny is missing: `cargo install --locked cargo-deny`",
        ));
    }
    shell::run(&mut shell::cargo(&["deny", "check"]))
}

const CLIPPY: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--all-features",
    "--",
    "-D",
    "warnings",
];
const DOCUMENTATION: &[&str] = &["doc", "--workspace", "--no-deps", "--all-features"];
