//! API keys: the secret people hold, its digest that is stored, and what a key may do.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::address::AllowList;
use crate::id::{KeyId, KeyName, ModelName};
use crate::quota::Quota;
use crate::rate::Limits;
use crate::time::Timestamp;

const PREFIX: &str = "mg-";
const BODY: usize = 43;
const CHECK: usize = 4;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A key as its holder presents it. Never printed, never stored: only its [`KeyDigest`] is.
///
/// Generated keys are `mg-`, 43 characters that carry 256 random bits, and 4 characters of checksum, so that a typing
/// error is known without asking the database. A configured admin key may be any text.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainKey(Box<str>);

impl PlainKey {
    /// Longest text that is looked at as a key, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Makes a new key of 256 random bits.
    pub fn generate(random: [u8; 32]) -> Self {
        let body = base64(&random);
        let check = checksum(&body);
        Self(format!("{PREFIX}{body}{check}").into())
    }

    /// Takes what a client presents: 1 to [`PlainKey::MAX_LEN`] visible ASCII characters, anything else is no key.
    pub fn presented(text: &str) -> Option<Self> {
        let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && text.len() <= Self::MAX_LEN).then(|| Self(text.into()))
    }

    /// Whether this looks like a generated key and its checksum is right.
    pub fn is_genuine(&self) -> bool {
        let Some(rest) = self.0.strip_prefix(PREFIX) else {
            return false;
        };
        let (Some(body), Some(check)) = (rest.get(..BODY), rest.get(BODY..)) else {
            return false;
        };
        check.len() == CHECK && checksum(body) == check
    }

    /// Whether this does not even begin like a generated key: only a configured admin key may look so.
    pub fn is_foreign(&self) -> bool {
        !self.0.starts_with(PREFIX)
    }

    /// What is stored instead of the key.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The first characters, which lists may show: at most 7, and never more than a quarter of the key.
    pub fn prefix(&self) -> &str {
        self.0.get(..(self.0.len() / 4).min(7)).unwrap_or_default()
    }

    /// The last four characters, which lists may show; empty for keys shorter than 16 characters.
    pub fn last4(&self) -> &str {
        if self.0.len() < 16 {
            ""
        } else {
            self.0.get(self.0.len() - 4..).unwrap_or_default()
        }
    }

    /// The secret itself, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PlainKey(..)")
    }
}

fn checksum(body: &str) -> String {
    let mut text = base64(&Sha256::digest(body.as_bytes())[..3]);
    text.truncate(CHECK);
    text
}

/// URL-safe base64 without padding (RFC 4648 §5).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 1);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0_usize, |group, (index, &byte)| {
                group | usize::from(byte) << (16 - 8 * index)
            });
        for digit in 0..=chunk.len() {
            text.push(char::from(ALPHABET[group >> (18 - 6 * digit) & 63]));
        }
    }
    text
}

/// SHA-256 of a key's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// A digest read back from where it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits, as stored.
    pub fn to_hex(&self) -> String {
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect()
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyDigest(..)")
    }
}

/// What a key may do beside calling models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Calls models and sees its own limits.
    #[default]
    User,
    /// Reads everything in the admin API, changes nothing.
    Viewer,
    /// Everything.
    Admin,
}

impl Role {
    /// The word used in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    /// The role of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::Viewer, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// Whether a key works at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyStatus {
    /// Works.
    #[default]
    Active,
    /// Switched off, and can be switched on again.
    Disabled,
    /// Deleted: its name is free, its rows stay, it never works again.
    Revoked,
}

impl KeyStatus {
    /// The word used in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }

    /// The status of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Disabled, Self::Revoked]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// A key with everything admission asks of it. Its balance lives in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Number, for people.
    pub id: KeyId,
    /// Name, unique among keys that are not revoked.
    pub name: KeyName,
    /// What it may do beside calling models.
    pub role: Role,
    /// Whether it works at all.
    pub status: KeyStatus,
    /// Free word that models may ask for.
    pub tier: Option<String>,
    /// Model taken when a request names none.
    pub default_model: Option<ModelName>,
    /// Models it may use; empty means all.
    pub allowed_models: Vec<ModelName>,
    /// Networks it may be used from.
    pub allowed_ips: AllowList,
    /// Requests and tokens per minute, parallel requests.
    pub limits: Limits,
    /// Tokens it may spend; `None` means no limit.
    pub quota: Option<Quota>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a known key may not be used here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Disabled, revoked or expired: the caller is told no more than for an unknown key.
    #[error("the key is not valid")]
    Invalid,
    /// The caller's address is not in the key's list.
    #[error("the address is not allowed for this key")]
    Address,
}

