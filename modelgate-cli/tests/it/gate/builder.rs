//! Settings of a test gate. The environment is empty but for what is set here, so the machine cannot interfere.

use std::path::Path;

use tempfile::TempDir;

use super::process::{Exit, Process};
use super::{ADMIN_KEY, TestGate};
use crate::upstream::Upstream;

#[derive(Debug, Clone)]
pub(crate) struct GateBuilder {
    env: Vec<(String, String)>,
    config: Option<String>,
}

impl GateBuilder {
    pub(super) fn new() -> Self {
        let env = [
            ("MG_SERVER_HOST", "127.0.0.1"),
            ("MG_SERVER_PORT", "0"),
            ("MG_ADMIN_API_KEY", ADMIN_KEY),
            ("MG_SYNC_ON_START", "false"),
            ("MG_LOG_FORMAT", "json"),
            ("MG_LOG_LEVEL", "info"),
            // Short, so that a stop with an idle connection does not hold up the tests.
            ("MG_SHUTDOWN_GRACE", "100ms"),
        ];
        let env = env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        Self { env, config: None }
    }

    /// Sets a variable, or replaces it.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Leaves out a variable of the defaults.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// A configuration file, given with `--config`. Variables stand above it.
    pub(crate) fn config(mut self, yaml: &str) -> Self {
        self.config = Some(yaml.to_owned());
        self
    }

    /// Starts the program and waits until it serves.
    pub(crate) async fn start(self) -> TestGate {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = self.spawn(folder.path());
        let address = process.wait_until_listening().await;
        let upstream = Upstream::start().await;
        TestGate {
            upstream,
            builder: self,
            folder,
            process,
            address,
        }
    }

    /// Starts the program with settings that it must refuse, and waits for its exit.
    pub(crate) async fn exit(self) -> Exit {
        let folder: TempDir = tempfile::tempdir().expect("a temporary folder");
        self.spawn(folder.path()).wait_for_exit().await
    }

    pub(super) fn spawn(&self, folder: &Path) -> Process {
        let mut arguments = vec!["serve".to_owned()];
        if let Some(config) = &self.config {
            let file = folder.join("modelgate.yaml");
            std::fs::write(&file, config).expect("a configuration file");
            arguments.extend(["--config".to_owned(), file.display().to_string()]);
        }
        let mut env = self.env.clone();
        env.push((
            "MG_DATABASE_PATH".to_owned(),
            folder.join("modelgate.db").display().to_string(),
        ));
        env.push((
            "MG_SECRETS_KEY_FILE".to_owned(),
            folder.join("secret.key").display().to_string(),
        ));
        Process::spawn(folder, &arguments, env)
    }
}
