//! Requests over a real socket: how they are framed, and what follows them on the same connection.

use modelgate_http::ServerConfig;
use modelgate_ports::driven::{BackendError, BackendFault};
use modelgate_ports::test_util::StreamStep;

use crate::fixture::{CHAT, Running, chat_body, event, stream_body};

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    let mut client = server.connect().await;
    gate.backend.answers(r#"{"n":1}"#, None);
    gate.backend.answers(r#"{"n":2}"#, None);
    let chat = gate.raw("POST", CHAT, &[], &chat_body().to_string());
    let broken = gate.raw("POST", CHAT, &[], "{");
    // All at once: answered in order.
    client
        .send(
            chat.clone()
                + &broken
                + &chat
                + &gate.raw("HEAD", "/health", &[], "")
                + &gate.raw("GET", "/health", &[], ""),
        )
        .await;
    assert_eq!(client.answer().await.expect(200).json()["n"], 1);
    client.answer().await.refused(400);
    assert_eq!(client.answer().await.expect(200).json()["n"], 2);
    client.head().await.expect(200);
    assert_eq!(client.answer().await.expect(200).json()["status"], "ok");
}

#[tokio::test]
async fn a_waiting_client_is_told_to_go_on_only_when_it_is_let_in() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    gate.backend.answers("{}", None);
    let body = chat_body().to_string();
    let length = format!("Content-Length: {}", body.len());
    let expect = "Expect: 100-continue";
    let mut client = server.connect().await;
    client
        .send(gate.raw("POST", CHAT, &[&length, expect], ""))
        .await;
    client.head().await.expect(100);
    client.send(&body).await;
    client.answer().await.expect(200);
    for (user, length, status) in [
        ("mg-wrong", "Content-Length: 9", 401),
        (gate.user.as_str(), "Content-Length: 99999999999", 413),
    ] {
        let mut client = server.connect().await;
        let head = gate
            .raw("POST", CHAT, &[length, expect], "")
            .replace(&gate.user, user);
        client.send(head).await;
        let answer = client.answer().await;
        answer.refused(status);
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.until_close().await, "");
    }
}

#[tokio::test]
async fn an_unread_body_never_becomes_the_next_request() {
    let server = Running::start(ServerConfig {
        max_body: 1024,
        ..ServerConfig::default()
    })
    .await;
    let gate = &server.gate;
    let bait = gate.raw("GET", "/v1/models", &["X-Bait: 1"], "").repeat(20);
    for (method, path, lines, status) in [
        ("POST", "/v1/none", &[][..], 404),
        ("POST", "/v1/models", &[], 405),
        ("POST", CHAT, &["Content-Type: text/plain"], 415),
        ("POST", CHAT, &["x-api-key: other"], 400),
        ("POST", CHAT, &[], 413),
    ] {
        let body = if status == 413 {
            bait.as_str()
        } else {
            &bait[..900]
        };
        let mut client = server.connect().await;
        client
            .try_send(
                gate.raw(method, path, lines, body)
                    + &gate.raw("GET", "/health", &["Connection: close"], ""),
            )
            .await;
        client.answer().await.refused(status);
        let rest = client.until_close().await;
        assert!(!rest.contains("\"object\":\"list\""), "{path}: {rest}");
    }
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_its_answer() {
    let server = Running::start(ServerConfig {
        max_body: 4096,
        ..ServerConfig::default()
    })
    .await;
    let gate = &server.gate;
    for framing in ["Content-Length: 3000000", "Transfer-Encoding: chunked"] {
        let mut client = server.connect().await;
        client.send(gate.raw("POST", CHAT, &[framing], "")).await;
        // More than any buffer on the way holds.
        for _ in 0..300 {
            let piece = "x".repeat(10_000);
            let piece = if framing.starts_with('T') {
                format!("2710\r\n{piece}\r\n")
            } else {
                piece
            };
            if !client.try_send(piece).await {
                break;
            }
        }
        let answer = client.answer().await;
        assert_eq!(answer.code(413), "request_too_large");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn broken_framing_gets_400_and_the_close() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    let chunked = "Transfer-Encoding: chunked";
    for (lines, body) in [
        (&[chunked][..], "zz\r\n{}\r\n0\r\n\r\n"),
        (&[chunked], "3\r\n{}\r\n0\r\n\r\n"),
        (&[chunked], "FFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"),
        (&["Content-Length: 2", "Content-Length: 3"], "{}"),
        (&["Content-Length: +2"], "{}"),
        (&["Transfer-Encoding: xchunked"], "2\r\n{}\r\n0\r\n\r\n"),
    ] {
        let mut client = server.connect().await;
        client
            .send(gate.raw("POST", CHAT, lines, "") + body + &gate.raw("GET", "/health", &[], ""))
            .await;
        let said = client.until_close().await;
        assert!(
            said.starts_with("HTTP/1.1 400"),
            "{lines:?} {body:?}: {said}"
        );
        assert_eq!(
            said.matches("HTTP/1.1 ").count(),
            1,
            "{lines:?} {body:?}: {said}"
        );
    }
    assert!(gate.backend.calls().is_empty());
}

#[tokio::test]
async fn chunks_with_extensions_and_trailers_are_read() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    gate.backend.answers("{}", None);
    let body = chat_body().to_string();
    let mut client = server.connect().await;
    client
        .send(gate.raw("POST", CHAT, &["Transfer-Encoding: chunked"], ""))
        .await;
    for byte in body.bytes() {
        client
            .send(format!("1;a=\"b;c\"\r\n{}\r\n", char::from(byte)))
            .await;
    }
    client.send("0\r\nx-api-key: other\r\n\r\n").await;
    client.answer().await.expect(200);
    assert_eq!(gate.backend.calls()[0].body, body);
}

#[tokio::test]
async fn http_1_0_gets_its_stream_unchunked_until_the_close() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    gate.backend.streams([event("a"), event("b")]);
    let mut client = server.connect().await;
    client
        .send(
            gate.raw("POST", CHAT, &[], &stream_body().to_string())
                .replace("HTTP/1.1", "HTTP/1.0"),
        )
        .await;
    let head = client.head().await.expect(200);
    assert_eq!(
        (
            head.header("transfer-encoding"),
            head.header("content-length")
        ),
        (None, None)
    );
    let said = client.until_close().await;
    assert_eq!(
        said,
        "data: {\"text\":\"a\"}\n\ndata: {\"text\":\"b\"}\n\ndata: [DONE]\n\n"
    );
}

#[tokio::test]
async fn a_stream_that_fails_is_cut_with_its_connection_and_a_good_one_is_not() {
    let server = Running::start(ServerConfig::default()).await;
    let gate = &server.gate;
    gate.backend.streams([event("a")]);
    gate.backend.streams([
        event("a"),
        StreamStep::Fail(BackendError::new(BackendFault::Failed, "it broke")),
    ]);
    let mut client = server.connect().await;
    let chat = gate.raw("POST", CHAT, &[], &stream_body().to_string());
    client.send(&chat).await;
    client.wait_for("data: [DONE]\n\n\r\n0\r\n\r\n").await;
    client.send(&chat).await;
    client.head().await.expect(200);
    let said = client.until_close().await;
    assert!(
        said.contains("data: {\"error\":{") && !said.contains("[DONE]"),
        "{said}"
    );
    // Without the last chunk no client library puts the connection back into its pool, just to find it closed.
    assert!(
        said.ends_with("}\n\n\r\n"),
        "the event is whole and the body has no end: {said}"
    );
}
