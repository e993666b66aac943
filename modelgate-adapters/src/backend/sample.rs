//! Ordinary calls to begin a test with.

use bytes::Bytes;
use modelgate_domain::head::{self, Head};
use modelgate_domain::{BackendKind, BaseUrl, Endpoint, Model, ModelId, Target, TargetId};
use modelgate_ports::driven::Call;
use modelgate_ports::test_util::sample::{NOON, new_model, request_id};

/// A request that owns what a [`Call`] borrows.
pub(crate) struct Asked {
    pub(crate) head: Head,
    pub(crate) body: Vec<Bytes>,
    pub(crate) model: Model,
    pub(crate) target: Target,
    pub(crate) output_limit: Option<u64>,
}

/// A chat whose body is an object with these members; clients call the model `fast`, the server `org/real`.
pub(crate) fn chat(members: &str) -> Asked {
    asked(
        Endpoint::Chat,
        &format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],{members}}}"#),
    )
}

/// A request with this body.
pub(crate) fn asked(endpoint: Endpoint, body: &str) -> Asked {
    let new = new_model("fast");
    let target = Target {
        id: TargetId(1),
        kind: BackendKind::Vllm,
        base_url: BaseUrl::parse(BackendKind::Vllm, "http://models.internal:8000").ok(),
        upstream_name: "org/real".to_owned(),
        credential: None,
        priority: 0,
    };
    let model = Model {
        id: ModelId(1),
        name: new.name,
        aliases: new.aliases,
        enabled: new.enabled,
        tiers: new.tiers,
        options: new.options,
        context_length: new.context_length,
        capabilities: new.capabilities,
        targets: vec![target.clone()],
        created_at: new.created_at,
    };
    Asked {
        head: head::read(endpoint, body.as_bytes()).unwrap(),
        body: vec![Bytes::copy_from_slice(body.as_bytes())],
        model,
        target,
        output_limit: None,
    }
}

impl Asked {
    pub(crate) fn call(&self) -> Call<'_> {
        Call {
            request: request_id(NOON, 1),
            head: &self.head,
            body: &self.body,
            shown_model: "fast",
            model: &self.model,
            target: &self.target,
            output_limit: self.output_limit,
        }
    }
}
