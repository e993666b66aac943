//! The list under `[bans]` of `deny.toml`, enforced without cargo-deny and without a network.

use super::Finding;
use super::graph::Graph;

/// The entries of the list, one line each.
pub(super) struct Bans(Vec<Entry>);

impl Bans {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .enumerate()
            .skip_while(|(_, line)| !line.starts_with("deny = ["));
        let lines = lines.skip(1).take_while(|(_, line)| !line.starts_with(']'));
        let entries =
            lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
        Self(
            entries
                .map(|(number, line)| Entry::parse(number, line))
                .collect(),
        )
    }

    pub(super) fn check(&self, graph: &Graph) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self
            .0
            .iter()
            .filter_map(|entry| entry.check(graph))
            .collect();
        if self.0.is_empty() || graph.is_empty() {
            findings.push(Finding::new(
                "deny.toml",
                "there are no bans or no packages to compare",
            ));
        }
        findings
    }
}

struct Entry {
    line: usize,
    name: String,
    rule: Rule,
}

enum Rule {
    Never { instead: String },
    OnlyUnder { wrappers: Vec<String> },
    OneVersion,
    Unreadable,
}

impl Entry {
    fn parse(line: usize, text: &str) -> Self {
        let quoted = |key: &str| after(text, key).map(strings).unwrap_or_default();
        let name = quoted("crate").into_iter().next().unwrap_or_default();
        let rule = if name.is_empty() {
            Rule::Unreadable
        } else if after(text, "deny-multiple-versions")
            .is_some_and(|value| value.starts_with("true"))
        {
            Rule::OneVersion
        } else if let Some(list) = after(text, "wrappers").and_then(|value| value.split(']').next())
        {
            Rule::OnlyUnder {
                wrappers: strings(list),
            }
        } else {
            Rule::Never {
                instead: quoted("use-instead").into_iter().next().unwrap_or_default(),
            }
        };
        Self { line, name, rule }
    }

    fn check(&self, graph: &Graph) -> Option<Finding> {
        let name = &self.name;
        let (versions, users) = (graph.versions(name), graph.users(name));
        let wrong = match &self.rule {
            Rule::Unreadable => "this ban is not one line that tidy can read".to_owned(),
            Rule::Never { instead } if !versions.is_empty() => {
                format!(
                    "`{name}` is banned and came with {}; {instead} does its work",
                    users.join(", ")
                )
            }
            Rule::OnlyUnder { wrappers } => {
                let around = users
                    .into_iter()
                    .find(|user| !wrappers.iter().any(|wrapper| wrapper == user))?;
                format!(
                    "`{name}` is used by {around}, and only {} may",
                    wrappers.join(", ")
                )
            }
            Rule::OneVersion if versions.len() > 1 => {
                format!("`{name}` is there twice: {}", versions.join(", "))
            }
            Rule::Never { .. } | Rule::OneVersion => return None,
        };
        Some(Finding::at("deny.toml", self.line, wrong))
    }
}

/// What follows `key =` in an inline table.
fn after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = text.split_once(&format!("{key} = "))?;
    Some(value.trim_start())
}

/// The strings in a piece of TOML.
fn strings(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0modelgate-cli v0.1.0\n1diesel v2.3.0\n1http v1.5.0\n\n0modelgate-adapters v0.1.0\n1diesel v2.3.0\n1http v0.2.0\n";

    fn wrong(entry: &str) -> Vec<String> {
        let bans = Bans::parse(&format!(
            "[bans]\ndeny = [\n    # Why.\n    {entry}\n]\n[sources]\n"
        ));
        bans.check(&Graph::parse(TREE))
            .into_iter()
            .map(|finding| finding.wrong)
            .collect()
    }

    #[test]
    fn each_kind_of_ban_finds_its_breach() {
        for (entry, found) in [
            (
                r#"{ crate = "http", use-instead = "hyper" },"#,
                "`http` is banned and came with modelgate-adapters, modelgate-cli; hyper does its work",
            ),
            (
                r#"{ crate = "diesel", wrappers = ["modelgate-adapters", "x"], reason = "y" },"#,
                "`diesel` is used by modelgate-cli, and only modelgate-adapters, x may",
            ),
            (
                r#"{ crate = "http", deny-multiple-versions = true },"#,
                "`http` is there twice: v0.2.0, v1.5.0",
            ),
            (
                r"{ wrappers = [",
                "this ban is not one line that tidy can read",
            ),
        ] {
            assert_eq!(wrong(entry), [found], "{entry}");
        }
    }

    #[test]
    fn bans_that_are_kept_find_nothing() {
        for entry in [
            r#"{ crate = "axum", use-instead = "hyper" },"#,
            r#"{ crate = "diesel", wrappers = ["modelgate-cli", "modelgate-adapters"] },"#,
            r#"{ crate = "diesel", deny-multiple-versions = true },"#,
            r#"{ crate = "fred", wrappers = [] },"#,
        ] {
            assert_eq!(wrong(entry), Vec::<String>::new(), "{entry}");
        }
    }

    #[test]
    fn an_empty_list_or_an_empty_graph_does_not_pass() {
        assert_eq!(Bans::parse("[bans]\n").check(&Graph::parse(TREE)).len(), 1);
        let bans = Bans::parse("deny = [\n{ crate = \"axum\" },\n]");
        assert_eq!(bans.check(&Graph::parse("")).len(), 1);
    }
}
