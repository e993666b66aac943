//! Paths that documents name, as links or in code, exist.

use super::Finding;
use super::tree::Tree;

/// Checks every Markdown file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let pages = tree.texts().iter().filter(|file| file.has_extension("md"));
    pages
        .flat_map(|file| page(tree, &file.path, &file.text))
        .collect()
}

fn page(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        for (position, part) in line.split('`').enumerate() {
            let code = fenced || position % 2 == 1;
            let dead = if code {
                dead_mentions(tree, path, part)
            } else {
                dead_links(tree, path, part)
            };
            findings.extend(
                dead.into_iter()
                    .map(|target| Finding::at(path, number, format!("`{target}` does not exist"))),
            );
        }
    }
    findings
}

/// Words of code that begin with a folder of this repository. The changelog may name what is gone.
fn dead_mentions(tree: &Tree, page: &str, code: &str) -> Vec<String> {
    let is_path = |word: &&str| {
        word.chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter))
    };
    let words = code
        .split_whitespace()
        .map(|word| word.trim_end_matches(['.', ',', ';', ':']))
        .filter(is_path);
    let ours = words.filter(|word| {
        word.split_once('/')
            .is_some_and(|(folder, _)| tree.has(folder))
    });
    let dead = ours.filter(|word| page != "CHANGELOG.md" && !tree.has(word));
    dead.map(str::to_owned).collect()
}

/// Targets of `[text](target)` that are neither addresses nor places on the same page.
fn dead_links(tree: &Tree, page: &str, prose: &str) -> Vec<String> {
    let targets = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let local = targets.filter(|target| {
        !target.contains("://") && !target.starts_with(['#']) && !target.starts_with("mailto:")
    });
    let dead = local.filter(|target| !resolve(page, target).is_some_and(|path| tree.has(&path)));
    dead.map(str::to_owned).collect()
}

/// The path from the root that a link on this page means, unless it leads out of the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let target = target.split(['#', ' ']).next()?;
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if target.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().filter(|above| !above.is_empty())?),
            name => parts.push(name),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(path: &str, text: &str) -> usize {
        let there = [
            "README.md",
            "config/modelgate.yaml",
            "docker/README.md",
            "modelgate-cli/src/compose.rs",
        ];
        let files = there
            .into_iter()
            .filter(|file| *file != path)
            .map(|file| (file.to_owned(), None));
        let page = (path.to_owned(), Some(text.to_owned()));
        check(&Tree::new(files.chain([page]))).len()
    }

    #[test]
    fn links_are_followed_from_the_page_they_stand_on() {
        for (path, text, found) in [
            (
                "README.md",
                "see [it](config/modelgate.yaml) and [here](#use)",
                0,
            ),
            ("README.md", "see [it](config/modelgate.yml)", 1),
            (
                "README.md",
                "[a](docker/README.md#run) [b](nowhere) [c](docker)",
                1,
            ),
            ("README.md", "[`code`](docker/lost.md)", 1),
            (
                "README.md",
                "[out](https://example.org/a) [mail](mailto:a@example.org)",
                0,
            ),
            (
                "docker/README.md",
                "[up](../README.md) [root](/config/modelgate.yaml)",
                0,
            ),
            (
                "docker/README.md",
                "[up](README.md) [wrong](config/modelgate.yaml)",
                1,
            ),
            ("README.md", "[away](../README.md)", 1),
            ("docker/README.md", "[away](../../README.md)", 1),
        ] {
            assert_eq!(dead(path, text), found, "{path}: {text}");
        }
    }

    #[test]
    fn paths_in_code_are_checked_when_they_begin_with_a_folder_of_ours() {
        for (text, found) in [
            ("only `modelgate-cli/src/compose.rs` composes", 0),
            ("only `modelgate-cli/src/composed.rs` composes", 1),
            (
                "`target/release/modelgate` and `config/*.yaml` and `config` are not paths of ours",
                0,
            ),
            ("modelgate-cli/src/prose.rs outside code is prose", 0),
            ("```sh\nmodelgate -c config/modelgate.yaml\n```", 0),
            ("```sh\nmodelgate -c config/other.yaml\n```", 1),
            ("```\na\n```\nconfig/other.yaml", 0),
        ] {
            assert_eq!(dead("README.md", text), found, "{text}");
        }
    }

    #[test]
    fn the_changelog_may_name_what_is_gone_but_not_link_to_it() {
        assert_eq!(dead("CHANGELOG.md", "`config/old.yaml` is gone"), 0);
        assert_eq!(dead("CHANGELOG.md", "[old](config/old.yaml)"), 1);
    }
}
