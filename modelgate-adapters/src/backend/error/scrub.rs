//! Servers' words without addresses, credentials and control characters.

use std::net::{IpAddr, SocketAddr};

use super::Names;

/// Longest text that is passed on, in characters.
const LONGEST: usize = 300;
/// Longest code or field name, in characters.
const LONGEST_WORD: usize = 100;
/// How the keys of known services begin.
const KEYS: [&str; 12] = [
    "sk-", "mg-", "hf_", "gsk_", "xai-", "pk-", "rk-", "pplx-", "AIza", "ghp_", "eyJ", "nvapi-",
];

/// A message as clients may see it: one line, the client's name for the model, nothing that is secret.
pub(super) fn scrub(text: &str, names: &Names) -> String {
    let text = match &names.credential {
        Some(credential) => text.replace(credential.reveal(), "[key]"),
        None => text.to_owned(),
    };
    let text = rename(&text, &names.upstream, &names.shown);
    let words: Vec<&str> = text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .collect();
    let mut clean = String::with_capacity(text.len().min(4 * LONGEST));
    let mut bearer = false;
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        if clean.len() > 4 * LONGEST {
            break;
        }
        if !clean.is_empty() {
            clean.push(' ');
        }
        scrub_word(word, bearer, names, &mut clean);
        bearer = word.to_ascii_lowercase().ends_with("bearer");
    }
    shorten(&clean, LONGEST)
}

/// A code or the name of a field.
pub(super) fn word(text: &str, names: &Names) -> String {
    shorten(&scrub(text, names), LONGEST_WORD)
}

/// Puts `shown` wherever `upstream` stands as a word of its own.
fn rename(text: &str, upstream: &str, shown: &str) -> String {
    if upstream.is_empty() || upstream == shown {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(upstream) {
        let (before, after) = (&rest[..at], &rest[at + upstream.len()..]);
        let before_is_word = before
            .chars()
            .next_back()
            .or(out.chars().next_back().filter(|_| at == 0));
        let alone = !before_is_word.is_some_and(is_word) && !continues(after);
        out.push_str(before);
        out.push_str(if alone { shown } else { upstream });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '/')
}

/// Whether the text goes on with the same word; a full stop at the end of a sentence does not count.
fn continues(after: &str) -> bool {
    let mut letters = after.chars();
    match letters.next() {
        Some('.' | ':') => letters.next().is_some_and(char::is_alphanumeric),
        Some(letter) => is_word(letter),
        None => false,
    }
}

/// Words are cut at quotes and brackets, and each part is judged.
fn scrub_word(word: &str, is_secret: bool, names: &Names, out: &mut String) {
    let quotes = |letter: char| "\"'`<>(){},;|\\".contains(letter);
    let mut rest = word;
    while !rest.is_empty() {
        let part = &rest[..rest.find(quotes).unwrap_or(rest.len())];
        if part.is_empty() {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..first]);
            rest = &rest[first..];
            continue;
        }
        out.push_str(judge(part, is_secret, names));
        rest = &rest[part.len()..];
    }
}

fn judge<'a>(part: &'a str, is_secret: bool, names: &Names) -> &'a str {
    let bare = part.trim_end_matches(['.', ':', '!', '?']);
    if (is_secret && bare.len() >= 8) || is_key(bare) {
        "[key]"
    } else if *bare == *names.shown {
        part
    } else if is_address(bare) || holds(bare, &names.host) {
        "[address]"
    } else {
        part
    }
}

fn is_key(part: &str) -> bool {
    part.split(['=', ':', '/'])
        .any(|word| word.len() >= 12 && KEYS.iter().any(|start| word.starts_with(start)))
}

/// Whether a host is named in it: one with a domain anywhere, another as a word of its own.
fn holds(part: &str, host: &str) -> bool {
    if host.len() <= 2 {
        return false;
    }
    if host.contains(['.', '[']) {
        let (part, host) = (part.to_ascii_lowercase(), host.to_ascii_lowercase());
        return part.contains(&host);
    }
    let between = |letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.');
    part.split(between)
        .any(|word| word.eq_ignore_ascii_case(host))
}

/// Whether there is an address in it, alone or as in `upstream=10.0.0.1:80`, `me@10.0.0.1` and `tcp/10.0.0.1/v1`.
fn is_address(part: &str) -> bool {
    let between = ['=', '@', '/', '?', '&'];
    part.contains("://") || part.split(between).any(is_plain_address)
}

fn is_plain_address(word: &str) -> bool {
    let inner = word.trim_matches(['[', ']']);
    word.parse::<SocketAddr>().is_ok() || is_ip(inner) || has_port(word)
}

/// Words such as `::` and `a::b` are no addresses worth hiding.
fn is_ip(part: &str) -> bool {
    part.contains(|letter: char| letter.is_ascii_digit()) && part.parse::<IpAddr>().is_ok()
}

/// `backend:8000`, but not `line:42` or `12:30`.
fn has_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let is_port = port.len() <= 5 && port.parse::<u16>().is_ok();
    let is_host = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let has_letter = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    let looks_real =
        host.eq_ignore_ascii_case("localhost") || host.contains('.') || port.len() >= 4;
    is_port && is_host && has_letter && looks_real
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}
