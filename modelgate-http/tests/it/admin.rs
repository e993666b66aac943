//! The admin API: keys and requests.

use modelgate_domain::TokenUsage;
use modelgate_ports::driven::{BackendError, BackendFault};
use serde_json::{Value, json};

use crate::fixture::{Gate, chat_body};

#[tokio::test]
async fn a_key_is_shown_once_with_its_secret() {
    let gate = Gate::new().await;
    let form = json!({"name": "ci", "rate_limit": 5, "quota": null, "tier": "gold", "allowed_ips": "10.1.2.3/8, ::1",
        "allowed_models": ["m"], "default_model": "m", "expires_at": "2030-01-01T02:00:00+02:00"});
    let answer = gate.admin("POST", "/admin/keys", &form).await.expect(201);
    let issued = answer.json();
    let secret = issued["key"].as_str().expect("the secret").to_owned();
    assert!(secret.starts_with("mg-") && secret.len() == 50, "{issued}");
    let expected = json!({"id": 3, "name": "ci", "role": "user", "admin": false, "status": "active", "tier": "gold",
        "default_model": "m", "allowed_models": ["m"], "allowed_ips": ["10.0.0.0/8", "::1"], "rate_limit": 5, "burst": null,
        "tpm": null, "max_parallel": null, "quota": null, "quota_period": "total", "quota_used": 0, "quota_reserved": 0,
        "quota_resets_at": null, "expires_at": "2030-01-01T00:00:00.000Z", "created_at": "2026-01-01T12:00:00.000Z",
        "prefix": &secret[..7], "last4": &secret[46..], "last_used_at": null});
    let mut shown = issued.clone();
    shown
        .as_object_mut()
        .expect("an object")
        .shift_remove("key");
    assert_eq!(shown, expected);
    let listed = gate.get("/admin/keys", &gate.admin).await.expect(200);
    assert_eq!(listed.json()[2], expected);
    assert!(!listed.text().contains(&secret));
    assert_eq!(
        gate.get("/admin/keys/3", &gate.admin)
            .await
            .expect(200)
            .json(),
        expected
    );
}

