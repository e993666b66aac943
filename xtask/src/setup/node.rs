//! Node with npm, and the Node client's packages exactly as locked.

use std::path::Path;
use std::process::Command;

use super::stamp::Stamp;
use super::system;
use crate::shell::{self, Failure};

const OLDEST: (u32, u32) = (18, 0);
const WANTED: (u32, u32) = (20, 0);

/// Makes `node_modules` match `package-lock.json`. Install scripts never run.
pub(super) fn prepare(suite: &Path) -> Result<(), Failure> {
    find()?;
    let installation = suite.join("node_modules");
    let stamp = Stamp::of(&suite.join("package-lock.json"), &installation)?;
    if !stamp.is_current() {
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        shell::run(Command::new("npm").args(arguments).current_dir(suite))?;
        stamp.write()?;
    }
    Ok(())
}

fn find() -> Result<(), Failure> {
    match (
        shell::works("node", &["--version"]),
        shell::works("npm", &["--version"]),
    ) {
        (true, true) => {}
        (true, false) => system::install("npm", &["npm"])?,
        (false, _) => system::install("Node 20 with npm", &["nodejs", "npm"])?,
    }
    let said = shell::answer(Command::new("node").arg("--version")).unwrap_or_default();
    judge(&said)
}

fn judge(said: &str) -> Result<(), Failure> {
    match system::version(said) {
        Some(found) if found >= WANTED => Ok(()),
        Some(found) if found >= OLDEST => {
            println!(
                "setup: Node {said} is older than the 20 that the client asks for; going on with it"
            );
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "the Node client needs Node 20 and `node --version` says `{said}`: install a newer one"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_older_than_18_stops_the_setup() {
        for (said, accepted) in [
            ("v22.1.0", true),
            ("v20.0.0", true),
            ("v18.19.0", true),
            ("v16.20.2", false),
            ("", false),
        ] {
            assert_eq!(judge(said).is_ok(), accepted, "{said}");
        }
    }
}
