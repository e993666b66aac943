//! The resolved dependency graph, from the indented list of `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};

use crate::shell::{self, Failure};

/// Which packages are used, in which versions, and by whom.
#[derive(Debug, Default)]
pub(super) struct Graph {
    versions: BTreeMap<String, BTreeSet<String>>,
    users: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    pub(super) fn load() -> Result<Self, Failure> {
        let listed = shell::answer(&mut shell::cargo(TREE));
        match listed {
            Some(text) => Ok(Self::parse(&text)),
            None => shell::run(&mut shell::cargo(TREE))
                .and(Err(Failure::new("`cargo tree` gave no list"))),
        }
    }

    /// Lines such as `2tokio v1.54.1 (*)`: depth, name, version.
    pub(super) fn parse(text: &str) -> Self {
        let mut graph = Self::default();
        let mut above: Vec<&str> = Vec::new();
        for line in text.lines() {
            let Some((depth, name, version)) = package(line) else {
                continue;
            };
            above.truncate(depth);
            if let Some(user) = above.last() {
                graph
                    .users
                    .entry(name.to_owned())
                    .or_default()
                    .insert((*user).to_owned());
            }
            graph
                .versions
                .entry(name.to_owned())
                .or_default()
                .insert(version.to_owned());
            above.push(name);
        }
        graph
    }

    pub(super) fn versions(&self, name: &str) -> Vec<&str> {
        self.versions
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    pub(super) fn users(&self, name: &str) -> Vec<&str> {
        self.users
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }
}

/// What is built into the product: tests may have more.
const TREE: &[&str] = &[
    "tree",
    "--quiet",
    "--workspace",
    "--all-features",
    "--edges",
    "normal,build",
    "--prefix",
    "depth",
];

fn package(line: &str) -> Option<(usize, &str, &str)> {
    let digits = line.find(|letter: char| !letter.is_ascii_digit())?;
    let mut words = line[digits..].split_whitespace();
    Some((line[..digits].parse().ok()?, words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "0modelgate-cli v0.1.0 (path)\n1hyper v1.12.0\n2http v1.5.0\n1figment v0.10.19\n2toml v0.9.12\n\n\
                        0modelgate-adapters v0.1.0 (path)\n1hyper v1.12.0 (*)\n1http v0.2.12\n";

    #[test]
    fn users_and_versions_are_read_from_the_indentation() {
        let graph = Graph::parse(LIST);
        assert_eq!(
            graph.users("hyper"),
            ["modelgate-adapters", "modelgate-cli"]
        );
        assert_eq!(graph.users("http"), ["hyper", "modelgate-adapters"]);
        assert_eq!(graph.users("toml"), ["figment"]);
        assert_eq!(graph.users("modelgate-adapters"), [] as [&str; 0]);
        assert_eq!(graph.versions("http"), ["v0.2.12", "v1.5.0"]);
        assert_eq!(graph.versions("axum"), [] as [&str; 0]);
    }
}
