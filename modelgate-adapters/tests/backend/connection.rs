//! Connections: when they are used again, when they are not, and what happens when they break.

use std::time::Duration;

use modelgate_adapters::backend::TransportConfig;
use modelgate_ports::driven::BackendFault;
use tokio::time::timeout;

use crate::ask::{Ask, DONE, backend, backend_with, delta, drain, shown};
use crate::upstream::{Act, Upstream, answer, chunk, json, last_chunk, stream_head};

fn ok() -> Vec<Act> {
    vec![Act::Send(json("200 OK", "{\"choices\":[]}"))]
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let upstream = Upstream::start(vec![ok()]).await;
    let backend = backend();
    for _ in 0..3 {
        Ask::chat(&upstream.url()).send(&backend).await.unwrap();
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (3, 1));
}

#[tokio::test]
async fn a_stream_that_came_to_its_end_leaves_its_connection_behind() {
    let stream = [stream_head(), chunk(&delta("a")), chunk(DONE), last_chunk()].concat();
    let upstream = Upstream::start(vec![vec![Act::Send(stream)]]).await;
    let backend = backend();
    for _ in 0..3 {
        assert_eq!(
            Ask::stream(&upstream.url()).send(&backend).await.unwrap(),
            shown("a")
        );
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (3, 1));
}

#[tokio::test]
async fn s29_connections_carry_one_credential_each() {
    let upstream = Upstream::start(vec![ok()]).await;
    let backend = backend();
    for credential in ["sk-one", "sk-two", "sk-one", "sk-two"] {
        Ask::chat(&upstream.url())
            .with_credential(credential)
            .send(&backend)
            .await
            .unwrap();
    }
    Ask::chat(&upstream.url()).send(&backend).await.unwrap();
    let of = |seen: &crate::upstream::Seen| {
        (
            seen.connection,
            seen.header("authorization").map(str::to_owned),
        )
    };
    let seen: Vec<_> = upstream.seen().iter().map(of).collect();
    let [one, two] = ["Bearer sk-one", "Bearer sk-two"].map(|text| Some(text.to_owned()));
    assert_eq!(
        seen,
        [
            (0, one.clone()),
            (1, two.clone()),
            (0, one),
            (1, two),
            (2, None)
        ]
    );
}

#[tokio::test]
async fn case_58_a_stale_connection_costs_one_more_attempt() {
    for end in [Act::Close, Act::Reset] {
        let upstream = Upstream::start(vec![ok(), vec![end], ok()]).await;
        let backend = backend();
        let ask = Ask::chat(&upstream.url());
        ask.send(&backend).await.unwrap();
        assert_eq!(ask.send(&backend).await.unwrap(), "{\"choices\":[]}");
        let connections: Vec<_> = upstream.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 0, 1]);
        let bodies: Vec<_> = upstream.seen().into_iter().map(|seen| seen.body).collect();
        assert_eq!(bodies[1], bodies[2]);
    }
}

#[tokio::test]
async fn case_58_the_second_attempt_is_the_last() {
    let upstream = Upstream::start(vec![ok(), vec![Act::Close]]).await;
    let backend = backend();
    let ask = Ask::chat(&upstream.url());
    ask.send(&backend).await.unwrap();
    let error = ask.send(&backend).await.unwrap_err();
    assert_eq!(
        (error.fault, upstream.seen().len()),
        (BackendFault::Failed, 3)
    );
}

#[tokio::test]
async fn case_58_nothing_is_sent_again_once_a_byte_came() {
    let some = vec![Act::Send(b"HTTP/1.1 2".to_vec()), Act::Close];
    let upstream = Upstream::start(vec![ok(), some, ok()]).await;
    let backend = backend();
    let ask = Ask::chat(&upstream.url());
    ask.send(&backend).await.unwrap();
    let error = ask.send(&backend).await.unwrap_err();
    assert_eq!(
        (error.fault, upstream.seen().len()),
        (BackendFault::Failed, 2)
    );
}

