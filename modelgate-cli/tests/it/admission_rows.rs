//! Usage rows: one for every admitted request, whatever became of it, and none for the others.

use serde_json::{Value, json};

use crate::gate::{ADMIN_KEY, Key, TestGate, chat_body};
use crate::samples::{KINDS, post_routes};
use crate::upstream::{self, Latch, Script, openai_chunk, openai_stream, sse, usage};

const FIELDS: [&str; 23] = [
    "id",
    "at",
    "key_id",
    "key_name",
    "model",
    "target",
    "backend",
    "status",
    "error_code",
    "error_message",
    "stream",
    "attempts",
    "attempt_detail",
    "state",
    "source",
    "client_ip",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "total_tokens",
    "first_token_ms",
    "duration_ms",
];

async fn row_of(gate: &TestGate, key: &Key, script: Script, stream: bool) -> Value {
    gate.upstream.answers(script);
    let mut body = chat_body("m", "hi");
    body["stream"] = stream.into();
    let mut answer = gate.chat_call(key, &body).stream().await;
    let id = answer.header("x-request-id").expect("an id").to_owned();
    if answer.status == 200 && stream {
        answer.collect().await;
    } else {
        answer.into_answer().await;
    }
    gate.row_of(&id).await
}

#[tokio::test]
async fn a_good_request_has_a_whole_row_for_every_kind_and_route() {
    let gate = TestGate::start().await;
    let key = gate.with_all_kinds().await;
    for kind in KINDS {
        for (path, body) in post_routes(kind) {
            let answer = gate
                .post(path)
                .bearer(&key)
                .json(&body)
                .send()
                .await
                .expect_status(200);
            let row = gate.row_of(answer.request_id()).await;
            let fields: Vec<&str> = row
                .as_object()
                .expect("a row")
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(fields, FIELDS, "{row}");
            assert_eq!(
                (&row["key_id"], &row["key_name"]),
                (&json!(key.id), &json!("key for all kinds"))
            );
            assert_eq!(
                (&row["model"], &row["backend"], &row["status"]),
                (&json!(kind), &json!(kind), &json!(200))
            );
            assert_eq!(
                (&row["state"], &row["stream"], &row["attempts"]),
                (&json!("settled"), &json!(false), &json!(1))
            );
            assert_eq!(
                (&row["error_code"], &row["client_ip"]),
                (&Value::Null, &json!("127.0.0.1"))
            );
            assert!(
                row["at"].as_str().is_some_and(|at| at.ends_with('Z')),
                "{row}"
            );
            assert!(row["duration_ms"].is_u64(), "{row}");
            if kind != "echo" {
                let output = u64::from(path != "/v1/embeddings") * 2;
                assert_eq!(
                    (&row["prompt_tokens"], &row["completion_tokens"]),
                    (&json!(5), &json!(output)),
                    "{path} {row}"
                );
                assert_eq!(row["source"], "upstream", "{row}");
            }
        }
    }
}

#[tokio::test]
async fn details_of_usage_are_kept() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "openai").await;
    let mut told = usage(100, 50);
    told["prompt_tokens_details"] = json!({"cached_tokens": 64});
    told["completion_tokens_details"] = json!({"reasoning_tokens": 30});
    for (script, stream) in [
        (upstream::openai_chat("hello", told.clone()), false),
        (openai_stream(&["hello"], told.clone()), true),
    ] {
        let row = row_of(&gate, &key, script, stream).await;
        let counts = [
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "reasoning_tokens",
            "total_tokens",
        ]
        .map(|name| row[name].as_u64());
        assert_eq!(counts, [100, 64, 50, 30, 150].map(Some), "{row}");
        assert_eq!(row["stream"], stream);
    }
}

