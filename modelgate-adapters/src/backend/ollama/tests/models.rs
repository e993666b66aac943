//! Discovery: the models of a server and what they can do.

use std::sync::Arc;
use std::time::Duration;

use modelgate_domain::{BackendKind, Secret};
use modelgate_ports::driven::{Backend, BackendError, BackendFault, Discovered, Timer, Upstream};

use super::fake::{Fake, Play};
use super::json;
use super::wire::plain_backend;
use crate::backend::ollama::discover::Whereabouts;
use crate::backend::transport::{Transport, TransportConfig};

fn upstream(fake: &Fake) -> Upstream {
    Upstream {
        kind: BackendKind::Ollama,
        base_url: fake.base.clone(),
        credential: Secret::new("key"),
    }
}

fn model(name: &str, context_length: Option<u64>, capabilities: &[&str]) -> Discovered {
    Discovered {
        name: name.into(),
        context_length,
        capabilities: capabilities.iter().map(|&word| word.into()).collect(),
    }
}

#[tokio::test]
async fn models_are_listed_with_what_is_known_of_them() {
    let fake = Fake::start(|seen| {
        let answer = match seen.what.as_str() {
            "GET /api/tags" => {
                r#"{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":1,"details":{"family":"llama"}},
                    {"name":"broken:1b","details":null},{"name":"told:7b","capabilities":["embedding"],"details":{"context_length":512}},
                    {"name":"half:7b","capabilities":["completion"]}]}"#
            }
            _ => match json(&seen.body)["model"].as_str().unwrap() {
                "llama3.2:latest" => r#"{"capabilities":["completion","tools"],"model_info":{"general.architecture":"llama","llama.context_length":131072}}"#,
                "half:7b" => r#"{"model_info":{"general.architecture":"q","q.context_length":4096}}"#,
                _ => return Play::Whole(500, r#"{"error":"no"}"#.into()),
            },
        };
        Play::Whole(200, answer.into())
    })
    .await;
    let found = plain_backend().discover(&upstream(&fake)).await.unwrap();
    assert_eq!(
        found,
        [
            model("llama3.2:latest", Some(131_072), &["completion", "tools"]),
            model("broken:1b", None, &[]),
            model("told:7b", Some(512), &["embedding"]),
            model("half:7b", Some(4096), &["completion"]),
        ]
    );
    assert_eq!(
        (fake.count("GET /api/tags"), fake.count("POST /api/show")),
        (1, 3)
    );
    assert!(
        fake.seen()
            .iter()
            .all(|seen| seen.header("authorization") == Some("Bearer key"))
    );
}

#[tokio::test]
async fn many_models_keep_their_order() {
    let names: Vec<String> = (0..40).map(|number| format!("m{number}:latest")).collect();
    let tags: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"name":"{name}"}}"#))
        .collect();
    let tags = format!(r#"{{"models":[{}]}}"#, tags.join(","));
    let fake = Fake::start(move |seen| {
        let answer = if seen.what == "GET /api/tags" {
            tags.clone()
        } else {
            r#"{"capabilities":["completion"]}"#.into()
        };
        Play::Whole(200, answer)
    })
    .await;
    let found = plain_backend().discover(&upstream(&fake)).await.unwrap();
    assert_eq!(
        found.iter().map(|model| &model.name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert!(
        found
            .iter()
            .all(|model| model.capabilities == ["completion"])
    );
}

#[tokio::test]
async fn an_empty_server_has_no_models_and_a_broken_one_fails() {
    for tags in [r#"{"models":[]}"#, r#"{"models":null}"#, "{}"] {
        let fake = Fake::plays(Play::Whole(200, tags.into())).await;
        assert_eq!(
            plain_backend().discover(&upstream(&fake)).await.unwrap(),
            []
        );
    }
    for (status, tags) in [(200, "<html>"), (500, "{}"), (404, "")] {
        let fake = Fake::plays(Play::Whole(status, tags.into())).await;
        assert!(plain_backend().discover(&upstream(&fake)).await.is_err());
    }
    let fake = Fake::plays(Play::Whole(401, String::new())).await;
    let error = plain_backend()
        .discover(&upstream(&fake))
        .await
        .unwrap_err();
    assert_eq!(error.fault, BackendFault::Credential);
}

#[tokio::test]
async fn a_failed_list_does_not_repeat_the_credential() {
    let answer = r#"{"error":"xkeyx is not known at 127.0.0.1"}"#;
    let fake = Fake::plays(Play::Whole(500, answer.into())).await;
    let failed = plain_backend().discover(&upstream(&fake)).await;
    assert_eq!(
        failed.unwrap_err().message,
        "x[key]x is not known at [address]"
    );
}

/// The same with less patience.
async fn hastily(fake: &Fake) -> Result<Vec<Discovered>, BackendError> {
    let whereabouts = Whereabouts {
        transport: Arc::new(Transport::new(TransportConfig::default()).unwrap()),
        base: fake.base.clone(),
        credential: None,
        patience: Duration::from_secs(1),
    };
    whereabouts.models().await
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    let fake = Fake::plays(Play::Hung(200, r#"{"models":["#.into())).await;
    let error = hastily(&fake).await.unwrap_err();
    assert_eq!(error.fault, BackendFault::TimedOut(Timer::Answer));
    let fake = Fake::start(|seen| match seen.what.as_str() {
        "GET /api/tags" => {
            let tags =
                r#"{"models":[{"name":"a"},{"name":"b","capabilities":["tools"]},{"name":"c"}]}"#;
            Play::Whole(200, tags.into())
        }
        _ if json(&seen.body)["model"] == "c" => {
            Play::Whole(200, r#"{"capabilities":["vision"]}"#.into())
        }
        _ => Play::Hung(200, "{".into()),
    })
    .await;
    assert_eq!(
        hastily(&fake).await.unwrap(),
        [
            model("a", None, &[]),
            model("b", None, &["tools"]),
            model("c", None, &["vision"]),
        ]
    );
}
