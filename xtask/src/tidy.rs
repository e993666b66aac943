//! The house rules that neither Cargo nor clippy knows. Each rule is a pure function from what is tracked to findings.

mod arrows;
mod bans;
mod graph;
mod layout;
mod links;
mod manifest;
mod sources;
mod tree;

use std::fmt;

use crate::shell::{self, Failure};
use bans::Bans;
use graph::Graph;
use tree::Tree;

/// Checks the whole repository and fails with every finding at once.
pub(crate) fn tidy() -> Result<(), Failure> {
    let tree = Tree::load(shell::root())?;
    let mut findings = layout::check(tree.paths());
    findings.extend(arrows::check(tree.texts()));
    findings.extend(sources::check(tree.texts()));
    findings.extend(links::check(&tree));
    findings.extend(bans(&tree)?);
    report(&findings, tree.paths().len())
}

fn bans(tree: &Tree) -> Result<Vec<Finding>, Failure> {
    let bans = Bans::parse(tree.text("deny.toml").unwrap_or_default());
    Ok(bans.check(&Graph::load()?))
}

fn report(findings: &[Finding], files: usize) -> Result<(), Failure> {
    for finding in findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {files} files, nothing to mend");
            Ok(())
        }
        count => Err(Failure::new(format!("tidy: {count} to mend"))),
    }
}

/// One thing to mend: where it is, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    place: String,
    wrong: String,
}

impl Finding {
    fn new(place: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            wrong: wrong.into(),
        }
    }

    /// In a line of a file, counted from 0.
    fn at(path: &str, line: usize, wrong: impl Into<String>) -> Self {
        Self::new(format!("{path}:{}", line + 1), wrong)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.wrong)
    }
}