#[tokio::test]
async fn failed_requests_leave_rows_that_say_why() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let first = openai_chunk(&json!({"role": "assistant", "content": "hel"}), None);
    let died = r#"{"error":{"message":"engine died"}}"#;
    let table = [
        (
            upstream::json(500, r#"{"error":{"message":"out of memory"}}"#),
            false,
            "upstream_error",
        ),
        (
            upstream::json(401, r#"{"error":"Unauthorized"}"#),
            false,
            "upstream_auth_error",
        ),
        (Script::hang_up(), false, "upstream_error"),
        (upstream::json(200, "not json"), false, "upstream_error"),
        (sse(&[died]), true, "upstream_error"),
        (sse(&[first.as_str(), died]), true, "upstream_error"),
        (sse(&[first.as_str()]), true, "upstream_error"),
    ];
    for (script, stream, code) in table {
        let shown = format!("{script:?}");
        let row = row_of(&gate, &key, script, stream).await;
        let status = row["status"].as_u64();
        let is_fault = matches!(status, Some(500 | 502));
        assert!(is_fault || (stream && status == Some(200)), "{shown} {row}");
        assert_eq!(
            (&row["error_code"], &row["state"]),
            (&json!(code), &json!("settled")),
            "{shown} {row}"
        );
        assert!(
            row["error_message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{row}"
        );
    }
    let refused = gate.rows().await.len();
    assert_eq!(refused, 7);
}

#[tokio::test]
async fn a_target_that_was_never_reached_charges_nothing() {
    let gate = TestGate::start().await;
    let closed = upstream::closed_port().await;
    gate.add_model(
        json!({"name": "m", "backend_type": "vllm", "base_url": format!("http://{closed}")}),
    )
    .await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": 1_000, "rate_limit": null}))
        .await;
    let answer = gate.chat(&key, "hi").await;
    answer.refused(502, "upstream_error");
    let row = gate.row_of(answer.request_id()).await;
    assert_eq!(
        (&row["state"], &row["total_tokens"]),
        (&json!("void"), &json!(0)),
        "{row}"
    );
    let shown = gate.admin(&format!("/admin/keys/{}", key.id)).await;
    assert_eq!(
        (&shown["quota_used"], &shown["quota_reserved"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn an_aborted_request_leaves_a_row_of_499() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "vllm").await;
    let latch = Latch::new();
    let scripts = [
        Script::stall(),
        openai_stream(&["hel", "lo"], usage(5, 2)).hold_after(2, &latch),
    ];
    for (number, (script, reads)) in scripts.into_iter().zip([0, 2]).enumerate() {
        gate.upstream.answers(script);
        let mut body = chat_body("m", "hi");
        body["stream"] = true.into();
        if reads == 0 {
            let call = gate.chat_call(&key, &body).stream();
            let gone = tokio::time::timeout(std::time::Duration::from_millis(300), call).await;
            assert!(gone.is_err(), "the backend says nothing");
        } else {
            let mut stream = gate.chat_call(&key, &body).stream().await;
            for _ in 0..reads {
                stream.next().await.expect("an event");
            }
        }
        let calls = gate.upstream.wait_for_calls(number + 1).await;
        gate.upstream.wait_closed(calls[number].connection).await;
        let rows = gate.rows().await;
        assert_eq!(rows.len(), number + 1);
        let row = &rows[number];
        assert_eq!(
            (&row["status"], &row["source"]),
            (&json!(499), &json!("estimated")),
            "{row}"
        );
        assert!(row["prompt_tokens"].as_u64() > Some(0), "{row}");
    }
}

#[tokio::test]
async fn refused_requests_leave_no_row() {
    let gate = TestGate::start().await;
    gate.with_model("m", "vllm").await;
    let key = gate
        .issue_key(json!({"name": "k", "quota": 10, "rate_limit": 1}))
        .await;
    let call = gate.post("/v1/chat/completions").bearer(&key);
    call.json_text("{").send().await.refused_with(400);
    gate.chat_call(&key, &chat_body("unknown", "hi"))
        .send()
        .await
        .refused_with(404);
    gate.chat(&key, &"x".repeat(1_000))
        .await
        .refused(429, "insufficient_quota");
    gate.chat_call(&key, &chat_body("m", "hi"))
        .bearer("mg-wrong")
        .send()
        .await
        .refused_with(400);
    gate.post("/v1/chat/completions")
        .json(&chat_body("m", "hi"))
        .send()
        .await
        .refused(401, None);
    assert_eq!(gate.rows().await, [] as [Value; 0]);
}

#[tokio::test]
async fn rows_are_paged_from_the_newest() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let other = gate.free_key("other").await;
    let mut ids = Vec::new();
    for number in 0..7 {
        let key = if number % 3 == 0 { &other } else { &key };
        let answer = gate.chat(key, "hi").await.expect_status(200);
        ids.insert(0, answer.request_id().to_owned());
    }
    gate.rows().await;
    let page = async |query: &str| {
        let page = gate.admin(&format!("/admin/requests?{query}")).await;
        let rows = page["data"].as_array().expect("data").clone();
        let ids = rows
            .iter()
            .map(|row| row["id"].as_str().expect("an id").to_owned());
        (
            ids.collect::<Vec<_>>(),
            page["next"].as_str().map(str::to_owned),
        )
    };
    let (first, next) = page("limit=3").await;
    assert_eq!(first, ids[..3]);
    let (second, _) = page(&format!("limit=3&before={}", next.expect("more"))).await;
    assert_eq!(second, ids[3..6]);
    let (all, next) = page("limit=100").await;
    assert_eq!((all, next), (ids, None));
    for query in [
        "limit=0",
        "limit=100000",
        "limit=x",
        "before=x",
        "unknown=1",
    ] {
        let call = gate
            .get(&format!("/admin/requests?{query}"))
            .bearer(ADMIN_KEY);
        let name = query.split('=').next().expect("a name");
        assert_eq!(
            call.send().await.refused_with(400).param.as_deref(),
            Some(name),
            "{query}"
        );
    }
}
