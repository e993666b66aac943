//! Answers in one piece.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use modelgate_ports::driven::{BackendError, BackendFault};

use crate::ask::{Ask, backend};
use crate::upstream::{Act, Upstream, answer, chunk, json};

async fn ask(acts: Vec<Act>) -> Result<String, BackendError> {
    let upstream = Upstream::answering(acts).await;
    Ask::chat(&upstream.url()).send(&backend()).await
}

fn send(bytes: impl Into<Vec<u8>>) -> Act {
    Act::Send(bytes.into())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn case_44_a_compressed_answer_is_decoded() {
    let document = format!(
        "{{\"model\":\"org/real\",\"x\":\"{}\"}}",
        "abc ".repeat(10_000)
    );
    for coding in ["gzip", "x-gzip", "GZIP"] {
        let headers = format!("content-type: application/json\r\ncontent-encoding: {coding}\r\n");
        let reply = ask(vec![send(answer(
            "200 OK",
            &headers,
            &gzip(document.as_bytes()),
        ))])
        .await;
        assert_eq!(reply.unwrap(), document.replace("org/real", "fast"));
    }
}

#[tokio::test]
async fn s15_bombs_and_unknown_codings_are_errors() {
    let check = async |coding: &str, body: &[u8]| {
        let error = ask(vec![send(answer(
            "200 OK",
            &format!("content-encoding: {coding}\r\n"),
            body,
        ))])
        .await;
        let error = error.unwrap_err();
        assert_eq!(
            (error.fault, error.message.as_str()),
            (
                BackendFault::Failed,
                "the model server's answer cannot be decoded"
            )
        );
    };
    check("gzip", &gzip(&vec![b' '; 30_000_000])).await;
    check("gzip", b"{}").await;
    check("gzip", &gzip(b"{}")[..12]).await;
    check("br", b"{}").await;
    check("gzip, gzip", b"{}").await;
}

#[tokio::test]
async fn s15_an_endless_answer_is_cut_at_its_cap() {
    let mut acts = vec![send(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
    )];
    acts.extend(vec![send(chunk(&" ".repeat(1 << 20))); 40]);
    acts.push(Act::Hold);
    let error = ask(acts).await.unwrap_err();
    assert_eq!(error.message, "the model server's answer is too large");
}

#[tokio::test]
async fn case_53_answers_that_are_cut_or_no_json_are_errors() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for bytes in [
        format!("{head}content-length: 100\r\n\r\n{{\"choices\":[]}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
        format!("{head}\r\n{{\"choices\":["),
        format!("{head}content-length: 0\r\n\r\n"),
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"
            .to_owned(),
        "no HTTP at all\r\n\r\n".to_owned(),
    ] {
        let error = ask(vec![send(bytes.clone()), Act::Close])
            .await
            .unwrap_err();
        assert_eq!(error.fault, BackendFault::Failed, "{bytes}");
        assert!(error.source.is_some());
    }
}

#[tokio::test]
async fn case_54_errors_keep_their_status_and_lose_their_shape() {
    let html = answer(
        "502 Bad Gateway",
        "content-type: text/html\r\n",
        b"<html>nginx</html>",
    );
    let error = ask(vec![send(html)]).await.unwrap_err();
    assert_eq!(
        (error.fault, error.message.as_str()),
        (BackendFault::Failed, "the model server failed (status 502)")
    );
    let refused = json(
        "422 Unprocessable",
        "{\"detail\":[{\"loc\":[\"body\",\"n\"],\"msg\":\"too large\"}]}",
    );
    let error = ask(vec![send(refused)]).await.unwrap_err();
    assert_eq!(
        error.fault,
        BackendFault::Request {
            status: 422,
            sent: true
        }
    );
    assert_eq!(
        (error.message.as_str(), error.param.as_deref()),
        ("n: too large", Some("n"))
    );
    let compressed = answer(
        "400 Bad Request",
        "content-encoding: gzip\r\n",
        &gzip(b"{\"error\":\"no\"}"),
    );
    assert_eq!(ask(vec![send(compressed)]).await.unwrap_err().message, "no");
}

#[tokio::test]
async fn case_56_the_time_to_wait_is_told() {
    let busy = answer(
        "429 Too Many",
        "retry-after: 7\r\n",
        b"{\"error\":{\"message\":\"slow down\"}}",
    );
    let error = ask(vec![send(busy)]).await.unwrap_err();
    assert_eq!(
        (error.fault, error.retry_after.map(|wait| wait.as_secs())),
        (BackendFault::Limited, Some(7))
    );
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let interim =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n".to_vec();
    let reply = ask(vec![send([interim, json("200 OK", "{\"a\":1}")].concat())]).await;
    assert_eq!(reply.unwrap(), "{\"a\":1}");
}

#[tokio::test]
async fn an_answer_without_length_ends_with_its_connection() {
    let bytes = b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1}".to_vec();
    assert_eq!(
        ask(vec![send(bytes), Act::Close]).await.unwrap(),
        "{\"a\":1}"
    );
}
