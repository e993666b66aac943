//! `POST /admin/models/sync` against servers of every dialect, and the sync at the first start (DESIGN.md §8 (10)).

use serde_json::{Value, json};

use crate::admin_api_keys::send;
use crate::gate::{TestGate, chat_body};
use crate::upstream::{self, Upstream};
use crate::wait;

/// A configured server of each kind, and the gate that knows them.
struct Servers {
    ollama: Upstream,
    vllm: Upstream,
    llamacpp: Upstream,
    openai: Upstream,
    gate: TestGate,
}

async fn servers() -> Servers {
    let [ollama, vllm, llamacpp, openai] = [
        Upstream::start().await,
        Upstream::start().await,
        Upstream::start().await,
        Upstream::start().await,
    ];
    ollama.on("/api/tags", upstream::json(200, r#"{"models":[
        {"name":"llama3.2:latest","model":"llama3.2:latest","modified_at":"2026-01-01T00:00:00.123456789+02:00","size":1,"digest":"d","details":{"family":"llama"}},
        {"name":"hf.co/org/model:Q4_K_M","model":"hf.co/org/model:Q4_K_M","size":2,"digest":"e","details":{}}]}"#));
    ollama.on(
        "/api/show",
        upstream::json(
            200,
            r#"{"capabilities":["completion","tools"],"details":{},
        "model_info":{"general.architecture":"llama","llama.context_length":131072}}"#,
        ),
    );
    vllm.on("/v1/models", upstream::json(200, r#"{"object":"list","data":[
        {"id":"org/base","object":"model","created":1,"owned_by":"vllm","root":"org/base","parent":null,"max_model_len":32768,"permission":[{}]},
        {"id":"lora","object":"model","created":1,"owned_by":"vllm","root":"/x","parent":"org/base","max_model_len":null}]}"#));
    llamacpp.on("/v1/models", upstream::json(200, r#"{"models":[{"name":"g","model":"g","capabilities":["completion"]}],"object":"list",
        "data":[{"id":"g","object":"model","created":1,"owned_by":"llamacpp","meta":{"n_ctx":4096,"n_ctx_train":8192,"n_params":1}}]}"#));
    openai.on("/v1/models", upstream::json(200, r#"{"object":"list","data":[{"id":"gpt-x","object":"model","created":1,"owned_by":"system"}]}"#));
    let gate = TestGate::with()
        .env("MG_ADAPTERS_OLLAMA_BASE_URL", ollama.url())
        .env("MG_ADAPTERS_VLLM_BASE_URL", vllm.url() + "/v1")
        .env("MG_ADAPTERS_LLAMACPP_BASE_URL", llamacpp.url())
        .env("MG_ADAPTERS_OPENAI_BASE_URL", openai.url() + "/v1")
        .env("MG_ADAPTERS_OPENAI_API_KEY", "adapter-canary-77ab")
        .start()
        .await;
    Servers {
        ollama,
        vllm,
        llamacpp,
        openai,
        gate,
    }
}

const OFFERED: [(&str, &[&str]); 4] = [
    ("ollama", &["llama3.2:latest", "hf.co/org/model:Q4_K_M"]),
    ("vllm", &["org/base", "lora"]),
    ("llamacpp", &["g"]),
    ("openai", &["gpt-x"]),
];

async fn sync(gate: &TestGate, form: Value) -> Value {
    send(gate, "POST", "/admin/models/sync", &form)
        .await
        .expect_status(200)
        .json()
}

/// One list of one server's report.
fn told<'a>(report: &'a Value, kind: &str, list: &str) -> Vec<&'a str> {
    let servers = report["backends"].as_array().expect("backends");
    let server = servers
        .iter()
        .find(|server| server["backend"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {report}"));
    let entries = server[list]
        .as_array()
        .unwrap_or_else(|| panic!("no {list} in {server}"));
    entries
        .iter()
        .map(|entry| entry.as_str().expect("a name"))
        .collect()
}

fn names(models: &Value) -> Vec<&str> {
    models
        .as_array()
        .expect("models")
        .iter()
        .map(|model| model["name"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_nothing() {
    let Servers {
        gate,
        ollama,
        vllm,
        llamacpp,
        openai,
    } = servers().await;
    let report = sync(&gate, json!({"dry_run": true})).await;
    assert_eq!(report["dry_run"], true);
    for (kind, offered) in OFFERED {
        assert_eq!(told(&report, kind, "added"), offered, "{report}");
        for list in ["present", "changed", "vanished", "failed"] {
            assert_eq!(
                told(&report, kind, list),
                [] as [&str; 0],
                "{kind} {list} {report}"
            );
        }
    }
    assert_eq!(gate.admin("/admin/models").await, json!([]));
    for server in [ollama, vllm, llamacpp, openai] {
        let asked = server.requests();
        assert!(!asked.is_empty());
        assert!(
            asked
                .iter()
                .all(|request| request.method == "GET" || request.path == "/api/show"),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_sync_adds_models_that_work_with_the_adapters_credential() {
    let Servers {
        gate,
        ollama,
        vllm,
        llamacpp,
        openai,
    } = servers().await;
    let report = sync(&gate, json!({})).await;
    assert_eq!(report["dry_run"], false);
    let models = gate.admin("/admin/models").await;
    let mut known = names(&models);
    known.sort_unstable();
    assert_eq!(
        known,
        [
            "g",
            "gpt-x",
            "hf.co/org/model:Q4_K_M",
            "llama3.2:latest",
            "lora",
            "org/base"
        ]
    );
    let context = |name: &str| {
        models
            .as_array()
            .and_then(|all| all.iter().find(|model| model["name"] == name))
            .map(|model| model["context_length"].clone())
    };
    assert_eq!(
        [
            context("llama3.2:latest"),
            context("org/base"),
            context("g"),
            context("lora")
        ]
        .map(Option::unwrap_or_default),
        [json!(131_072), json!(32_768), json!(4_096), Value::Null]
    );
    let key = gate.free_key("k").await;
    for model in ["llama3.2:latest", "llama3.2", "org/base", "g", "gpt-x"] {
        gate.chat_call(&key, &chat_body(model, "hi"))
            .send()
            .await
            .expect_status(200);
    }
    let bearer = openai.calls()[0].header("authorization").map(str::to_owned);
    assert_eq!(bearer.as_deref(), Some("Bearer adapter-canary-77ab"));
    assert_eq!(vllm.calls()[0].json()["model"], "org/base");
    assert_eq!(
        (
            llamacpp.calls().len(),
            vllm.calls()[0].header("authorization")
        ),
        (1, None)
    );
    assert!(ollama.calls().iter().any(|call| call.path == "/api/chat"));
    let listed = gate.get("/v1/models").bearer(&key).send().await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(6), "{listed}");
    gate.assert_secret_absent(&["adapter-canary-77ab"]);
}

#[tokio::test]
async fn a_second_sync_adds_nothing_and_tells_what_changed_and_vanished() {
    let servers = servers().await;
    let Servers {
        gate, vllm, ollama, ..
    } = &servers;
    sync(gate, json!({})).await;
    let before = gate.admin("/admin/models").await;
    let report = sync(gate, json!({})).await;
    for (kind, offered) in OFFERED {
        assert_eq!(
            (told(&report, kind, "present"), told(&report, kind, "added")),
            (offered.to_vec(), vec![]),
            "{report}"
        );
    }
    assert_eq!(gate.admin("/admin/models").await, before);
    vllm.on("/v1/models", upstream::json(200, r#"{"object":"list","data":[{"id":"org/base","object":"model","max_model_len":65536}]}"#));
    ollama.on("/api/tags", upstream::json(200, r#"{"models":null}"#));
    let report = sync(gate, json!({})).await;
    assert_eq!(
        (
            told(&report, "vllm", "changed"),
            told(&report, "vllm", "vanished")
        ),
        (vec!["org/base"], vec!["lora"])
    );
    let mut vanished = told(&report, "ollama", "vanished");
    vanished.sort_unstable();
    assert_eq!(vanished, ["hf.co/org/model:Q4_K_M", "llama3.2:latest"]);
    assert_eq!(
        names(&gate.admin("/admin/models").await).len(),
        6,
        "nothing is removed"
    );
}

#[tokio::test]
async fn a_sync_may_be_narrowed() {
    let servers = servers().await;
    let Servers { gate, vllm, .. } = &servers;
    let report = sync(gate, json!({"backend": "ollama"})).await;
    assert_eq!(
        report["backends"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    assert!(vllm.requests().is_empty());
    sync(gate, json!({"select": ["lora", "gpt-x", "unknown"]})).await;
    let models = gate.admin("/admin/models").await;
    let mut known = names(&models);
    known.sort_unstable();
    assert_eq!(
        known,
        ["gpt-x", "hf.co/org/model:Q4_K_M", "llama3.2:latest", "lora"]
    );
    for (form, param) in [
        (json!({"backend": "nginx"}), "backend"),
        (json!({"dry_run": "yes"}), "dry_run"),
        (json!({"select": 7}), "select"),
        (json!({"x": 1}), "x"),
    ] {
        let refusal = send(gate, "POST", "/admin/models/sync", &form)
            .await
            .refused_with(400);
        assert_eq!(refusal.param.as_deref(), Some(param), "{form}");
    }
}

#[tokio::test]
async fn a_name_that_exists_is_left_alone() {
    let servers = servers().await;
    let Servers { gate, .. } = &servers;
    gate.add_model(json!({"name": "gpt-x", "backend_type": "echo"}))
        .await;
    gate.add_model(json!({"name": "other", "backend_type": "echo", "aliases": ["lora"]}))
        .await;
    let before = gate.admin("/admin/models").await;
    let report = sync(gate, json!({})).await;
    assert_eq!(
        (
            told(&report, "openai", "added"),
            told(&report, "openai", "present")
        ),
        (vec![], vec!["gpt-x"])
    );
    assert_eq!(
        (
            told(&report, "vllm", "added"),
            told(&report, "vllm", "present")
        ),
        (vec!["org/base"], vec!["lora"])
    );
    let after = gate.admin("/admin/models").await;
    for model in before.as_array().expect("models") {
        assert!(
            after.as_array().is_some_and(|all| all.contains(model)),
            "{model}"
        );
    }
}

#[tokio::test]
async fn servers_that_fail_are_reported_and_the_others_are_taken() {
    let mut servers = servers().await;
    servers.vllm.down().await;
    let Servers {
        gate,
        ollama,
        llamacpp,
        ..
    } = &servers;
    ollama.on(
        "/api/tags",
        upstream::json(500, r#"{"error":"disk trouble"}"#),
    );
    llamacpp.on("/v1/models", upstream::json(200, "not json"));
    let report = sync(gate, json!({})).await;
    for kind in ["ollama", "llamacpp", "vllm"] {
        assert_eq!(told(&report, kind, "failed").len(), 1, "{kind} {report}");
        assert_eq!(told(&report, kind, "added"), [] as [&str; 0], "{kind}");
    }
    assert_eq!(told(&report, "openai", "added"), ["gpt-x"]);
    assert_eq!(names(&gate.admin("/admin/models").await), ["gpt-x"]);
}

#[tokio::test]
async fn openai_without_a_key_is_not_asked() {
    let openai = Upstream::start().await;
    let gate = TestGate::with()
        .env("MG_ADAPTERS_OPENAI_BASE_URL", openai.url())
        .start()
        .await;
    let report = sync(&gate, json!({"dry_run": true})).await;
    let servers = report["backends"].as_array().expect("backends");
    assert!(
        servers.iter().all(|server| server["backend"] != "openai"),
        "{report}"
    );
    assert!(openai.requests().is_empty());
}

#[tokio::test]
async fn the_first_start_finds_models_and_later_ones_leave_deleted_models_alone() {
    let vllm = Upstream::start().await;
    vllm.on(
        "/v1/models",
        upstream::json(
            200,
            r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"b","object":"model"}]}"#,
        ),
    );
    let settings = TestGate::with()
        .without("MG_SYNC_ON_START")
        .env("MG_ADAPTERS_VLLM_BASE_URL", vllm.url());
    let mut gate = settings.start().await;
    let found = async {
        while !(names(&gate.admin("/admin/models").await).contains(&"b")) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    wait::bounded("models of the first start", found).await;
    let models = gate.admin("/admin/models").await;
    let doomed = models
        .as_array()
        .and_then(|all| all.iter().find(|model| model["name"] == "a"))
        .expect("model a");
    send(
        &gate,
        "DELETE",
        &format!("/admin/models/{}", doomed["id"]),
        &json!({}),
    )
    .await;
    let asked = vllm.requests().len();
    gate.restart().await;
    let models = gate.admin("/admin/models").await;
    assert!(
        names(&models).contains(&"b") && !names(&models).contains(&"a"),
        "{models}"
    );
    let key = gate.free_key("k").await;
    gate.chat_call(&key, &chat_body("b", "hi"))
        .send()
        .await
        .expect_status(200);
    assert_eq!(vllm.requests().len(), asked + 1, "only the chat");
}
