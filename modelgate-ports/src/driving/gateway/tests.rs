//! The way of a request, over fakes.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use modelgate_domain::head::{Endpoint, read};
use modelgate_domain::rate::Limits;
use modelgate_domain::time::Zone;
use modelgate_domain::usage::RowState;
use modelgate_domain::{ApiKey, BackendKind, RequestId, Source, TokenUsage};

use super::{Answer, AnswerBody, Caller, Gateway, InferError, Inference, MeteredStream, Refused};
use crate::driven::key_store::MockKeyStore;
use crate::driven::{
    BackendError, BackendFault, Catalog, Clock, Frame, KeyStore, NewKey, StoreError, StoredSecret,
    Timer,
};
use crate::driving::{AuthError, Backends, Policy, Ports};
use crate::test_util::{
    FakeCatalog, FakeKeyStore, FakeLedger, FakeLimiter, ManualClock, ScriptedBackend,
    SeededEntropy, StreamStep, sample,
};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CHAT: &str =
    r#"{"model":"llama3","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"llama3","stream":true,"max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;

struct House {
    gateway: Gateway,
    clock: Arc<ManualClock>,
    keys: Arc<FakeKeyStore>,
    catalog: Arc<FakeCatalog>,
    ledger: Arc<FakeLedger>,
    backend: Arc<ScriptedBackend>,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let keys = Arc::new(FakeKeyStore::new());
        let catalog = Arc::new(FakeCatalog::new());
        let ledger = Arc::new(FakeLedger::new(Zone::UTC));
        let backend = Arc::new(ScriptedBackend::new());
        let ports = Ports {
            keys: keys.clone(),
            catalog: catalog.clone(),
            usage: Arc::new(ledger.usage_log()),
            ledger: ledger.clone(),
            limiter: Arc::new(FakeLimiter::new(clock.clone())),
            backends: Backends::new().with(BackendKind::Vllm, backend.clone()),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        Self {
            gateway: Gateway::new(ports, &Policy::default()),
            clock,
            keys,
            catalog,
            ledger,
            backend,
        }
    }

    /// With a model `llama3` that has so many targets.
    async fn with_targets(count: u32) -> Self {
        let house = Self::new();
        let mut model = sample::new_model("llama3");
        let target = |port: u32| sample::new_target(&format!("http://localhost:{}", 8000 + port));
        model.targets = (0..count).map(target).collect();
        house.catalog.insert(&model).await.expect("stored");
        house
    }

    async fn caller(&self, change: impl FnOnce(&mut ApiKey)) -> Caller {
        let secret = sample::plain_key(7);
        let mut key = sample::api_key("ci");
        change(&mut key);
        self.keys
            .insert(&NewKey {
                key,
                secret: StoredSecret::from(&secret),
            })
            .await
            .expect("stored");
        self.gateway
            .authenticate(&secret, HOME)
            .await
            .expect("admitted")
    }

    fn ask(&self, body: &'static str) -> Inference {
        let head = read(Endpoint::Chat, body.as_bytes()).expect("a good body");
        let body = vec![Bytes::from_static(body.as_bytes())];
        Inference {
            request: self.gateway.request_id(),
            head,
            body,
            admitted: self.clock.now(),
        }
    }

    async fn infer(
        &self,
        caller: &Caller,
        body: &'static str,
    ) -> (RequestId, Result<Answer, Refused>) {
        let ask = self.ask(body);
        (ask.request, self.gateway.infer(caller, ask).await)
    }

    fn spent(&self, request: RequestId) -> (u64, u64, Source) {
        let spent = self.ledger.settlement(request).expect("settled").spent;
        (spent.usage.prompt, spent.usage.completion, spent.source)
    }
}

const fn tokens(prompt: u64, completion: u64) -> TokenUsage {
    TokenUsage {
        prompt,
        cached: 0,
        completion,
        reasoning: 0,
    }
}

fn frame(text: &'static str, deltas: u32, usage: Option<TokenUsage>) -> StreamStep {
    StreamStep::Frame(Frame {
        bytes: Bytes::from_static(text.as_bytes()),
        usage,
        deltas,
    })
}

fn failure(fault: BackendFault) -> BackendError {
    BackendError::new(fault, "it failed")
}

