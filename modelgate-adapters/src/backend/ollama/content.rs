//! The content of a message: text and parts in, one text and a list of images out.

use std::fmt;

use modelgate_ports::driven::BackendError;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::refusal::{invalid_value, missing, unsupported_value};
use super::text::Text;

/// `content` as clients write it.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Text(Text<'a>),
    Parts(Vec<Part<'a>>),
}

/// One part. What it holds beside `type` depends on that.
#[derive(Debug, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(borrow)]
    image_url: Option<Image<'a>>,
    #[serde(borrow)]
    input_audio: Option<AudioForm<'a>>,
}

#[derive(Debug)]
struct Image<'a>(Text<'a>);

#[derive(Debug, Deserialize)]
struct AudioForm<'a> {
    #[serde(borrow)]
    data: Text<'a>,
}

/// What the server takes: one text, and images and sounds in one list. The order of both relative to each other is lost.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flat<'a> {
    pub(super) text: Text<'a>,
    pub(super) images: Vec<Text<'a>>,
    pub(super) has_audio: bool,
}

impl<'a> Content<'a> {
    /// Flattens the content of the message at `path`.
    pub(super) fn flatten(self, path: &str) -> Result<Flat<'a>, BackendError> {
        let parts = match self {
            Self::Text(text) => {
                return Ok(Flat {
                    text,
                    ..Flat::default()
                });
            }
            Self::Parts(parts) => parts,
        };
        let mut flat = Flat::default();
        let mut texts = Vec::new();
        for (index, part) in parts.into_iter().enumerate() {
            part.add_to(&mut flat, &mut texts, &format!("{path}.content[{index}]"))?;
        }
        flat.text = Text::joined(texts);
        Ok(flat)
    }
}

impl<'a> Part<'a> {
    fn add_to(
        self,
        flat: &mut Flat<'a>,
        texts: &mut Vec<Text<'a>>,
        path: &str,
    ) -> Result<(), BackendError> {
        match &*self.kind {
            "text" => texts.push(self.text.ok_or_else(|| missing(&format!("{path}.text")))?),
            "refusal" => texts.push(
                self.refusal
                    .ok_or_else(|| missing(&format!("{path}.refusal")))?,
            ),
            "image_url" => {
                let Image(url) = self
                    .image_url
                    .ok_or_else(|| missing(&format!("{path}.image_url")))?;
                flat.images.push(image(url, &format!("{path}.image_url"))?);
            }
            "input_audio" => {
                let audio = self
                    .input_audio
                    .ok_or_else(|| missing(&format!("{path}.input_audio")))?;
                flat.images
                    .push(base64(audio.data, &format!("{path}.input_audio.data"))?);
                flat.has_audio = true;
            }
            _ => {
                return Err(unsupported_value(
                    &format!("{path}.type"),
                    "this model takes text, image_url and input_audio parts",
                ));
            }
        }
        Ok(())
    }
}

/// The base64 of a data URI, or of a bare string. Addresses are refused: the gateway fetches nothing.
fn image<'a>(url: Text<'a>, path: &str) -> Result<Text<'a>, BackendError> {
    if is_prefix("http://", &url) || is_prefix("https://", &url) {
        return Err(unsupported_value(
            path,
            "images are not fetched, send a data URI",
        ));
    }
    if !is_prefix("data:", &url) {
        return base64(url, path);
    }
    let comma =
        memchr::memchr(b',', url.as_bytes()).ok_or_else(|| invalid_value(path, "a data URI"))?;
    if !url[..comma].to_ascii_lowercase().ends_with(";base64") {
        return Err(invalid_value(path, "a data URI in base64"));
    }
    base64(url.without_front(comma + 1), path)
}

fn is_prefix(prefix: &str, text: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|front| front.eq_ignore_ascii_case(prefix))
}

