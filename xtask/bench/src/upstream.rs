//! The scripted upstream: prepared OpenAI answers, in a process of its own so that its CPU is not the gateway's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::http1::{Broken, Connection, find, header};
use crate::process;

/// A running upstream.
pub(crate) struct Upstream {
    child: Child,
    address: String,
}

impl Upstream {
    /// Starts this very program again as an upstream, on processor 0.
    pub(crate) fn start() -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = process::pinned(&program, 0);
        let mut child = command
            .arg("upstream")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("upstream: {error}"))?;
        let mut address = String::new();
        let stdout = child.stdout.take().ok_or("the upstream has no output")?;
        BufReader::new(stdout)
            .read_line(&mut address)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            child,
            address: address.trim().to_owned(),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // It may be gone already, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The upstream itself: prints its address and serves until it is killed.
pub(crate) fn run() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| error.to_string())?;
        println!(
            "{}",
            listener.local_addr().map_err(|error| error.to_string())?
        );
        loop {
            let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
            #[expect(
                clippy::disallowed_methods,
                reason = "a bench tool that ends by being killed"
            )]
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(stream: TcpStream) -> Result<(), Broken> {
    let mut connection = Connection::new(stream)?;
    loop {
        let head = connection.head().await?;
        let length = header(&head, "content-length")
            .and_then(|value| value.parse().ok())
            .unwrap_or(0);
        let body = connection.exactly(length).await?;
        let wish = Wish::read(&body);
        if wish.chunks == 0 {
            connection.write(whole().as_bytes()).await?;
        } else {
            wish.stream(&mut connection).await?;
        }
    }
}

/// How many chunks a body asks for, and how far apart, in its `user` field: `50x0` or `10x100`.
struct Wish {
    chunks: u32,
    delay: Duration,
}

impl Wish {
    fn read(body: &[u8]) -> Self {
        let tail = &body[body.len().saturating_sub(64)..];
        let wish = find(tail, b"\"user\":\"")
            .map(|at| String::from_utf8_lossy(&tail[at + 8..]).into_owned())
            .unwrap_or_default();
        let (chunks, delay) = wish
            .split('"')
            .next()
            .and_then(|wish| wish.split_once('x'))
            .unwrap_or(("0", "0"));
        let delay = Duration::from_millis(delay.parse().unwrap_or(0));
        Self {
            chunks: chunks.parse().unwrap_or(0),
            delay,
        }
    }

    async fn stream(&self, connection: &mut Connection) -> Result<(), Broken> {
        connection.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        for _ in 0..self.chunks {
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
            connection
                .write(chunk(&event("{\"content\":\" token\"}", "null")).as_bytes())
                .await?;
        }
        connection
            .write(chunk(&event("{}", "\"stop\"")).as_bytes())
            .await?;
        let usage = format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{{\"prompt_tokens\":20,\"completion_tokens\":{0},\"total_tokens\":{1}}}}}\n\n",
            self.chunks,
            self.chunks + 20
        );
        connection.write(chunk(&usage).as_bytes()).await?;
        connection
            .write(chunk("data: [DONE]\n\n").as_bytes())
            .await?;
        connection.write(b"0\r\n\r\n").await
    }
}

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn whole() -> String {
    let content = "word ".repeat(160);
    let body = format!(
        "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{content}\"}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":100,\"completion_tokens\":160,\"total_tokens\":260}}}}"
    );
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
