//! The gateway under test: the release binary, on a database of its own, with every check and the ledger on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::http1::{Broken, Connection, header};
use crate::process;

const ADMIN: &str = "bench-admin-key";

/// A running gateway. Its folder goes when it goes.
pub(crate) struct Gateway {
    binary: PathBuf,
    folder: PathBuf,
    child: Child,
    address: String,
    started: Instant,
}

impl Gateway {
    pub(crate) fn start(binary: &Path) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("modelgate-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let (child, address, started) = launch(binary, &folder)?;
        Ok(Self {
            binary: binary.to_owned(),
            folder,
            child,
            address,
            started,
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Adds the model and a key whose limits do not bite but are all counted.
    pub(crate) async fn set_up(&mut self, upstream: &str) -> Result<String, String> {
        let model = format!(
            "{{\"name\":\"bench\",\"backend_type\":\"vllm\",\"base_url\":\"http://{upstream}\"}}"
        );
        self.call("/admin/models", ADMIN, &model).await?;
        let key = "{\"name\":\"bench\",\"quota\":1000000000000000,\"rate_limit\":100000000}";
        let answer = self.call("/admin/keys", ADMIN, key).await?;
        let secret = answer
            .split("\"key\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        secret
            .map(str::to_owned)
            .ok_or_else(|| "the gateway gave no key".into())
    }

    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.stop();
        (self.child, self.address, self.started) = launch(&self.binary, &self.folder)?;
        Ok(())
    }

    /// Milliseconds from the start of the process to the first whole answer.
    pub(crate) async fn first_answer(&self, key: &str) -> Result<f64, String> {
        let body = "{\"model\":\"bench\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"user\":\"0x0\"}";
        self.call("/v1/chat/completions", key, body).await?;
        Ok(self.started.elapsed().as_secs_f64() * 1e3)
    }

    pub(crate) fn cpu(&self) -> Duration {
        process::cpu(self.child.id())
    }

    pub(crate) fn rss_mib(&self) -> f64 {
        process::rss_mib(self.child.id())
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let asked = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }

    async fn call(&self, path: &str, key: &str, body: &str) -> Result<String, String> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let (head, body) = exchange(&self.address, &request)
            .await
            .map_err(|Broken| format!("{path}: the connection broke"))?;
        if head.starts_with("HTTP/1.1 2") {
            Ok(body)
        } else {
            Err(format!("{path}: {head}\n{body}"))
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Gone already after a proper stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn exchange(address: &str, request: &str) -> Result<(String, String), Broken> {
    let mut connection = Connection::new(TcpStream::connect(address).await?)?;
    connection.write(request.as_bytes()).await?;
    let head = connection.head().await?;
    let length = header(&head, "content-length")
        .and_then(|value| value.parse().ok())
        .ok_or(Broken)?;
    let body = connection.exactly(length).await?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures the time it takes"
)]
fn launch(binary: &Path, folder: &Path) -> Result<(Child, String, Instant), String> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    let mut child = process::pinned(binary, 1)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("MG_DATABASE_PATH", folder.join("modelgate.db"))
        .env("MG_SECRETS_KEY_FILE", folder.join("secret.key"))
        .env("MG_ADMIN_API_KEY", ADMIN)
        .env("MG_SYNC_ON_START", "false")
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| {
            format!(
                "{}: {error}; build it with cargo xtask build",
                binary.display()
            )
        })?;
    let stdout = child.stdout.take().ok_or("the gateway has no output")?;
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    let address = line
        .trim()
        .rsplit("http://")
        .next()
        .filter(|_| line.contains("http://"))
        .unwrap_or_default();
    if address.is_empty() {
        return Err(format!(
            "the gateway did not start: see {}",
            folder.join("log").display()
        ));
    }
    Ok((child, address.to_owned(), started))
}
