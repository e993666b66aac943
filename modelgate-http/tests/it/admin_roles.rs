//! Who may do what in the admin API, and what is no route at all.

use modelgate_domain::Role;
use modelgate_ports::driving::console::KeyPatch;

use crate::fixture::{CHAT, Gate, call};

/// Method, path, body, and what a viewer and an admin get. Key 4 is there to be changed.
const ROUTES: [(&str, &str, &str, u16, u16); 13] = [
    ("GET", "/admin/verify", "", 200, 200),
    ("GET", "/admin/keys", "", 200, 200),
    ("GET", "/admin/keys/4", "", 200, 200),
    ("GET", "/admin/models", "", 200, 200),
    ("GET", "/admin/models/1", "", 200, 200),
    ("GET", "/admin/requests", "", 200, 200),
    ("POST", "/admin/keys", r#"{"name":"new"}"#, 403, 201),
    ("PUT", "/admin/keys/4", "{}", 403, 200),
    ("POST", "/admin/keys/4/rotate", "", 403, 200),
    ("DELETE", "/admin/keys/4", "", 403, 200),
    ("POST", "/admin/models/sync", "", 403, 200),
    ("PUT", "/admin/models/1", "{}", 403, 200),
    ("DELETE", "/admin/models/1", "", 403, 200),
];

#[tokio::test]
async fn each_route_has_its_role() {
    let gate = Gate::new().await;
    let viewer = gate
        .key("viewer", Role::Viewer, KeyPatch::default())
        .await
        .1;
    let changed = gate.key("changed", Role::User, KeyPatch::default()).await.0;
    assert_eq!(changed.key.id.0, 4);
    for (method, path, body, for_viewer, for_admin) in ROUTES {
        let send = async |key: &str| gate.send(call(method, path, key, body)).await;
        assert_eq!(send("").await.refused(401), (None, None), "{method} {path}");
        assert_eq!(
            send(&gate.user).await.code(403),
            "insufficient_role",
            "{method} {path}"
        );
        assert_eq!(send(&viewer).await.status, for_viewer, "{method} {path}");
        let answer = send(&gate.admin).await.expect(for_admin);
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn no_other_spelling_of_a_route_is_known() {
    let gate = Gate::new().await;
    for path in [
        "/admin/keys/",
        "/admin//keys",
        "//admin/keys",
        "/ADMIN/keys",
        "/admin%2fkeys",
        "/%61dmin/keys",
        "/admin/keys;x=1",
        "/admin/keys.",
        "/admin/./keys",
        "/v1/../admin/keys",
        "/admin/keys%00",
        "/v1",
        "/v1/",
        "/v2/models",
        "/models",
    ] {
        for key in [&gate.user, &gate.admin, ""] {
            let answer = gate.get(path, key).await;
            assert_eq!(answer.code(404), "unknown_url", "{path}");
            assert!(
                answer.text().contains(&format!("GET {path}")),
                "{}",
                answer.text()
            );
        }
    }
    let absolute = gate.get("http://evil.example/admin/keys", &gate.user).await;
    assert_eq!(
        absolute.code(403),
        "insufficient_role",
        "the host decides nothing"
    );
}

#[tokio::test]
async fn a_known_path_tells_its_methods() {
    let gate = Gate::new().await;
    let table = [
        ("GET", CHAT, "POST"),
        ("PUT", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/m", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("PATCH", "/admin/keys", "GET, HEAD, POST"),
        ("POST", "/admin/keys/1", "GET, HEAD, PUT, DELETE"),
        ("GET", "/admin/models/sync", "POST"),
        ("BREW", CHAT, "POST"),
        ("OPTIONS", "/health", "GET, HEAD"),
    ];
    for (method, path, allowed) in table {
        let answer = gate.send(call(method, path, "", "")).await;
        assert_eq!(answer.code(405), "method_not_supported", "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}
