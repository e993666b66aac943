//! What is kept of keys and what is not: rotation, secrets, rows, restarts (DESIGN.md §8 (5)–(7)).

use std::time::Duration;

use serde_json::json;

use crate::admin_api_keys::{create, path_of, send};
use crate::client::Answer;
use crate::gate::{ADMIN_KEY, TestGate};
use crate::wait;

#[tokio::test]
async fn a_rotated_key_has_a_new_secret_and_the_old_one_ends() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let rotate = format!("/admin/keys/{}/rotate", key.id);
    let works = async |secret: &str| gate.get("/v1/key").bearer(secret).send().await.status;
    let first = rotated(&send(&gate, "POST", &rotate, &json!({})).await);
    assert_eq!((works(&key.secret).await, works(&first).await), (401, 200));
    let second = rotated(&send(&gate, "POST", &rotate, &json!({"overlap": "1h"})).await);
    assert_eq!(
        (works(&first).await, works(&second).await),
        (200, 200),
        "both work for a while"
    );
    let third = rotated(&send(&gate, "POST", &rotate, &json!({"overlap": "0s"})).await);
    assert_eq!((works(&second).await, works(&third).await), (401, 200));
    let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
    assert!(third.starts_with(shown["prefix"].as_str().expect("a prefix")));
    for (bad, code) in [
        (json!({"overlap": "soon"}), None),
        (json!({"overlap": -1}), None),
        (json!({"x": 1}), Some("unknown_parameter")),
    ] {
        let refusal = send(&gate, "POST", &rotate, &bad).await.refused_with(400);
        assert_eq!(
            refusal.param.as_deref(),
            bad.as_object()
                .and_then(|form| form.keys().next())
                .map(String::as_str)
        );
        assert!(code.is_none() || refusal.code.as_deref() == code, "{bad}");
    }
    assert_eq!(works(&third).await, 200);
}

fn rotated(answer: &Answer) -> String {
    assert!(matches!(answer.status, 200 | 201), "{}", answer.describe());
    answer.json()["key"]
        .as_str()
        .expect("the new secret")
        .to_owned()
}

#[tokio::test]
async fn an_overlap_ends_at_its_time() {
    let gate = TestGate::start().await;
    let key = gate.free_key("k").await;
    let rotate = format!("/admin/keys/{}/rotate", key.id);
    let new = rotated(&send(&gate, "POST", &rotate, &json!({"overlap": "2s"})).await);
    let status = async |secret: &str| gate.get("/v1/key").bearer(secret).send().await.status;
    assert_eq!((status(&key.secret).await, status(&new).await), (200, 200));
    let ended = async {
        while status(&key.secret).await == 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    wait::bounded_within(Duration::from_secs(5), "the end of the overlap", ended).await;
    assert_eq!((status(&key.secret).await, status(&new).await), (401, 200));
}

#[tokio::test]
async fn secrets_are_shown_once_and_never_listed() {
    let gate = TestGate::start().await;
    let key = create(&gate, &json!({"name": "k"})).await;
    let secret = key["key"].as_str().expect("a secret").to_owned();
    let new = rotated(
        &send(
            &gate,
            "POST",
            &format!("{}/rotate", path_of(&key)),
            &json!({"overlap": "1h"}),
        )
        .await,
    );
    for path in [
        "/admin/keys".to_owned(),
        path_of(&key),
        "/admin/requests".to_owned(),
        "/admin/verify".to_owned(),
    ] {
        let answer = gate
            .get(&path)
            .bearer(ADMIN_KEY)
            .send()
            .await
            .expect_status(200);
        for secret in [&secret, &new, ADMIN_KEY] {
            assert!(!answer.text().contains(secret), "{path}");
        }
        assert!(!answer.text().contains("digest"), "{path}");
    }
    let changed = send(&gate, "PUT", &path_of(&key), &json!({"tier": "t"}))
        .await
        .expect_status(200)
        .json();
    assert!(changed.get("key").is_none(), "{changed}");
    gate.assert_secret_absent(&[&secret, &new, ADMIN_KEY]);
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let mut gate = TestGate::start().await;
    gate.with_model("m", "echo").await;
    let form = json!({"name": "k", "tier": "t", "quota": 5_000, "burst": 2, "allowed_ips": "127.0.0.1", "expires_at": "2099-01-01T00:00:00Z"});
    create(&gate, &form).await;
    let before = (
        gate.admin("/admin/keys").await,
        gate.admin("/admin/models").await,
    );
    gate.restart().await;
    let mut after = (
        gate.admin("/admin/keys").await,
        gate.admin("/admin/models").await,
    );
    for (before, after) in before
        .0
        .as_array()
        .into_iter()
        .flatten()
        .zip(after.0.as_array_mut().into_iter().flatten())
    {
        after["last_used_at"] = before["last_used_at"].clone();
    }
    assert_eq!(after, before);
}

#[tokio::test]
async fn rows_of_a_deleted_key_stay() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    gate.chat(&key, "hi").await.expect_status(200);
    gate.rows().await;
    send(
        &gate,
        "DELETE",
        &format!("/admin/keys/{}", key.id),
        &json!({}),
    )
    .await;
    let rows = gate.rows().await;
    assert_eq!(
        (rows.len(), &rows[0]["key_id"], &rows[0]["key_name"]),
        (1, &json!(key.id), &json!("key for m"))
    );
}
