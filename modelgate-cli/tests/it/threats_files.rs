//! Threat S33: who may read what the gateway writes, and what stands in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::gate::{ADMIN_KEY, TestGate, UPSTREAM_KEY};

fn mode(path: &Path) -> u32 {
    let meta = std::fs::metadata(path).expect("a file");
    meta.permissions().mode() & 0o777
}

#[tokio::test]
async fn s33_every_file_is_for_its_owner_only() {
    let mut gate = TestGate::start().await;
    let key = gate.with_model("m", "api3").await;
    for round in 0..2 {
        gate.chat(&key, "hi").await.expect_status(200);
        gate.rows().await;
        let folder = gate.path("");
        let files: Vec<_> = std::fs::read_dir(&folder)
            .expect("the data folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert!(files.len() >= 2, "{files:?}");
        for file in files {
            assert_eq!(
                mode(&file) & 0o077,
                0,
                "{} in round {round}",
                file.display()
            );
        }
        assert_eq!(mode(&gate.path("secret.key")), 0o600);
        assert_eq!(mode(&gate.path("modelgate.db")), 0o600);
        gate.restart().await;
    }
}

#[tokio::test]
async fn s33_credentials_are_sealed_and_open_again_after_a_restart() {
    let mut gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    gate.restart().await;
    for kind in ["openai", "api3"] {
        let body = crate::gate::chat_body(kind, "hi");
        gate.chat_call(&key, &body).send().await.expect_status(200);
        let call = gate.upstream.calls().pop().expect("a call");
        let expected = format!("Bearer {UPSTREAM_KEY}");
        assert_eq!(
            call.header("authorization"),
            Some(expected.as_str()),
            "{kind}"
        );
    }
    gate.rows().await;
    gate.assert_secret_absent(&[&key.secret, ADMIN_KEY, UPSTREAM_KEY]);
    gate.stop().await;
    gate.assert_secret_absent(&[&key.secret, ADMIN_KEY, UPSTREAM_KEY]);
}

#[tokio::test]
async fn s33_the_sealing_key_may_come_from_the_environment() {
    let settings = TestGate::with().env(
        "MG_SECRETS_KEY",
        "5ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea1",
    );
    let mut gate = settings.start().await;
    let key = gate.with_model("m", "api3").await;
    gate.restart().await;
    gate.chat(&key, "hi").await.expect_status(200);
    let expected = format!("Bearer {UPSTREAM_KEY}");
    assert_eq!(
        gate.upstream.only_call().header("authorization"),
        Some(expected.as_str())
    );
    assert!(!gate.path("secret.key").exists(), "no second key is made");
    gate.assert_secret_absent(&[
        UPSTREAM_KEY,
        "5ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea1",
    ]);
}
