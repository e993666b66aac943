//! Sealing of upstream credentials at rest.

use modelgate_domain::Secret;

/// The text was not sealed by this sealer's key for this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored credential cannot be opened with the present secret key")]
pub struct Unsealable;

/// Encrypts and authenticates short secrets.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
pub trait Sealer: Send + Sync {
    /// Seals `secret` for the place named by `context`: it opens nowhere else.
    ///
    /// # Errors
    /// [`Unsealable`] when there is no randomness for a nonce.
    fn seal(&self, secret: &Secret, context: &str) -> Result<String, Unsealable>;

    /// Opens what [`Sealer::seal`] made for the same `context`.
    ///
    /// # Errors
    /// [`Unsealable`] when key, context or text differ.
    fn open(&self, sealed: &str, context: &str) -> Result<Secret, Unsealable>;
}
