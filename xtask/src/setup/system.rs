//! Debian packages, when this user may install them.

use std::process::Command;

use crate::shell::{self, Failure};

/// Installs packages as root on a Debian, and otherwise stops with the line that says what to install.
pub(super) fn install(missing: &str, packages: &[&str]) -> Result<(), Failure> {
    if !may_install() {
        return Err(Failure::new(format!(
            "{missing} is missing: install it (on Debian: apt-get install {}), then run this again",
            packages.join(" ")
        )));
    }
    println!("setup: {missing} is missing, installing it");
    shell::run(&mut apt_get(&["update"]))?;
    shell::run(apt_get(&["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn may_install() -> bool {
    let root = shell::answer(Command::new("id").arg("-u")).is_some_and(|user| user == "0");
    root && shell::works("apt-get", &["--version"])
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// The first two numbers of what a program says about its version, such as `Python 3.11.2` or `v20.19.0`.
pub(super) fn version(said: &str) -> Option<(u32, u32)> {
    let numbers = said.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let mut parts = numbers.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_out_of_what_programs_say() {
        for (said, expected) in [
            ("Python 3.11.2", Some((3, 11))),
            ("v20.19.0", Some((20, 19))),
            ("3.9.0rc1", Some((3, 9))),
            ("10.8", Some((10, 8))),
            ("", None),
            ("pyenv: command not found", None),
        ] {
            assert_eq!(version(said), expected, "{said}");
        }
    }
}
