//! Thousands of requests, each with an answer that is split or cut at another byte.
//!
//! The prompt says which answer and which place, so that the upstream needs no other word from the test, and several
//! lanes ask at the same time over connections that stay open.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{RawClient, request};
use crate::gate::{Key, TestGate};
use crate::upstream::{Recorded, Script, json};

/// How many requests run at the same time: enough for the cores, few enough to leave other tests their share.
const LANES: usize = 6;

/// One request: which recording (or answer), and what is done to it where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) subject: usize,
    pub(crate) action: Action,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// All of it, in one piece.
    Whole,
    /// All of it, in two pieces that are sent one after the other.
    Split,
    /// The connection breaks there.
    Cut,
    /// The body ends there, as bodies end.
    End,
}

/// What the client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) body: String,
}

const ACTIONS: [Action; 4] = [Action::Whole, Action::Split, Action::Cut, Action::End];

impl Case {
    pub(crate) fn prompt(self) -> String {
        format!("{} {} {}", self.subject, self.action as usize, self.at)
    }

    /// The case that a request is about; `None` for questions that the gateway asks on its own account.
    pub(crate) fn of(request: &Recorded) -> Option<Self> {
        let body = request.json();
        let texts = [&body["messages"][0]["content"], &body["prompt"]];
        let text = texts.into_iter().find_map(Value::as_str)?;
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            subject: next()?,
            action: ACTIONS[next()?],
            at: next()?,
        })
    }
}

impl Action {
    /// The answer that this makes of a head and a body.
    pub(crate) fn on(self, head: Script, body: &[u8], at: usize) -> Script {
        let (left, right) = body.split_at(at);
        match self {
            Self::Whole => head.piece(body.to_vec()),
            Self::Split => {
                let first = head.piece(left.to_vec()).pause(Duration::from_millis(1));
                first.piece(right.to_vec())
            }
            Self::Cut => head.piece(left.to_vec()).then_close(),
            Self::End => head.piece(left.to_vec()),
        }
    }
}

/// Lets the upstream answer each case with what `script` makes of it.
pub(crate) fn play(gate: &TestGate, script: impl Fn(Case) -> Script + Send + Sync + 'static) {
    gate.upstream
        .answers_with(move |request| Case::of(request).map_or_else(|| json(404, "{}"), &script));
}

/// Asks for all cases, and gives what came back in their order. `ask` says where a case is asked for, and how.
pub(crate) async fn ask_all(
    gate: &TestGate,
    key: &Key,
    cases: &[Case],
    ask: impl Fn(Case) -> (&'static str, Value),
) -> Vec<Seen> {
    let mut lanes = JoinSet::new();
    for number in 0..LANES {
        let numbered = cases.iter().enumerate().skip(number).step_by(LANES);
        let asked: Vec<_> = numbered.map(|(at, case)| (at, ask(*case))).collect();
        let mut lane = Lane::new(gate, key);
        lanes.spawn(async move {
            let mut seen = Vec::with_capacity(asked.len());
            for (at, (path, body)) in asked {
                seen.push((at, lane.ask(path, &body).await));
            }
            seen
        });
    }
    let mut all: Vec<(usize, Seen)> = lanes.join_all().await.into_iter().flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, seen)| seen).collect()
}

/// A connection to the program that is used again and again, and opened anew when the program has closed it.
struct Lane {
    gate: SocketAddr,
    auth: String,
    client: Option<RawClient>,
}

impl Lane {
    fn new(gate: &TestGate, key: &Key) -> Self {
        let auth = format!("Authorization: Bearer {}", key.secret);
        let gate = gate.address();
        Self {
            gate,
            auth,
            client: None,
        }
    }

    async fn ask(&mut self, path: &str, body: &Value) -> Seen {
        let lines = [self.auth.as_str(), "Content-Type: application/json"];
        let text = request("POST", path, &lines, &body.to_string());
        loop {
            let was_used = self.client.is_some();
            let mut client = match self.client.take() {
                Some(client) => client,
                None => RawClient::connect(self.gate).await,
            };
            if client.try_send(&text).await
                && let Some(answer) = client.try_answer().await
            {
                let is_last = answer.header("connection") == Some("close");
                self.client = (!is_last).then_some(client);
                return Seen {
                    status: answer.status,
                    body: answer.text().to_owned(),
                };
            }
            assert!(
                was_used,
                "a fresh connection was closed without an answer: {body}"
            );
        }
    }
}
