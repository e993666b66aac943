//! The timers, each by its name.

use std::time::Duration;

use modelgate_adapters::backend::TransportConfig;
use modelgate_ports::driven::{BackendFault, Timer};
use tokio::net::TcpListener;

use crate::ask::{Ask, backend_with, delta, drain, impatient, shown};
use crate::upstream::{Act, Upstream, chunk, stream_head};

fn timed_out(timer: Timer) -> BackendFault {
    BackendFault::TimedOut(timer)
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_a_connection_that_does_not_stand() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let config = TransportConfig {
        connect: Duration::from_millis(300),
        ..TransportConfig::default()
    };
    let error = Ask::chat(&url)
        .send(&backend_with(config))
        .await
        .unwrap_err();
    assert_eq!(error.fault, timed_out(Timer::Connect));
    assert_eq!(
        error.message,
        "the model server could not be connected to within 300ms (connect)"
    );
}

#[tokio::test]
async fn case_59_a_server_that_never_answers_is_given_up() {
    let upstream = Upstream::answering(vec![Act::Hold]).await;
    let error = Ask::chat(&upstream.url())
        .send(&backend_with(impatient()))
        .await
        .unwrap_err();
    assert_eq!(error.fault, timed_out(Timer::Answer));
    upstream.closed_by_client(1).await;
    let error = Ask::stream(&upstream.url())
        .send(&backend_with(impatient()))
        .await
        .unwrap_err();
    assert_eq!(error.fault, timed_out(Timer::FirstEvent));
    upstream.closed_by_client(2).await;
}

#[tokio::test]
async fn comments_are_no_first_event() {
    let mut acts = vec![Act::Send(stream_head())];
    acts.extend((0..40).flat_map(|_| {
        [
            Act::Send(chunk(": wait\n\n")),
            Act::Wait(Duration::from_millis(50)),
        ]
    }));
    let upstream = Upstream::answering(acts).await;
    let error = Ask::stream(&upstream.url())
        .send(&backend_with(impatient()))
        .await
        .unwrap_err();
    assert_eq!(error.fault, timed_out(Timer::FirstEvent));
}

#[tokio::test]
async fn case_75_a_stream_that_falls_silent_is_given_up() {
    let upstream = Upstream::answering(vec![
        Act::Send([stream_head(), chunk(&delta("a"))].concat()),
        Act::Hold,
    ])
    .await;
    let mut stream = Ask::stream(&upstream.url())
        .open(&backend_with(impatient()))
        .await
        .unwrap();
    let (text, end) = drain(&mut *stream).await;
    let error = end.unwrap_err();
    assert_eq!((text, error.fault), (shown("a"), timed_out(Timer::Idle)));
    assert_eq!(
        error.message,
        "the model server was silent for 300ms (idle)"
    );
    upstream.closed_by_client(1).await;
}

#[tokio::test]
async fn a_stream_that_drips_forever_comes_to_an_end() {
    let mut acts = vec![Act::Send(stream_head())];
    acts.extend((0..200).flat_map(|_| {
        [
            Act::Send(chunk(&delta("a"))),
            Act::Wait(Duration::from_millis(20)),
        ]
    }));
    let upstream = Upstream::answering(acts).await;
    let config = TransportConfig {
        stream: Duration::from_millis(400),
        ..impatient()
    };
    let error = Ask::stream(&upstream.url())
        .send(&backend_with(config))
        .await
        .unwrap_err();
    assert_eq!(error.fault, timed_out(Timer::Stream));
}

#[tokio::test]
async fn s15_a_flood_of_interim_answers_does_not_stop_the_timer() {
    let flood = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    let mut acts = vec![Act::Send(flood); 2000];
    acts.push(Act::Hold);
    let upstream = Upstream::answering(acts).await;
    let error = Ask::chat(&upstream.url())
        .send(&backend_with(impatient()))
        .await
        .unwrap_err();
    assert_eq!(error.fault, timed_out(Timer::Answer));
}
