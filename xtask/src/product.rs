//! The program itself: built for release, started, cleaned away.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::setup;
use crate::shell::{self, Failure};

/// Builds every binary for release.
pub(crate) fn build(arguments: &[String]) -> Result<(), Failure> {
    shell::run(shell::cargo(&["build", "--release", "--package", "modelgate-cli"]).args(arguments))
}

/// Builds the server and becomes it, so that signals, terminal and exit code are the server's own.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    shell::run(&mut shell::cargo(&[
        "build",
        "--release",
        "--package",
        "modelgate-cli",
        "--bin",
        "modelgate",
    ]))?;
    let program = shell::target()?.join("release/modelgate");
    let error = Command::new(&program)
        .arg("serve")
        .args(served(arguments))
        .exec();
    Err(Failure::new(format!(
        "cannot start {}: {error}",
        program.display()
    )))
}

/// Builds the server and the bench for release, and measures the one with the other.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Failure> {
    build(&[])?;
    shell::run(&mut shell::cargo(&[
        "build",
        "--release",
        "--package",
        "modelgate-bench",
    ]))?;
    let release = shell::target()?.join("release");
    let mut bench = Command::new(release.join("modelgate-bench"));
    shell::run(
        bench
            .arg("--binary")
            .arg(release.join("modelgate"))
            .args(arguments),
    )
}

/// Removes build output and the clients' packages. Data folders belong to people and stay.
pub(crate) fn clean() -> Result<(), Failure> {
    shell::run(&mut shell::cargo(&["clean"]))?;
    shell::remove_folder(&setup::node_modules())
}

/// `run -- --demo` means `run --demo`.
fn served(arguments: &[String]) -> &[String] {
    match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_separator_is_not_an_argument_of_the_server() {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        for (typed, served_with) in [
            ("", ""),
            ("--demo", "--demo"),
            ("-- --demo", "--demo"),
            ("-c a -- b", "-c a -- b"),
        ] {
            assert_eq!(served(&words(typed)), words(served_with), "{typed}");
        }
    }
}
