//! Who administers: roles, the last admin, `/admin/verify`, and the admin key of the settings (DESIGN.md §4, §8 (6)).

use serde_json::{Value, json};

use crate::admin_api_keys::send;
use crate::gate::{ADMIN_KEY, TestGate};

async fn with(gate: &TestGate, secret: &str, method: &str, path: &str, form: &Value) -> u16 {
    gate.call(method, path)
        .bearer(secret)
        .json(form)
        .send()
        .await
        .status
}

async fn id_of(gate: &TestGate, secret: &str) -> i64 {
    let answer = gate
        .get("/admin/verify")
        .bearer(secret)
        .send()
        .await
        .expect_status(200);
    answer.json()["id"].as_i64().expect("an id")
}

/// The key in the output of a first start: the only word that begins like one.
fn printed_key(gate: &TestGate) -> Option<String> {
    let said = gate.stdout().join("\n");
    let mut words = said
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_');
    words
        .find(|word| word.starts_with("mg-") && word.len() > 40)
        .map(str::to_owned)
}

#[tokio::test]
async fn verify_says_whose_key_it_is() {
    let gate = TestGate::start().await;
    for role in ["viewer", "admin"] {
        let name = format!("a {role}");
        let key = gate.issue_key(json!({"name": name, "role": role})).await;
        let answer = gate
            .get("/admin/verify")
            .bearer(&key)
            .send()
            .await
            .expect_status(200)
            .json();
        assert_eq!(
            answer,
            json!({"valid": true, "id": key.id, "name": name, "role": role, "admin": role == "admin"})
        );
    }
    let root = gate.admin("/admin/verify").await;
    assert_eq!(
        (&root["valid"], &root["role"], &root["admin"]),
        (&json!(true), &json!("admin"), &json!(true))
    );
    let user = gate.free_key("user").await;
    gate.get("/admin/verify")
        .bearer(&user)
        .send()
        .await
        .refused_with(403);
    gate.get("/admin/verify")
        .bearer("mg-wrong")
        .send()
        .await
        .refused(401, "invalid_api_key");
}

#[tokio::test]
async fn a_role_holds_from_the_next_request_on() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let path = format!("/admin/keys/{}", key.id);
    for (role, read, write) in [
        ("user", 403, 403),
        ("viewer", 200, 403),
        ("admin", 200, 201),
        ("viewer", 200, 403),
        ("user", 403, 403),
    ] {
        send(&gate, "PUT", &path, &json!({"role": role}))
            .await
            .expect_status(200);
        let form = json!({"name": format!("by {role} {read} {write}")});
        assert_eq!(
            with(&gate, &key.secret, "GET", "/admin/keys", &json!({})).await,
            read,
            "{role}"
        );
        assert_eq!(
            with(&gate, &key.secret, "POST", "/admin/keys", &form).await,
            write,
            "{role}"
        );
    }
}

#[tokio::test]
async fn nobody_raises_its_own_role() {
    let gate = TestGate::start().await;
    for role in ["user", "viewer"] {
        let key = gate.issue_key(json!({"name": role, "role": role})).await;
        let path = format!("/admin/keys/{}", key.id);
        for form in [
            json!({"role": "admin"}),
            json!({"quota": null}),
            json!({"rate_limit": null}),
        ] {
            assert_eq!(
                with(&gate, &key.secret, "PUT", &path, &form).await,
                403,
                "{role} {form}"
            );
        }
        let form = json!({"name": "x", "role": "admin"});
        assert_eq!(
            with(&gate, &key.secret, "POST", "/admin/keys", &form).await,
            403,
            "{role}"
        );
        assert_eq!(gate.admin(&path).await["role"], role);
    }
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let gate = TestGate::start().await;
    let root = id_of(&gate, ADMIN_KEY).await;
    let path = format!("/admin/keys/{root}");
    let ways = [
        ("DELETE", json!({})),
        ("PUT", json!({"role": "user"})),
        ("PUT", json!({"role": "viewer"})),
        ("PUT", json!({"status": "disabled"})),
    ];
    for (method, form) in &ways {
        send(&gate, method, &path, form).await.refused_with(409);
    }
    let sleeping = gate
        .issue_key(json!({"name": "sleeping", "role": "admin"}))
        .await;
    send(
        &gate,
        "PUT",
        &format!("/admin/keys/{}", sleeping.id),
        &json!({"status": "disabled"}),
    )
    .await
    .expect_status(200);
    for (method, form) in &ways {
        send(&gate, method, &path, form).await.refused_with(409);
    }
    let second = gate
        .issue_key(json!({"name": "second", "role": "admin"}))
        .await;
    let removed = with(&gate, &second.secret, "DELETE", &path, &json!({})).await;
    assert!(matches!(removed, 200 | 204), "{removed}");
    assert_eq!(
        with(&gate, ADMIN_KEY, "GET", "/admin/keys", &json!({})).await,
        401
    );
    let own = format!("/admin/keys/{}", second.id);
    assert_eq!(
        with(&gate, &second.secret, "DELETE", &own, &json!({})).await,
        409
    );
}

#[tokio::test]
async fn without_a_configured_admin_key_one_is_printed_once() {
    let mut gate = TestGate::with().without("MG_ADMIN_API_KEY").start().await;
    let secret = printed_key(&gate).expect("a key on stdout");
    assert!(
        !gate.stderr().join("\n").contains(&secret),
        "the log has no secrets"
    );
    assert_eq!(
        with(&gate, &secret, "POST", "/admin/keys", &json!({"name": "k"})).await,
        201
    );
    gate.restart().await;
    assert_eq!(printed_key(&gate), None, "only at the first start");
    assert_eq!(
        with(&gate, &secret, "GET", "/admin/keys", &json!({})).await,
        200
    );
    gate.assert_secret_absent(&[&secret]);
}

#[tokio::test]
async fn a_configured_admin_key_is_not_printed_and_needs_no_form() {
    for secret in [
        "x",
        "a b".replace(' ', "_").as_str(),
        "sk-proj-0123456789",
        &"y".repeat(512),
    ] {
        let gate = TestGate::with()
            .env("MG_ADMIN_API_KEY", secret)
            .start()
            .await;
        assert_eq!(printed_key(&gate), None);
        if secret.len() > 3 {
            assert!(!gate.stdout().join("\n").contains(secret));
        }
        assert_eq!(
            with(&gate, secret, "POST", "/admin/keys", &json!({"name": "k"})).await,
            201
        );
    }
}
