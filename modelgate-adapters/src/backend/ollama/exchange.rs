//! One request to one server, from the client's body to the answer.

use std::sync::Arc;

use bytes::Bytes;
use modelgate_domain::Target;
use modelgate_ports::driven::{BackendError, Call, Reply, ReplyBody};

use super::OllamaBackend;
use super::answer::{self, Written};
use super::capabilities::Capabilities;
use super::chat::Chat;
use super::chunks::Style;
use super::completed::Completed;
use super::completion::{Completion, Settled};
use super::embedding::{self, Embedding};
use super::envelope::Envelope;
use super::ids::Ids;
use super::native_request::Asked;
use super::read::{contiguous, members};
use super::server::{Ask, Server};
use super::stream::OllamaStream;
use super::transcode::{Plan, Transcoder};
use crate::backend::error::Names;

pub(super) struct Exchange<'a> {
    backend: &'a OllamaBackend,
    server: Server<'a>,
    call: Call<'a>,
    names: Names,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(backend: &'a OllamaBackend, call: Call<'a>) -> Result<Self, BackendError> {
        let (base, credential) = backend.reach(call.target)?;
        let server = Server {
            transport: &backend.transport,
            base,
            credential,
        };
        let target = Target {
            base_url: Some(base.clone()),
            ..call.target.clone()
        };
        let names = Names::of(
            &Call {
                target: &target,
                ..call
            },
            credential,
        );
        Ok(Self {
            backend,
            server,
            call,
            names,
        })
    }

    pub(super) async fn chat(self) -> Result<Reply, BackendError> {
        let (body, dropped) = self.chat_body().await?;
        let ask = self.ask("/api/chat", body);
        let body = if self.call.head.stream {
            self.stream(ask, Style::Chat, "chatcmpl-", None).await?
        } else {
            let answer = self.server.whole(ask).await?;
            let mut ids = self.ids();
            whole(answer::chat(
                &answer,
                &self.envelope("chatcmpl-"),
                &mut ids,
                &self.names,
            )?)
        };
        Ok(Reply { body, dropped })
    }

    /// Several prompts are several calls, one after the other: they share one slot of the server.
    pub(super) async fn completions(self) -> Result<Reply, BackendError> {
        let Settled { bodies, dropped } = self.completion_bodies().await?;
        let envelope = self.envelope("cmpl-");
        let mut completed = Completed::new(&envelope, &self.names);
        for (body, echo) in bodies {
            let ask = self.ask("/api/generate", body);
            if self.call.head.stream {
                let body = self.stream(ask, Style::Completion, "cmpl-", echo).await?;
                return Ok(Reply { body, dropped });
            }
            completed.add(&self.server.whole(ask).await?, echo.as_deref())?;
        }
        Ok(Reply {
            body: whole(completed.finish()),
            dropped,
        })
    }

    pub(super) async fn embeddings(self) -> Result<Reply, BackendError> {
        let mut settled = {
            let body = contiguous(self.call.body);
            Embedding::read(members(&body)?, self.backend.config.strict)?.settle(self.asked())?
        };
        let body = std::mem::take(&mut settled.body);
        let answer = self.server.whole(self.ask("/api/embed", body)).await?;
        let written = embedding::embedded(&answer, &settled, self.call.shown_model, &self.names)?;
        Ok(Reply {
            body: whole(written),
            dropped: settled.dropped,
        })
    }

    async fn chat_body(&self) -> Result<(Vec<u8>, Vec<String>), BackendError> {
        let body = contiguous(self.call.body);
        let chat = Chat::read(members(&body)?, self.backend.config.strict)?;
        let capabilities = self.capabilities(chat.depends_on_capabilities()).await;
        chat.settle(self.asked(), &capabilities)
    }

    async fn completion_bodies(&self) -> Result<Settled, BackendError> {
        let body = contiguous(self.call.body);
        let completion = Completion::read(members(&body)?, self.backend.config.strict)?;
        let capabilities = self
            .capabilities(completion.depends_on_capabilities())
            .await;
        completion.settle(self.asked(), &capabilities)
    }

    /// What the model can do, asked only if it matters: as the server says, else as the catalog does.
    async fn capabilities(&self, matters: bool) -> Arc<Capabilities> {
        if !matters {
            return Arc::default();
        }
        let told = self
            .backend
            .capabilities
            .of(self.server, &self.call.target.upstream_name)
            .await;
        match told {
            Some(told) if told.words.is_some() => told,
            _ => Arc::new(Capabilities::from_catalog(&self.call.model.capabilities)),
        }
    }

    async fn stream(
        &self,
        ask: Ask<'_>,
        style: Style,
        prefix: &str,
        echo: Option<String>,
    ) -> Result<ReplyBody, BackendError> {
        let answer = self.server.stream(ask).await?;
        let transcoder = Transcoder::new(Plan {
            style,
            envelope: self.envelope(prefix),
            ids: self.ids(),
            names: self.names.clone(),
            tells_usage: self.call.head.include_usage,
            echo,
        });
        Ok(ReplyBody::Stream(Box::new(
            OllamaStream::begin(answer.body, transcoder).await?,
        )))
    }

    fn ask(&self, path: &'static str, body: Vec<u8>) -> Ask<'_> {
        Ask {
            path,
            body,
            request: self.call.request,
            names: &self.names,
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            upstream_name: &self.call.target.upstream_name,
            stream: self.call.head.stream,
            options: &self.call.model.options,
            output_limit: self.call.output_limit,
        }
    }

    fn ids(&self) -> Ids {
        Ids::new(self.call.request, Arc::clone(&self.backend.entropy))
    }

    fn envelope(&self, prefix: &str) -> Envelope {
        let now = self.backend.clock.now().seconds();
        Envelope::new(
            self.ids().answer(prefix),
            self.call.shown_model,
            now,
            self.backend.config.reasoning_field,
        )
    }
}

fn whole(written: Written) -> ReplyBody {
    ReplyBody::Whole {
        pieces: vec![Bytes::from(written.json)],
        usage: written.usage,
    }
}
