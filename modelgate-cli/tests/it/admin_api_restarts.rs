//! The admin key of the settings, changed between starts of the real binary.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::Call;
use crate::gate::ADMIN_KEY;
use crate::settings_start::{folder, program};
use crate::wait;

/// A running program whose settings the test changes from start to start.
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    printed: Vec<String>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) async fn start(folder: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = program(folder, &["serve"], env);
        let mut child = command
            .stderr(Stdio::null())
            .spawn()
            .expect("start the program");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut printed = Vec::new();
        loop {
            let line = wait::bounded("the listening line", stdout.next_line())
                .await
                .expect("a pipe");
            let line = line.unwrap_or_else(|| panic!("it does not serve: {printed:#?}"));
            printed.push(line.clone());
            if let Some((_, url)) = line.split_once(" is listening on http://") {
                let address = url.trim_end_matches('/').parse().expect("an address");
                return Self {
                    child,
                    address,
                    printed,
                    stdout,
                };
            }
        }
    }

    pub(crate) async fn status_with(&self, secret: &str) -> u16 {
        let form = json!({"tier": "t"});
        let seen = Call::new(self.address, "GET", "/admin/keys")
            .bearer(secret)
            .send()
            .await
            .status;
        let missing = Call::new(self.address, "PUT", "/admin/keys/4711")
            .bearer(secret)
            .json(&form)
            .send()
            .await
            .status;
        assert_eq!(
            missing == 404,
            seen == 200,
            "an admin may write: {seen} {missing}"
        );
        seen
    }

    /// SIGTERM, the exit, and everything it said on stdout.
    pub(crate) async fn stop(mut self) -> String {
        let pid = self.child.id().expect("a running program");
        let kill = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {pid}"))
            .status()
            .await;
        assert!(kill.expect("a shell").success());
        while let Some(line) = wait::bounded("the last lines", self.stdout.next_line())
            .await
            .expect("a pipe")
        {
            self.printed.push(line);
        }
        let status = wait::bounded("the end of the program", self.child.wait())
            .await
            .expect("a status");
        assert_eq!(status.code(), Some(0));
        self.printed.join("\n")
    }

    /// Reads on until a generated key is printed.
    async fn printed_key(&mut self) -> String {
        loop {
            if let Some(key) = self.printed.iter().find_map(|line| key_in(line)) {
                return key;
            }
            let line = wait::bounded("a printed key", self.stdout.next_line())
                .await
                .expect("a pipe");
            self.printed.push(line.expect("a key before the end"));
        }
    }
}

fn key_in(text: &str) -> Option<String> {
    let mut words = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_');
    words
        .find(|word| word.starts_with("mg-") && word.len() > 40)
        .map(str::to_owned)
}

#[tokio::test]
async fn the_database_follows_when_the_admin_key_changes_in_the_settings() {
    let folder = folder();
    let gate = Running::start(folder.path(), &[]).await;
    assert_eq!(gate.status_with(ADMIN_KEY).await, 200);
    gate.stop().await;
    let gate = Running::start(folder.path(), &[("MG_ADMIN_API_KEY", "second-admin-key")]).await;
    assert_eq!(
        (
            gate.status_with("second-admin-key").await,
            gate.status_with(ADMIN_KEY).await
        ),
        (200, 401)
    );
    let said = gate.stop().await;
    assert!(
        !said.contains("second-admin-key") && key_in(&said).is_none(),
        "{said}"
    );
}

#[tokio::test]
async fn somebody_can_administer_when_the_admin_key_is_taken_out_of_the_settings() {
    let folder = folder();
    Running::start(folder.path(), &[]).await.stop().await;
    let gate = Running::start(folder.path(), &[("MG_ADMIN_API_KEY", "")]).await;
    let still_works = gate.status_with(ADMIN_KEY).await == 200;
    let said = gate.stop().await;
    let printed = key_in(&said);
    assert!(
        still_works || printed.is_some(),
        "nobody can administer: the old key is refused and no new one is made\n{said}"
    );
}

#[tokio::test]
async fn a_generated_admin_key_gives_way_to_a_configured_one() {
    let folder = folder();
    let mut gate = Running::start(folder.path(), &[("MG_ADMIN_API_KEY", "")]).await;
    let generated = gate.printed_key().await;
    assert_eq!(gate.status_with(&generated).await, 200);
    gate.stop().await;
    let gate = Running::start(folder.path(), &[("MG_ADMIN_API_KEY", "")]).await;
    assert_eq!(gate.status_with(&generated).await, 200);
    assert_eq!(key_in(&gate.stop().await), None, "only at the first start");
    let gate = Running::start(folder.path(), &[]).await;
    assert_eq!(
        (
            gate.status_with(ADMIN_KEY).await,
            gate.status_with(&generated).await
        ),
        (200, 401)
    );
    let said = gate.stop().await;
    assert!(!said.contains(ADMIN_KEY), "{said}");
}
