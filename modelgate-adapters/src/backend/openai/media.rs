//! What may be passed on that makes a server fetch something: the gateway itself never does.

mod addresses;

use bytes::Bytes;
use http::Uri;
use modelgate_domain::json::{self, Scanner};
use modelgate_ports::driven::{BackendError, BackendFault};

use self::addresses::Addresses;

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

/// Checks every address in the messages of a request, whatever the endpoint: some servers embed messages, too.
///
/// # Errors
/// One is not allowed; nothing was sent.
pub(super) fn check(policy: &ImagePolicy, body: &[Bytes]) -> Result<(), BackendError> {
    if *policy == ImagePolicy::Allow {
        return Ok(());
    }
    let mut scanner = Scanner::new(Addresses::new(policy));
    let fed = body.iter().try_for_each(|piece| scanner.feed(piece));
    // The body was read before: it is valid JSON.
    let refused = match fed.and_then(|()| scanner.finish()) {
        Ok(found) => found.refused,
        Err(_) => Some("messages".to_owned()),
    };
    refused.map_or(Ok(()), |place| Err(refusal(policy, place)))
}

fn refusal(policy: &ImagePolicy, place: String) -> BackendError {
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
    error.param = Some(place);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the body names something that is not allowed.
    fn refused(policy: &ImagePolicy, body: &str) -> Option<String> {
        let pieces = [Bytes::copy_from_slice(body.as_bytes())];
        let error = check(policy, &pieces).err()?;
        error.param
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
            for (policy, passes) in [(&ImagePolicy::DataOnly, data_only), (&hosts, by_host)] {
                assert_eq!(
                    refused(policy, &body).is_none(),
                    passes,
                    "{policy:?} {text}"
                );
            }
            assert_eq!(refused(&ImagePolicy::Allow, &body), None);
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

    #[test]
    fn no_spelling_hides_an_address() {
        for part in [
            r#"{"image\u005furl":{"url":"http://x"}}"#,
            r#"{"image_url":{"u\u0072l":"http://x"}}"#,
            r#"{"image_url":{"url":"data:,","url":"http://x"}}"#,
            r#"{"image_url":"data:,","image_url":"http://x"}"#,
            r#"{"IMAGE_URL":{"Url":"http://x"}}"#,
            r#"{"file_url":"http://x"}"#,
            r#"{"image_url":[{"url":"http://x"}]}"#,
            r#"{"image_url":["data:,","http://x"]}"#,
            r#"{"image_url":{"url":["http://x"]}}"#,
            r#"{"image_url":{"x":{"url":"http://x"}}}"#,
            r#"{"image_url":{"url":"https://evil\\@img.example/"}}"#,
            r#"{"image_url":{"url":"https://img.example\\@evil/"}}"#,
            r#"{"image_url":{"url":"https://evil\t@img.example\u0000/"}}"#,
            r#"{"image_url":{"url":"\ud800http://img.example"}}"#,
        ] {
            for policy in [
                ImagePolicy::DataOnly,
                ImagePolicy::Hosts(vec!["img.example".to_owned()]),
            ] {
                let place = refused(&policy, &self::part(part));
                let start = "messages[0].content[1]";
                assert!(
                    place.as_ref().is_some_and(|place| place.starts_with(start)),
                    "{part} {place:?}"
                );
            }
        }
    }

    #[test]
    fn the_refusal_names_the_place() {
        let check = |body: &str, expected: Option<&str>| {
            let place = refused(&ImagePolicy::DataOnly, body);
            assert_eq!(place.as_deref(), expected, "{body}");
        };
        let image = r#"{"image_url":{"detail":"low","url":"http://x"}}"#;
        let video = r#"{"video_url":"http://x"}"#;
        check(
            &format!(r#"{{"messages":[{{"content":[[],"a",{image},{video}]}}]}}"#),
            Some("messages[0].content[2].image_url"),
        );
        check(
            &format!(r#"{{"messages":[{{"content":"a"}},{{"role":"b","content":{video}}}]}}"#),
            Some("messages[1].content.video_url"),
        );
        check(
            &format!(r#"{{"messages":[{{"parts":[{video}]}}]}}"#),
            Some("messages[0]"),
        );
        check(
            &format!(r#"{{"input":["a",{image}]}}"#),
            Some("input[1].image_url"),
        );
        check(
            &format!(
                r#"{{"input":["http://x"],"tools":[{image}],"messages":[{{"url":"http://x"}}]}}"#
            ),
            None,
        );
    }
}
