//! Running other programs, and where the repository and its build output are.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Why a chore stopped: one line, and the exit code it leaves behind.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self {
            code: 1,
            line: line.into(),
        }
    }

    /// The command line was wrong.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self {
            code: 2,
            line: line.into(),
        }
    }

    /// The same failure, with a way around it.
    pub(crate) fn or(mut self, way_around: &str) -> Self {
        self.line.push_str("; or ");
        self.line.push_str(way_around);
        self
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    fn ended(command: &str, status: ExitStatus) -> Self {
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1);
        Self {
            code,
            line: format!("`{command}` failed: {status}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Shows the command, runs it on this terminal and stops the chore when it fails, with the command's own exit code.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = shown(command);
    println!("→ {shown}");
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start `{shown}`: {error}")))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::ended(&shown, status))
    }
}

/// What the command prints, when it can be started and succeeds; it has no terminal.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Whether the program is there and answers these arguments with success.
pub(crate) fn works(program: impl AsRef<Path>, arguments: &[&str]) -> bool {
    answer(Command::new(program.as_ref()).args(arguments)).is_some()
}

/// `cargo` in the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Cargo's output directory: this program runs from a profile's folder inside it, wherever the settings put it.
pub(crate) fn target() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find the target directory: {error}")))?;
    match program.ancestors().nth(2) {
        Some(target) => Ok(target.to_owned()),
        None => Err(Failure::new(format!(
            "{} is not in a target directory",
            program.display()
        ))),
    }
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

/// Removes a folder with all that is in it; one that is not there is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(format!(
            "cannot remove {}: {error}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// The command as somebody would type it.
fn shown(command: &Command) -> String {
    let settings = command.get_envs();
    let settings =
        settings.filter_map(|(name, value)| Some(format!("{}={}", name.display(), quoted(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    settings
        .chain(words.map(quoted))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.display().to_string();
    if word.is_empty() || word.contains(char::is_whitespace) {
        format!("'{word}'")
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_passes_its_exit_code_on() {
        for code in [1, 7, 101] {
            let failure = run(Command::new("sh").args(["-c", &format!("exit {code}")]))
                .expect_err("it exits with a code");
            assert_eq!(failure.code(), code);
        }
        assert!(run(&mut Command::new("true")).is_ok());
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = run(&mut Command::new("no-such-program-here")).expect_err("it cannot start");
        assert!(
            failure.to_string().contains("no-such-program-here"),
            "{failure}"
        );
        assert!(!works("no-such-program-here", &[]));
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }
}
