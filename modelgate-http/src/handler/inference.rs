//! The model calls: chat completions, completions, embeddings.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use modelgate_domain::Endpoint;
use modelgate_ports::driving::gateway::{AnswerBody, Inference};

use crate::body::receive::{self, head_reader};
use crate::body::{Body, Events, json_pieces};
use crate::problem::Problem;
use crate::rate;
use crate::visit::Visit;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// Tells proxies to pass events on as they come.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `POST /v1/..`: the caller is known before the body is read, and the body is checked before any model is called.
pub(crate) async fn answer(
    visit: &mut Visit,
    parts: &Parts,
    endpoint: Endpoint,
) -> Result<Response<Body>, Problem> {
    visit.place = Some(visit.service.place().ok_or_else(Problem::overloaded)?);
    let caller = visit.caller(&parts.headers).await?;
    let reader = head_reader(endpoint, &visit.app().gateway);
    let (head, body) = receive::inference(
        &parts.headers,
        &mut visit.inbound,
        &visit.service.config,
        reader,
    )
    .await?;
    visit.line.stream = head.stream;
    let early = head.stream && visit.config().early_headers;
    let ask = Inference {
        request: visit.id,
        head,
        body,
        admitted: visit.arrived(),
    };
    let gateway = Arc::clone(&visit.app().gateway);
    if early {
        let call = Box::pin(async move { gateway.infer(&caller, ask).await });
        return Ok(stream(Events::calling(&visit.service, &visit.link, call)));
    }
    let outcome = gateway.infer(&caller, ask).await;
    let context = match &outcome {
        Ok(answer) => &answer.context,
        Err(refused) => &refused.context,
    };
    visit.line.note(context);
    let answer = outcome?;
    let mut response = match answer.body {
        AnswerBody::Whole(pieces) => {
            visit.line.first_token();
            json_pieces(StatusCode::OK, pieces)
        }
        AnswerBody::Stream(events) => stream(Events::flowing(&visit.service, &visit.link, events)),
    };
    rate::tell(response.headers_mut(), &answer.context);
    Ok(response)
}

fn stream(events: Events) -> Response<Body> {
    let mut response = Response::new(Body::events(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, NO_CACHE);
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}
