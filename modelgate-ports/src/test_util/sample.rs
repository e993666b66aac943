//! Ordinary values to begin a test with: change the one field the test is about.

use std::net::{IpAddr, Ipv4Addr};

use modelgate_domain::model::ModelOptions;
use modelgate_domain::quota::{OutputAsk, Quota};
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Period;
use modelgate_domain::{
    AllowList, ApiKey, BackendKind, BaseUrl, KeyId, KeyName, KeyStatus, ModelId, ModelName,
    PlainKey, RequestId, Role, Source, Spent, Timestamp, TokenUsage,
};

use super::SeededEntropy;
use crate::driven::{Admission, Entropy, NewKey, NewModel, NewTarget, Settlement, StoredSecret};

/// 2026-01-01T00:00:00Z, a Thursday: when sample keys and models were made.
pub const MADE: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// 2026-01-01T12:00:00Z: when sample requests are admitted, and where a `ManualClock` begins.
pub const NOON: Timestamp = Timestamp::from_millis(1_767_268_800_000);

/// An active user key without limits.
pub fn api_key(name: &str) -> ApiKey {
    ApiKey {
        id: KeyId(0),
        name: KeyName::new(name).expect("a good name"),
        role: Role::User,
        status: KeyStatus::Active,
        tier: None,
        default_model: None,
        allowed_models: Vec::new(),
        allowed_ips: AllowList::default(),
        limits: Limits::default(),
        quota: None,
        expires_at: None,
        created_at: MADE,
    }
}

/// A generated secret: the same for the same seed.
pub fn plain_key(seed: u64) -> PlainKey {
    let mut random = [0; 32];
    SeededEntropy::new(seed)
        .fill(&mut random)
        .expect("never fails");
    PlainKey::generate(random)
}

/// A key to be stored, with the secret of that seed.
pub fn new_key(name: &str, seed: u64) -> NewKey {
    NewKey {
        key: api_key(name),
        secret: StoredSecret::from(&plain_key(seed)),
    }
}

/// A vLLM target at that address, without a credential.
pub fn new_target(base_url: &str) -> NewTarget {
    NewTarget {
        kind: BackendKind::Vllm,
        base_url: Some(BaseUrl::parse(BackendKind::Vllm, base_url).expect("a good address")),
        upstream_name: "meta-llama/Llama-3".into(),
        credential: None,
        priority: 0,
    }
}

/// An enabled model with one target.
pub fn new_model(name: &str) -> NewModel {
    NewModel {
        name: ModelName::new(name).expect("a good name"),
        aliases: Vec::new(),
        enabled: true,
        tiers: Vec::new(),
        options: ModelOptions::default(),
        context_length: None,
        capabilities: Vec::new(),
        targets: vec![new_target("http://localhost:8000")],
        created_at: MADE,
    }
}

/// A request id made at that time; `number` tells those of the same time apart, and sorts them.
pub fn request_id(made: Timestamp, number: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(number & (u64::MAX >> 2)).to_be_bytes());
    RequestId::new(made, random)
}

/// A quota without a period.
pub const fn quota(limit: u64) -> Quota {
    Quota {
        limit,
        period: Period::Total,
    }
}

/// A JSON request at [`NOON`] that needs `prompt` + `output` tokens, under a quota.
pub fn admission(
    key: KeyId,
    number: u64,
    quota: Option<Quota>,
    prompt: u64,
    output: u64,
) -> Admission {
    Admission {
        request: request_id(NOON, number),
        key,
        model: ModelId(1),
        model_name: "llama3".into(),
        stream: false,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        admitted: NOON,
        quota,
        ask: OutputAsk {
            limit: Some(output),
            choices: 1,
            stream: false,
            generates: true,
            injectable: true,
            context: None,
            prompt,
            estimate: prompt,
            left: None,
            max_output: 8192,
        },
    }
}

/// A good end a second after [`NOON`], with tokens that the upstream told.
pub fn settlement(prompt: u64, completion: u64) -> Settlement {
    let usage = TokenUsage {
        prompt,
        completion,
        ..TokenUsage::default()
    };
    Settlement {
        spent: Spent {
            usage,
            source: Source::Upstream,
        },
        void: false,
        status: 200,
        error: None,
        target: None,
        attempts: Vec::new(),
        first_token: Some(Timestamp::from_millis(NOON.millis() + 250)),
        ended: Timestamp::from_millis(NOON.millis() + 1000),
    }
}
