//! Who may depend on whom: `domain ← ports ← {adapters, http} ← cli`, and which foreign crates each may use.

use super::Finding;
use super::manifest::{self, Edge, Kind};
use super::tree::TextFile;

/// Checks every manifest of the workspace.
pub(super) fn check(texts: &[TextFile]) -> Vec<Finding> {
    let manifests = texts.iter().filter(|file| is_ours(&file.path));
    let mut findings: Vec<Finding> = manifests.flat_map(manifest).collect();
    findings.extend(CRATES.iter().filter_map(|rule| missing(rule, texts)));
    findings
}

/// What one crate may use, as lists of words. Its tests may use anything but `kept_out_of_tests`.
struct Rule {
    name: &'static str,
    may_use: &'static str,
    kept_out_of_tests: &'static str,
}

/// A new foreign crate is a decision: it enters here in the same change as the manifest.
const CRATES: &[Rule] = &[
    Rule {
        name: "modelgate-domain",
        may_use: "ipnet jiff sha2 thiserror",
        kept_out_of_tests: "modelgate-ports modelgate-adapters modelgate-http modelgate-cli",
    },
    Rule {
        name: "modelgate-ports",
        may_use: "modelgate-domain async-trait bytes http mockall thiserror tracing",
        kept_out_of_tests: "modelgate-adapters modelgate-http modelgate-cli",
    },
    Rule {
        name: "modelgate-adapters",
        may_use: "modelgate-domain modelgate-ports arc-swap async-trait base64 bytes diesel \
            diesel_migrations flate2 fred futures-core getrandom http http-body http-body-util hyper \
            hyper-rustls hyper-util ipnet libsqlite3-sys memchr ring rustls rustls-pki-types serde \
            serde_json socket2 thiserror tokio tower-service tracing uuid webpki-roots",
        kept_out_of_tests: "modelgate-http modelgate-cli",
    },
    Rule {
        name: "modelgate-http",
        may_use: "modelgate-domain modelgate-ports bytes flate2 futures-core http http-body \
            http-body-util hyper hyper-util ipnet memchr prometheus-client rustls rustls-pki-types \
            serde serde_json subtle thiserror tokio tokio-rustls tracing zstd",
        kept_out_of_tests: "modelgate-adapters modelgate-cli",
    },
    Rule {
        name: "modelgate-cli",
        may_use: "modelgate-domain modelgate-ports modelgate-adapters modelgate-http async-trait bpaf \
            bytes comfy-table figment http http-body-util hyper hyper-rustls hyper-util indicatif ipnet \
            listenfd rustls rustls-pki-types serde serde_json socket2 thiserror tokio tracing \
            tracing-subscriber",
        kept_out_of_tests: "",
    },
    Rule {
        name: "xtask",
        may_use: "",
        kept_out_of_tests: "",
    },
];

/// A manifest of the workspace: the root's, or a crate's. The benchmark is a package of its own.
fn is_ours(path: &str) -> bool {
    path == "Cargo.toml" || path.ends_with("/Cargo.toml") && !path.starts_with("xtask/bench/")
}

fn manifest(file: &TextFile) -> Vec<Finding> {
    let edges = manifest::edges(&file.text);
    let renamed = edges.iter().filter(|edge| edge.renamed).map(|edge| {
        Finding::at(
            &file.path,
            edge.line,
            format!(
                "`{}` hides another crate's name: a dependency goes by its own",
                edge.name
            ),
        )
    });
    let mut findings: Vec<Finding> = renamed.collect();
    let Some(folder) = file.path.strip_suffix("/Cargo.toml") else {
        return findings;
    };
    match CRATES.iter().find(|rule| rule.name == folder) {
        Some(rule) => findings.extend(
            edges
                .iter()
                .filter_map(|edge| judge(rule, edge, &file.path)),
        ),
        None => findings.push(Finding::new(
            &file.path,
            "no arrows are written down for this crate",
        )),
    }
    findings
}

