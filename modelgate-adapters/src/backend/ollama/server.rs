//! One Ollama server: where it is, who we are to it, and how it is asked.

use bytes::Bytes;
use http::Method;
use modelgate_domain::{BaseUrl, RequestId, Secret};
use modelgate_ports::driven::BackendError;

use super::read::contiguous;
use crate::backend::error::{self, Names};
use crate::backend::transport::{Answer, Outgoing, Transport};

/// The longest JSON document that is read.
const MOST_JSON: usize = 32 << 20;

/// A server, ready to be asked.
#[derive(Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) transport: &'a Transport,
    pub(super) base: &'a BaseUrl,
    pub(super) credential: Option<&'a Secret>,
}

/// One inference request to it.
pub(super) struct Ask<'a> {
    pub(super) path: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) request: RequestId,
    pub(super) names: &'a Names,
}

impl Server<'_> {
    /// Asks for an answer in lines. Returns when its status is there and good.
    pub(super) async fn stream(&self, ask: Ask<'_>) -> Result<Answer, BackendError> {
        self.send(ask, true).await
    }

    /// Asks for an answer in one piece, and reads it.
    pub(super) async fn whole(&self, ask: Ask<'_>) -> Result<Bytes, BackendError> {
        let answer = self.send(ask, false).await?;
        let pieces = answer.body.whole(MOST_JSON).await;
        let pieces = pieces.map_err(error::begun)?;
        Ok(contiguous(&pieces).into_owned().into())
    }

    /// Asks about the server or a model, outside of any request: `GET` without a body, else `POST`.
    pub(super) async fn document(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes, BackendError> {
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let answer = self
            .transport
            .send(self.outgoing(method, path, body.unwrap_or_default(), None, false))
            .await?;
        if !answer.status.is_success() {
            let names = Names::of_server(self.base, self.credential);
            return Err(error::from_answer(answer, &names).await);
        }
        Ok(contiguous(&answer.body.whole(MOST_JSON).await?)
            .into_owned()
            .into())
    }

    async fn send(&self, ask: Ask<'_>, stream: bool) -> Result<Answer, BackendError> {
        let outgoing = self.outgoing(Method::POST, ask.path, ask.body, Some(ask.request), stream);
        let answer = self.transport.send(outgoing).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(error::from_answer(answer, ask.names).await)
        }
    }

    fn outgoing(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        request: Option<RequestId>,
        stream: bool,
    ) -> Outgoing<'_> {
        Outgoing {
            method,
            url: format!("{}{path}", self.base),
            credential: self.credential,
            request_id: request,
            body: if body.is_empty() {
                Vec::new()
            } else {
                vec![body.into()]
            },
            stream,
            accept: if stream {
                "application/x-ndjson"
            } else {
                "application/json"
            },
        }
    }
}
