//! The page at `/admin/`, from the binary: a fixed table, no path is ever joined.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::body::Body;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// A file in the binary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    sum: u64,
}

impl Asset {
    const fn new(path: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self {
            path,
            kind,
            bytes,
            sum: sum(bytes),
        }
    }
}

static ASSETS: [Asset; 3] = [
    Asset::new(
        "/admin/",
        "text/html; charset=utf-8",
        include_bytes!("../../../web/placeholder.html"),
    ),
    Asset::new(
        "/admin/placeholder.css",
        "text/css; charset=utf-8",
        include_bytes!("../../../web/placeholder.css"),
    ),
    Asset::new(
        "/admin/favicon.svg",
        "image/svg+xml",
        include_bytes!("../../../web/favicon.svg"),
    ),
];

/// The file of exactly that path.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// `GET /` and `GET /admin`: the page. Relative, so that it works under any prefix of a proxy.
pub(crate) fn redirect() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("admin/"));
    response
}

/// `GET /admin/..`: a file, unless the browser has this very one.
pub(crate) fn show(asset: &'static Asset, parts: &Parts) -> Response<Body> {
    let tag = format!("\"{:016x}\"", asset.sum);
    let mut response = if is_known(&parts.headers, &tag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::pieces(vec![asset.bytes.into()]));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// FNV-1a, which is enough to tell versions of a file apart.
const fn sum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        sum = (sum ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_fnv_1a() {
        assert_eq!(sum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(sum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(sum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_page_needs_nothing_that_its_policy_forbids() {
        let page = str::from_utf8(ASSETS[0].bytes).unwrap();
        for forbidden in [
            "<script",
            "<style",
            " style=",
            " onclick",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        for link in page
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            let known = link.starts_with("../") || find(&format!("/admin/{link}")).is_some();
            assert!(known, "{link}");
        }
    }
}
