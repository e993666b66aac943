//! The whole API on one screen.

use http::request::Parts;
use http::{Method, Response};
use modelgate_domain::Endpoint;

use crate::body::Body;
use crate::config::ServerConfig;
use crate::cors;
use crate::handler::{
    admin_keys, admin_models, admin_requests, health, inference, models, own_key, panel, sync,
    verify,
};
use crate::problem::Problem;
use crate::service::Phase;
use crate::visit::Visit;

/// Every method that some route knows. HEAD is GET without a body.
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];

/// What is asked for. Ids are texts still: the handler reads them after it knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'a> {
    Home,
    Panel(&'static panel::Asset),
    Health,
    Ready,
    Models,
    Model(&'a str),
    OwnKey,
    Inference(Endpoint),
    ListKeys,
    IssueKey,
    ShowKey(&'a str),
    ChangeKey(&'a str),
    RevokeKey(&'a str),
    RotateKey(&'a str),
    ListModels,
    AddModel,
    ShowModel(&'a str),
    ChangeModel(&'a str),
    RemoveModel(&'a str),
    Sync,
    Verify,
    Requests,
}

fn find<'a>(method: &Method, path: &'a str) -> Option<Route<'a>> {
    let below = |prefix: &str| path.strip_prefix(prefix).filter(|rest| !rest.is_empty());
    let id = |prefix: &str| below(prefix).filter(|rest| !rest.contains('/'));
    Some(match (method.as_str(), path) {
        ("GET", "/health") => Route::Health,
        ("GET", "/ready") => Route::Ready,
        ("GET", "/" | "/admin") => Route::Home,

        ("GET", "/v1/models") => Route::Models,
        ("GET", "/v1/key") => Route::OwnKey,
        ("POST", "/v1/chat/completions") => Route::Inference(Endpoint::Chat),
        ("POST", "/v1/completions") => Route::Inference(Endpoint::Completions),
        ("POST", "/v1/embeddings") => Route::Inference(Endpoint::Embeddings),

        ("GET", "/admin/verify") => Route::Verify,
        ("GET", "/admin/requests") => Route::Requests,
        ("GET", "/admin/keys") => Route::ListKeys,
        ("POST", "/admin/keys") => Route::IssueKey,
        ("GET", "/admin/models") => Route::ListModels,
        ("POST", "/admin/models") => Route::AddModel,
        ("POST", "/admin/models/sync") => Route::Sync,
        (_, "/admin/models/sync") => return None,

        ("GET", _) => below("/v1/models/")
            .map(Route::Model)
            .or_else(|| id("/admin/keys/").map(Route::ShowKey))
            .or_else(|| id("/admin/models/").map(Route::ShowModel))
            .or_else(|| panel::find(path).map(Route::Panel))?,
        ("PUT", _) => id("/admin/keys/")
            .map(Route::ChangeKey)
            .or_else(|| id("/admin/models/").map(Route::ChangeModel))?,
        ("DELETE", _) => id("/admin/keys/")
            .map(Route::RevokeKey)
            .or_else(|| id("/admin/models/").map(Route::RemoveModel))?,
        ("POST", _) => {
            let key = path.strip_suffix("/rotate")?.strip_prefix("/admin/keys/")?;
            (!key.is_empty() && !key.contains('/')).then_some(Route::RotateKey(key))?
        }
        _ => return None,
    })
}

/// Finds the handler and lets it answer. What is wrong with the head is told before anything is done.
pub(crate) async fn route(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    check_head(visit.config(), parts)?;
    if let Some(response) = cors::preflight(&visit.config().cors_origins, parts) {
        return Ok(response);
    }
    let route = known(visit.config(), parts)?;
    if visit.service.phase() >= Phase::Draining && !matches!(route, Route::Health | Route::Ready) {
        return Err(Problem::stopping());
    }
    match route {
        Route::Home => Ok(panel::redirect()),
        Route::Panel(asset) => Ok(panel::show(asset, parts)),
        Route::Health => Ok(health::live(visit)),
        Route::Ready => Ok(health::ready(visit).await),
        Route::Models => models::list(visit, parts).await,
        Route::Model(name) => models::show(visit, parts, name).await,
        Route::OwnKey => own_key::show(visit, parts).await,
        Route::Inference(endpoint) => inference::answer(visit, parts, endpoint).await,
        Route::ListKeys => admin_keys::list(visit, parts).await,
        Route::IssueKey => admin_keys::issue(visit, parts).await,
        Route::ShowKey(id) => admin_keys::show(visit, parts, id).await,
        Route::ChangeKey(id) => admin_keys::change(visit, parts, id).await,
        Route::RevokeKey(id) => admin_keys::revoke(visit, parts, id).await,
        Route::RotateKey(id) => admin_keys::rotate(visit, parts, id).await,
        Route::ListModels => admin_models::list(visit, parts).await,
        Route::AddModel => admin_models::add(visit, parts).await,
        Route::ShowModel(id) => admin_models::show(visit, parts, id).await,
        Route::ChangeModel(id) => admin_models::change(visit, parts, id).await,
        Route::RemoveModel(id) => admin_models::remove(visit, parts, id).await,
        Route::Sync => sync::run(visit, parts).await,
        Route::Verify => verify::show(visit, parts).await,
        Route::Requests => admin_requests::list(visit, parts).await,
    }
}

fn known<'a>(config: &ServerConfig, parts: &'a Parts) -> Result<Route<'a>, Problem> {
    let path = parts.uri.path();
    let method = if parts.method == Method::HEAD {
        &Method::GET
    } else {
        &parts.method
    };
    if let Some(route) = find(method, path) {
        return Ok(route);
    }
    let mut allowed: Vec<&str> = METHODS
        .iter()
        .filter(|method| find(method, path).is_some())
        .map(Method::as_str)
        .collect();
    if allowed.is_empty() {
        return Err(Problem::unknown_url(&parts.method, path));
    }
    if allowed.contains(&"GET") {
        allowed.insert(1, "HEAD");
    }
    if !config.cors_origins.is_empty() {
        allowed.push("OPTIONS");
    }
    Err(Problem::wrong_method(
        &parts.method,
        path,
        &allowed.join(", "),
    ))
}

fn check_head(config: &ServerConfig, parts: &Parts) -> Result<(), Problem> {
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > config.max_uri {
        return Err(Problem::long_uri(config.max_uri));
    }
    // Each line has a colon, a space and a line end beside name and value.
    let lines: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if parts.headers.len() > config.max_headers || lines + target > config.max_head {
        return Err(Problem::large_head(config.max_head, config.max_headers));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_exact() {
        let check = |method: Method, path: &str, expected: Option<Route<'_>>| {
            assert_eq!(find(&method, path), expected, "{method} {path}");
        };
        let (get, post) = (|| Method::GET, || Method::POST);
        check(get(), "/health", Some(Route::Health));
        check(get(), "/v1/models", Some(Route::Models));
        check(
            get(),
            "/v1/models/meta/llama%2F3",
            Some(Route::Model("meta/llama%2F3")),
        );
        check(
            post(),
            "/v1/chat/completions",
            Some(Route::Inference(Endpoint::Chat)),
        );
        check(get(), "/admin/keys/7", Some(Route::ShowKey("7")));
        check(
            Method::PUT,
            "/admin/models/7",
            Some(Route::ChangeModel("7")),
        );
        check(Method::DELETE, "/admin/keys/7", Some(Route::RevokeKey("7")));
        check(post(), "/admin/keys/7/rotate", Some(Route::RotateKey("7")));
        check(post(), "/admin/models/sync", Some(Route::Sync));
        for path in [
            "",
            "*",
            "//",
            "/Health",
            "/health/",
            "//health",
            "/v1",
            "/v1/",
            "/v1/models/",
            "/V1/models",
            "/admin/keys/",
            "/admin//keys",
            "/admin/keys/7/",
            "/admin/keys/7/rotate",
            "/admin/models/sync",
            "/admin%2fkeys",
            "/admin/keys;x=1",
            "/admin/./keys",
            "/admin/placeholder.html",
            "/admin/../web/placeholder.html",
        ] {
            check(get(), path, None);
        }
        for path in [
            "/admin/keys//rotate",
            "/admin/keys/1/2/rotate",
            "/admin/keys/7",
            "/rotate",
            "/v1/chat/completions/",
        ] {
            check(post(), path, None);
        }
        check(Method::OPTIONS, "/health", None);
    }
}
