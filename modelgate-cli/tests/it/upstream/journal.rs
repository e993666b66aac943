//! What an upstream was asked and what it is to answer: shared by its connections and the test.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::{Script, manners};
use crate::wait;
use crate::wire::Head;

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    /// Number of the connection, from 0: equal numbers are a reused connection.
    pub(crate) connection: usize,
    pub(crate) at: Instant,
}

type Answerer = dyn Fn(&Recorded) -> Script + Send + Sync;

#[derive(Default)]
pub(super) struct Rules {
    pub(super) queue: VecDeque<Script>,
    pub(super) paths: HashMap<String, Script>,
    pub(super) fallback: Option<Arc<Answerer>>,
}

#[derive(Default)]
pub(super) struct Journal {
    rules: Mutex<Rules>,
    requests: Mutex<Vec<Recorded>>,
    connections: Mutex<Vec<ConnectionRecord>>,
}

#[derive(Debug, Default)]
struct ConnectionRecord {
    sent: usize,
    closed: bool,
    closed_by_client: bool,
}

impl Recorded {
    pub(super) fn new(head: Head, body: Bytes, connection: usize) -> Self {
        let mut words = head.first_line.split(' ').map(str::to_owned);
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        Self {
            method,
            path,
            headers: head.headers,
            body,
            connection,
            at: wait::now(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn body_text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("a body of UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.body_text()))
    }

    pub(super) fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

impl Journal {
    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no panic while locked")
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().expect("no panic while locked").clone()
    }

    /// Writes a request down and says what to answer.
    pub(super) fn record(&self, request: Recorded) -> Script {
        let script = self.script_for(&request);
        self.requests
            .lock()
            .expect("no panic while locked")
            .push(request);
        script
    }

    pub(super) fn open(&self) -> usize {
        let mut connections = self.connections();
        connections.push(ConnectionRecord::default());
        connections.len() - 1
    }

    pub(super) fn add_sent(&self, connection: usize, bytes: usize) {
        self.connections()[connection].sent += bytes;
    }

    pub(super) fn closed(&self, connection: usize) {
        self.connections()[connection].closed = true;
    }

    pub(super) fn closed_by_peer(&self, connection: usize) {
        self.connections()[connection].closed_by_client = true;
    }

    pub(super) fn open_connections(&self) -> usize {
        self.connections()
            .iter()
            .filter(|record| !record.closed)
            .count()
    }

    pub(super) fn closed_by_client(&self, connection: usize) -> bool {
        self.connections()
            .get(connection)
            .is_some_and(|record| record.closed_by_client)
    }

    pub(super) fn sent(&self, connection: usize) -> usize {
        self.connections()[connection].sent
    }

    fn script_for(&self, request: &Recorded) -> Script {
        let mut rules = self.rules();
        if let Some(script) = rules.paths.get(request.bare_path()) {
            return script.clone();
        }
        if request.method != "POST" {
            return manners::answer(request);
        }
        if let Some(script) = rules.queue.pop_front() {
            return script;
        }
        let make = rules.fallback.clone();
        drop(rules); // a test's closure may script the next answer
        make.map_or_else(|| manners::answer(request), |make| make(request))
    }

    fn connections(&self) -> MutexGuard<'_, Vec<ConnectionRecord>> {
        self.connections.lock().expect("no panic while locked")
    }
}
