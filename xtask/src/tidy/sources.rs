//! What source files say: a first line, no unfinished work, no adapters outside their home, no paths of one machine.

use super::Finding;
use super::tree::TextFile;

/// Checks every text file, and Rust in particular.
pub(super) fn check(texts: &[TextFile]) -> Vec<Finding> {
    texts
        .iter()
        .flat_map(|file| RULES.iter().flat_map(|rule| rule(file)))
        .collect()
}

const RULES: &[fn(&TextFile) -> Vec<Finding>] =
    &[first_line, unfinished, adapters_named, machine_paths];

/// Every module says in its first line what it is for.
fn first_line(file: &TextFile) -> Vec<Finding> {
    let in_src = file.path.contains("/src/") && file.has_extension("rs");
    let wrong = in_src && !file.text.starts_with("//! ");
    wrong
        .then(|| {
            Finding::at(
                &file.path,
                0,
                "the first line says what the file is for: `//! ..`",
            )
        })
        .into_iter()
        .collect()
}

/// Marks of work that is not done. They are put together here so that this file has none.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!"),
    concat!("#[", "ignore"),
];

fn unfinished(file: &TextFile) -> Vec<Finding> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    lines_with(file, |line| {
        UNFINISHED
            .iter()
            .find(|mark| names(line, mark))
            .map(|mark| format!("`{mark}` is unfinished work"))
    })
}

/// Crates, and files of the composing crate, that must not know which adapters there are.
fn adapters_named(file: &TextFile) -> Vec<Finding> {
    const ADAPTERS: &str = concat!("modelgate_", "adapters");
    let composes = file.path == "modelgate-cli/src/compose.rs"
        || file.path.starts_with("modelgate-cli/src/compose/");
    let blind = [
        "modelgate-domain/",
        "modelgate-ports/",
        "modelgate-http/",
        "modelgate-cli/src/",
    ];
    if composes
        || !file.has_extension("rs")
        || !blind.iter().any(|folder| file.path.starts_with(folder))
    {
        return Vec::new();
    }
    let is_code = |line: &str| !line.trim_start().starts_with("//");
    lines_with(file, |line| {
        (is_code(line) && names(line, ADAPTERS))
            .then(|| "only compose.rs names adapters".to_owned())
    })
}

/// Folders that exist on a developer's machine and nowhere else.
const MACHINE: &[&str] = &[
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
];

fn machine_paths(file: &TextFile) -> Vec<Finding> {
    lines_with(file, |line| {
        MACHINE
            .iter()
            .find(|path| names(line, path))
            .map(|path| format!("`{path}` is a path of one machine"))
    })
}

fn lines_with(file: &TextFile, wrong: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some(Finding::at(&file.path, number, wrong(line)?)))
        .collect()
}

/// Whether the needle stands in the line, and is not the tail of a longer word or path.
fn names(line: &str, needle: &str) -> bool {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    line.match_indices(needle)
        .any(|(at, _)| !line[..at].ends_with(part_of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(path: &str, text: &str) -> Vec<String> {
        let file = TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&[file])
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn a_source_file_begins_with_its_purpose() {
        for (path, text, found) in [
            ("modelgate-http/src/router.rs", "//! Routes.\n", 0),
            ("modelgate-http/src/router.rs", "use std::fmt;\n", 1),
            ("modelgate-http/src/router.rs", "// Routes.\n", 1),
            ("modelgate-http/src/router.rs", "\n//! Routes.\n", 1),
            ("modelgate-http/src/router.rs", "", 1),
            ("modelgate-http/build.rs", "fn main() {}\n", 0),
            ("web/src/api.ts", "export {}\n", 0),
        ] {
            assert_eq!(wrong(path, text).len(), found, "{path}: {text}");
        }
    }

    #[test]
    fn unfinished_work_is_found_with_its_line() {
        for mark in UNFINISHED {
            let found = wrong(
                "modelgate-cli/tests/it/main.rs",
                &format!("fn main() {{\n    {mark}(x)\n}}"),
            );
            assert_eq!(
                found,
                [format!(
                    "modelgate-cli/tests/it/main.rs:2: `{mark}` is unfinished work"
                )]
            );
            assert_eq!(
                wrong("CONTRIBUTING.md", &format!("no {mark} please")),
                Vec::<String>::new()
            );
        }
        assert_eq!(
            wrong("xtask/build.rs", concat!("my_todo", "!()")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn only_the_composition_root_names_adapters() {
        let text = concat!("//! Doc.\nuse modelgate_", "adapters::SystemClock;");
        for (path, found) in [
            ("modelgate-cli/src/compose.rs", 0),
            ("modelgate-cli/src/compose/backends.rs", 0),
            ("modelgate-cli/tests/it/main.rs", 0),
            ("modelgate-adapters/tests/it/main.rs", 0),
            ("modelgate-cli/src/lib.rs", 1),
            ("modelgate-cli/src/command/serve.rs", 1),
            ("modelgate-http/src/server.rs", 1),
            ("modelgate-http/tests/it/main.rs", 1),
            ("modelgate-ports/src/lib.rs", 1),
        ] {
            assert_eq!(wrong(path, text).len(), found, "{path}");
        }
        assert_eq!(
            wrong(
                "modelgate-http/src/lib.rs",
                concat!("//! Not modelgate_", "adapters.")
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn paths_of_one_machine_are_found_in_any_text() {
        for folder in MACHINE {
            assert_eq!(
                wrong("README.md", &format!("see {folder}main")).len(),
                1,
                "{folder}"
            );
            assert_eq!(
                wrong("README.md", &format!("https://example.org{folder}main")),
                Vec::<String>::new(),
                "{folder}"
            );
        }
    }
}
