//! The page in the binary.

use http::HeaderValue;

use crate::fixture::{Gate, call};

#[tokio::test]
async fn the_way_to_the_page_is_relative() {
    let gate = Gate::new().await;
    for path in ["/", "/admin"] {
        assert_eq!(
            gate.get(path, "").await.expect(302).header("location"),
            Some("admin/"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_page_comes_with_its_policy_and_is_kept_until_it_changes() {
    let gate = Gate::new().await;
    for (path, kind) in [
        ("/admin/", "text/html; charset=utf-8"),
        ("/admin/placeholder.css", "text/css; charset=utf-8"),
        ("/admin/favicon.svg", "image/svg+xml"),
    ] {
        let answer = gate.get(path, "").await.expect(200);
        assert_eq!(answer.header("content-type"), Some(kind));
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(
            policy.contains("img-src 'self' data:") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let tag = answer.header("etag").expect("a tag").to_owned();
        for (known, status) in [
            (tag.clone(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let mut again = call("GET", path, "", "");
            again.headers_mut().insert(
                "if-none-match",
                HeaderValue::try_from(known).expect("a value"),
            );
            let answer = gate.send(again).await.expect(status);
            assert_eq!(answer.body.is_empty(), status == 304);
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
        }
    }
}

#[tokio::test]
async fn nothing_else_is_served_from_there() {
    let gate = Gate::new().await;
    for path in [
        "/admin/placeholder.html",
        "/admin//",
        "/admin/../Cargo.toml",
        "/admin/%2e%2e/Cargo.toml",
        "/admin/..%2f..%2fCargo.toml",
        "/admin/placeholder.css/",
        "/admin/PLACEHOLDER.css",
        "/web/placeholder.css",
    ] {
        assert_eq!(gate.get(path, "").await.code(404), "unknown_url", "{path}");
    }
}
