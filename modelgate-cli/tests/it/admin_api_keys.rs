//! `/admin/keys` as DESIGN.md §5 and §8 (3), (5)–(8) say it: defaults, changes, refusals, rotation, deletion.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::gate::{ADMIN_KEY, TestGate};

const FIELDS: [&str; 23] = [
    "id",
    "name",
    "role",
    "admin",
    "status",
    "prefix",
    "last4",
    "tier",
    "default_model",
    "allowed_models",
    "allowed_ips",
    "rate_limit",
    "burst",
    "tpm",
    "max_parallel",
    "quota",
    "quota_period",
    "quota_used",
    "quota_reserved",
    "quota_resets_at",
    "expires_at",
    "last_used_at",
    "created_at",
];

pub(crate) async fn send(gate: &TestGate, method: &str, path: &str, form: &Value) -> Answer {
    gate.call(method, path)
        .bearer(ADMIN_KEY)
        .json(form)
        .send()
        .await
}

pub(crate) async fn create(gate: &TestGate, form: &Value) -> Value {
    send(gate, "POST", "/admin/keys", form)
        .await
        .expect_status(201)
        .json()
}

pub(crate) fn path_of(key: &Value) -> String {
    format!("/admin/keys/{}", key["id"])
}

/// The object without what only its creation shows.
fn without_secret(mut key: Value) -> Value {
    key.as_object_mut()
        .expect("an object")
        .shift_remove("key")
        .expect("the secret");
    key
}