fn judge(rule: &Rule, edge: &Edge, path: &str) -> Option<Finding> {
    let (owner, name) = (rule.name, edge.name.as_str());
    let listed = |list: &str| list.split_whitespace().any(|word| word == name);
    let wrong = match edge.kind {
        Kind::Dev if listed(rule.kept_out_of_tests) => {
            format!("tests of {owner} must not see `{name}`")
        }
        Kind::Normal | Kind::Build if !listed(rule.may_use) => {
            format!("{owner} must not depend on `{name}`")
        }
        Kind::Normal if name == "mockall" && !edge.optional => {
            "`mockall` is for tests: make it optional".to_owned()
        }
        Kind::Normal | Kind::Build | Kind::Dev => return None,
    };
    Some(Finding::at(path, edge.line, wrong))
}

fn missing(rule: &Rule, texts: &[TextFile]) -> Option<Finding> {
    let path = format!("{}/Cargo.toml", rule.name);
    let there = texts.iter().any(|file| file.path == path);
    (!there).then(|| Finding::new(path, "this crate of the workspace is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(path: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        manifest(&file)
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn arrows_point_inwards_only() {
        for (from, to) in [
            ("modelgate-domain", "modelgate-ports"),
            ("modelgate-domain", "serde"),
            ("modelgate-domain", "tokio"),
            ("modelgate-ports", "tokio"),
            ("modelgate-ports", "hyper"),
            ("modelgate-ports", "diesel"),
            ("modelgate-ports", "modelgate-adapters"),
            ("modelgate-adapters", "modelgate-http"),
            ("modelgate-http", "modelgate-adapters"),
            ("modelgate-http", "diesel"),
            ("modelgate-http", "hyper-rustls"),
            ("modelgate-cli", "diesel"),
            ("modelgate-cli", "libsqlite3-sys"),
            ("xtask", "serde"),
        ] {
            let found = wrong(
                &format!("{from}/Cargo.toml"),
                &format!("[dependencies]\n{to} = {{ workspace = true }}"),
            );
            assert_eq!(
                found,
                [format!(
                    "{from}/Cargo.toml:2: {from} must not depend on `{to}`"
                )]
            );
        }
    }

    #[test]
    fn allowed_arrows_pass() {
        for (from, to) in [
            ("modelgate-domain", "sha2"),
            ("modelgate-ports", "modelgate-domain"),
            ("modelgate-adapters", "diesel"),
            ("modelgate-http", "modelgate-ports"),
            ("modelgate-cli", "modelgate-adapters"),
            ("modelgate-cli", "hyper-rustls"),
        ] {
            let found = wrong(
                &format!("{from}/Cargo.toml"),
                &format!("[dependencies]\n{to}.workspace = true"),
            );
            assert_eq!(found, Vec::<String>::new(), "{from} to {to}");
        }
    }

    #[test]
    fn tests_may_use_foreign_crates_but_no_outer_crate() {
        let tests = |from: &str, to: &str| {
            wrong(
                &format!("{from}/Cargo.toml"),
                &format!("[dev-dependencies]\n{to} = \"1\""),
            )
        };
        assert_eq!(tests("modelgate-domain", "proptest"), Vec::<String>::new());
        assert_eq!(
            tests("modelgate-http", "modelgate-ports"),
            Vec::<String>::new()
        );
        for (from, to) in [
            ("modelgate-domain", "modelgate-cli"),
            ("modelgate-ports", "modelgate-adapters"),
            ("modelgate-http", "modelgate-adapters"),
            ("modelgate-adapters", "modelgate-http"),
        ] {
            assert_eq!(tests(from, to).len(), 1, "{from} to {to}");
        }
    }

    #[test]
    fn a_renamed_crate_an_unknown_crate_and_an_unconditional_mock_are_found() {
        assert_eq!(
            wrong(
                "Cargo.toml",
                "[workspace.dependencies]\nweb = { package = \"axum\" }"
            )
            .len(),
            1
        );
        assert_eq!(wrong("modelgate-extra/Cargo.toml", "[package]").len(), 1);
        assert_eq!(
            wrong(
                "modelgate-ports/Cargo.toml",
                "[dependencies]\nmockall = \"1\""
            )
            .len(),
            1
        );
        assert_eq!(
            wrong(
                "modelgate-ports/Cargo.toml",
                "[dependencies]\nmockall = { optional = true }"
            )
            .len(),
            0
        );
    }

    #[test]
    fn a_workspace_without_its_crates_does_not_pass() {
        assert_eq!(check(&[]).len(), CRATES.len());
    }
}
