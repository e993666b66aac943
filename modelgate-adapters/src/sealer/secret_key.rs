//! The key that seals credentials: in a file of its own, or given as text.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use modelgate_ports::driven::Entropy;

const LENGTH: usize = 32;

/// 256 bits that open every sealed credential. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; LENGTH]);

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The text is no key.
    #[error("a secret key is 32 bytes in hexadecimal (64 digits) or base64 (43 or 44 characters)")]
    Malformed,
    /// The file's content is no key.
    #[error("{} does not hold a secret key: 32 bytes in hexadecimal or base64", .0.display())]
    MalformedFile(PathBuf),
    /// The file cannot be read.
    #[error("cannot read the secret key {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be created.
    #[error("cannot create the secret key {}", .path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes for a secret key")]
    NoEntropy,
}

impl SecretKey {
    /// Reads a key from text: 32 bytes in hexadecimal or base64, white space around it ignored.
    ///
    /// # Errors
    /// [`SecretKeyError::Malformed`], which does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, SecretKeyError> {
        let text = text.trim();
        let bytes = if text.len() == 2 * LENGTH {
            from_hex(text)
        } else {
            from_base64(text)
        };
        let bytes = bytes.and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        bytes.map(Self).ok_or(SecretKeyError::Malformed)
    }

    /// Reads the key from its file, or makes one and stores it, readable by its owner only.
    ///
    /// # Errors
    /// [`SecretKeyError`] when the file can be neither read nor created, or holds something else. It is never replaced:
    /// what was sealed with it would be lost.
    pub fn load_or_create(path: &Path, entropy: &dyn Entropy) -> Result<Self, SecretKeyError> {
        match fs::read_to_string(path) {
            Ok(text) => {
                Self::parse(&text).map_err(|_| SecretKeyError::MalformedFile(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path, entropy),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(SecretKeyError::MalformedFile(path.to_owned()))
            }
            Err(source) => Err(SecretKeyError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, SecretKeyError> {
        let mut bytes = [0; LENGTH];
        entropy
            .fill(&mut bytes)
            .map_err(|_| SecretKeyError::NoEntropy)?;
        let key = Self(bytes);
        key.store(path).map_err(|source| SecretKeyError::Create {
            path: path.to_owned(),
            source,
        })?;
        Ok(key)
    }

    /// Written beside its place and then moved there, so that a crash leaves no half key.
    fn store(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        writeln!(file, "{}", self.to_hex())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }

    fn to_hex(&self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    pub(super) const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretKey(..)")
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    Some(
        digits?
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

/// Both alphabets, with or without padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&STANDARD, &URL_SAFE]
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use modelgate_ports::test_util::SeededEntropy;

    use super::*;

    #[test]
    fn a_key_is_hexadecimal_or_base64() {
        let key = SecretKey([0xfb; LENGTH]);
        let check = |text: &str, good: bool| match SecretKey::parse(text) {
            Ok(parsed) => assert!(good && parsed == key, "{text}"),
            Err(error) => assert!(
                !good && matches!(error, SecretKeyError::Malformed),
                "{text}"
            ),
        };
        check(&"fb".repeat(32), true);
        check(&format!(" {}\n", "FB".repeat(32)), true);
        check(&format!("{}+/s=", "+/v7".repeat(10)), true);
        check(&format!("{}-_s", "-_v7".repeat(10)), true);
        check("", false);
        check("secret", false);
        check(&"fb".repeat(31), false);
        check(&"fb".repeat(33), false);
        check(&"xb".repeat(32), false);
        check(&"é".repeat(32), false);
    }

    #[test]
    fn a_missing_file_is_made_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/secret.key");
        let made = SecretKey::load_or_create(&path, &SeededEntropy::new(7)).unwrap();
        let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (rights(&path), rights(path.parent().unwrap())),
            (0o600, 0o700)
        );
        assert_eq!(
            SecretKey::load_or_create(&path, &SeededEntropy::new(8)).unwrap(),
            made
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn a_file_with_something_else_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        for content in [&b""[..], b"secret", &[0xff; 32]] {
            fs::write(&path, content).unwrap();
            let error = SecretKey::load_or_create(&path, &SeededEntropy::new(7)).unwrap_err();
            assert!(matches!(&error, SecretKeyError::MalformedFile(named) if *named == path));
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        let under_a_file = SecretKey::load_or_create(&path.join("key"), &SeededEntropy::new(7));
        assert!(matches!(under_a_file, Err(SecretKeyError::Read { .. })));
    }

    #[test]
    fn a_key_does_not_print() {
        assert_eq!(format!("{:?}", SecretKey([1; LENGTH])), "SecretKey(..)");
    }
}
