//! Reading bodies without a socket: sizes, pieces, types, codings, pauses.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use http_body::Frame;
use modelgate_http::{Inbound, RequestEncodings, ServerConfig};
use modelgate_ports::BoxError;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::fixture::{CHAT, Gate, call, chat_body};

/// A body that comes as the test sends it.
struct Dripping(mpsc::Receiver<Bytes>);

impl http_body::Body for Dripping {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(ready!(self.0.poll_recv(task)).map(|piece| Ok(Frame::data(piece))))
    }
}

fn request(gate: &Gate, body: impl Into<Inbound>) -> http::Request<Inbound> {
    call("POST", CHAT, &gate.user, "{}").map(|_| body.into())
}

fn sized(length: usize) -> Bytes {
    let body = chat_body().to_string();
    let padding = " ".repeat(length - body.len());
    (body + &padding).into()
}

async fn small() -> Gate {
    Gate::with(ServerConfig {
        max_body: 4096,
        ..ServerConfig::default()
    })
    .await
}

#[tokio::test]
async fn the_limit_of_a_body_is_exact() {
    let gate = small().await;
    gate.backend.answers("{}", None);
    gate.send(request(&gate, sized(4096))).await.expect(200);
    assert_eq!(
        gate.send(request(&gate, sized(4097))).await.code(413),
        "request_too_large"
    );
    assert_eq!(gate.backend.calls().len(), 1);
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit() {
    let gate = small().await;
    let (tap, drips) = mpsc::channel(1);
    let feed = async {
        let mut taken = 0_u32;
        while tap.send(Bytes::from_static(&[b' '; 64])).await.is_ok() {
            taken += 64;
        }
        taken
    };
    let (answer, taken) = tokio::join!(
        gate.send(request(&gate, Inbound::new(Dripping(drips)))),
        feed
    );
    assert_eq!(answer.code(413), "request_too_large");
    assert!(taken < 4_096 + 256, "{taken}");
}

#[tokio::test]
async fn single_bytes_become_the_body_that_was_meant() {
    let gate = Gate::new().await;
    gate.backend.answers("{}", None);
    let body = sized(40_000);
    let (tap, drips) = mpsc::channel(64);
    let feed = async {
        for byte in body.clone() {
            tap.send(Bytes::copy_from_slice(&[byte]))
                .await
                .expect("taken");
        }
        drop(tap);
    };
    let (answer, ()) = tokio::join!(
        gate.send(request(&gate, Inbound::new(Dripping(drips)))),
        feed
    );
    answer.expect(200);
    assert_eq!(gate.backend.calls()[0].body, body);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_ten_seconds_ends_in_408() {
    let gate = Gate::new().await;
    let (tap, drips) = mpsc::channel(1);
    tap.send(Bytes::from_static(b"{")).await.expect("room");
    let mut sending = Box::pin(gate.send(request(&gate, Inbound::new(Dripping(drips)))));
    assert!(
        timeout(Duration::from_millis(9_990), &mut sending)
            .await
            .is_err()
    );
    let answer = timeout(Duration::from_millis(20), sending)
        .await
        .expect("the answer");
    assert_eq!(answer.code(408), "request_timeout");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn a_drip_below_the_pace_ends_in_408() {
    let gate = Gate::new().await;
    let (tap, drips) = mpsc::channel(1);
    let feed = async {
        let mut count = 0;
        while tap.send(Bytes::from_static(b" ")).await.is_ok() {
            count += 1;
            sleep(Duration::from_secs(1)).await;
        }
        count
    };
    let (answer, count) = tokio::join!(
        gate.send(request(&gate, Inbound::new(Dripping(drips)))),
        feed
    );
    assert_eq!(answer.code(408), "request_timeout");
    assert!((10..14).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn empty_pieces_do_not_count_as_progress() {
    let gate = Gate::new().await;
    let (tap, drips) = mpsc::channel(1);
    let feed = async {
        while tap.send(Bytes::new()).await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    let (answer, ()) = tokio::join!(
        gate.send(request(&gate, Inbound::new(Dripping(drips)))),
        feed
    );
    assert_eq!(answer.code(408), "request_timeout");
}

#[tokio::test]
async fn other_content_types_get_415() {
    let gate = Gate::new().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
    ] {
        for (path, key) in [(CHAT, &gate.user), ("/admin/keys", &gate.admin)] {
            let mut request = call("POST", path, key, "{}");
            request
                .headers_mut()
                .insert("content-type", HeaderValue::from_static(kind));
            assert_eq!(
                gate.send(request).await.code(415),
                "unsupported_content_type",
                "{path} {kind}"
            );
        }
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory").into()
}

fn coded(gate: &Gate, coding: &'static str, body: Bytes) -> http::Request<Inbound> {
    let mut request = request(gate, body);
    request
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static(coding));
    request
}

#[tokio::test]
async fn compressed_bodies_are_taken_only_when_that_is_switched_on() {
    let body = chat_body().to_string();
    let off = Gate::new().await;
    assert_eq!(
        off.send(coded(&off, "gzip", gzip(body.as_bytes())))
            .await
            .code(415),
        "unsupported_content_encoding"
    );
    let encodings = RequestEncodings {
        gzip: true,
        zstd: true,
    };
    let on = Gate::with(ServerConfig {
        request_encodings: encodings,
        ..ServerConfig::default()
    })
    .await;
    on.backend.answers("{}", None);
    on.send(coded(&on, "gzip", gzip(body.as_bytes())))
        .await
        .expect(200);
    on.backend.answers("{}", None);
    let packed = zstd::bulk::compress(body.as_bytes(), 3).expect("memory");
    on.send(coded(&on, "zstd", packed.into())).await.expect(200);
    assert!(on.backend.calls().iter().all(|call| call.body == body));
    let bomb = gzip(&vec![b' '; 4 << 20]);
    assert_eq!(
        on.send(coded(&on, "gzip", bomb)).await.code(413),
        "request_too_large"
    );
    assert_eq!(
        on.send(coded(&on, "gzip", body.into())).await.code(400),
        "broken_body"
    );
    assert_eq!(on.backend.calls().len(), 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_gets_400() {
    struct Broken;
    impl http_body::Body for Broken {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(Some(Err("cut".into())))
        }
    }
    let gate = Gate::new().await;
    assert_eq!(
        gate.send(request(&gate, Inbound::new(Broken)))
            .await
            .code(400),
        "broken_body"
    );
    assert!(gate.backend.calls().is_empty());
}
