//! Running the place, over fakes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use modelgate_domain::time::Zone;
use modelgate_domain::{
    BackendKind, BaseUrl, KeyName, KeyStatus, ModelName, PlainKey, Role, Secret,
};

use super::{ConsoleError, IssuedKey, KeyPatch, ModelPatch, SyncAsk, TargetPatch};
use crate::driven::backend::MockBackend;
use crate::driven::{BackendError, BackendFault, Clock, Discovered, Upstream};
use crate::driving::{App, AuthError, Backends, Policy, Ports, Server};
use crate::test_util::{
    FakeCatalog, FakeKeyStore, FakeLedger, FakeLimiter, ManualClock, ScriptedBackend, SeededEntropy,
};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Office {
    app: App,
    clock: Arc<ManualClock>,
    backend: Arc<ScriptedBackend>,
}

fn office_with(backends: Backends, servers: Vec<Server>, backend: Arc<ScriptedBackend>) -> Office {
    let clock = Arc::new(ManualClock::new());
    let ledger = Arc::new(FakeLedger::new(Zone::UTC));
    let ports = Ports {
        keys: Arc::new(FakeKeyStore::new()),
        catalog: Arc::new(FakeCatalog::new()),
        usage: Arc::new(ledger.usage_log()),
        ledger,
        limiter: Arc::new(FakeLimiter::new(clock.clone())),
        backends,
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let app = App::new(
        ports,
        Policy {
            servers,
            ..Policy::default()
        },
    );
    Office {
        app,
        clock,
        backend,
    }
}

fn office() -> Office {
    let backend = Arc::new(ScriptedBackend::new());
    office_with(
        Backends::new().with(BackendKind::Vllm, backend.clone()),
        vec![server(false)],
        backend,
    )
}

fn server(is_default: bool) -> Server {
    let base_url =
        BaseUrl::parse(BackendKind::Vllm, "http://localhost:8000").expect("a good address");
    Server {
        upstream: Upstream {
            kind: BackendKind::Vllm,
            base_url,
            credential: None,
        },
        is_default,
    }
}

fn offer(name: &str, context_length: Option<u64>) -> Discovered {
    Discovered {
        name: name.into(),
        context_length,
        capabilities: Vec::new(),
    }
}

fn named(name: &str) -> KeyPatch {
    KeyPatch {
        name: Some(KeyName::new(name).expect("a good name")),
        ..KeyPatch::default()
    }
}

fn admin(name: &str) -> KeyPatch {
    KeyPatch {
        role: Some(Role::Admin),
        ..named(name)
    }
}

impl Office {
    async fn issue(&self, patch: KeyPatch) -> IssuedKey {
        self.app.console.issue_key(patch).await.expect("issued")
    }

    async fn works(&self, secret: &PlainKey) -> bool {
        match self.app.gateway.authenticate(secret, HOME).await {
            Ok(_) => true,
            Err(AuthError::Invalid) => false,
            Err(other) => panic!("{other}"),
        }
    }

    async fn model(&self, url: &str, credential: Option<&str>) -> modelgate_domain::ModelId {
        let target = TargetPatch {
            kind: Some(BackendKind::Vllm),
            base_url: Some(url.into()),
            credential: credential.map(Secret::new),
            ..TargetPatch::default()
        };
        let patch = ModelPatch {
            name: ModelName::new("m").ok(),
            target,
            ..ModelPatch::default()
        };
        self.app.console.add_model(patch).await.expect("added").id
    }
}

#[tokio::test]
async fn a_new_key_takes_the_defaults_and_null_means_no_limit() {
    let office = office();
    let key = office.issue(named("a")).await.record.key;
    assert_eq!(
        (key.limits.rpm, key.quota.map(|quota| quota.limit)),
        (Some(60), Some(1_000_000))
    );
    let key = office
        .issue(KeyPatch {
            rpm: Some(None),
            quota: Some(None),
            ..named("b")
        })
        .await
        .record
        .key;
    assert_eq!((key.limits.rpm, key.quota), (None, None));
    let key = office.issue(admin("c")).await.record.key;
    assert_eq!((key.limits.rpm, key.quota), (None, None));
}

#[tokio::test]
async fn changes_are_seen_by_the_next_request() {
    let office = office();
    let issued = office.issue(named("a")).await;
    assert!(office.works(&issued.secret).await);
    let id = issued.record.key.id;
    let off = KeyPatch {
        status: Some(KeyStatus::Disabled),
        ..KeyPatch::default()
    };
    office
        .app
        .console
        .change_key(id, off)
        .await
        .expect("changed");
    assert!(!office.works(&issued.secret).await);
    let on = KeyPatch {
        status: Some(KeyStatus::Active),
        ..KeyPatch::default()
    };
    office
        .app
        .console
        .change_key(id, on)
        .await
        .expect("changed");
    assert!(office.works(&issued.secret).await);
    office.app.console.revoke_key(id).await.expect("revoked");
    assert!(!office.works(&issued.secret).await);
    assert!(matches!(
        office.app.console.key(id).await,
        Err(ConsoleError::NotFound("key"))
    ));
    office.issue(named("a")).await;
}

#[tokio::test]
async fn a_rotated_secret_ends_when_it_was_said_to() {
    let office = office();
    let old = office.issue(named("a")).await;
    let new = office
        .app
        .console
        .rotate_key(old.record.key.id, Duration::from_secs(60))
        .await
        .expect("rotated");
    assert_ne!(old.secret.reveal(), new.secret.reveal());
    office.clock.advance(Duration::from_millis(59_999));
    assert!(office.works(&old.secret).await && office.works(&new.secret).await);
    office.clock.advance(Duration::from_millis(1));
    assert!(!office.works(&old.secret).await && office.works(&new.secret).await);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let office = office();
    let first = office.issue(admin("one")).await.record.key.id;
    let changes = [
        KeyPatch {
            role: Some(Role::Viewer),
            ..KeyPatch::default()
        },
        KeyPatch {
            status: Some(KeyStatus::Disabled),
            ..KeyPatch::default()
        },
    ];
    for change in changes.clone() {
        assert!(matches!(
            office.app.console.change_key(first, change).await,
            Err(ConsoleError::LastAdmin)
        ));
    }
    assert!(matches!(
        office.app.console.revoke_key(first).await,
        Err(ConsoleError::LastAdmin)
    ));
    office.issue(admin("two")).await;
    office
        .app
        .console
        .revoke_key(first)
        .await
        .expect("another is left");
}

#[tokio::test]
async fn the_database_follows_the_configured_admin_key() {
    let office = office();
    let console = &office.app.console;
    let generated = console
        .ensure_admin(None)
        .await
        .expect("made")
        .expect("shown once");
    assert_eq!(generated.record.key.name.as_str(), "admin");
    assert!(console.ensure_admin(None).await.expect("there").is_none());
    let configured = PlainKey::presented("correct-horse").expect("visible");
    assert!(
        console
            .ensure_admin(Some(&configured))
            .await
            .expect("taken")
            .is_none()
    );
    assert!(!office.works(&generated.secret).await);
    let keys = console.keys().await.expect("listed");
    assert_eq!(
        keys.iter()
            .filter(|record| record.key.role == Role::Admin)
            .count(),
        1
    );
    // A secret that was replaced must not come back by itself.
    office.clock.advance(Duration::from_secs(1));
    console
        .ensure_admin(PlainKey::presented("battery-staple").as_ref())
        .await
        .expect("taken");
    assert!(
        matches!(console.ensure_admin(Some(&configured)).await, Err(ConsoleError::Invalid { param, .. }) if param == "admin.api_key")
    );
    assert!(office.clock.now() > keys[0].key.created_at);
}

#[tokio::test]
async fn a_credential_does_not_move_to_another_host() {
    let office = office();
    let id = office
        .model("http://localhost:8000", Some("sk-secret"))
        .await;
    let console = &office.app.console;
    let moved = |credential| ModelPatch {
        target: TargetPatch {
            base_url: Some("http://evil.example".into()),
            credential,
            ..TargetPatch::default()
        },
        ..ModelPatch::default()
    };
    let refused = console.change_model(id, moved(None)).await;
    assert!(matches!(refused, Err(ConsoleError::Invalid { param, .. }) if param == "api_key"));
    assert_eq!(
        console.model(id).expect("there").targets[0]
            .base_url
            .as_ref()
            .expect("set")
            .origin(),
        "http://localhost:8000"
    );
    let changed = console
        .change_model(id, moved(Some(Secret::new("sk-other"))))
        .await
        .expect("changed");
    assert_eq!(changed.targets[0].credential, Secret::new("sk-other"));
    let path = TargetPatch {
        base_url: Some("http://evil.example/other".into()),
        ..TargetPatch::default()
    };
    let changed = console
        .change_model(
            id,
            ModelPatch {
                target: path,
                ..ModelPatch::default()
            },
        )
        .await
        .expect("same host");
    assert_eq!(changed.targets[0].credential, Secret::new("sk-other"));
}

#[tokio::test]
async fn bad_models_name_the_field() {
    let office = office();
    let check = async |patch: ModelPatch, expected: &str| {
        let outcome = office.app.console.add_model(patch).await;
        assert!(
            matches!(&outcome, Err(ConsoleError::Invalid { param, .. }) if param == expected),
            "{expected}: {outcome:?}"
        );
    };
    let name = ModelName::new("m").ok();
    let target = |kind, url: Option<&str>| TargetPatch {
        kind,
        base_url: url.map(Into::into),
        ..TargetPatch::default()
    };
    check(ModelPatch::default(), "name").await;
    check(
        ModelPatch {
            name: name.clone(),
            ..ModelPatch::default()
        },
        "backend_type",
    )
    .await;
    let vllm = Some(BackendKind::Vllm);
    check(
        ModelPatch {
            name: name.clone(),
            target: target(vllm, None),
            ..ModelPatch::default()
        },
        "base_url",
    )
    .await;
    check(
        ModelPatch {
            name: name.clone(),
            target: target(vllm, Some("ftp://x")),
            ..ModelPatch::default()
        },
        "base_url",
    )
    .await;
    check(
        ModelPatch {
            name: name.clone(),
            targets: Some(vec![]),
            ..ModelPatch::default()
        },
        "targets",
    )
    .await;
    let second = vec![target(Some(BackendKind::Echo), None), target(vllm, None)];
    check(
        ModelPatch {
            name: name.clone(),
            targets: Some(second),
            ..ModelPatch::default()
        },
        "targets[1].base_url",
    )
    .await;
    let echo = target(Some(BackendKind::Echo), None);
    check(
        ModelPatch {
            name: name.clone(),
            aliases: Some(vec![name.expect("good")]),
            target: echo,
            ..ModelPatch::default()
        },
        "aliases",
    )
    .await;
    assert!(office.app.console.models().is_empty());
}

#[tokio::test]
async fn sync_adds_what_is_missing_and_only_says_so_when_dry() {
    let office = office();
    office
        .backend
        .offers([offer("a", Some(4096)), offer("b", None)]);
    let dry = SyncAsk {
        dry_run: true,
        ..SyncAsk::default()
    };
    let report = office.app.console.sync(&dry).await.expect("asked");
    assert_eq!(report.servers[0].added, ["a", "b"]);
    assert!(office.app.console.models().is_empty());
    let chosen = SyncAsk {
        select: Some(vec!["a".into()]),
        ..SyncAsk::default()
    };
    office.app.console.sync(&chosen).await.expect("asked");
    assert_eq!(office.app.console.models()[0].context_length, Some(4096));
    office.backend.offers([offer("a", Some(8192))]);
    office
        .app
        .console
        .sync(&SyncAsk::default())
        .await
        .expect("asked");
    office.backend.offers([offer("b", None)]);
    let report = office
        .app
        .console
        .sync(&SyncAsk::default())
        .await
        .expect("asked");
    let server = &report.servers[0];
    assert_eq!(
        (server.added.as_slice(), server.vanished.as_slice()),
        (["b".to_owned()].as_slice(), ["a".to_owned()].as_slice())
    );
    assert_eq!(office.app.console.models()[0].context_length, Some(8192));
}

#[tokio::test]
async fn a_silent_server_is_a_fault_only_where_it_was_configured() {
    for is_default in [true, false] {
        let mut backend = MockBackend::new();
        backend
            .expect_discover()
            .returning(|_| Err(BackendError::new(BackendFault::Unreachable, "refused")));
        let backends = Backends::new().with(BackendKind::Vllm, Arc::new(backend));
        let office = office_with(
            backends,
            vec![server(is_default)],
            Arc::new(ScriptedBackend::new()),
        );
        let report = office
            .app
            .console
            .sync(&SyncAsk::default())
            .await
            .expect("asked");
        assert_eq!(
            (
                report.servers[0].not_running,
                report.servers[0].failed.is_empty()
            ),
            (is_default, is_default)
        );
    }
}