fn stream(answer: Result<Answer, Refused>) -> Box<MeteredStream> {
    match answer.map(|answer| answer.body) {
        Ok(AnswerBody::Stream(stream)) => stream,
        _ => panic!("a stream was expected"),
    }
}

async fn next(stream: &mut MeteredStream) -> Result<Option<Bytes>, BackendError> {
    poll_fn(|task| stream.poll_events(task)).await
}

#[tokio::test]
async fn a_whole_answer_is_charged_what_the_server_told() {
    let house = House::with_targets(1).await;
    let caller = house.caller(|_| {}).await;
    house.backend.answers("{}", Some(tokens(5, 7)));
    let (request, answer) = house.infer(&caller, CHAT).await;
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.context.usage, answer.context.attempts),
        (tokens(5, 7), 1)
    );
    assert_eq!(house.spent(request), (5, 7, Source::Upstream));
    let call = &house.backend.calls()[0];
    assert_eq!(
        (call.shown_model.as_str(), call.body.as_ref()),
        ("llama3", CHAT.as_bytes())
    );
}

#[tokio::test]
async fn a_stream_is_charged_before_its_end_is_told() {
    let house = House::with_targets(1).await;
    let caller = house.caller(|_| {}).await;
    house.backend.streams([
        frame("a", 1, None),
        StreamStep::Pause,
        frame("", 0, Some(tokens(3, 1))),
    ]);
    let (request, answer) = house.infer(&caller, STREAM).await;
    let mut events = stream(answer);
    assert_eq!(
        next(&mut events).await.expect("an event").as_deref(),
        Some(b"a".as_slice())
    );
    assert_eq!(house.ledger.row_state(request), Some(RowState::Open));
    assert_eq!(next(&mut events).await.expect("the end"), None);
    assert_eq!(house.spent(request), (3, 1, Source::Upstream));
}

#[tokio::test]
async fn a_client_that_hangs_up_pays_the_prompt_and_what_was_counted() {
    let house = House::with_targets(1).await;
    let caller = house.caller(|_| {}).await;
    house
        .backend
        .streams([frame("a", 1, None), frame("bc", 2, None), StreamStep::Hang]);
    let (request, answer) = house.infer(&caller, STREAM).await;
    let mut events = stream(answer);
    next(&mut events).await.expect("an event");
    next(&mut events).await.expect("an event");
    drop(events);
    let estimate = house
        .ask(STREAM)
        .head
        .prompt_bound(modelgate_domain::head::BoundMode::Estimate)
        .expect("small");
    assert_eq!(house.spent(request), (estimate, 3, Source::Estimated));
    assert_eq!(
        house.ledger.settlement(request).expect("settled").status,
        499
    );
    assert_eq!(house.backend.open(), 0);
}

#[tokio::test]
async fn a_client_that_hangs_up_while_it_waits_frees_everything() {
    let house = House::with_targets(1).await;
    let caller = house
        .caller(|key| {
            key.limits = Limits {
                max_parallel: Some(1),
                ..Limits::default()
            }
        })
        .await;
    house.backend.hangs();
    let ask = house.ask(CHAT);
    let request = ask.request;
    let waiting = tokio::time::timeout(Duration::ZERO, house.gateway.infer(&caller, ask)).await;
    assert!(waiting.is_err());
    assert_eq!(
        (house.backend.open(), house.ledger.row_state(request)),
        (0, Some(RowState::Settled))
    );
    house.backend.answers("{}", None);
    assert!(house.infer(&caller, CHAT).await.1.is_ok());
}

#[tokio::test]
async fn a_failure_before_the_first_event_goes_to_the_next_target() {
    let house = House::with_targets(3).await;
    let caller = house.caller(|_| {}).await;
    house.backend.fails(failure(BackendFault::Unreachable));
    house.backend.fails(failure(BackendFault::Unavailable));
    house.backend.answers("{}", Some(tokens(1, 1)));
    let (request, answer) = house.infer(&caller, CHAT).await;
    assert_eq!(answer.expect("an answer").context.attempts, 3);
    let settlement = house.ledger.settlement(request).expect("settled");
    let failures: Vec<bool> = settlement
        .attempts
        .iter()
        .map(|attempt| attempt.failure.is_some())
        .collect();
    assert_eq!(
        (failures, settlement.spent.usage.total()),
        (vec![true, true, false], 2)
    );
}

