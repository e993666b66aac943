//! The admin key: configured, generated, or changed in the settings.

use modelgate_domain::{ApiKey, KeyName, PlainKey, Role};

use super::{Console, ConsoleError, IssuedKey};
use crate::driven::StoredSecret;

impl Console {
    /// Sees to it that somebody may administer. With a configured secret, the key named `admin` gets it, and the one it
    /// had ends. Without one, a key is made only when no living key administers, and its secret is returned, this once.
    ///
    /// # Errors
    /// [`ConsoleError`] when keys cannot be read or written.
    pub async fn ensure_admin(
        &self,
        configured: Option<&PlainKey>,
    ) -> Result<Option<IssuedKey>, ConsoleError> {
        let Some(secret) = configured else {
            return self.ensure_some_admin().await;
        };
        let now = self.ports.clock.now();
        if let Some(found) = self.ports.keys.find(&secret.digest()).await? {
            let lives = super::keys::administers(&found.key, now)
                && found.secret_ends.is_none_or(|end| now < end);
            return if lives { Ok(None) } else { Err(not_usable()) };
        }
        let keys = self.ports.keys.list().await?;
        let named = keys.iter().find(|record| {
            record.key.name.as_str() == "admin" && super::keys::administers(&record.key, now)
        });
        if let Some(record) = named {
            self.ports
                .keys
                .replace_secret(record.key.id, &StoredSecret::from(secret), now)
                .await?;
        } else {
            self.store(self.admin_key().await?, secret.clone()).await?;
        }
        Ok(None)
    }

    async fn ensure_some_admin(&self) -> Result<Option<IssuedKey>, ConsoleError> {
        let now = self.ports.clock.now();
        let keys = self.ports.keys.list().await?;
        if keys
            .iter()
            .any(|record| super::keys::administers(&record.key, now))
        {
            return Ok(None);
        }
        let key = self.admin_key().await?;
        self.store(key, self.new_secret()?).await.map(Some)
    }

    /// Named `admin`, or with a number behind it when another key has that name.
    async fn admin_key(&self) -> Result<ApiKey, ConsoleError> {
        let keys = self.ports.keys.list().await?;
        let is_free = |name: &KeyName| keys.iter().all(|record| record.key.name != *name);
        let numbered = (2_u32..).map(|number| format!("admin-{number}"));
        let mut names = std::iter::once("admin".to_owned())
            .chain(numbered)
            .filter_map(|name| KeyName::new(&name).ok());
        let name = names
            .find(is_free)
            .ok_or(ConsoleError::NotFound("free name"))?;
        Ok(self.blank(name, Role::Admin))
    }
}

fn not_usable() -> ConsoleError {
    ConsoleError::invalid(
        "admin.api_key",
        "was a key of this gateway before and cannot be used again: choose a new one",
    )
}
