//! The newest requests, row by row.

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::{KeyId, RequestId};
use modelgate_ports::driven::{RowFilter, UsageRow};
use serde::Serialize;

use crate::body::{Body, reply};
use crate::form::FormError;
use crate::problem::Problem;
use crate::query::Query;
use crate::visit::Visit;

const USUAL_PAGE: u32 = 100;
const LONGEST_PAGE: u32 = 200;

#[derive(Serialize)]
struct PageView<'a> {
    data: Vec<RowView<'a>>,
    /// Where the next page begins: `before` of the next call. Null at the end.
    next: Option<String>,
}

#[derive(Serialize)]
struct RowView<'a> {
    id: String,
    at: String,
    key_id: i64,
    key_name: &'a str,
    model: &'a str,
    target: Option<&'a str>,
    backend: Option<&'a str>,
    status: Option<u16>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
    stream: bool,
    attempts: u32,
    attempt_detail: &'a [String],
    state: &'a str,
    source: Option<&'a str>,
    client_ip: Option<String>,
    prompt_tokens: u64,
    cached_tokens: u64,
    completion_tokens: u64,
    reasoning_tokens: u64,
    total_tokens: u64,
    first_token_ms: Option<u64>,
    duration_ms: Option<u64>,
}

impl<'a> From<&'a UsageRow> for RowView<'a> {
    fn from(row: &'a UsageRow) -> Self {
        Self {
            id: row.id.to_string(),
            at: row.at.to_rfc3339(),
            key_id: row.key.0,
            key_name: &row.key_name,
            model: &row.model,
            target: row.target.as_deref(),
            backend: row.backend.as_deref(),
            status: row.status,
            error_code: row.error_code.as_deref(),
            error_message: row.error_message.as_deref(),
            stream: row.stream,
            attempts: row.attempts,
            attempt_detail: &row.attempt_detail,
            state: &row.state,
            source: row.source.as_deref(),
            client_ip: row.client.map(|address| address.to_string()),
            prompt_tokens: row.usage.prompt,
            cached_tokens: row.usage.cached,
            completion_tokens: row.usage.completion,
            reasoning_tokens: row.usage.reasoning,
            total_tokens: row.usage.total(),
            first_token_ms: row.first_token_ms,
            duration_ms: row.duration_ms,
        }
    }
}

/// `GET /admin/requests?before&limit&key`: newest first.
pub(crate) async fn list(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    visit.viewer(&parts.headers).await?;
    let filter = filter(Query::read(parts.uri.query())?)?;
    let rows = visit.app().console.requests(&filter).await?;
    let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= filter.limit);
    let next = rows
        .last()
        .filter(|_| is_full)
        .map(|row| row.id.to_string());
    Ok(reply(
        StatusCode::OK,
        &PageView {
            data: rows.iter().map(RowView::from).collect(),
            next,
        },
    ))
}

fn filter(mut query: Query) -> Result<RowFilter, FormError> {
    let limit = |text: &str| {
        text.parse()
            .ok()
            .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
    };
    let key = |text: &str| super::id(text).ok().map(KeyId);
    let filter = RowFilter {
        before: query.take("before", "must be the id of a request", |text| {
            text.parse::<RequestId>().ok()
        })?,
        key: query.take("key", "must be the number of a key", key)?,
        limit: query
            .take("limit", "must be from 1 to 200", limit)?
            .unwrap_or(USUAL_PAGE),
    };
    query.finish()?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_by_id() {
        let read = |text: &str| filter(Query::read(Some(text)).unwrap());
        let found = read("before=018bcfe5-687b-7fff-bfff-ffffffffffff&limit=5&key=3").unwrap();
        assert_eq!((found.limit, found.key), (5, Some(KeyId(3))));
        assert_eq!(
            found.before.unwrap().to_string(),
            "018bcfe5-687b-7fff-bfff-ffffffffffff"
        );
        assert_eq!(
            read("").unwrap(),
            RowFilter {
                limit: 100,
                ..RowFilter::default()
            }
        );
        for (text, param) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("key=x", "key"),
            ("before=1", "before"),
            ("page=1", "page"),
        ] {
            assert_eq!(
                read(text).unwrap_err().param.as_deref(),
                Some(param),
                "{text}"
            );
        }
    }
}
