//! Who asks: from the secret a client presents to the key behind it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use modelgate_domain::key::KeyRefused;
use modelgate_domain::rate::{Limits, Window};
use modelgate_domain::time::Monotonic;
use modelgate_domain::{ApiKey, KeyDigest, PlainKey, Role};

use super::Gateway;
use super::key_cache::Known;
use crate::driven::StoreError;

/// Unknown keys tried from one address in a minute before it is told to wait.
const UNKNOWN_PER_MINUTE: u32 = 10;
/// Addresses remembered for that; beyond it, the idle ones are forgotten first.
const MOST_STRANGERS: usize = 10_000;

/// Somebody whose key was found and admitted.
#[derive(Debug, Clone)]
pub struct Caller {
    key: Arc<ApiKey>,
    address: IpAddr,
}

impl Caller {
    /// The key.
    pub fn key(&self) -> &ApiKey {
        &self.key
    }

    /// Where the request came from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether the caller may read the admin API.
    pub fn may_read(&self) -> bool {
        matches!(self.key.role, Role::Viewer | Role::Admin)
    }

    /// Whether the caller may change things in the admin API.
    pub fn may_write(&self) -> bool {
        self.key.role == Role::Admin
    }
}

/// Why a caller was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Unknown, mistyped, disabled, revoked or expired: nobody is told which.
    #[error("the API key is not valid")]
    Invalid,
    /// The key is good, the address is not on its list.
    #[error("the key may not be used from {0}")]
    Address(IpAddr),
    /// Too many unknown keys came from this address.
    #[error("too many unknown keys from this address")]
    TooManyUnknown {
        /// After this wait the next try is looked at.
        retry_after: Duration,
    },
    /// The key store cannot be asked, and this key was not seen lately.
    #[error("keys cannot be checked now")]
    Unavailable(#[source] StoreError),
}

impl Gateway {
    /// Finds the key behind a secret and checks that it may be used here and now. A key seen lately costs no read.
    ///
    /// # Errors
    /// [`AuthError`]; a key that cannot be checked is never reported as invalid.
    pub async fn authenticate(
        &self,
        secret: &PlainKey,
        address: IpAddr,
    ) -> Result<Caller, AuthError> {
        let digest = secret.digest();
        let known = match self.keys.get(&digest) {
            Some(known) => known,
            None if self.is_worth_a_read(secret, &digest, address) => self.look_up(digest).await?,
            None => Known::Nobody,
        };
        let now = self.ports.clock.now();
        match known {
            Known::Key { key, secret_ends } if secret_ends.is_none_or(|end| now < end) => {
                match key.admit(now, address) {
                    Ok(()) => Ok(Caller { key, address }),
                    Err(KeyRefused::Address) => Err(AuthError::Address(address)),
                    Err(KeyRefused::Invalid) => Err(AuthError::Invalid),
                }
            }
            Known::Key { .. } => Err(AuthError::Invalid),
            Known::Nobody => Err(self.strangers.refuse(address, self.ports.clock.monotonic())),
        }
    }

    async fn look_up(&self, digest: KeyDigest) -> Result<Known, AuthError> {
        let edition = self.keys.edition();
        let found = self
            .ports
            .keys
            .find(&digest)
            .await
            .map_err(AuthError::Unavailable)?;
        let known = found.map_or(Known::Nobody, |found| Known::Key {
            key: Arc::new(found.key),
            secret_ends: found.secret_ends,
        });
        self.keys.put(digest, known.clone(), edition);
        Ok(known)
    }

    /// Mistyped keys never cost a read. An admin key that was configured once may have any form, so foreign forms are
    /// looked up too, as long as their sender has not tried too many.
    fn is_worth_a_read(&self, secret: &PlainKey, digest: &KeyDigest, address: IpAddr) -> bool {
        let may_try = || {
            self.strangers
                .may_try(address, self.ports.clock.monotonic())
        };
        secret.is_genuine() || self.is_root(digest) || (secret.is_foreign() && may_try())
    }

    /// Compares without telling by its time where the first difference is.
    fn is_root(&self, digest: &KeyDigest) -> bool {
        self.policy.root.is_some_and(|root| {
            let pairs = root.as_bytes().iter().zip(digest.as_bytes());
            pairs.fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
        })
    }
}

/// Addresses from which unknown keys came in the last minute.
#[derive(Default)]
pub(super) struct Strangers(Mutex<HashMap<IpAddr, Window>>);

const TRIES: Limits = Limits {
    rpm: Some(UNKNOWN_PER_MINUTE),
    burst: None,
    tpm: None,
    max_parallel: None,
};

impl Strangers {
    fn may_try(&self, address: IpAddr, now: Monotonic) -> bool {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = tries.get(&address);
        window.is_none_or(|window| window.clone().admit(&TRIES, 0, now).is_ok())
    }

    fn refuse(&self, address: IpAddr, now: Monotonic) -> AuthError {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= MOST_STRANGERS && !tries.contains_key(&address) {
            tries.retain(|_, window| !window.is_idle(now));
            if tries.len() >= MOST_STRANGERS {
                return AuthError::Invalid;
            }
        }
        let window = tries.entry(address).or_default();
        match window.admit(&TRIES, 0, now) {
            Ok(_) => {
                window.finish(0, 0, now);
                AuthError::Invalid
            }
            Err(exceeded) => AuthError::TooManyUnknown {
                retry_after: exceeded.retry_after,
            },
        }
    }
}
