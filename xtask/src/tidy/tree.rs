//! The repository as git sees it: tracked files, and new ones that it does not ignore.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::shell::Failure;

/// A file that is text, by its path from the root.
#[derive(Debug, Clone)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

impl TextFile {
    pub(super) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}

#[derive(Debug)]
pub(super) struct Tree {
    paths: Vec<String>,
    texts: Vec<TextFile>,
    known: BTreeSet<String>,
}

impl Tree {
    pub(super) fn load(root: &Path) -> Result<Self, Failure> {
        let files = list(root)?
            .into_iter()
            .filter_map(|path| Some((std::fs::read(root.join(&path)).ok()?, path)));
        let files = files.map(|(bytes, path)| (path, String::from_utf8(bytes).ok()));
        Ok(Self::new(files))
    }

    /// Files by path, with their text when they are text.
    pub(super) fn new(files: impl Iterator<Item = (String, Option<String>)>) -> Self {
        let mut tree = Self {
            paths: Vec::new(),
            texts: Vec::new(),
            known: BTreeSet::new(),
        };
        for (path, text) in files {
            tree.known.extend(with_folders(&path).map(str::to_owned));
            tree.paths.push(path.clone());
            tree.texts.extend(text.map(|text| TextFile { path, text }));
        }
        tree
    }

    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    pub(super) fn texts(&self) -> &[TextFile] {
        &self.texts
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.as_str())
    }

    /// Whether a file or a folder of this path is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.known.contains(path.trim_end_matches('/'))
    }
}

/// Deleted files that git still lists drop out when they are read.
fn list(root: &Path) -> Result<Vec<String>, Failure> {
    let arguments = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let output = Command::new("git")
        .args(arguments)
        .current_dir(root)
        .output();
    let output =
        output.map_err(|error| Failure::new(format!("tidy reads `git ls-files`: {error}")))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "tidy reads `git ls-files`: {}",
            why.trim()
        )));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect())
}

/// The path itself and every folder above it.
fn with_folders(path: &str) -> impl Iterator<Item = &str> {
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    folders.chain(std::iter::once(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_their_folders_are_there_and_nothing_else() {
        let tree = Tree::new(
            ["docker/compose.yaml", "a/b/c.rs"]
                .into_iter()
                .map(|path| (path.to_owned(), None)),
        );
        for (path, expected) in [
            ("docker/compose.yaml", true),
            ("docker", true),
            ("docker/", true),
            ("a/b", true),
            ("b/c.rs", false),
            ("docker/compose", false),
        ] {
            assert_eq!(tree.has(path), expected, "{path}");
        }
    }

    #[test]
    fn a_file_that_is_not_text_has_a_path_only() {
        let tree = Tree::new(
            [
                ("web/a.png".to_owned(), None),
                ("b.md".to_owned(), Some("b".to_owned())),
            ]
            .into_iter(),
        );
        assert_eq!(tree.paths().len(), 2);
        assert_eq!(tree.text("b.md"), Some("b"));
        assert_eq!(tree.text("web/a.png"), None);
    }
}
