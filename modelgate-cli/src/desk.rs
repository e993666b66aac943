//! The desk where the place is run from a terminal: one trait, reached over HTTP (and later straight on the database).

mod client;
mod remote;
mod secret;

use async_trait::async_trait;
use serde_json::Value;

pub(crate) use remote::RemoteDesk;
pub(crate) use secret::read_secret;

use crate::failure::Failure;

/// What administrators do. Objects have the admin API's fields, so that `--json` shows just what the server says.
#[async_trait]
pub(crate) trait Desk: Send + Sync {
    /// Makes a key; the answer holds its secret.
    async fn create_key(&self, form: &Value) -> Result<Value, Failure>;

    /// Every key that is not revoked.
    async fn keys(&self) -> Result<Vec<Value>, Failure>;

    /// Offers a model.
    async fn create_model(&self, form: &Value) -> Result<Value, Failure>;

    /// Every model.
    async fn models(&self) -> Result<Vec<Value>, Failure>;

    /// Looks for models on the configured servers.
    async fn sync(&self, ask: &Value) -> Result<Value, Failure>;

    /// Whose key this is.
    async fn verify(&self) -> Result<Value, Failure>;
}
