//! The running binary: its output line by line, its signals, its memory. Killed when dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::TestGate;
use crate::wait;

pub(super) struct Process {
    child: Child,
    readers: JoinSet<()>,
    stdout: Lines,
    stderr: Lines,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Exit {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl TestGate {
    /// SIGTERM, and the exit it leads to.
    pub(crate) async fn stop(&mut self) -> Exit {
        self.terminate();
        self.wait_for_exit().await
    }

    /// Only the signal: the program goes on as its grace and drain times say.
    pub(crate) fn terminate(&self) {
        self.process.signal("TERM");
    }

    pub(crate) async fn wait_for_exit(&mut self) -> Exit {
        self.process.wait_for_exit().await
    }

    /// The end without a chance to tidy up.
    pub(crate) async fn kill9(&mut self) {
        self.process.signal("KILL");
        self.process.wait_for_exit().await;
    }

    /// Starts again on the same folder, usually on another port. Stops the program first when it still runs.
    pub(crate) async fn restart(&mut self) {
        if self.process.runs() {
            self.stop().await;
        }
        self.process = self.builder.spawn(self.folder.path());
        self.address = self.process.wait_until_listening().await;
    }

    /// Resident memory in kB, now.
    pub(crate) fn rss_kb(&self) -> u64 {
        self.process.status_kb("VmRSS:")
    }

    /// The most resident memory so far, in kB.
    pub(crate) fn peak_rss_kb(&self) -> u64 {
        self.process.status_kb("VmHWM:")
    }

    /// All output since the last start.
    pub(crate) fn stdout(&self) -> Vec<String> {
        snapshot(&self.process.stdout)
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        snapshot(&self.process.stderr)
    }
}

impl Process {
    pub(super) fn spawn(folder: &Path, arguments: &[String], env: Vec<(String, String)>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_modelgate"));
        command
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .envs(env)
            .kill_on_drop(true);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("start the binary");
        let mut readers = JoinSet::new();
        let stdout = collect(&mut readers, child.stdout.take());
        let stderr = collect(&mut readers, child.stderr.take());
        Self {
            child,
            readers,
            stdout,
            stderr,
        }
    }

    /// The address of the listening line.
    pub(super) async fn wait_until_listening(&mut self) -> SocketAddr {
        let stdout = Arc::clone(&self.stdout);
        let line = tokio::time::timeout(Duration::from_secs(10), async {
            tokio::select! {
                line = wait::value("the listening line", || snapshot(&stdout).into_iter().find_map(|line| listening(&line))) => Some(line),
                _ = self.child.wait() => None,
            }
        });
        match line.await {
            Ok(Some(address)) => address,
            _ => panic!(
                "it does not serve:\n{:#?}\n{:#?}",
                snapshot(&self.stdout),
                snapshot(&self.stderr)
            ),
        }
    }

    pub(super) async fn wait_for_exit(&mut self) -> Exit {
        // Above the default drain time: a test that expects less asserts it itself.
        let limit = Duration::from_secs(45);
        let status = wait::bounded_within(limit, "exit of the program", self.child.wait()).await;
        while self.readers.join_next().await.is_some() {}
        let code = status.expect("a status").code();
        Exit {
            code,
            stdout: snapshot(&self.stdout),
            stderr: snapshot(&self.stderr),
        }
    }

    fn runs(&self) -> bool {
        self.child.id().is_some()
    }

    /// With the shell's own `kill`, which is there on every machine.
    fn signal(&self, name: &str) {
        let pid = self.child.id().expect("a running program");
        let mut shell = std::process::Command::new("sh");
        let status = shell
            .arg("-c")
            .arg(format!("kill -{name} {pid}"))
            .status()
            .expect("a shell");
        assert!(status.success(), "kill -{name} {pid}");
    }

    fn status_kb(&self, field: &str) -> u64 {
        let pid = self.child.id().expect("a running program");
        let status =
            std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .expect(field);
        let digits = line.trim().trim_end_matches(" kB");
        digits.parse().expect("a number of kB")
    }
}

fn collect(
    readers: &mut JoinSet<()>,
    pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
) -> Lines {
    let lines = Lines::default();
    let kept = Arc::clone(&lines);
    let mut pipe = BufReader::new(pipe.expect("a pipe")).lines();
    readers.spawn(async move {
        while let Ok(Some(line)) = pipe.next_line().await {
            kept.lock().expect("no panic while locked").push(line);
        }
    });
    lines
}

fn snapshot(lines: &Lines) -> Vec<String> {
    lines.lock().expect("no panic while locked").clone()
}

/// `ModelGate 0.1.0 is listening on http://127.0.0.1:8080`
fn listening(line: &str) -> Option<SocketAddr> {
    let (program, url) = line.split_once(" is listening on ")?;
    assert!(program.starts_with("ModelGate "), "{line}");
    let (_, address) = url.split_once("://")?;
    address.trim_end_matches('/').parse().ok()
}
