//! Who is let in: address, expiry, status, tier, allowed models, default model; and what a key may see of itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{ADMIN_KEY, Key, TestGate, chat_body};
use crate::threats_access::in_two_seconds;
use crate::wait;

async fn change(gate: &TestGate, key: &Key, form: &Value) -> Value {
    let call = gate
        .put(&format!("/admin/keys/{}", key.id))
        .bearer(ADMIN_KEY);
    call.json(form).send().await.expect_status(200).json()
}

async fn nothing_was_done(gate: &TestGate) {
    assert!(gate.upstream.calls().is_empty());
    assert_eq!(gate.rows().await.len(), 0);
}

#[tokio::test]
async fn only_listed_addresses_may_use_a_key() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let table = [
        (json!(["127.0.0.1"]), true),
        (json!("127.0.0.0/8"), true),
        (json!("10.0.0.0/8, 127.0.0.1/32"), true),
        (json!(["::ffff:127.0.0.1"]), true),
        (json!(["0.0.0.0/0"]), true),
        (json!([]), true),
        (json!(null), true),
        (json!(["127.0.0.2"]), false),
        (json!(["10.0.0.0/8", "2001:db8::/32"]), false),
        (json!(["::1"]), false),
        (json!(["::/0"]), false),
    ];
    for (list, is_allowed) in table {
        change(&gate, &key, &json!({"allowed_ips": list})).await;
        let answer = gate.chat(&key, "hi").await;
        if is_allowed {
            assert_eq!(answer.status, 200, "{list} {}", answer.describe());
        } else {
            answer.refused(403, "ip_not_allowed");
            let listed = gate.get("/v1/models").bearer(&key).send().await;
            listed.refused(403, "ip_not_allowed");
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_clients_address_counts() {
    let gate = TestGate::with()
        .env("MG_SERVER_TRUSTED_PROXIES", "127.0.0.0/8, 10.9.0.0/16")
        .start()
        .await;
    let key = gate.with_model("m", "echo").await;
    change(
        &gate,
        &key,
        &json!({"allowed_ips": "192.0.2.0/24, 2001:db8::/32"}),
    )
    .await;
    let from = async |hops: &[&str]| {
        let call = gate.chat_call(&key, &chat_body("m", "hi"));
        let call = hops
            .iter()
            .fold(call, |call, hop| call.header("x-forwarded-for", hop));
        call.send().await.status
    };
    for (hops, status) in [
        (["192.0.2.7"].as_slice(), 200),
        (&["2001:db8::5"], 200),
        (&["[2001:db8::5]:443"], 200),
        (&["192.0.2.7:5555"], 200),
        (&["192.0.2.7, 10.9.1.1"], 200),
        (&["192.0.2.7", "10.9.1.1"], 200),
        (&["198.51.100.1, 192.0.2.7"], 200),
        (&["192.0.2.7, 198.51.100.1"], 403),
        (&["192.0.2.7", "198.51.100.1"], 403),
        (&["198.51.100.1"], 403),
        (&["2001:db9::5"], 403),
        (&["not an address"], 403),
        (&[], 403),
    ] {
        assert_eq!(from(hops).await, status, "{hops:?}");
    }
    let row = gate.rows().await;
    assert_eq!(row[0]["client_ip"], "192.0.2.7");
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
    change(&gate, &key, &json!({"expires_at": in_two_seconds(&shown)})).await;
    gate.chat(&key, "hi").await.expect_status(200);
    let refusal = async {
        loop {
            let answer = gate.get("/v1/key").bearer(&key).send().await;
            if answer.status != 200 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let refusal = wait::bounded_within(Duration::from_secs(5), "the end of the key", refusal).await;
    refusal.refused(401, "invalid_api_key");
    gate.chat(&key, "hi").await.refused(401, "invalid_api_key");
    assert_eq!(gate.upstream.calls().len(), 1);
    change(&gate, &key, &json!({"expires_at": null})).await;
    gate.chat(&key, "hi").await.expect_status(200);
}

#[tokio::test]
async fn a_disabled_key_is_refused_at_once_and_works_again_when_enabled() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    for _ in 0..3 {
        gate.chat(&key, "hi").await.expect_status(200);
        change(&gate, &key, &json!({"status": "disabled"})).await;
        gate.chat(&key, "hi").await.refused(401, "invalid_api_key");
        change(&gate, &key, &json!({"status": "active"})).await;
    }
    gate.delete(&format!("/admin/keys/{}", key.id))
        .bearer(ADMIN_KEY)
        .send()
        .await;
    gate.chat(&key, "hi").await.refused(401, "invalid_api_key");
    assert_eq!(gate.rows().await.len(), 3);
}

#[tokio::test]
async fn models_open_to_the_tiers_they_name() {
    let gate = TestGate::start().await;
    let mut form = gate.model_form("gold", "vllm");
    form["tiers"] = json!(["gold", "platinum"]);
    gate.add_model(form).await;
    gate.add_model(gate.model_form("free", "vllm")).await;
    let key = gate.free_key("k").await;
    for (tier, is_allowed) in [
        (json!("gold"), true),
        (json!("platinum"), true),
        (json!("Gold"), false),
        (json!("silver"), false),
        (json!(null), false),
    ] {
        change(&gate, &key, &json!({"tier": tier})).await;
        let answer = gate.chat_call(&key, &chat_body("gold", "hi")).send().await;
        if is_allowed {
            answer.expect_status(200);
        } else {
            answer.refused(404, "model_not_found");
        }
        gate.chat_call(&key, &chat_body("free", "hi"))
            .send()
            .await
            .expect_status(200);
        let listed = gate.get("/v1/models").bearer(&key).send().await.json();
        let count = listed["data"].as_array().map(Vec::len);
        assert_eq!(count, Some(1 + usize::from(is_allowed)), "{tier} {listed}");
    }
}

#[tokio::test]
async fn a_key_may_use_the_models_of_its_list_by_any_of_their_names() {
    let gate = TestGate::start().await;
    let mut form = gate.model_form("one", "vllm");
    form["aliases"] = json!(["uno"]);
    gate.add_model(form).await;
    gate.add_model(gate.model_form("two", "vllm")).await;
    for listed in ["one", "uno"] {
        let form =
            json!({"name": listed, "quota": null, "rate_limit": null, "allowed_models": [listed]});
        let key = gate.issue_key(form).await;
        for (model, status) in [
            ("one", 200),
            ("uno", 200),
            ("two", 404),
            ("ONE", 404),
            ("оne", 404),
            ("one\u{200b}", 404),
        ] {
            let answer: Answer = gate.chat_call(&key, &chat_body(model, "hi")).send().await;
            assert_eq!(answer.status, status, "{listed} {model:?}");
        }
    }
}

#[tokio::test]
async fn a_default_model_is_taken_only_if_it_may_be_used() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("m", "vllm")).await;
    gate.add_model(gate.model_form("n", "vllm")).await;
    let form = json!({"name": "k", "quota": null, "rate_limit": null, "default_model": "m", "allowed_models": ["n"]});
    let key = gate.issue_key(form).await;
    let body = json!({"messages": [{"role": "user", "content": "hi"}]});
    let refusal = gate.chat_call(&key, &body).send().await;
    refusal.refused(404, "model_not_found");
    nothing_was_done(&gate).await;
    change(&gate, &key, &json!({"default_model": "n"})).await;
    let answer = gate.chat_call(&key, &body).send().await.expect_status(200);
    assert_eq!(answer.json()["model"], "n");
    change(&gate, &key, &json!({"default_model": null})).await;
    let refusal = gate.chat_call(&key, &body).send().await;
    refusal.refused(400, "missing_required_parameter");
}

#[tokio::test]
async fn a_key_sees_itself_and_nothing_else() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("m", "vllm")).await;
    let form = json!({"name": "mine", "quota": 50_000, "quota_period": "month", "rate_limit": 30, "burst": 5, "tpm": 90_000,
        "max_parallel": 4, "tier": "gold", "default_model": "m", "allowed_models": ["m"], "allowed_ips": ["127.0.0.1"],
        "expires_at": "2099-01-01T00:00:00Z"});
    let key = gate.issue_key(form.clone()).await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.rows().await;
    let answer = gate
        .get("/v1/key")
        .bearer(&key)
        .send()
        .await
        .expect_status(200);
    let shown = answer.json();
    for (name, value) in form.as_object().expect("fields") {
        if name != "expires_at" {
            assert_eq!(&shown[name], value, "{name}");
        }
    }
    let ends = shown["expires_at"].as_str().expect("a time");
    assert!(
        ends.starts_with("2099-01-01T00:00:00") && ends.ends_with('Z'),
        "{ends}"
    );
    assert_eq!(
        (&shown["quota_used"], &shown["quota_reserved"]),
        (&json!(7), &json!(0))
    );
    assert!(
        shown["quota_resets_at"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{shown}"
    );
    assert_eq!(
        (&shown["id"], &shown["role"], &shown["status"]),
        (&json!(key.id), &json!("user"), &json!("active"))
    );
    assert!(shown.get("key").is_none() && !answer.text().contains(&key.secret));
    let of_admin = gate.admin("/v1/key").await;
    assert_eq!(
        (&of_admin["quota"], &of_admin["rate_limit"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(of_admin["role"], "admin");
}

#[tokio::test]
async fn admins_and_viewers_may_call_models_without_limits_and_leave_rows() {
    let gate = TestGate::start().await;
    gate.add_model(gate.model_form("m", "vllm")).await;
    let viewer = gate.issue_key(json!({"name": "v", "role": "viewer"})).await;
    for secret in [viewer.secret.as_str(), ADMIN_KEY] {
        let call = gate.post("/v1/chat/completions").bearer(secret);
        let answer = call
            .json(&chat_body("m", "hi"))
            .send()
            .await
            .expect_status(200);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), None);
        let row = gate.row_of(answer.request_id()).await;
        assert_eq!(row["total_tokens"], 7, "{row}");
    }
}
