//! Promise R5: a client that leaves is charged for what it got, whenever it leaves, and the upstream is let go.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::content_of;
use crate::conformance_streams_dialects::{SCRIPTED, stream_body, stream_head, text_piece};
use crate::gate::TestGate;
use crate::upstream::{Recorded, Script, openai_chunk};
use crate::wait;

/// After how many chunks clients leave.
const LEAVE_AFTER: [usize; 10] = [1, 2, 3, 5, 10, 50, 100, 250, 499, 500];

/// Whether the upstream tells usage on each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Nothing,
    Usage,
}

/// As many chunks as the prompt says, then silence.
fn script(kind: &'static str, telling: Telling) -> impl Fn(&Recorded) -> Script {
    move |request| {
        let count = request.json()["messages"][0]["content"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let chunks = (1..=count.expect("a number of chunks")).map(|number: u64| match telling {
            Telling::Nothing => text_piece(kind, "x"),
            Telling::Usage => with_usage(number),
        });
        stream_head(kind)
            .piece(chunks.collect::<String>())
            .then_stall()
    }
}

fn with_usage(number: u64) -> String {
    let mut chunk: Value =
        serde_json::from_str(&openai_chunk(&json!({"content": "x"}), None)).expect("a chunk");
    // Two tokens a chunk, so that counting chunks cannot give the same.
    chunk["usage"] = json!({"prompt_tokens": 11, "completion_tokens": 2 * number, "total_tokens": 11 + 2 * number});
    format!("data: {chunk}\n\n")
}

#[tokio::test]
async fn r5_the_output_of_an_aborted_stream_is_charged_within_one_chunk() {
    for kind in SCRIPTED {
        for row in aborted_rows(kind, Telling::Nothing).await {
            let (asked, row) = row;
            let counted = usize::try_from(row["completion_tokens"].as_u64().expect("a count"))
                .expect("a small count");
            assert!(
                counted.abs_diff(asked) <= 1,
                "{kind}: {counted} of {asked}: {row}"
            );
            assert_eq!(row["source"], "estimated", "{kind} {row}");
        }
    }
}

#[tokio::test]
async fn r5_usage_on_each_chunk_makes_the_charge_exact() {
    for (asked, row) in aborted_rows("vllm", Telling::Usage).await {
        let charged = (
            &row["prompt_tokens"],
            &row["completion_tokens"],
            &row["source"],
        );
        assert_eq!(
            charged,
            (&json!(11), &json!(2 * asked), &json!("upstream")),
            "{row}"
        );
    }
}

/// Clients that leave at the same time, each after its own number of chunks; that number and the row of each.
async fn aborted_rows(kind: &'static str, telling: Telling) -> Vec<(usize, Value)> {
    let gate = TestGate::start().await;
    let key = gate.with_scripted_kinds().await;
    gate.upstream.answers_with(script(kind, telling));
    let mut leaving = JoinSet::new();
    for count in LEAVE_AFTER {
        let mut body = stream_body(kind);
        body["messages"][0]["content"] = count.to_string().into();
        let call = gate.chat_call(&key, &body);
        leaving.spawn(async move {
            let mut stream = call.stream().await;
            let mut events = Vec::new();
            while content_of(&events).len() < count {
                events.push(stream.next().await.expect("a chunk"));
            }
            (count, stream.request_id())
        });
    }
    let left = leaving.join_all().await;
    wait::until("every upstream connection is closed", || {
        gate.upstream.open_connections() == 0
    })
    .await;
    let mut rows = Vec::new();
    for (count, id) in left {
        let row = gate.row_of(&id).await;
        assert_eq!(
            (&row["status"], &row["state"]),
            (&json!(499), &json!("settled")),
            "{kind} {row}"
        );
        rows.push((count, row));
    }
    rows
}
