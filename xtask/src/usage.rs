//! What the chores are called, and what a mistyped one probably meant.

use crate::shell::Failure;

const COMMANDS: &[(&str, &str)] = &[
    (
        "run [ARGS]",
        "build the release, then `modelgate serve ARGS` in this directory",
    ),
    ("build [ARGS]", "build the release; ARGS go to cargo build"),
    (
        "test [--no-clients] [--no-services] [-- ARGS]",
        "set up, then every test; ARGS go to cargo test",
    ),
    (
        "bench [ARGS]",
        "build the release and measure it; `bench --help` lists ARGS",
    ),
    (
        "lint",
        "rustfmt, tidy, clippy and documentation, all with warnings denied",
    ),
    (
        "tidy",
        "the rules that compilers do not know: crate arrows, layout, bans, links",
    ),
    (
        "audit",
        "cargo-deny: advisories, licences, bans, sources (needs a network)",
    ),
    (
        "setup",
        "install what the tests need beyond Rust: Python and Node packages",
    ),
    ("clean", "remove what builds and set-up made; data stays"),
    (
        "docker-up [ARGS]",
        "build and start the container; ARGS go to docker compose up",
    ),
    (
        "docker-down [ARGS]",
        "stop and remove the container; its volume stays",
    ),
];

/// The overview that `cargo xtask help` prints.
pub(crate) fn help() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND\n");
    for (form, purpose) in COMMANDS {
        text.push_str("\n  ");
        text.push_str(form);
        text.push_str("\n        ");
        text.push_str(purpose);
    }
    text
}

/// The failure for a command that does not exist.
pub(crate) fn unknown(command: &str) -> Failure {
    let nearest = names()
        .min_by_key(|name| distance(name, command))
        .unwrap_or("help");
    Failure::usage(format!(
        "no command `{command}`; did you mean `{nearest}`? `cargo xtask help` lists all"
    ))
}

/// Refuses arguments of a command that takes none.
pub(crate) fn alone(command: &str, arguments: &[String]) -> Result<(), Failure> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(Failure::usage(format!(
            "`{command}` takes no arguments, but got `{argument}`"
        ))),
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS
        .iter()
        .filter_map(|(form, _)| form.split_whitespace().next())
}

/// Edits (insert, delete, replace) between two words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, from) in left.chars().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = corner + usize::from(from != *to);
            corner = row[column + 1];
            row[column + 1] = replaced.min(corner + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_edits() {
        for (left, right, edits) in [
            ("", "", 0),
            ("run", "run", 0),
            ("run", "rnu", 2),
            ("test", "tests", 1),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(left, right), edits, "{left} to {right}");
            assert_eq!(distance(right, left), edits, "{right} to {left}");
        }
    }

    #[test]
    fn an_unknown_command_names_its_neighbour_and_exits_2() {
        for (typed, meant) in [
            ("biuld", "build"),
            ("tests", "test"),
            ("dockerup", "docker-up"),
            ("fmt-tidy", "tidy"),
        ] {
            let failure = unknown(typed);
            assert_eq!(failure.code(), 2);
            assert!(
                failure
                    .to_string()
                    .contains(&format!("did you mean `{meant}`")),
                "{failure}"
            );
        }
    }

    #[test]
    fn arguments_of_a_command_without_any_are_refused() {
        assert!(alone("lint", &[]).is_ok());
        assert_eq!(
            alone("lint", &["--fix".to_owned()]).map_err(|failure| failure.code()),
            Err(2)
        );
    }
}
