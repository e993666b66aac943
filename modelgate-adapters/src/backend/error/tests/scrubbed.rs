//! What is left of servers' words.

use super::*;

#[test]
fn messages_give_nothing_away() {
    let check = |message: &str, expected: &str| {
        let body = serde_json::json!({ "error": { "message": message } }).to_string();
        assert_eq!(status_error(400, &body).message, expected);
    };
    check("model `org/real` is broken", "model `fast` is broken");
    check("org/real.", "fast.");
    check(
        "org/realistic my-org/real org/real:7b",
        "org/realistic my-org/real org/real:7b",
    );
    check("see http://gpu-3.internal:8000/v1/x?y=1.", "see [address]");
    check(
        "see (https://help.example/a), please",
        "see ([address]), please",
    );
    check(
        "gpu-3.internal said no; 10.1.2.3:8000, [::1]:80 and fe80::1 too",
        "[address] said no; [address], [address] and [address] too",
    );
    check(
        "backend:8000 localhost:80 10.0.0.1/v1",
        "[address] [address] [address]",
    );
    check(
        "upstream=10.0.0.7:8000 addr=10.0.0.7, tcp/10.0.0.7:80 user@10.0.0.7. x=[fd00::1]:80",
        "[address] [address], [address] [address] [address]",
    );
    check(
        "n=1.5 a@b 1/2 top_k=40 image/png",
        "n=1.5 a@b 1/2 top_k=40 image/png",
    );
    check(
        "at 12:30, line:42, 1.5 of 2.0, a::b, llama3.2:70b",
        "at 12:30, line:42, 1.5 of 2.0, a::b, llama3.2:70b",
    );
    check(
        "gpu-3.internal/v1 host=GPU-3.internal me@gpu-3.internal:80 a.gpu-3.internal.",
        "[address] [address] [address] [address]",
    );
    check("http%3A%2F%2Fgpu-3.internal%3A8000", "[address]");
    check("key topsecret-upstream-key!", "key [key]!");
    check(
        "?k=topsecret-upstream-key&x Xtopsecret-upstream-keyX",
        "?k=[key]&x X[key]X",
    );
    check("Incorrect key: sk-proj-abcdefghij.", "Incorrect key: [key]");
    check(
        "Authorization: Bearer abcdefgh1234",
        "Authorization: Bearer [key]",
    );
    check("api_key=sk-abcdefghijkl", "[key]");
    check("a\u{1b}[31m\r\nb\tc\u{0}d", "a [31m b c d");
    check(&"x".repeat(500), &format!("{}…", "x".repeat(299)));
    check(&"é".repeat(300), &"é".repeat(300));
}

#[test]
fn a_server_without_a_domain_is_not_named_either() {
    let check = |url: &str, message: &str, expected: &str| {
        let mut asked = sample::chat(r#""model":"vllm/fast""#);
        asked.target.base_url = modelgate_domain::BaseUrl::parse(BackendKind::Vllm, url).ok();
        let names = Names::of(
            &Call {
                shown_model: "vllm/fast",
                ..asked.call()
            },
            None,
        );
        let body = serde_json::json!({ "error": message }).to_string();
        assert_eq!(in_stream(body.as_bytes(), &names).message, expected);
    };
    check(
        "http://vllm:80",
        "vllm:80 vllm/v1 VLLM: no; vllm.engine is not vllm-2",
        "[address] [address] [address] no; vllm.engine is not vllm-2",
    );
    check("http://vllm", "no `org/real` here", "no `vllm/fast` here");
    check(
        "http://[fd00::1]:80",
        "at [fd00::1]/v1, [FD00::1]",
        "at [address], [address]",
    );
}