fn base64<'a>(data: Text<'a>, path: &str) -> Result<Text<'a>, BackendError> {
    let digits = data.trim_end_matches('=');
    let padding = data.len() - digits.len();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    if digits.is_empty()
        || padding > 2
        || !data.len().is_multiple_of(4)
        || !digits.bytes().all(is_digit)
    {
        return Err(invalid_value(
            path,
            "base64 of the standard alphabet, padded",
        ));
    }
    Ok(data)
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string or an array of parts")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Content<'de>, E> {
        Ok(Content::Text(Text(text.into())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content<'de>, E> {
        Ok(Content::Text(Text(text.to_owned().into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(part) = parts.next_element()? {
            all.push(part);
        }
        Ok(Content::Parts(all))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Image<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ImageVisitor)
    }
}

struct ImageVisitor;

impl<'de> Visitor<'de> for ImageVisitor {
    type Value = Image<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with an url, or the url")
    }

    fn visit_borrowed_str<E: de::Error>(self, url: &'de str) -> Result<Image<'de>, E> {
        Ok(Image(Text(url.into())))
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<Image<'de>, E> {
        Ok(Image(Text(url.to_owned().into())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Image<'de>, A::Error> {
        let mut url = None;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if &*key == "url" {
                url = Some(map.next_value::<Text<'de>>()?);
            } else {
                map.next_value::<de::IgnoredAny>()?;
            }
        }
        url.map(Image)
            .ok_or_else(|| de::Error::missing_field("url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flatten(content: &str) -> Result<(String, Vec<String>, bool), String> {
        let content: Content<'_> = serde_json::from_str(content).unwrap();
        let flat = content
            .flatten("messages[2]")
            .map_err(|error| error.param.unwrap_or_default())?;
        let images = flat.images.iter().map(|image| image.to_string()).collect();
        Ok((flat.text.to_string(), images, flat.has_audio))
    }

    #[test]
    fn parts_become_one_text() {
        let check = |content: &str, expected: &str| {
            assert_eq!(flatten(content).unwrap().0, expected, "{content}");
        };
        check(r#""plain""#, "plain");
        check(r#""a\nb""#, "a\nb");
        check("[]", "");
        check(r#"[{"type":"text","text":"a"}]"#, "a");
        check(
            r#"[{"type":"text","text":"a"},{"type":"refusal","refusal":"no"},{"type":"text","text":"b"}]"#,
            "a\nno\nb",
        );
        check(
            r#"[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]"#,
            "a",
        );
    }

    #[test]
    fn images_become_bare_base64() {
        let check = |url: &str, expected: Result<&str, &str>| {
            let bare = format!(r#"[{{"type":"image_url","image_url":"{url}"}}]"#);
            let object =
                format!(r#"[{{"type":"image_url","image_url":{{"detail":"low","url":"{url}"}}}}]"#);
            for content in [bare, object] {
                let images = flatten(&content).map(|(_, images, _)| images.concat());
                assert_eq!(
                    images.as_deref().map_err(String::as_str),
                    expected,
                    "{content}"
                );
            }
        };
        check("data:image/png;base64,AAAA", Ok("AAAA"));
        check("data:image/jpeg;base64,AA==", Ok("AA=="));
        check("data:image/webp;charset=utf-8;base64,AAA=", Ok("AAA="));
        check("DATA:image/png;BASE64,AA+/", Ok("AA+/"));
        check(r"data:image\/png;base64,\/\/\/\/", Ok("////"));
        check("AAAA", Ok("AAAA"));
        let refused = Err("messages[2].content[0].image_url");
        check("http://example.com/a.png", refused);
        check("HTTPS://example.com/a.png", refused);
        check("file:///etc/passwd", refused);
        check("data:image/png,AAAA", refused);
        check("data:image/png;base64", refused);
        check("data:image/png;base64,", refused);
        check("data:image/png;base64,A", refused);
        check("data:image/png;base64,AA-_", refused);
        check("data:image/png;base64,A===", refused);
        check("data:image/png;base64,AA=A", refused);
        check("data:image/png;base64,éé", refused);
        check("", refused);
    }

    #[test]
    fn sounds_go_with_the_images() {
        let content = r#"[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"text","text":"?"}]"#;
        assert_eq!(
            flatten(content),
            Ok(("?".into(), vec!["AAAA".into()], true))
        );
    }

    #[test]
    fn other_parts_are_refused_by_place() {
        let check = |part: &str, param: &str| {
            let content = format!(r#"[{{"type":"text","text":"a"}},{part}]"#);
            assert_eq!(
                flatten(&content),
                Err(format!("messages[2].content[1].{param}")),
                "{part}"
            );
        };
        check(r#"{"type":"file","file":{"file_id":"f"}}"#, "type");
        check(r#"{"type":"text"}"#, "text");
        check(r#"{"type":"refusal","text":"a"}"#, "refusal");
        check(r#"{"type":"image_url"}"#, "image_url");
        check(
            r#"{"type":"input_audio","input_audio":{"data":"?"}}"#,
            "input_audio.data",
        );
    }
}
