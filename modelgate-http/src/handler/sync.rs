//! Finding models on the configured backends.

use http::request::Parts;
use http::{Response, StatusCode};
use modelgate_domain::BackendKind;
use modelgate_ports::driving::console::{ServerReport, SyncAsk};
use serde::Serialize;

use super::admin_models::KINDS;
use crate::body::{Body, reply};
use crate::form::{Form, FormError};
use crate::problem::Problem;
use crate::visit::Visit;

#[derive(Serialize)]
struct SyncView<'a> {
    dry_run: bool,
    backends: Vec<ServerView<'a>>,
}

#[derive(Serialize)]
struct ServerView<'a> {
    backend: &'static str,
    base_url: &'a str,
    added: &'a [String],
    present: &'a [String],
    changed: &'a [String],
    vanished: &'a [String],
    failed: &'a [String],
    not_running: bool,
}

impl<'a> From<&'a ServerReport> for ServerView<'a> {
    fn from(report: &'a ServerReport) -> Self {
        Self {
            backend: report.kind.as_str(),
            base_url: &report.base_url,
            added: &report.added,
            present: &report.present,
            changed: &report.changed,
            vanished: &report.vanished,
            failed: &report.failed,
            not_running: report.not_running,
        }
    }
}

/// `POST /admin/models/sync`
pub(crate) async fn run(visit: &mut Visit, parts: &Parts) -> Result<Response<Body>, Problem> {
    visit.admin(&parts.headers).await?;
    let ask = read(visit.form(&parts.headers).await?)?;
    let report = visit.app().console.sync(&ask).await?;
    let backends = report.servers.iter().map(ServerView::from).collect();
    Ok(reply(
        StatusCode::OK,
        &SyncView {
            dry_run: ask.dry_run,
            backends,
        },
    ))
}

fn read(mut form: Form) -> Result<SyncAsk, FormError> {
    let ask = SyncAsk {
        dry_run: form.flag("dry_run")?.unwrap_or_default(),
        backend: form
            .nullable("backend", |form, field| {
                form.parsed(field, KINDS, BackendKind::parse)
            })?
            .flatten(),
        select: form.nullable("select", Form::listed)?.flatten(),
    };
    form.finish()?;
    Ok(ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_may_be_narrowed() {
        let check = |text: &str, expected: SyncAsk| {
            assert_eq!(
                read(Form::read(text.as_bytes()).unwrap()).unwrap(),
                expected
            );
        };
        check("", SyncAsk::default());
        check(r#"{"backend":null,"select":null}"#, SyncAsk::default());
        check(
            r#"{"dry_run":true,"backend":"ollama","select":["a","b"]}"#,
            SyncAsk {
                dry_run: true,
                backend: Some(BackendKind::Ollama),
                select: Some(vec!["a".into(), "b".into()]),
            },
        );
        let fault = |text: &str| {
            read(Form::read(text.as_bytes()).unwrap())
                .unwrap_err()
                .param
                .unwrap()
        };
        assert_eq!(fault(r#"{"backend":"nginx"}"#), "backend");
        assert_eq!(fault(r#"{"dry_run":"yes"}"#), "dry_run");
        assert_eq!(fault(r#"{"dry-run":true}"#), "dry-run");
    }
}
