//! A whole answer, and the check of its error shape.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The error object of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<String>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header of ASCII text"))
    }

    pub(crate) fn request_id(&self) -> &str {
        self.header("x-request-id")
            .unwrap_or_else(|| panic!("no x-request-id on {}", self.describe()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.describe()))
    }

    /// Panics unless the status is `status`, showing what came instead. For chaining.
    pub(crate) fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.describe());
        self
    }

    /// Checks status, code and the whole error shape: four keys, JSON content type, request id.
    pub(crate) fn refused<'a>(&self, status: u16, code: impl Into<Option<&'a str>>) -> Refusal {
        let refusal = self.refused_with(status);
        assert_eq!(refusal.code.as_deref(), code.into(), "{}", self.describe());
        refusal
    }

    /// Checks status and error shape, whatever the code is.
    pub(crate) fn refused_with(&self, status: u16) -> Refusal {
        assert_eq!(self.status, status, "{}", self.describe());
        let content_type = self.header("content-type").unwrap_or_default();
        assert!(
            content_type.starts_with("application/json"),
            "{}",
            self.describe()
        );
        assert!(!self.request_id().is_empty(), "{}", self.describe());
        Refusal::read(&self.json())
    }

    pub(crate) fn describe(&self) -> String {
        let shown = &self.body[..self.body.len().min(2_000)];
        format!(
            "answer {} {:?}\n{}",
            self.status,
            self.headers,
            String::from_utf8_lossy(shown)
        )
    }
}

impl Refusal {
    /// Reads `{"error": {message, type, param, code}}` and accepts nothing else.
    pub(crate) fn read(body: &Value) -> Self {
        let error = body["error"]
            .as_object()
            .unwrap_or_else(|| panic!("no error object in {body}"));
        let mut keys: Vec<&str> = error.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["code", "message", "param", "type"], "{body}");
        assert_eq!(
            body.as_object().map(serde_json::Map::len),
            Some(1),
            "{body}"
        );
        let text = |key: &str| error[key].as_str().map(str::to_owned);
        Self {
            message: text("message")
                .filter(|message| !message.is_empty())
                .expect("a message"),
            kind: text("type").expect("a type"),
            param: optional(&error["param"]),
            code: optional(&error["code"]),
        }
    }
}

fn optional(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => panic!("neither text nor null: {other}"),
    }
}
