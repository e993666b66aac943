//! The desk of a running server: its admin API.

use async_trait::async_trait;
use http::Method;
use serde_json::Value;

use super::client::Client;
use super::{Desk, secret};
use crate::args::RemoteArgs;
use crate::failure::Failure;
use crate::settings::Environment;

/// Talks to one server with one key.
pub(crate) struct RemoteDesk {
    client: Client,
}

impl RemoteDesk {
    /// Takes server and key from the flags, else from the environment.
    pub(crate) fn new(asked: &RemoteArgs, environment: &Environment) -> Result<Self, Failure> {
        let server = asked
            .server
            .as_deref()
            .or_else(|| environment.get("MODELGATE_SERVER"));
        let key = secret::api_key(asked, environment)?;
        let client = Client::new(server.unwrap_or(DEFAULT_SERVER), &key, asked.timeout)?;
        Ok(Self { client })
    }

    /// The server's address.
    pub(crate) fn server(&self) -> &str {
        self.client.server()
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let answer = self.client.call(Method::GET, path, None).await?;
        let listed = match answer {
            Value::Object(mut fields) => fields.remove("data"),
            other => Some(other),
        };
        match listed {
            Some(Value::Array(entries)) => Ok(entries),
            _ => Err(Failure::strange(self.server())),
        }
    }
}

const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

#[async_trait]
impl Desk for RemoteDesk {
    async fn create_key(&self, form: &Value) -> Result<Value, Failure> {
        self.client
            .call(Method::POST, "/admin/keys", Some(form))
            .await
    }

    async fn keys(&self) -> Result<Vec<Value>, Failure> {
        self.list("/admin/keys").await
    }

    async fn create_model(&self, form: &Value) -> Result<Value, Failure> {
        self.client
            .call(Method::POST, "/admin/models", Some(form))
            .await
    }

    async fn models(&self) -> Result<Vec<Value>, Failure> {
        self.list("/admin/models").await
    }

    async fn sync(&self, ask: &Value) -> Result<Value, Failure> {
        self.client
            .call(Method::POST, "/admin/models/sync", Some(ask))
            .await
    }

    async fn verify(&self) -> Result<Value, Failure> {
        self.client.call(Method::GET, "/admin/verify", None).await
    }
}
