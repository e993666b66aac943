//! Streamed answers.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use modelgate_ports::driven::{BackendError, BackendFault};
use tokio::sync::Notify;

use crate::ask::{Ask, DONE, backend, delta, drain, next, shown};
use crate::upstream::{Act, Upstream, answer, chunk, json, last_chunk, stream_head};

async fn ask(acts: Vec<Act>) -> Result<String, BackendError> {
    let upstream = Upstream::answering(acts).await;
    Ask::stream(&upstream.url()).send(&backend()).await
}

fn stream(parts: &[&str]) -> Act {
    let chunks: Vec<_> = parts.iter().flat_map(|part| chunk(part)).collect();
    Act::Send([stream_head(), chunks].concat())
}

#[tokio::test]
async fn case_63_each_event_is_passed_on_when_it_comes() {
    let seen = Arc::new(Notify::new());
    let acts = vec![
        stream(&[&delta("a")]),
        Act::Await(Arc::clone(&seen)),
        Act::Send(chunk(&delta("b"))),
        Act::Await(Arc::clone(&seen)),
        Act::Send([chunk(DONE), last_chunk()].concat()),
    ];
    let upstream = Upstream::answering(acts).await;
    let mut stream = Ask::stream(&upstream.url()).open(&backend()).await.unwrap();
    for word in ["a", "b"] {
        assert_eq!(next(&mut *stream).await.unwrap(), Some(shown(word)));
        seen.notify_one();
    }
    assert_eq!(next(&mut *stream).await.unwrap(), None);
}

#[tokio::test]
async fn case_72_a_stream_that_breaks_off_ends_with_an_error() {
    for end in [Act::Close, Act::Reset] {
        let upstream = Upstream::answering(vec![
            stream(&[&delta("a")]),
            Act::Wait(Duration::from_millis(50)),
            end,
        ])
        .await;
        let mut stream = Ask::stream(&upstream.url()).open(&backend()).await.unwrap();
        let (text, end) = drain(&mut *stream).await;
        let error = end.unwrap_err();
        assert_eq!((text, error.fault), (shown("a"), BackendFault::Failed));
        assert_eq!(
            error.message,
            "the connection to the model server broke off"
        );
    }
}

#[tokio::test]
async fn case_71_a_clean_end_counts_only_after_the_finish() {
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let ended = |parts: &[&str]| {
        let Act::Send(bytes) = stream(parts) else {
            unreachable!()
        };
        vec![Act::Send([bytes, last_chunk()].concat())]
    };
    assert_eq!(
        ask(ended(&[&delta("a"), finish])).await.unwrap(),
        shown("a") + finish
    );
    let error = ask(ended(&[&delta("a")])).await.unwrap_err();
    assert_eq!(error.message, "the model server's answer ended early");
}

#[tokio::test]
async fn case_74_an_error_before_the_first_event_has_its_own_status() {
    let check = async |acts: Vec<Act>, fault: BackendFault, message: &str| {
        let upstream = Upstream::answering(acts).await;
        let opened = Ask::stream(&upstream.url()).open(&backend()).await;
        let error = opened.err().unwrap();
        assert_eq!((error.fault, error.message.as_str()), (fault, message));
    };
    let request = BackendFault::Request {
        status: 400,
        sent: true,
    };
    check(
        vec![Act::Send(json(
            "400 Bad Request",
            "{\"error\":{\"message\":\"no\"}}",
        ))],
        request,
        "no",
    )
    .await;
    check(
        vec![Act::Send(json(
            "200 OK",
            "{\"error\":{\"message\":\"no\",\"code\":400}}",
        ))],
        request,
        "no",
    )
    .await;
    let refused =
        "data: {\"error\":{\"message\":\"no\",\"type\":\"BadRequestError\",\"code\":400}}\n\n";
    check(
        vec![stream(&[": hello\n\n", refused, DONE]), Act::Hold],
        request,
        "no",
    )
    .await;
    check(
        vec![
            stream(&["event: error\ndata: {\"message\":\"no\"}\n\n"]),
            Act::Hold,
        ],
        BackendFault::Failed,
        "no",
    )
    .await;
    let empty = "the model server sent an empty stream";
    check(
        vec![stream(&[DONE]), Act::Hold],
        BackendFault::Failed,
        empty,
    )
    .await;
    let early = "the model server's answer ended early";
    check(
        vec![Act::Send([stream_head(), last_chunk()].concat())],
        BackendFault::Failed,
        early,
    )
    .await;
    let no_stream = "the model server did not answer with a stream";
    check(
        vec![Act::Send(json("200 OK", "{\"choices\":[]}"))],
        BackendFault::Failed,
        no_stream,
    )
    .await;
    let page = answer("200 OK", "content-type: text/html\r\n", b"<html></html>");
    check(
        vec![Act::Send(page)],
        BackendFault::Failed,
        "the model server's answer is no JSON object",
    )
    .await;
}

#[tokio::test]
async fn case_44_chunks_of_a_compressed_stream_are_not_delayed() {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let seen = Arc::new(Notify::new());
    let mut acts = vec![Act::Send(head.to_vec())];
    for word in ["a", "b", "c"] {
        encoder.write_all(delta(word).as_bytes()).unwrap();
        encoder.flush().unwrap();
        acts.push(Act::Send(std::mem::take(encoder.get_mut())));
        acts.push(Act::Await(Arc::clone(&seen)));
    }
    encoder.write_all(DONE.as_bytes()).unwrap();
    acts.push(Act::Send(encoder.finish().unwrap()));
    acts.push(Act::Close);
    let upstream = Upstream::answering(acts).await;
    let mut stream = Ask::stream(&upstream.url()).open(&backend()).await.unwrap();
    for word in ["a", "b", "c"] {
        assert_eq!(next(&mut *stream).await.unwrap(), Some(shown(word)));
        seen.notify_one();
    }
    assert_eq!(next(&mut *stream).await.unwrap(), None);
}

#[tokio::test]
async fn comments_and_bytes_in_any_pieces_make_no_difference() {
    let text = format!(
        ": PROCESSING\r\n\r\n{}{}: x\n\n{DONE}",
        delta("hé"),
        delta("b").replace('\n', "\r\n")
    );
    let parts: Vec<String> = text.chars().map(String::from).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let Act::Send(bytes) = stream(&parts) else {
        unreachable!()
    };
    let acts = vec![Act::Send([bytes, last_chunk()].concat())];
    assert_eq!(ask(acts).await.unwrap(), shown("hé") + &shown("b"));
}
