//! What may be passed on that makes a server fetch something: the gateway itself never does.

use http::Uri;
use modelgate_domain::json::{self, Scanner, Token, Visitor};
use modelgate_ports::driven::{BackendError, BackendFault, Call};

/// Which images, sounds and files a request may name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImagePolicy {
    /// Any.
    #[default]
    Allow,
    /// Only those that are in the request itself, as data URIs.
    DataOnly,
    /// These too: from these hosts, by http or https.
    Hosts(Vec<String>),
}

/// Checks every address in the messages of a chat.
///
/// # Errors
/// One is not allowed; nothing was sent.
pub(super) fn check(policy: &ImagePolicy, call: &Call<'_>) -> Result<(), BackendError> {
    if *policy == ImagePolicy::Allow || call.head.media.count == 0 {
        return Ok(());
    }
    let mut scanner = Scanner::new(Addresses {
        policy,
        keys: Vec::new(),
        refused: false,
    });
    let fed = call.body.iter().try_for_each(|piece| scanner.feed(piece));
    // The body was read before: it is valid JSON.
    match fed.and_then(|()| scanner.finish()) {
        Ok(found) if !found.refused => Ok(()),
        _ => Err(refusal(policy)),
    }
}

fn refusal(policy: &ImagePolicy) -> BackendError {
    let fault = BackendFault::Request {
        status: 400,
        sent: false,
    };
    let message = match policy {
        ImagePolicy::Hosts(hosts) if !hosts.is_empty() => {
            "Images and files must be sent as data URIs, or come from a host that this gateway allows."
        }
        _ => "Images and files must be sent as data URIs (data:<type>;base64,<content>).",
    };
    let mut error = BackendError::new(fault, message);
    error.code = Some("invalid_value".to_owned());
    error.param = Some("messages".to_owned());
    error
}

impl ImagePolicy {
    /// `raw` stands between quotes.
    fn allows(&self, raw: &[u8]) -> bool {
        if *self == Self::Allow
            || raw
                .get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"data:"))
        {
            return true;
        }
        let quoted = [b"\"", raw, b"\""].concat();
        let address = json::text(&quoted).and_then(|text| text.trim().parse::<Uri>().ok());
        match (self, address) {
            (Self::Hosts(hosts), Some(address)) => is_from(&address, hosts),
            _ => false,
        }
    }
}

fn is_from(address: &Uri, hosts: &[String]) -> bool {
    let is_web = matches!(address.scheme_str(), Some("http" | "https"));
    let host = address.host().unwrap_or_default();
    is_web
        && hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
}

/// Looks at every address.
struct Addresses<'a> {
    policy: &'a ImagePolicy,
    /// Names of the members we are in, by depth.
    keys: Vec<Key>,
    refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Messages,
    /// `image_url` and its like, which are addresses or hold one.
    Medium,
    Url,
    Other,
}

impl Addresses<'_> {
    fn key(&self, depth: usize) -> Key {
        self.keys.get(depth).copied().unwrap_or(Key::Other)
    }

    /// Whether a string at that depth is an address of something.
    fn is_address(&self, depth: usize) -> bool {
        let here = self.key(depth);
        let inside = depth > 0 && self.key(depth - 1) == Key::Medium;
        self.key(1) == Key::Messages && (here == Key::Medium || (here == Key::Url && inside))
    }
}

impl Visitor for Addresses<'_> {
    fn begins(&mut self, token: Token, depth: usize, _at: usize) -> bool {
        match token {
            Token::Key => true,
            Token::String => self.is_address(depth),
            Token::Object | Token::Array => {
                self.keys.truncate(depth + 1);
                false
            }
            _ => false,
        }
    }

    fn ends(&mut self, token: Token, depth: usize, _end: usize, text: &[u8]) {
        match token {
            Token::Key => {
                self.keys.resize(depth + 1, Key::Other);
                self.keys[depth] = match text {
                    b"messages" if depth == 1 => Key::Messages,
                    b"image_url" | b"video_url" | b"audio_url" | b"file_url" => Key::Medium,
                    b"url" => Key::Url,
                    _ => Key::Other,
                };
            }
            Token::String if self.is_address(depth) => self.refused |= !self.policy.allows(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(policy: &ImagePolicy, body: &str) -> bool {
        let mut scanner = Scanner::new(Addresses {
            policy,
            keys: Vec::new(),
            refused: false,
        });
        scanner.feed(body.as_bytes()).unwrap();
        !scanner.finish().unwrap().refused
    }

    fn part(part: &str) -> String {
        format!(
            r#"{{"tools":[{{"image_url":"http://x"}}],"messages":[{{"role":"user","content":[{{"type":"text","text":"http://x"}},{part}]}}]}}"#
        )
    }

    #[test]
    fn addresses_are_judged_by_the_policy() {
        let hosts = ImagePolicy::Hosts(vec!["img.example".to_owned()]);
        let check = |text: &str, data_only: bool, by_host: bool| {
            let body = part(text);
            let passed = [&ImagePolicy::DataOnly, &hosts].map(|policy| passes(policy, &body));
            assert_eq!(passed, [data_only, by_host], "{text}");
            assert!(passes(&ImagePolicy::Allow, &body));
        };
        check(
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}"#,
            true,
            true,
        );
        check(
            r#"{"type":"image_url","image_url":"DATA:image/png;base64,AA"}"#,
            true,
            true,
        );
        check(
            r#"{"type":"image_url","image_url":{"detail":"low","url":"https:\/\/IMG.example/a.png"}}"#,
            false,
            true,
        );
        check(
            r#"{"type":"image_url","image_url":"https://img.example:8443/a"}"#,
            false,
            true,
        );
        check(
            r#"{"type":"image_url","image_url":{"url":"https://img.example.evil/a"}}"#,
            false,
            false,
        );
        check(
            r#"{"type":"image_url","image_url":{"url":"https://img.example@evil/a"}}"#,
            false,
            false,
        );
        check(
            r#"{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}"#,
            false,
            false,
        );
        check(
            r#"{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}"#,
            false,
            false,
        );
        check(
            r#"{"type":"video_url","video_url":{"url":"http://x"}}"#,
            false,
            false,
        );
        check(
            r#"{"type":"image_url","image_url":{"url":""}}"#,
            false,
            false,
        );
        check(r#"{"type":"other","other":{"url":"http://x"}}"#, true, true);
    }
}
