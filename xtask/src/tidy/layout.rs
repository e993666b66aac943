//! The top level of the repository, and names of files.

use std::collections::BTreeSet;

use super::Finding;

/// Nothing but the agreed entries stands at the top, and all of them do.
pub(super) fn check(paths: &[String]) -> Vec<Finding> {
    let present: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path.split('/').next())
        .collect();
    let needed: BTreeSet<&str> = NEEDED.split_whitespace().collect();
    let strange = present
        .difference(&needed)
        .filter(|entry| !WELCOME.contains(entry));
    let strange = strange.map(|entry| Finding::new(*entry, "does not belong at the top level"));
    let missing = needed.difference(&present);
    let missing = missing.map(|entry| Finding::new(*entry, "is missing at the top level"));
    let modules = paths.iter().filter_map(|path| module_file(path));
    strange.chain(missing).chain(modules).collect()
}

const NEEDED: &str = "Cargo.toml Cargo.lock README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md \
    SECURITY.md LICENSE clippy.toml deny.toml .gitignore .cargo .ci modelgate-domain modelgate-ports \
    modelgate-adapters modelgate-http modelgate-cli config web docker xtask";
const WELCOME: &[&str] = &[".gitattributes", ".github"];

fn module_file(path: &str) -> Option<Finding> {
    let named_mod = path.rsplit('/').next() == Some("mod.rs");
    named_mod.then(|| Finding::new(path, "a module is `foo.rs` beside `foo/`, never `mod.rs`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(extra: &str) -> Vec<String> {
        let needed = NEEDED.split_whitespace();
        needed.chain([extra]).map(str::to_owned).collect()
    }

    #[test]
    fn the_agreed_entries_and_files_in_them_pass() {
        for extra in [
            "docker/compose.yaml",
            "modelgate-cli/src/main.rs",
            ".github/workflows/ci.yaml",
        ] {
            assert_eq!(check(&with(extra)), [], "{extra}");
        }
    }

    #[test]
    fn strangers_and_gaps_are_found() {
        for extra in ["docs/guide.md", "notes.txt", "modelgate-extra/Cargo.toml"] {
            assert_eq!(check(&with(extra)).len(), 1, "{extra}");
        }
        assert_eq!(check(&[]).len(), NEEDED.split_whitespace().count());
    }

    #[test]
    fn mod_rs_is_found_by_its_whole_name() {
        assert_eq!(check(&with("modelgate-cli/tests/it/mod.rs")).len(), 1);
        assert_eq!(check(&with("modelgate-cli/src/commod.rs")), []);
    }
}