#[tokio::test]
async fn what_is_the_clients_fault_is_not_tried_again() {
    let house = House::with_targets(2).await;
    let caller = house.caller(|_| {}).await;
    house.backend.fails(failure(BackendFault::Request {
        status: 422,
        sent: true,
    }));
    let (request, answer) = house.infer(&caller, CHAT).await;
    assert!(matches!(
        answer,
        Err(Refused {
            error: InferError::Backend(_),
            ..
        })
    ));
    assert_eq!(house.backend.calls().len(), 1);
    assert_eq!(
        (house.spent(request).0, house.ledger.row_state(request)),
        (0, Some(RowState::Settled))
    );
}

#[tokio::test]
async fn what_a_failed_request_is_charged_depends_on_how_far_it_got() {
    let check = async |fault: BackendFault, charged: bool, state: RowState, status: u16| {
        let house = House::with_targets(1).await;
        let caller = house.caller(|_| {}).await;
        house.backend.fails(failure(fault));
        let (request, answer) = house.infer(&caller, CHAT).await;
        assert!(answer.is_err());
        let settlement = house.ledger.settlement(request).expect("settled");
        assert_eq!(
            (settlement.spent.usage.total() > 0, settlement.status),
            (charged, status),
            "{fault:?}"
        );
        assert_eq!(house.ledger.row_state(request), Some(state), "{fault:?}");
    };
    check(BackendFault::Unreachable, false, RowState::Void, 502).await;
    check(
        BackendFault::TimedOut(Timer::Connect),
        false,
        RowState::Void,
        504,
    )
    .await;
    check(
        BackendFault::Request {
            status: 400,
            sent: false,
        },
        false,
        RowState::Void,
        400,
    )
    .await;
    check(
        BackendFault::Request {
            status: 400,
            sent: true,
        },
        false,
        RowState::Settled,
        400,
    )
    .await;
    check(BackendFault::Failed, false, RowState::Settled, 502).await;
    check(BackendFault::Credential, false, RowState::Settled, 502).await;
    check(
        BackendFault::TimedOut(Timer::FirstEvent),
        true,
        RowState::Settled,
        504,
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_broke_off_is_charged_and_nobody_else_is_asked() {
    let house = House::with_targets(2).await;
    let caller = house.caller(|_| {}).await;
    let mut broken = failure(BackendFault::Failed);
    broken.begun = true;
    house.backend.fails(broken);
    let (request, answer) = house.infer(&caller, CHAT).await;
    assert!(answer.is_err() && house.backend.calls().len() == 1);
    let (prompt, completion, source) = house.spent(request);
    assert!(prompt > 0 && completion == 0 && source == Source::Estimated);
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_told_and_charged() {
    let house = House::with_targets(2).await;
    let caller = house.caller(|_| {}).await;
    house.backend.streams([
        frame("a", 1, None),
        StreamStep::Fail(failure(BackendFault::Failed)),
    ]);
    let (request, answer) = house.infer(&caller, STREAM).await;
    let mut events = stream(answer);
    next(&mut events).await.expect("an event");
    assert_eq!(
        next(&mut events).await.expect_err("a failure").message,
        "it failed"
    );
    assert_eq!(next(&mut events).await.expect("nothing more"), None);
    assert_eq!(house.backend.calls().len(), 1);
    let settlement = house.ledger.settlement(request).expect("settled");
    assert_eq!(
        (
            settlement.status,
            settlement.error.expect("told").code.as_str()
        ),
        (502, "upstream_error")
    );
    assert_eq!(settlement.spent.usage.completion, 1);
}

#[tokio::test]
async fn a_stream_that_is_stopped_lets_the_server_go_and_is_charged() {
    let house = House::with_targets(1).await;
    let caller = house.caller(|_| {}).await;
    house
        .backend
        .streams([frame("a", 1, None), StreamStep::Hang]);
    let (request, answer) = house.infer(&caller, STREAM).await;
    let mut events = stream(answer);
    next(&mut events).await.expect("an event");
    events.stop(failure(BackendFault::Stopped));
    assert_eq!(
        next(&mut events).await.expect_err("stopped").word(),
        "server_shutting_down"
    );
    assert_eq!((house.backend.open(), house.spent(request).1), (0, 1));
}

#[tokio::test]
async fn a_refused_request_costs_nothing() {
    let house = House::with_targets(1).await;
    let caller = house
        .caller(|key| {
            key.quota = Some(sample::quota(20));
            key.limits = Limits {
                rpm: Some(1),
                ..Limits::default()
            };
        })
        .await;
    for _ in 0..3 {
        let (request, refused) = house.infer(&caller, CHAT).await;
        assert!(matches!(
            refused,
            Err(Refused {
                error: InferError::QuotaExceeded(_),
                ..
            })
        ));
        assert_eq!(house.ledger.row_state(request), None);
    }
    assert!(house.backend.calls().is_empty());
}

#[tokio::test]
async fn an_answer_without_a_limit_gets_one_from_what_is_left() {
    let house = House::with_targets(1).await;
    let caller = house
        .caller(|key| key.quota = Some(sample::quota(100)))
        .await;
    house.backend.answers("{}", Some(tokens(1, 1)));
    let (_, answer) = house
        .infer(
            &caller,
            r#"{"model":"llama3","messages":[{"role":"user","content":"hi"}]}"#,
        )
        .await;
    let quota = answer.expect("an answer").context.quota.expect("told");
    assert_eq!((quota.limit, quota.remaining), (100, 0));
    // 62 bytes make 20 tokens, the message 16 more.
    assert_eq!(house.backend.calls()[0].output_limit, Some(100 - 20 - 16));
}

#[tokio::test]
async fn requests_per_minute_are_told_and_refused() {
    let house = House::with_targets(1).await;
    let caller = house
        .caller(|key| {
            key.limits = Limits {
                rpm: Some(1),
                ..Limits::default()
            }
        })
        .await;
    house.backend.answers("{}", None);
    let (_, answer) = house.infer(&caller, CHAT).await;
    assert_eq!(
        answer
            .expect("an answer")
            .context
            .standing
            .requests
            .expect("told")
            .remaining,
        0
    );
    let (_, refused) = house.infer(&caller, CHAT).await;
    let Err(Refused {
        error: InferError::Limited(exceeded),
        ..
    }) = refused
    else {
        panic!("a refusal was expected")
    };
    assert_eq!(exceeded.retry_after, Duration::from_secs(60));
    house.clock.advance(exceeded.retry_after);
    house.backend.answers("{}", None);
    assert!(house.infer(&caller, CHAT).await.1.is_ok());
}

#[tokio::test]
async fn models_are_unknown_to_those_who_may_not_use_them() {
    let house = House::with_targets(1).await;
    let caller = house
        .caller(|key| key.allowed_models = vec![sample::new_model("other").name])
        .await;
    let (_, refused) = house.infer(&caller, CHAT).await;
    assert!(
        matches!(refused, Err(Refused { error: InferError::ModelNotFound(name), .. }) if name == "llama3")
    );
    assert!(
        house.gateway.models(&caller).is_empty()
            && house.gateway.model(&caller, "llama3").is_none()
    );
    assert!(house.backend.calls().is_empty() && house.ledger.requests().is_empty());
}

#[tokio::test]
async fn a_request_without_a_model_takes_the_keys_default_or_is_refused() {
    const BODY: &str = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let house = House::with_targets(1).await;
    let caller = house
        .caller(|key| key.default_model = Some(sample::new_model("llama3").name))
        .await;
    house.backend.answers("{}", None);
    assert_eq!(
        house
            .infer(&caller, BODY)
            .await
            .1
            .expect("an answer")
            .context
            .model
            .as_deref(),
        Some("llama3")
    );
    let other = House::with_targets(1).await;
    let caller = other.caller(|_| {}).await;
    let (_, refused) = other.infer(&caller, BODY).await;
    assert!(
        matches!(refused, Err(Refused { error: InferError::BadRequest(bad), .. }) if bad.param.as_deref() == Some("model"))
    );
}

#[tokio::test]
async fn a_key_seen_lately_costs_no_read_and_a_missing_store_is_no_bad_key() {
    let secret = sample::plain_key(7);
    let mut keys = MockKeyStore::new();
    keys.expect_watch().return_const(());
    let found = crate::driven::FoundKey {
        key: sample::api_key("ci"),
        secret_ends: None,
    };
    keys.expect_find()
        .once()
        .returning(move |_| Ok(Some(found.clone())));
    let mut house = House::new();
    house.gateway = Gateway::new(
        Ports {
            keys: Arc::new(keys),
            ..(*house.gateway.ports).clone()
        },
        &Policy::default(),
    );
    assert!(house.gateway.authenticate(&secret, HOME).await.is_ok());
    assert!(house.gateway.authenticate(&secret, HOME).await.is_ok());

    let mut broken = MockKeyStore::new();
    broken.expect_watch().return_const(());
    broken
        .expect_find()
        .returning(|_| Err(StoreError::Unavailable("gone".into())));
    house.gateway = Gateway::new(
        Ports {
            keys: Arc::new(broken),
            ..(*house.gateway.ports).clone()
        },
        &Policy::default(),
    );
    assert!(matches!(
        house.gateway.authenticate(&secret, HOME).await,
        Err(AuthError::Unavailable(_))
    ));
}

#[tokio::test]
async fn mistyped_keys_never_reach_the_store() {
    let mut keys = MockKeyStore::new();
    keys.expect_watch().return_const(());
    keys.expect_find().never();
    let mut house = House::new();
    house.gateway = Gateway::new(
        Ports {
            keys: Arc::new(keys),
            ..(*house.gateway.ports).clone()
        },
        &Policy::default(),
    );
    let typo = modelgate_domain::PlainKey::presented("mg-almost").expect("visible");
    assert!(matches!(
        house.gateway.authenticate(&typo, HOME).await,
        Err(AuthError::Invalid)
    ));
}

#[tokio::test]
async fn a_key_of_foreign_form_is_looked_up_until_too_many_were_tried() {
    let foreign = |text: &str| modelgate_domain::PlainKey::presented(text).expect("visible");
    let house = House::new();
    let secret = foreign("correct-horse");
    let new = NewKey {
        key: sample::api_key("admin"),
        secret: StoredSecret::from(&secret),
    };
    house.keys.insert(&new).await.expect("stored");
    assert!(house.gateway.authenticate(&secret, HOME).await.is_ok());

    let mut keys = MockKeyStore::new();
    keys.expect_watch().return_const(());
    keys.expect_find().times(10).returning(|_| Ok(None));
    let ports = Ports {
        keys: Arc::new(keys),
        ..(*house.gateway.ports).clone()
    };
    let gateway = Gateway::new(ports, &Policy::default());
    for number in 0..20 {
        let guess = foreign(&format!("guess-{number}"));
        assert!(gateway.authenticate(&guess, HOME).await.is_err());
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_and_a_known_key_always_passes() {
    let house = House::new();
    house.caller(|_| {}).await;
    for _ in 0..10 {
        assert!(matches!(
            house
                .gateway
                .authenticate(&sample::plain_key(99), HOME)
                .await,
            Err(AuthError::Invalid)
        ));
    }
    let refused = house
        .gateway
        .authenticate(&sample::plain_key(98), HOME)
        .await;
    assert!(matches!(refused, Err(AuthError::TooManyUnknown { .. })));
    assert!(
        house
            .gateway
            .authenticate(&sample::plain_key(7), HOME)
            .await
            .is_ok()
    );
    house.clock.advance(Duration::from_secs(60));
    assert!(matches!(
        house
            .gateway
            .authenticate(&sample::plain_key(98), HOME)
            .await,
        Err(AuthError::Invalid)
    ));
}

#[tokio::test]
async fn an_expired_key_is_refused_although_it_was_seen_lately() {
    let house = House::new();
    let end = house.clock.now().after(Duration::from_secs(5));
    house.caller(|key| key.expires_at = Some(end)).await;
    house.clock.advance(Duration::from_secs(5));
    assert!(matches!(
        house
            .gateway
            .authenticate(&sample::plain_key(7), HOME)
            .await,
        Err(AuthError::Invalid)
    ));
}
