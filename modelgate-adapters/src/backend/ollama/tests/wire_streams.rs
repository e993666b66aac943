//! Streams over a real socket: how they begin, end and break, and who is closed when.

use modelgate_domain::Endpoint;
use modelgate_ports::driven::{Backend, BackendFault};

use super::fake::{Fake, Play};
use super::json;
use super::recorded::PLAIN;
use super::wire::{CHAT, STREAM, asked, failure, next, plain_backend, stream};

#[tokio::test]
async fn case_63_a_stream_comes_line_by_line_and_its_connection_is_used_again() {
    let lines = PLAIN.lines().map(|line| format!("{line}\n")).collect();
    let fake = Fake::plays(Play::Stream(lines)).await;
    let (backend, asked) = (plain_backend(), asked(&fake, Endpoint::Chat, STREAM));
    for _ in 0..2 {
        let mut stream = stream(backend.send(asked.call()).await.unwrap());
        let mut events = String::new();
        while let Some(frame) = next(&mut *stream).await.unwrap() {
            events.push_str(&frame);
        }
        assert_eq!(events.matches("data: ").count(), 4);
        assert!(
            events.ends_with("\"finish_reason\":\"stop\"}]}\n\n"),
            "{events}"
        );
    }
    let seen = fake.seen();
    assert_eq!((seen[0].connection, seen[1].connection), (0, 0));
    assert_eq!(seen[0].header("accept"), Some("application/x-ndjson"));
    assert_eq!(json(&seen[0].body)["stream"], json("true"));
}

#[tokio::test]
async fn a_server_that_never_ends_its_answer_does_not_keep_the_client() {
    let mut fake = Fake::plays(Play::Open(vec![PLAIN.into()])).await;
    let mut stream = stream(
        plain_backend()
            .send(asked(&fake, Endpoint::Chat, STREAM).call())
            .await
            .unwrap(),
    );
    assert!(
        next(&mut *stream)
            .await
            .unwrap()
            .is_some_and(|frame| frame.contains("\"stop\""))
    );
    assert_eq!(next(&mut *stream).await.unwrap(), None);
    drop(stream);
    fake.closed(1).await;
}

#[tokio::test]
async fn case_77_a_dropped_stream_closes_its_connection() {
    let first = PLAIN.lines().next().unwrap();
    let mut fake = Fake::plays(Play::Open(vec![format!("{first}\n")])).await;
    let stream = stream(
        plain_backend()
            .send(asked(&fake, Endpoint::Chat, STREAM).call())
            .await
            .unwrap(),
    );
    drop(stream);
    tokio::time::timeout(std::time::Duration::from_secs(1), fake.closed(1))
        .await
        .expect("closed within a second");
}

#[tokio::test]
async fn case_79_a_stream_that_is_cut_off_fails() {
    let first = format!("{}\n", PLAIN.lines().next().unwrap());
    for play in [
        Play::Cut(vec![first.clone()]),
        Play::Stream(vec![first.clone()]),
        Play::Stream(vec![first, "{\"error\":\"gone\"}\n".into()]),
    ] {
        let fake = Fake::plays(play).await;
        let mut stream = stream(
            plain_backend()
                .send(asked(&fake, Endpoint::Chat, STREAM).call())
                .await
                .unwrap(),
        );
        let mut events = String::new();
        let error = loop {
            match next(&mut *stream).await {
                Ok(Some(frame)) => events.push_str(&frame),
                Ok(None) => panic!("it seems complete"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.fault, BackendFault::Failed);
        assert!(
            events.contains("\"He\"") && !events.contains("finish_reason\":\""),
            "{events}"
        );
    }
}

#[tokio::test]
async fn case_74_an_error_before_the_first_event_keeps_its_status() {
    let missing = r#"{"error":"model \"org/real\" not found, try pulling it first"}"#;
    for body in [CHAT, STREAM] {
        let error = failure(Play::Whole(404, missing.into()), body).await;
        assert_eq!(
            (error.status(), error.code.as_deref()),
            (404, Some("model_not_found"))
        );
        assert!(
            error.message.contains("fast") && !error.message.contains("org/real"),
            "{}",
            error.message
        );
        let error = failure(
            Play::Whole(
                400,
                r#"{"error":"input length exceeds the context length"}"#.into(),
            ),
            body,
        )
        .await;
        assert_eq!(
            (error.status(), error.code.as_deref()),
            (400, Some("context_length_exceeded"))
        );
        assert_eq!(
            failure(
                Play::Whole(401, r#"{"error":"unauthorized","signin_url":"x"}"#.into()),
                body
            )
            .await
            .fault,
            BackendFault::Credential
        );
        assert_eq!(
            failure(Play::Whole(403, String::new()), body).await.fault,
            BackendFault::Credential
        );
        assert_eq!(
            failure(Play::Whole(429, String::new()), body).await.fault,
            BackendFault::Limited
        );
        assert_eq!(
            failure(
                Play::Whole(500, r#"{"error":"out of memory"}"#.into()),
                body
            )
            .await
            .fault,
            BackendFault::Failed
        );
        let error = failure(Play::Whole(503, r#"{"error":"server busy"}"#.into()), body).await;
        assert_eq!(
            (error.fault, error.retry_after.map(|wait| wait.as_secs())),
            (BackendFault::Unavailable, Some(7))
        );
    }
    for lines in [
        vec!["{\"error\":\"the runner has stopped\"}\n".to_owned()],
        vec!["\n".into(), "\n".into()],
        vec!["<html>\n".into()],
        vec![],
    ] {
        assert_eq!(
            failure(Play::Stream(lines), STREAM).await.fault,
            BackendFault::Failed
        );
    }
}

#[tokio::test]
async fn a_streamed_completion_begins_with_its_echo() {
    let fake = Fake::plays(Play::Stream(vec![
        "{\"response\":\"!\",\"done\":true}\n".into(),
    ]))
    .await;
    let asked = asked(
        &fake,
        Endpoint::Completions,
        r#"{"model":"fast","prompt":["hi"],"echo":true,"stream":true}"#,
    );
    let mut stream = stream(plain_backend().send(asked.call()).await.unwrap());
    let events = next(&mut *stream).await.unwrap().unwrap();
    let texts: Vec<_> = events
        .split_terminator("\n\n")
        .map(|event| {
            json(&event[6..])["choices"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(texts, ["hi", "!", ""]);
}