#[tokio::test]
async fn defaults_are_taken_for_what_is_not_named() {
    let gate = Gate::new().await;
    let key = gate
        .admin("POST", "/admin/keys", &json!({"name": "plain"}))
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&key["rate_limit"], &key["quota"]),
        (&json!(60), &json!(1_000_000))
    );
    let admin = gate
        .admin(
            "POST",
            "/admin/keys",
            &json!({"name": "boss", "role": "admin"}),
        )
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&admin["rate_limit"], &admin["quota"], &admin["admin"]),
        (&json!(null), &json!(null), &json!(true))
    );
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_null_clears() {
    let gate = Gate::new().await;
    let form = json!({"name": "ci", "rate_limit": 5, "tier": "gold", "quota": 100});
    gate.admin("POST", "/admin/keys", &form).await.expect(201);
    let change = json!({"quota": null, "quota_period": "day", "burst": 2});
    let changed = gate
        .admin("PUT", "/admin/keys/3", &change)
        .await
        .expect(200)
        .json();
    let found = ["rate_limit", "tier", "quota", "burst"].map(|field| changed[field].clone());
    assert_eq!(found, [json!(5), json!("gold"), json!(null), json!(2)]);
    let quota = gate
        .admin(
            "PUT",
            "/admin/keys/3",
            &json!({"quota": 7, "quota_period": "day"}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(quota["quota_resets_at"], "2026-01-02T00:00:00.000Z");
}

#[tokio::test]
async fn fields_that_nobody_sets_are_refused_by_name() {
    let gate = Gate::new().await;
    for field in [
        "id",
        "key",
        "prefix",
        "quota_used",
        "created_at",
        "admin",
        "x",
    ] {
        let answer = gate.admin("PUT", "/admin/keys/2", &json!({field: 1})).await;
        assert_eq!(
            (answer.code(400).as_str(), answer.param(400).as_str()),
            ("unknown_parameter", field)
        );
    }
    let missing = gate
        .admin("POST", "/admin/keys", &json!({"tier": "gold"}))
        .await;
    assert_eq!(
        (missing.code(400).as_str(), missing.param(400).as_str()),
        ("missing_required_parameter", "name")
    );
    let zero = gate
        .admin("POST", "/admin/keys", &json!({"name": "x", "quota": 0}))
        .await;
    assert_eq!(
        (zero.code(400).as_str(), zero.param(400).as_str()),
        ("invalid_value", "quota")
    );
    let taken = gate
        .admin("POST", "/admin/keys", &json!({"name": "user"}))
        .await;
    assert_eq!(
        (taken.code(409).as_str(), taken.param(409).as_str()),
        ("already_exists", "name")
    );
    let keys = gate.get("/admin/keys", &gate.admin).await.json();
    assert_eq!(
        keys.as_array().map(Vec::len),
        Some(2),
        "nothing was half stored"
    );
}

#[tokio::test]
async fn ids_are_numbers_and_must_be_there() {
    let gate = Gate::new().await;
    for kind in ["keys", "models"] {
        for id in ["x", "0", "-1", "1.0", "99999999999999999999", "%31", "1'--"] {
            for method in ["GET", "PUT", "DELETE"] {
                let answer = gate
                    .admin(method, &format!("/admin/{kind}/{id}"), &json!({}))
                    .await;
                assert_eq!(
                    (answer.code(400).as_str(), answer.param(400).as_str()),
                    ("invalid_value", "id"),
                    "{kind} {id}"
                );
            }
        }
        assert_eq!(
            gate.get(&format!("/admin/{kind}/77"), &gate.admin)
                .await
                .code(404),
            "not_found"
        );
    }
}

#[tokio::test]
async fn a_rotated_secret_may_go_on_for_a_while() {
    let gate = Gate::new().await;
    let rotated = gate
        .admin("POST", "/admin/keys/2/rotate", &json!({"overlap": "1h"}))
        .await
        .expect(200)
        .json();
    let new = rotated["key"].as_str().expect("a secret");
    gate.get("/v1/models", &gate.user).await.expect(200);
    gate.get("/v1/models", new).await.expect(200);
    gate.admin("POST", "/admin/keys/2/rotate", &json!({}))
        .await
        .expect(200);
    for old in [&gate.user, new] {
        assert_eq!(
            gate.get("/v1/models", old).await.code(401),
            "invalid_api_key"
        );
    }
    let odd = gate
        .admin("POST", "/admin/keys/2/rotate", &json!({"overlap": "soon"}))
        .await;
    assert_eq!(odd.param(400), "overlap");
}

#[tokio::test]
async fn a_deleted_key_is_gone_and_the_last_admin_stays() {
    let gate = Gate::new().await;
    let deleted = gate
        .admin("DELETE", "/admin/keys/2", &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(deleted, json!({"id": 2, "deleted": true}));
    assert_eq!(
        gate.get("/v1/models", &gate.user).await.code(401),
        "invalid_api_key"
    );
    assert_eq!(
        gate.admin("DELETE", "/admin/keys/2", &json!({}))
            .await
            .code(404),
        "not_found"
    );
    for (method, change) in [
        ("DELETE", json!({})),
        ("PUT", json!({"role": "user"})),
        ("PUT", json!({"status": "disabled"})),
    ] {
        assert_eq!(
            gate.admin(method, "/admin/keys/1", &change).await.code(409),
            "last_admin"
        );
    }
}

#[tokio::test]
async fn verify_tells_who_asks() {
    let gate = Gate::new().await;
    let found = gate
        .get("/admin/verify", &gate.admin)
        .await
        .expect(200)
        .json();
    assert_eq!(
        found,
        json!({"valid": true, "id": 1, "name": "root", "role": "admin", "admin": true})
    );
}

#[tokio::test]
async fn requests_are_paged_newest_first() {
    let gate = Gate::new().await;
    gate.backend.answers(
        "{}",
        Some(TokenUsage {
            prompt: 5,
            cached: 1,
            completion: 2,
            reasoning: 1,
        }),
    );
    gate.backend
        .fails(BackendError::new(BackendFault::Failed, "it broke"));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = gate.chat(&chat_body()).await;
        ids.push(answer.header("x-request-id").expect("an id").to_owned());
    }
    let page = gate
        .get("/admin/requests?limit=1", &gate.admin)
        .await
        .expect(200)
        .json();
    let row = &page["data"][0];
    // The clock stands still, so that ids of the same millisecond may be in any order.
    ids.sort();
    assert_eq!(
        (row["id"].as_str(), page["next"].as_str()),
        (Some(ids[1].as_str()), Some(ids[1].as_str()))
    );
    let rest = gate
        .get(
            &format!("/admin/requests?limit=5&key=2&before={}", ids[1]),
            &gate.admin,
        )
        .await
        .json();
    assert_eq!(
        (rest["data"][0]["id"].as_str(), &rest["next"]),
        (Some(ids[0].as_str()), &Value::Null)
    );
    let settled = [row, &rest["data"][0]]
        .into_iter()
        .find(|row| row["status"] == 200)
        .expect("the good one");
    let tokens = [
        "prompt_tokens",
        "cached_tokens",
        "completion_tokens",
        "reasoning_tokens",
        "total_tokens",
    ];
    assert_eq!(
        tokens.map(|field| settled[field].as_u64()),
        [5, 1, 2, 1, 7].map(Some)
    );
    assert_eq!(
        (&settled["state"], &settled["client_ip"], &settled["key_id"]),
        (&json!("settled"), &json!("192.0.2.7"), &json!(2))
    );
    assert_eq!(
        gate.get("/admin/requests?limit=0", &gate.admin)
            .await
            .param(400),
        "limit"
    );
    assert_eq!(
        gate.get("/admin/requests?page=1", &gate.admin)
            .await
            .code(400),
        "unknown_parameter"
    );
}