#[tokio::test]
async fn a_new_key_has_the_configured_defaults() {
    let gate = TestGate::start().await;
    let key = create(&gate, &json!({"name": "plain"})).await;
    let mut fields: Vec<&str> = key
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected: Vec<&str> = FIELDS.into_iter().chain(["key"]).collect();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    let defaults = json!({"name": "plain", "role": "user", "admin": false, "status": "active", "tier": null, "default_model": null,
        "allowed_models": [], "allowed_ips": [], "rate_limit": 60, "burst": null, "tpm": null, "max_parallel": null,
        "quota": 1_000_000, "quota_period": "total", "quota_used": 0, "quota_reserved": 0, "quota_resets_at": null,
        "expires_at": null, "last_used_at": null});
    for (name, value) in defaults.as_object().expect("an object") {
        assert_eq!(&key[name], value, "{name}");
    }
    let secret = key["key"].as_str().expect("a secret");
    assert!(
        secret.starts_with("mg-") && secret.len() >= 46,
        "a key of 256 bits"
    );
    assert!(
        secret.starts_with(key["prefix"].as_str().expect("a prefix"))
            && secret.ends_with(key["last4"].as_str().expect("an end"))
    );
    assert!(
        key["prefix"].as_str().map(str::len) < Some(12),
        "{}",
        key["prefix"]
    );
    assert!(
        key["created_at"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
}

#[tokio::test]
async fn the_defaults_are_those_of_the_settings() {
    let gate = TestGate::with()
        .env("MG_RATE_LIMIT_RPM", "7")
        .env("MG_RATE_LIMIT_BURST", "3")
        .env("MG_QUOTA_DEFAULT_TOKENS", "555")
        .start()
        .await;
    let key = create(&gate, &json!({"name": "user"})).await;
    assert_eq!(
        (&key["rate_limit"], &key["burst"], &key["quota"]),
        (&json!(7), &json!(3), &json!(555))
    );
    for role in ["admin", "viewer"] {
        let key = create(&gate, &json!({"name": format!("a {role}"), "role": role})).await;
        assert_eq!(
            (&key["rate_limit"], &key["quota"]),
            (&Value::Null, &Value::Null),
            "{key}"
        );
        assert_eq!(key["admin"], role == "admin");
    }
    let key = create(
        &gate,
        &json!({"name": "free", "rate_limit": null, "burst": null, "quota": null}),
    )
    .await;
    assert_eq!(
        (&key["rate_limit"], &key["burst"], &key["quota"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn every_field_can_be_given_changed_and_cleared() {
    let gate = TestGate::start().await;
    let form = json!({"name": "full", "role": "user", "tier": "gold", "default_model": "m", "allowed_models": ["m", "n"],
        "allowed_ips": ["10.0.0.0/8", "2001:db8::1"], "rate_limit": 5, "burst": 2, "tpm": 1_000, "max_parallel": 3,
        "quota": 10_000, "quota_period": "day", "expires_at": "2099-12-31T23:59:59Z"});
    let key = create(&gate, &form).await;
    let shown = gate.admin(&path_of(&key)).await;
    assert_eq!(shown, without_secret(key.clone()));
    for (name, value) in form
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(name, _)| *name != "expires_at")
    {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert!(
        shown["expires_at"]
            .as_str()
            .is_some_and(|time| time.starts_with("2099-12-31T23:59:59"))
    );
    assert!(shown["quota_resets_at"].is_string(), "{shown}");
    let changes = json!({"name": "other", "tier": "silver", "default_model": "n", "allowed_models": ["n"], "allowed_ips": ["::1"],
        "rate_limit": 6, "burst": 1, "tpm": 2_000, "max_parallel": 4, "quota": 20_000, "quota_period": "month"});
    let mut expected = shown;
    for (name, value) in changes.as_object().expect("an object") {
        let answer = send(&gate, "PUT", &path_of(&key), &json!({name: value}))
            .await
            .expect_status(200)
            .json();
        expected[name] = value.clone();
        expected["quota_resets_at"] = answer["quota_resets_at"].clone();
        assert_eq!(answer, expected, "only {name} changes");
    }
    for name in [
        "tier",
        "default_model",
        "rate_limit",
        "burst",
        "tpm",
        "max_parallel",
        "quota",
        "expires_at",
        "allowed_models",
        "allowed_ips",
    ] {
        let answer = send(&gate, "PUT", &path_of(&key), &json!({name: null}))
            .await
            .expect_status(200)
            .json();
        let cleared = if name.starts_with("allowed") {
            json!([])
        } else {
            Value::Null
        };
        assert_eq!(answer[name], cleared, "{name}");
    }
    let empty = send(&gate, "PUT", &path_of(&key), &json!({}))
        .await
        .expect_status(200)
        .json();
    assert_eq!(empty, gate.admin(&path_of(&key)).await);
    assert_eq!(empty["name"], "other");
}

#[tokio::test]
async fn addresses_may_be_one_text_with_commas() {
    let gate = TestGate::start().await;
    let key = create(
        &gate,
        &json!({"name": "k", "allowed_ips": "10.0.0.0/8, ::1,192.0.2.7"}),
    )
    .await;
    assert_eq!(
        key["allowed_ips"],
        json!(["10.0.0.0/8", "::1", "192.0.2.7"])
    );
    let key = send(&gate, "PUT", &path_of(&key), &json!({"allowed_ips": ""}))
        .await
        .expect_status(200)
        .json();
    assert_eq!(key["allowed_ips"], json!([]));
}

#[tokio::test]
async fn values_that_make_no_sense_are_refused_by_name_and_nothing_is_stored() {
    let gate = TestGate::start().await;
    let key = create(&gate, &json!({"name": "k"})).await;
    let before = gate.admin("/admin/keys").await;
    let numbers = ["rate_limit", "burst", "tpm", "max_parallel", "quota"];
    let bad_numbers = [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("5"),
        json!(true),
        json!([]),
        json!({}),
    ];
    let mut table: Vec<(&str, Value)> = numbers
        .iter()
        .flat_map(|name| bad_numbers.iter().map(|bad| (*name, bad.clone())))
        .collect();
    table.extend([
        ("name", json!("")),
        ("name", json!(null)),
        ("name", json!(7)),
        ("role", json!("root")),
        ("role", json!(null)),
        ("status", json!("revoked")),
        ("status", json!("on")),
        ("tier", json!("")),
        ("tier", json!(1)),
        ("default_model", json!("")),
        ("quota_period", json!("year")),
        ("quota_period", json!(null)),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!(4_102_444_800_u64)),
        ("expires_at", json!("2099-02-30T00:00:00Z")),
        ("allowed_ips", json!("10.0.0.0/33")),
        ("allowed_ips", json!(["localhost"])),
        ("allowed_ips", json!([""])),
        ("allowed_ips", json!(7)),
        ("allowed_models", json!(7)),
    ]);
    for (name, bad) in table {
        for method in ["POST", "PUT"] {
            let mut form = json!({"name": "new", "tier": "t"});
            form[name] = bad.clone();
            let path = if method == "POST" {
                "/admin/keys".to_owned()
            } else {
                path_of(&key)
            };
            let refusal = send(&gate, method, &path, &form).await.refused_with(400);
            let param = refusal.param.unwrap_or_default();
            assert!(param.starts_with(name), "{method} {form}: {param}");
        }
    }
    for bad in [json!([7]), json!([""]), json!(["m", null])] {
        let form = json!({"name": "new", "allowed_models": bad});
        let refusal = send(&gate, "POST", "/admin/keys", &form)
            .await
            .refused_with(400);
        assert!(
            refusal
                .param
                .is_some_and(|param| param.starts_with("allowed_models")),
            "{form}"
        );
    }
    assert_eq!(gate.admin("/admin/keys").await, before);
}

#[tokio::test]
async fn fields_that_nobody_may_set_are_unknown() {
    let gate = TestGate::start().await;
    let key = create(&gate, &json!({"name": "k"})).await;
    let before = gate.admin("/admin/keys").await;
    for name in [
        "id",
        "key",
        "prefix",
        "last4",
        "digest",
        "quota_used",
        "quota_reserved",
        "quota_resets_at",
        "created_at",
        "last_used_at",
        "used",
        "x",
    ] {
        for (method, path) in [("POST", "/admin/keys".to_owned()), ("PUT", path_of(&key))] {
            let form = json!({"name": "new", name: 1});
            let refusal = send(&gate, method, &path, &form)
                .await
                .refused(400, "unknown_parameter");
            assert_eq!(refusal.param.as_deref(), Some(name), "{method}");
        }
    }
    let refusal = send(&gate, "POST", "/admin/keys", &json!({"tier": "t"}))
        .await
        .refused(400, "missing_required_parameter");
    assert_eq!(refusal.param.as_deref(), Some("name"));
    for body in ["", "{", "[]", "null", "\"x\"", "{\"name\":\"a\",}"] {
        let call = gate.post("/admin/keys").bearer(ADMIN_KEY);
        call.json_text(body).send().await.refused_with(400);
    }
    assert_eq!(gate.admin("/admin/keys").await, before);
}

#[tokio::test]
async fn a_name_is_taken_until_its_key_is_deleted() {
    let gate = TestGate::start().await;
    let key = create(&gate, &json!({"name": "twin"})).await;
    let other = create(&gate, &json!({"name": "other"})).await;
    let refusal = send(&gate, "POST", "/admin/keys", &json!({"name": "twin"}))
        .await
        .refused_with(409);
    assert_eq!(refusal.param.as_deref(), Some("name"));
    let refusal = send(
        &gate,
        "PUT",
        &path_of(&other),
        &json!({"name": "twin", "tier": "t"}),
    )
    .await
    .refused_with(409);
    assert_eq!(refusal.param.as_deref(), Some("name"));
    assert_eq!(gate.admin(&path_of(&other)).await, without_secret(other));
    send(&gate, "PUT", &path_of(&key), &json!({"name": "twin"}))
        .await
        .expect_status(200);
    let gone = send(&gate, "DELETE", &path_of(&key), &json!({})).await;
    assert!(matches!(gone.status, 200 | 204), "{}", gone.describe());
    let again = create(&gate, &json!({"name": "twin"})).await;
    assert_ne!((&again["id"], &again["key"]), (&key["id"], &key["key"]));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let gate = TestGate::start().await;
    let key = create(&gate, &json!({"name": "gone"})).await;
    send(&gate, "DELETE", &path_of(&key), &json!({})).await;
    for path in ["/admin/keys/4711".to_owned(), path_of(&key)] {
        for (method, path) in [
            ("GET", path.clone()),
            ("PUT", path.clone()),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/rotate")),
        ] {
            send(&gate, method, &path, &json!({}))
                .await
                .refused_with(404);
        }
    }
    let listed = gate.admin("/admin/keys").await;
    assert!(
        listed
            .as_array()
            .expect("a list")
            .iter()
            .all(|shown| shown["id"] != key["id"])
    );
}
