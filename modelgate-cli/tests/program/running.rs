//! Running programs: a server in a folder of its own, and commands to their end. The environment holds only what is given.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A server that serves. Killed when dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

type Variables<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) fn modelgate(folder: &Path, arguments: &str, variables: Variables<'_>) -> Ended {
    ended(
        command(
            env!("CARGO_BIN_EXE_modelgate"),
            folder,
            arguments,
            variables,
        ),
        "",
    )
}

pub(crate) fn modelgate_cli(folder: &Path, arguments: &str, variables: Variables<'_>) -> Ended {
    ended(
        command(
            env!("CARGO_BIN_EXE_modelgate-cli"),
            folder,
            arguments,
            variables,
        ),
        "",
    )
}

/// With something on standard input.
pub(crate) fn modelgate_fed(
    folder: &Path,
    arguments: &str,
    variables: Variables<'_>,
    input: &str,
) -> Ended {
    ended(
        command(
            env!("CARGO_BIN_EXE_modelgate"),
            folder,
            arguments,
            variables,
        ),
        input,
    )
}

/// What somebody pastes into a terminal.
pub(crate) fn shell(script: &str) -> Ended {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-ec").arg(script).env_clear();
    ended(shell, "")
}

fn command(program: &str, folder: &Path, arguments: &str, variables: Variables<'_>) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied());
    command
}

fn ended(mut command: Command, input: &str) -> Ended {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Served {
    /// Starts `modelgate serve` on a free port; its log goes to `log` in the folder. No backend is looked for unless
    /// the variables say so.
    pub(crate) fn start(folder: &Path, arguments: &str, variables: Variables<'_>) -> Self {
        let listen = if arguments.contains("--listen") {
            ""
        } else {
            " --listen 127.0.0.1:0"
        };
        let arguments = format!("serve {arguments}{listen}");
        let mut command = command(
            env!("CARGO_BIN_EXE_modelgate"),
            folder,
            &arguments,
            &[("MG_SYNC_ON_START", "false")],
        );
        command.envs(variables.iter().copied());
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut served = Self {
            url: String::new(),
            child,
            stdout,
        };
        let first = served.line();
        let told = first.strip_prefix(concat!(
            "ModelGate ",
            env!("CARGO_PKG_VERSION"),
            " is listening on "
        ));
        let url = told.unwrap_or_else(|| panic!("{first:?} {}", log_of(folder)));
        url.clone_into(&mut served.url);
        served
    }

    /// The next line of stdout, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        line.trim_end().to_owned()
    }

    /// All lines up to one that begins so.
    pub(crate) fn lines_until(&mut self, beginning: &str) -> String {
        let mut text = String::new();
        loop {
            let line = self.line();
            text = format!("{text}{line}\n");
            if line.trim_start().starts_with(beginning) {
                return text;
            }
            assert!(text.len() < 1 << 16, "{beginning} is missing in {text}");
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub(crate) fn signal(&self, name: &str) {
        let told = shell(&format!("kill -{name} {}", self.child.id()));
        assert_eq!(told.code, Some(0), "{}", told.err);
    }

    /// Its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("the program ends").code()
    }

    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).expect("a log")
}
