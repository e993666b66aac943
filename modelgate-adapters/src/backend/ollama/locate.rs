//! Where in a document a byte is, as a path that people can follow.

use modelgate_domain::json::{Scanner, Token, Visitor};
use std::fmt::Write;

/// Path from the root of the valid document `json` to the innermost value that holds byte `offset` or ends there:
/// `[2].content[0]`, empty for the root itself.
pub(super) fn path_at(json: &str, offset: usize) -> String {
    let mut scanner = Scanner::new(Finder {
        offset,
        start: 0,
        open: Vec::new(),
        found: None,
    });
    if scanner.feed(json.as_bytes()).is_err() {
        return String::new();
    }
    scanner
        .finish()
        .ok()
        .and_then(|finder| finder.found)
        .unwrap_or_default()
}

struct Finder {
    offset: usize,
    /// Where the last value began.
    start: usize,
    open: Vec<Container>,
    found: Option<String>,
}

/// An array or object around the current value.
struct Container {
    start: usize,
    step: Step,
}

enum Step {
    /// Number of elements begun so far.
    Elements(usize),
    /// Key of the current member.
    Member(String),
}

impl Visitor for Finder {
    fn begins(&mut self, token: Token, _depth: usize, at: usize) -> bool {
        if token == Token::Key {
            return true;
        }
        if let Some(Container {
            step: Step::Elements(begun),
            ..
        }) = self.open.last_mut()
        {
            *begun += 1;
        }
        match token {
            Token::Array => self.open.push(Container {
                start: at,
                step: Step::Elements(0),
            }),
            Token::Object => self.open.push(Container {
                start: at,
                step: Step::Member(String::new()),
            }),
            _ => self.start = at,
        }
        false
    }

    fn ends(&mut self, token: Token, _depth: usize, end: usize, text: &[u8]) {
        if token == Token::Key {
            if let Some(Container {
                step: Step::Member(key),
                ..
            }) = self.open.last_mut()
            {
                *key = String::from_utf8_lossy(text).into_owned();
            }
            return;
        }
        let is_container = matches!(token, Token::Array | Token::Object);
        let start = if is_container {
            self.open.pop().map_or(0, |closed| closed.start)
        } else {
            self.start
        };
        if self.found.is_none() && start <= self.offset && self.offset <= end {
            self.found = Some(path(&self.open));
        }
    }
}

fn path(open: &[Container]) -> String {
    let mut path = String::new();
    for container in open {
        let _ = match &container.step {
            Step::Elements(begun) => write!(path, "[{}]", begun.saturating_sub(1)),
            Step::Member(key) => write!(path, ".{key}"),
        };
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_paths() {
        let json = r#"[{"role":"user","content":[{"type":"text"},{"text":5}]}, 7]"#;
        let check = |marker: &str, expected: &str| {
            let offset = json.find(marker).unwrap();
            assert_eq!(path_at(json, offset), expected, "at the start of {marker}");
            assert_eq!(
                path_at(json, offset + marker.len()),
                expected,
                "at the end of {marker}"
            );
        };
        check("\"user\"", "[0].role");
        check("{\"type\":\"text\"}", "[0].content[0]");
        check("5", "[0].content[1].text");
        check("7", "[1]");
        assert_eq!(path_at(json, 0), "");
        assert_eq!(path_at(json, json.len()), "");
        assert_eq!(path_at("17", 2), "");
        assert_eq!(path_at("no json", 2), "");
    }
}
