//! Threat S1: hostile ids, names and keys are data, never statements.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Answer;
use crate::gate::{ADMIN_KEY, Key, TestGate, chat_body};

const HOSTILE: [&str; 23] = [
    "' OR '1'='1",
    "1' OR 1=1 --",
    "1; DROP TABLE api_keys; --",
    "1); DELETE FROM models; --",
    "\" UNION SELECT digest FROM key_secrets --",
    "1/**/UNION/**/SELECT/**/1",
    "%' OR name LIKE '%",
    "_%",
    "0x31",
    "1e0",
    "1.0",
    " 1",
    "01x",
    "-1",
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999999",
    "١",
    "NULL",
    "undefined",
    "${jndi:ldap://x}",
    "{{7*7}}",
];

/// Every byte percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    let bytes: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    bytes.concat()
}

async fn with_admin(gate: &TestGate, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let call = gate.call(method, path).bearer(ADMIN_KEY);
    let call = match body {
        Some(body) => call.json(body),
        None => call,
    };
    call.send().await
}

/// What an attack would have changed: all keys and all models.
async fn everything(gate: &TestGate) -> (Value, Value) {
    (
        gate.admin("/admin/keys").await,
        gate.admin("/admin/models").await,
    )
}

#[tokio::test]
async fn s01_ids_are_numbers_or_nothing() {
    let gate = TestGate::start().await;
    gate.with_model("m", "echo").await;
    let before = everything(&gate).await;
    for id in HOSTILE {
        for place in ["keys", "models"] {
            let path = format!("/admin/{place}/{}", encoded(id));
            let change = json!({"name": "changed"});
            for (method, path, body) in [
                ("GET", path.clone(), None),
                ("PUT", path.clone(), Some(&change)),
                ("DELETE", path.clone(), None),
            ] {
                let answer = with_admin(&gate, method, &path, body).await;
                let is_number = id.parse::<i64>().is_ok();
                let expected = if is_number { 400..=404 } else { 400..=400 };
                assert!(
                    expected.contains(&answer.status) && !matches!(answer.status, 401 | 403),
                    "{method} {id} {}",
                    answer.describe()
                );
                answer.refused_with(answer.status);
            }
        }
        let rotate = format!("/admin/keys/{}/rotate", encoded(id));
        let answer = with_admin(&gate, "POST", &rotate, None).await;
        assert!(matches!(answer.status, 400 | 404), "{}", answer.describe());
    }
    assert_eq!(everything(&gate).await, before);
}

#[tokio::test]
async fn s01_names_are_kept_as_they_are_or_refused() {
    let gate = TestGate::start().await;
    let odd = [
        "<img src=x onerror=alert(1)>",
        "\u{202e}desrever",
        "a'b\"c`d",
        "k\\n",
        "😀",
        "🏳️‍🌈",
    ];
    for name in HOSTILE.into_iter().chain(odd) {
        for (path, form) in [
            ("/admin/keys", json!({"name": name})),
            (
                "/admin/models",
                json!({"name": name, "backend_type": "echo"}),
            ),
        ] {
            let answer = with_admin(&gate, "POST", path, Some(&form)).await;
            if answer.status != 201 {
                assert_eq!(
                    answer.refused_with(400).param.as_deref(),
                    Some("name"),
                    "{path} {name:?}"
                );
                continue;
            }
            let id = answer.json()["id"].clone();
            let shown = gate.admin(&format!("{path}/{id}")).await;
            assert_eq!(shown["name"], name, "{path}");
        }
    }
    let names = gate.admin("/admin/models").await;
    for model in names.as_array().expect("a list") {
        let name = model["name"].as_str().expect("a name");
        let key = gate
            .issue_key(json!({"name": format!("for {}", model["id"]), "default_model": name}))
            .await;
        let body = json!({"messages": [{"role": "user", "content": "hi"}]});
        let answer = gate.chat_call(&key, &body).send().await.expect_status(200);
        assert_eq!(answer.json()["model"], name);
    }
}

#[tokio::test]
async fn s01_control_characters_and_odd_lengths_are_refused_as_names() {
    let gate = TestGate::start().await;
    let long = "x".repeat(10_000);
    let before = everything(&gate).await;
    for name in [
        "",
        "   ",
        "a\nb",
        "a\u{0}b",
        "\u{1b}[31m",
        "a\rb",
        "\u{7f}",
        &long,
    ] {
        for form in [
            json!({"name": name}),
            json!({"name": name, "backend_type": "echo"}),
        ] {
            let path = if form.get("backend_type").is_some() {
                "/admin/models"
            } else {
                "/admin/keys"
            };
            let answer = with_admin(&gate, "POST", path, Some(&form)).await;
            assert_eq!(
                answer.refused_with(400).param.as_deref(),
                Some("name"),
                "{path} {name:?}"
            );
        }
    }
    assert_eq!(everything(&gate).await, before);
}

#[tokio::test]
async fn s01_five_thousand_odd_values_cause_no_fault() {
    let gate = TestGate::start().await;
    let key = gate.with_model("m", "echo").await;
    let before = everything(&gate).await;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..1_000 {
        let value = random.text();
        for answer in everywhere(&gate, &key, &value).await {
            assert!(
                (400..=429).contains(&answer.status),
                "{value:?} {}",
                answer.describe()
            );
            assert!(
                !answer.text().to_lowercase().contains("sql"),
                "{value:?} {}",
                answer.describe()
            );
        }
    }
    assert_eq!(everything(&gate).await, before);
    gate.chat(&key, "still there").await.expect_status(200);
}

/// One value in five places where it cannot be right.
async fn everywhere(gate: &TestGate, key: &Key, value: &str) -> Vec<Answer> {
    let id = format!("x{}", encoded(value));
    let calls = [
        gate.get(&format!("/admin/keys/{id}")).bearer(ADMIN_KEY),
        gate.delete(&format!("/admin/models/{id}"))
            .bearer(ADMIN_KEY),
        gate.get(&format!("/v1/models/{id}")).bearer(key),
        gate.chat_call(key, &chat_body(&format!("x{value}"), "hi")),
        gate.get("/v1/models")
            .header("authorization", format!("Bearer mg-{}", visible(value))),
    ];
    let mut sent = JoinSet::new();
    for call in calls {
        sent.spawn(call.send());
    }
    sent.join_all().await
}

fn visible(value: &str) -> String {
    value.chars().filter(char::is_ascii_graphic).collect()
}

/// The same values in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits")
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.next() % 5 {
            text.push_str(match self.next() % 3 {
                0 => HOSTILE[self.next() % HOSTILE.len()],
                1 => ["'", "\"", ";", "--", "\\", "%", "\0", "\n", "(", ")"][self.next() % 10],
                _ => [
                    "é", "\u{202e}", "😀", "\u{feff}", "SELECT", "*", "a", "0", "/", "..",
                ][self.next() % 10],
            });
        }
        text
    }
}
