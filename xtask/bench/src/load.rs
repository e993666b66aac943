//! The load: connections that ask again as soon as they are answered, for a set time.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use crate::http1::{Broken, Connection, find, header};

/// What to ask, how often at once, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: u32,
    pub(crate) span: Duration,
    pub(crate) body_bytes: usize,
    /// 0 asks for a whole answer.
    pub(crate) chunks: u32,
    pub(crate) chunk_delay: Duration,
}

/// One run against one address.
pub(crate) struct Load {
    address: String,
    request: Vec<u8>,
    plan: Plan,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Counted answers: those that were asked for after the warm-up.
    pub(crate) answers: u64,
    /// All answers, as the CPU time of the whole run is shared by.
    pub(crate) with_warm_up: u64,
    pub(crate) failures: u64,
    first_bytes: Vec<Duration>,
}

impl Outcome {
    /// Time to the first content that so many percent of the answers had reached.
    pub(crate) fn first_byte(&self, percent: u32) -> Duration {
        let mut sorted = self.first_bytes.clone();
        sorted.sort_unstable();
        let index = sorted.len().saturating_sub(1) * usize::try_from(percent).unwrap_or(100) / 100;
        sorted.get(index).copied().unwrap_or_default()
    }

    fn take(&mut self, other: Self) {
        self.answers += other.answers;
        self.with_warm_up += other.with_warm_up;
        self.failures += other.failures;
        self.first_bytes.extend(other.first_bytes);
    }
}

impl Load {
    pub(crate) fn new(address: &str, key: &str, plan: Plan) -> Self {
        let body = body(plan);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self {
            address: address.to_owned(),
            request: [head.into_bytes(), body.into_bytes()].concat(),
            plan,
        }
    }

    /// Runs the load once warmed up for a quarter of its time, which is not counted.
    pub(crate) async fn run(self) -> Result<Outcome, String> {
        let load = Rc::new(self);
        let tasks = LocalSet::new();
        tasks
            .run_until(async move {
                let begin = Instant::now() + load.plan.span / 4;
                let mut running = JoinSet::new();
                for index in 0..load.plan.connections {
                    running.spawn_local(connection(Rc::clone(&load), begin, index));
                }
                let mut outcome = Outcome::default();
                while let Some(done) = running.join_next().await {
                    outcome.take(done.map_err(|error| error.to_string())?);
                }
                if outcome.answers == 0 {
                    Err(format!("{} answered nothing", load.address))
                } else {
                    Ok(outcome)
                }
            })
            .await
    }
}

/// Paced streams begin one after the other, spread over the length of one: in step they would all wait for each other.
async fn connection(load: Rc<Load>, begin: Instant, index: u32) -> Outcome {
    let turn = load.plan.chunk_delay * load.plan.chunks / load.plan.connections;
    tokio::time::sleep(turn * index).await;
    let end = begin + load.plan.span;
    let mut outcome = Outcome::default();
    while Instant::now() < end {
        let Ok(mut connection) = open(&load.address).await else {
            outcome.failures += 1;
            continue;
        };
        while Instant::now() < end {
            let asked = Instant::now();
            let answered = ask(&mut connection, &load).await;
            let counts = asked >= begin;
            outcome.with_warm_up += u64::from(answered.is_ok());
            match answered {
                Ok(first) if counts => {
                    outcome.answers += 1;
                    outcome.first_bytes.push(first - asked);
                }
                Ok(_) => {}
                Err(Broken) => {
                    outcome.failures += u64::from(counts);
                    break;
                }
            }
        }
    }
    outcome
}

async fn open(address: &str) -> Result<Connection, Broken> {
    Connection::new(TcpStream::connect(address).await?)
}

/// Asks once and reads the whole answer; tells when its first content came.
async fn ask(connection: &mut Connection, load: &Load) -> Result<Instant, Broken> {
    connection.write(&load.request).await?;
    let head = connection.head().await?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(Broken);
    }
    if let Some(length) = header(&head, "content-length").and_then(|value| value.parse().ok()) {
        connection.exactly(length).await?;
        return Ok(Instant::now());
    }
    let (mut first, mut done) = (None, false);
    while let Some(chunk) = connection.chunk().await? {
        first = first.or_else(|| Some(Instant::now()));
        done = done || find(&chunk, b"[DONE]").is_some();
    }
    first.filter(|_| done).ok_or(Broken)
}

fn body(plan: Plan) -> String {
    let text = "lorem ipsum ".repeat(plan.body_bytes / 12);
    let stream = if plan.chunks > 0 {
        "\"stream\":true,\"stream_options\":{\"include_usage\":true},"
    } else {
        ""
    };
    format!(
        "{{\"model\":\"bench\",{stream}\"max_tokens\":100,\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"user\":\"{}x{}\"}}",
        plan.chunks,
        plan.chunk_delay.as_millis()
    )
}