impl ApiKey {
    /// Whether the key may be used at `now` from `address`.
    ///
    /// # Errors
    /// [`KeyRefused`]; a dead key is refused as such whatever the address, so that addresses tell nothing about it.
    pub fn admit(&self, now: Timestamp, address: IpAddr) -> Result<(), KeyRefused> {
        let expired = self.expires_at.is_some_and(|end| now >= end);
        if self.status != KeyStatus::Active || expired {
            return Err(KeyRefused::Invalid);
        }
        if !self.allowed_ips.admits(address) {
            return Err(KeyRefused::Address);
        }
        Ok(())
    }

    /// Whether the key's list allows the model of that (canonical) name.
    pub fn allows(&self, model: &ModelName) -> bool {
        self.allowed_models.is_empty() || self.allowed_models.contains(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated() -> PlainKey {
        PlainKey::generate(std::array::from_fn(|index| u8::try_from(index).unwrap()))
    }

    #[test]
    fn a_generated_key_is_genuine_and_one_wrong_character_shows() {
        let key = generated();
        assert_eq!(key.reveal().len(), 50);
        assert!(key.is_genuine());
        for index in 0..50 {
            let mut text = key.reveal().as_bytes().to_vec();
            text[index] = if text[index] == b'x' { b'y' } else { b'x' };
            let typo = PlainKey::presented(std::str::from_utf8(&text).unwrap()).unwrap();
            // The last of 43 characters carries 4 bits: the checksum is over the text, so it shows all the same.
            assert!(!typo.is_genuine(), "character {index}");
        }
    }

    #[test]
    fn other_texts_are_not_genuine() {
        for text in [
            "mg-",
            "sk-abc",
            "mg-short",
            &format!("{}x", generated().reveal()),
        ] {
            assert!(!PlainKey::presented(text).unwrap().is_genuine(), "{text}");
        }
    }

    #[test]
    fn only_visible_ascii_is_taken_as_a_key() {
        for text in ["", " ", "a b", "a\n", "ключ", &"x".repeat(513)] {
            assert_eq!(PlainKey::presented(text), None, "{text:?}");
        }
        assert!(PlainKey::presented(&"x".repeat(512)).is_some());
    }

    #[test]
    fn nothing_prints_the_secret() {
        let key = generated();
        assert_eq!(
            format!("{key:?} {:?}", key.digest()),
            "PlainKey(..) KeyDigest(..)"
        );
    }

    #[test]
    fn lists_show_little_of_a_short_key() {
        let check = |text: &str, prefix: &str, last4: &str| {
            let key = PlainKey::presented(text).unwrap();
            assert_eq!((key.prefix(), key.last4()), (prefix, last4));
        };
        check("admin", "a", "");
        check("0123456789abcdef", "0123", "cdef");
        check(generated().reveal(), "mg-AAEC", &generated().reveal()[46..]);
    }

    #[test]
    fn base64_follows_rfc_4648() {
        let check = |bytes: &[u8], text: &str| assert_eq!(base64(bytes), text);
        check(b"", "");
        check(b"f", "Zg");
        check(b"fo", "Zm8");
        check(b"foo", "Zm9v");
        check(b"foobar", "Zm9vYmFy");
        check(&[0xfb, 0xff], "-_8");
    }

    #[test]
    fn the_digest_is_sha_256_in_hex() {
        let key = PlainKey::presented("abc").unwrap();
        assert_eq!(
            key.digest().to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn dead_keys_and_wrong_addresses_are_refused() {
        let check = |status: KeyStatus,
                     expires: Option<i64>,
                     address: &str,
                     expected: Result<(), KeyRefused>| {
            let key = ApiKey {
                id: KeyId(1),
                name: KeyName::new("ci").unwrap(),
                role: Role::User,
                status,
                tier: None,
                default_model: None,
                allowed_models: Vec::new(),
                allowed_ips: AllowList::parse(["10.0.0.0/8"]).unwrap(),
                limits: Limits::default(),
                quota: None,
                expires_at: expires.map(Timestamp::from_millis),
                created_at: Timestamp::from_millis(0),
            };
            assert_eq!(
                key.admit(Timestamp::from_millis(1000), address.parse().unwrap()),
                expected
            );
        };
        check(KeyStatus::Active, None, "10.0.0.1", Ok(()));
        check(KeyStatus::Active, Some(1001), "10.0.0.1", Ok(()));
        check(
            KeyStatus::Active,
            Some(1000),
            "10.0.0.1",
            Err(KeyRefused::Invalid),
        );
        check(
            KeyStatus::Disabled,
            None,
            "10.0.0.1",
            Err(KeyRefused::Invalid),
        );
        check(
            KeyStatus::Revoked,
            None,
            "192.0.2.1",
            Err(KeyRefused::Invalid),
        );
        check(
            KeyStatus::Active,
            None,
            "192.0.2.1",
            Err(KeyRefused::Address),
        );
    }
}