#[tokio::test]
async fn case_57_a_new_connection_that_breaks_is_for_the_next_target() {
    for end in [Act::Close, Act::Reset] {
        let upstream = Upstream::start(vec![vec![end]]).await;
        for ask in [Ask::chat(&upstream.url()), Ask::stream(&upstream.url())] {
            let error = ask.send(&backend()).await.unwrap_err();
            assert_eq!(
                error.message,
                "the model server closed the connection before it answered"
            );
            assert!(error.may_try_next());
            assert_eq!(error.fault, BackendFault::Failed);
        }
        assert_eq!(upstream.seen().len(), 2);
    }
}

#[tokio::test]
async fn case_57_a_server_that_is_not_there_was_sent_nothing() {
    let upstream = Upstream::start(vec![ok()]).await;
    let url = upstream.url();
    drop(upstream);
    for url in [url.as_str(), "http://no-such-host.invalid:80"] {
        let error = Ask::chat(url).send(&backend()).await.unwrap_err();
        assert_eq!(error.fault, BackendFault::Unreachable);
        assert_eq!(error.message, "the model server cannot be reached");
        assert!(error.source.is_some());
    }
}

#[tokio::test]
async fn s10_addresses_are_judged_when_names_are_resolved() {
    let upstream = Upstream::start(vec![ok()]).await;
    let strict = || {
        backend_with(TransportConfig {
            deny_private: true,
            ..TransportConfig::default()
        })
    };
    let port = upstream.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
    ] {
        let error = Ask::chat(&format!("http://{host}:{port}"))
            .send(&strict())
            .await
            .unwrap_err();
        assert_eq!(
            (error.fault, upstream.connections()),
            (BackendFault::Unreachable, 0),
            "{host}"
        );
    }
    // 169.254.169.254, written so that only a resolver can tell.
    let error = Ask::chat("http://2852039166")
        .send(&backend())
        .await
        .unwrap_err();
    assert_eq!(error.message, "the model server's address is not allowed");
    Ask::chat(&format!("http://127.0.0.1:{port}"))
        .send(&backend())
        .await
        .unwrap();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Upstream::start(vec![ok()]).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("location: {}/v1/chat/completions\r\n", other.url());
        let upstream = Upstream::answering(vec![Act::Send(answer(status, &location, b""))]).await;
        let error = Ask::chat(&upstream.url())
            .send(&backend())
            .await
            .unwrap_err();
        assert_eq!(error.fault, BackendFault::Failed);
        assert_eq!(upstream.seen().len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn case_77_a_client_that_goes_away_closes_the_connection() {
    let stream = vec![
        Act::Send([stream_head(), chunk(&delta("a"))].concat()),
        Act::Hold,
    ];
    let upstream = Upstream::start(vec![stream, vec![Act::Hold]]).await;
    let backend = backend();
    let stream = Ask::stream(&upstream.url()).open(&backend).await.unwrap();
    drop(stream);
    upstream.closed_by_client(1).await;
    for ask in [Ask::chat(&upstream.url()), Ask::stream(&upstream.url())] {
        let count = upstream.seen().len();
        let sent = timeout(Duration::from_secs(60), ask.send(&backend));
        tokio::select! {
            _ = sent => panic!("nobody answers"),
            () = upstream.saw(count + 1) => {}
        }
        upstream.closed_by_client(count + 1).await;
    }
}

#[tokio::test]
async fn after_an_error_in_the_stream_the_connection_is_closed() {
    let failing = [
        stream_head(),
        chunk(&delta("a")),
        chunk("data: {\"error\":\"boom\"}\n\n"),
    ]
    .concat();
    let upstream = Upstream::answering(vec![Act::Send(failing), Act::Hold]).await;
    let mut stream = Ask::stream(&upstream.url()).open(&backend()).await.unwrap();
    let (text, end) = drain(&mut *stream).await;
    assert_eq!(
        (text, end.unwrap_err().message.as_str()),
        (shown("a"), "boom")
    );
    upstream.closed_by_client(1).await;
    assert!(drain(&mut *stream).await.0.is_empty());
}
