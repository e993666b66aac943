//! Calls from browsers of other origins.

use http::{HeaderName, HeaderValue, Request};
use modelgate_http::{Inbound, ServerConfig};

use crate::fixture::{Answer, CHAT, Gate, call};

const ORIGIN: &str = "https://app.example";

async fn gate(origins: &[&str]) -> Gate {
    let cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    Gate::with(ServerConfig {
        cors_origins,
        ..ServerConfig::default()
    })
    .await
}

fn with(mut request: Request<Inbound>, lines: &[(&str, &str)]) -> Request<Inbound> {
    for &(name, value) in lines {
        let name = HeaderName::try_from(name).expect("a name");
        request
            .headers_mut()
            .insert(name, HeaderValue::try_from(value).expect("a value"));
    }
    request
}

async fn preflight(gate: &Gate, origin: &str) -> Answer {
    let lines = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization, x-stainless-lang",
        ),
    ];
    gate.send(with(call("OPTIONS", CHAT, "", ""), &lines)).await
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_is_answered() {
    let gate = gate(&["http://localhost:3000", ORIGIN]).await;
    let answer = preflight(&gate, ORIGIN).await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert!(
        answer
            .header("access-control-allow-methods")
            .is_some_and(|methods| methods.contains("POST"))
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, x-stainless-lang")
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(answer.header("vary"), Some("origin"));
    let foreign = preflight(&gate, "https://evil.example").await.expect(204);
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("access-control-allow-methods"), None);
}

#[tokio::test]
async fn every_answer_is_readable_for_an_allowed_origin() {
    let gate = gate(&[ORIGIN]).await;
    let table = [
        (call("GET", "/v1/models", &gate.user, ""), 200),
        (call("GET", "/v1/models", "", ""), 401),
        (call("GET", "/v1/none", "", ""), 404),
        (call("PUT", "/v1/models", "", ""), 405),
        (call("POST", CHAT, &gate.user, "{}"), 400),
    ];
    for (request, status) in table {
        let answer = gate
            .send(with(request, &[("origin", ORIGIN)]))
            .await
            .expect(status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(ORIGIN),
            "{status}"
        );
        assert_eq!(answer.header("vary"), Some("origin"), "{status}");
    }
    let foreign = gate
        .send(with(
            call("GET", "/health", "", ""),
            &[("origin", "https://evil.example")],
        ))
        .await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_star_allows_everybody() {
    let gate = gate(&["*"]).await;
    assert_eq!(
        preflight(&gate, "null")
            .await
            .expect(204)
            .header("access-control-allow-origin"),
        Some("*")
    );
}

#[tokio::test]
async fn switched_off_there_is_no_trace_of_it() {
    let gate = gate(&[]).await;
    let answer = preflight(&gate, ORIGIN).await;
    assert_eq!(answer.code(405), "method_not_supported");
    assert_eq!(answer.header("allow"), Some("POST"));
    let get = gate
        .send(with(call("GET", "/health", "", ""), &[("origin", ORIGIN)]))
        .await
        .expect(200);
    for answer in [answer, get] {
        assert!(
            answer
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control-")),
            "{answer:?}"
        );
        assert_eq!(answer.header("vary"), None);
    }
}
