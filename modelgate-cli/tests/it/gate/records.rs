//! What the program leaves behind: usage rows, log lines, and no secret in either.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{ADMIN_KEY, TestGate};
use crate::wait;

impl TestGate {
    /// All usage rows, the oldest first, as soon as none of them is open.
    pub(crate) async fn rows(&self) -> Vec<Value> {
        self.rows_when("no open usage row", |rows| rows.iter().all(is_closed))
            .await
    }

    /// The row of one answer, as soon as it is closed.
    pub(crate) async fn row_of(&self, request_id: &str) -> Value {
        let wanted = |row: &Value| row["id"] == request_id && is_closed(row);
        let what = format!("a closed row of request {request_id}");
        let rows = self.rows_when(&what, |rows| rows.iter().any(wanted)).await;
        rows.into_iter()
            .find(wanted)
            .expect("it was there just now")
    }

    /// The log as JSON. Every line must be an object.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        let parse = |line: &String| {
            let parsed: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error} in log line {line:?}"));
            assert!(parsed.is_object(), "{line}");
            parsed
        };
        self.stderr().iter().map(parse).collect()
    }

    /// The one "request" line of a request, as soon as it is written.
    pub(crate) async fn request_log(&self, request_id: &str) -> Value {
        let what = format!("the log line of request {request_id}");
        let wanted = |line: &Value| {
            log_field(line, "message") == "request" && log_field(line, "request.id") == request_id
        };
        wait::until(&what, || self.log_lines().iter().any(wanted)).await;
        let mut lines = self.log_lines();
        lines.retain(wanted);
        assert_eq!(lines.len(), 1, "one line per request: {lines:#?}");
        lines.remove(0)
    }

    /// Searches the data folder and all output for texts that must be nowhere, plain, hexadecimal or in base64.
    pub(crate) fn assert_secret_absent(&self, secrets: &[&str]) {
        let mut places = vec![("stdout".to_owned(), self.stdout().join("\n").into_bytes())];
        places.push(("stderr".to_owned(), self.stderr().join("\n").into_bytes()));
        for file in files_below(self.folder.path()) {
            // A journal may vanish between the listing and the reading.
            places.extend(std::fs::read(&file).map(|bytes| (file.display().to_string(), bytes)));
        }
        for secret in secrets {
            for shape in shapes(secret) {
                let hit = places
                    .iter()
                    .find(|(_, bytes)| contains(bytes, shape.as_bytes()));
                assert!(
                    hit.is_none(),
                    "{secret:?} (as {shape:?}) stands in {}",
                    hit.map_or("", |(name, _)| name)
                );
            }
        }
    }

    async fn rows_when(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let polling = async {
            loop {
                let rows = self.all_rows().await;
                if holds(&rows) {
                    return rows;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        wait::bounded(what, polling).await
    }

    /// Ids are UUIDv7: their order is the order of time.
    async fn all_rows(&self) -> Vec<Value> {
        let answer = self
            .get("/admin/requests")
            .bearer(ADMIN_KEY)
            .send()
            .await
            .expect_status(200);
        let mut rows = answer.json()["data"].as_array().expect("data").clone();
        rows.sort_by(|left, right| left["id"].as_str().cmp(&right["id"].as_str()));
        rows
    }
}

/// A field of a log line, wherever the JSON format puts it: on the line, in its fields, or on its span.
pub(crate) fn log_field<'a>(line: &'a Value, name: &str) -> &'a Value {
    let places = [line, &line["fields"], &line["span"]];
    let found = places.into_iter().find_map(|place| place.get(name));
    found.unwrap_or(&Value::Null)
}

fn is_closed(row: &Value) -> bool {
    row["state"] != "open"
}

fn shapes(secret: &str) -> Vec<String> {
    let hex = secret
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    let encoded = STANDARD.encode(secret);
    vec![
        secret.to_owned(),
        hex,
        encoded.trim_end_matches('=').to_owned(),
    ]
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
