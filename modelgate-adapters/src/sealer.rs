//! Sealing of upstream credentials with an authenticated cipher.

mod secret_key;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modelgate_domain::Secret;
use modelgate_ports::driven::{Entropy, Sealer, Unsealable};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

pub use secret_key::{SecretKey, SecretKeyError};

/// In front of everything this version seals: a later one may choose another cipher and still read these.
const VERSION: &str = "v1:";

/// Seals with ChaCha20-Poly1305 (RFC 8439). A sealed text is `v1:` and base64url of nonce, ciphertext and tag; the context
/// is authenticated with it.
pub struct AeadSealer {
    key: LessSafeKey,
    entropy: Arc<dyn Entropy>,
}

impl AeadSealer {
    /// A sealer with that key, drawing a nonce for every text.
    ///
    /// # Errors
    /// [`Unsealable`] should the cipher not take the key.
    pub fn new(key: &SecretKey, entropy: Arc<dyn Entropy>) -> Result<Self, Unsealable> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_bytes()).map_err(|_| Unsealable)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            entropy,
        })
    }
}

impl Sealer for AeadSealer {
    fn seal(&self, secret: &Secret, context: &str) -> Result<String, Unsealable> {
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce).map_err(|_| Unsealable)?;
        let mut text = secret.reveal().as_bytes().to_vec();
        let aad = Aad::from(context.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| Unsealable)?;
        Ok(format!(
            "{VERSION}{}",
            URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat())
        ))
    }

    fn open(&self, sealed: &str, context: &str) -> Result<Secret, Unsealable> {
        let text = sealed.strip_prefix(VERSION).ok_or(Unsealable)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unsealable)?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        let mut rest = rest.to_vec();
        let aad = Aad::from(context.as_bytes());
        let plain = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut rest)
            .map_err(|_| Unsealable)?;
        std::str::from_utf8(plain)
            .ok()
            .and_then(Secret::new)
            .ok_or(Unsealable)
    }
}

#[cfg(test)]
mod tests {
    use modelgate_ports::test_util::SeededEntropy;

    use super::*;

    fn sealer(key: &str) -> AeadSealer {
        AeadSealer::new(
            &SecretKey::parse(key).unwrap(),
            Arc::new(SeededEntropy::new(1)),
        )
        .unwrap()
    }

    const ONE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
    const OTHER: &str = "0201010101010101010101010101010101010101010101010101010101010101";

    #[test]
    fn what_was_sealed_opens_in_its_place_and_with_its_key_only() {
        let cipher = sealer(ONE);
        let secret = Secret::new("sk-upstream-credential").unwrap();
        let sealed = cipher.seal(&secret, "https://a").unwrap();
        assert_eq!(cipher.open(&sealed, "https://a"), Ok(secret));
        assert_eq!(cipher.open(&sealed, "https://b"), Err(Unsealable));
        assert_eq!(sealer(OTHER).open(&sealed, "https://a"), Err(Unsealable));
    }

    #[test]
    fn the_same_secret_never_looks_the_same_and_never_shows() {
        let cipher = sealer(ONE);
        let secret = Secret::new("sk-upstream-credential").unwrap();
        let (one, other) = (
            cipher.seal(&secret, "x").unwrap(),
            cipher.seal(&secret, "x").unwrap(),
        );
        assert_ne!(one, other);
        assert!(one.starts_with("v1:") && !one.contains("sk-"), "{one}");
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let cipher = sealer(ONE);
        let sealed = cipher.seal(&Secret::new("sk").unwrap(), "x").unwrap();
        for index in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(
                cipher.open(&changed, "x"),
                Err(Unsealable),
                "character {index}"
            );
        }
        for text in ["", "v1:", "v1:AAAA", "v2:AAAA", "sk-plain", "v1:ключ"] {
            assert_eq!(cipher.open(text, "x"), Err(Unsealable), "{text}");
        }
    }

    #[test]
    fn without_randomness_nothing_is_sealed() {
        let mut entropy = modelgate_ports::driven::entropy::MockEntropy::new();
        entropy
            .expect_fill()
            .returning(|_| Err(modelgate_ports::driven::NoEntropy));
        let cipher = AeadSealer::new(&SecretKey::parse(ONE).unwrap(), Arc::new(entropy)).unwrap();
        assert_eq!(
            cipher.seal(&Secret::new("sk").unwrap(), "x"),
            Err(Unsealable)
        );
    }
}
