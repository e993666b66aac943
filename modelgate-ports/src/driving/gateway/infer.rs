//! The way of a request: route, limit, admit, proxy, meter.

use std::sync::Arc;

use bytes::Bytes;
use modelgate_domain::head::{BadRequest, BoundMode};
use modelgate_domain::quota::{self, OutputAsk};
use modelgate_domain::route;
use modelgate_domain::{Endpoint, Head, Model, RequestId, Target, Timestamp, TokenUsage};

use super::Gateway;
use super::answer::{Answer, AnswerBody, Context, InferError, QuotaStanding, Refused};
use super::auth::Caller;
use super::stream::MeteredStream;
use crate::driven::{
    Admission, Admitted, BackendError, Call, LimitError, Reach, Reply, ReplyBody, Reservation,
    ReserveError,
};
use crate::driving::hold::{Hold, row_error};

/// What a client asks.
#[derive(Debug)]
pub struct Inference {
    /// Id of the request.
    pub request: RequestId,
    /// What its body says, as far as the gateway reads it.
    pub head: Head,
    /// The body as received.
    pub body: Vec<Bytes>,
    /// When it arrived.
    pub admitted: Timestamp,
}

/// A model the caller may use, under the name it used.
struct Route {
    model: Arc<Model>,
    shown: Arc<str>,
}

impl Gateway {
    /// Answers a request of this caller with the model it names, and charges it.
    ///
    /// # Errors
    /// [`Refused`] with the reason; nothing is promised or counted any more then, and what was done upstream is charged.
    pub async fn infer(&self, caller: &Caller, ask: Inference) -> Result<Answer, Refused> {
        let mut context = Context::default();
        match self.run(caller, &ask, &mut context).await {
            Ok(body) => Ok(Answer { body, context }),
            Err(error) => Err(Refused {
                error,
                context: Box::new(context),
            }),
        }
    }

    async fn run(
        &self,
        caller: &Caller,
        ask: &Inference,
        context: &mut Context,
    ) -> Result<AnswerBody, InferError> {
        let route = self.route(caller, &ask.head)?;
        context.model = Some(Arc::clone(&route.shown));
        let output = self.output_ask(&route.model, &ask.head);
        let admitted = self.limit(caller, &output, context).await?;
        let reservation = self
            .admit(caller, ask, &route, output, &admitted, context)
            .await?;
        let hold = Hold::new(
            &self.ports,
            ask.request,
            caller.key().id,
            admitted,
            output.estimate,
        );
        self.proxy(ask, &route, &reservation, hold, context).await
    }

    fn route(&self, caller: &Caller, head: &Head) -> Result<Route, InferError> {
        let key = caller.key();
        let asked = head.model.as_deref().or_else(|| {
            key.default_model
                .as_ref()
                .map(modelgate_domain::ModelName::as_str)
        });
        let Some(name) = asked else {
            return Err(InferError::BadRequest(BadRequest::missing("model")));
        };
        let models = self.ports.catalog.models();
        let found = models
            .resolve(name)
            .filter(|model| route::allowed(model, key).is_ok());
        let model = found.ok_or_else(|| InferError::ModelNotFound(name.to_owned()))?;
        Ok(Route {
            model: Arc::clone(model),
            shown: name.into(),
        })
    }

    fn output_ask(&self, model: &Model, head: &Head) -> OutputAsk {
        let bound = self.policy.bound.for_context(model.context_length);
        OutputAsk {
            limit: head.max_output.map(|limit| limit.min(TokenUsage::MOST)),
            choices: head.choices,
            stream: head.stream,
            generates: head.endpoint != Endpoint::Embeddings,
            injectable: head.endpoint == Endpoint::Chat,
            context: model.context_length,
            prompt: countable(head.prompt_bound(bound)),
            estimate: countable(head.prompt_bound(BoundMode::Estimate)),
            left: None,
            max_output: self.policy.max_output,
        }
    }

    async fn limit(
        &self,
        caller: &Caller,
        output: &OutputAsk,
        context: &mut Context,
    ) -> Result<Admitted, InferError> {
        let key = caller.key();
        let tokens = output
            .prompt
            .saturating_add(quota::output_bound(output).promised)
            // A request that alone may need more than a minute's tokens would never get in; its real use is counted.
            .min(key.limits.tpm.unwrap_or(u64::MAX));
        match self.ports.limiter.admit(key.id, &key.limits, tokens).await {
            Ok(admitted) => {
                context.standing = admitted.standing;
                Ok(admitted)
            }
            Err(LimitError::Exceeded(exceeded)) => {
                context.standing = exceeded.standing;
                Err(InferError::Limited(exceeded))
            }
            Err(LimitError::Unavailable(cause)) => Err(InferError::MeteringUnavailable(cause)),
        }
    }

    /// A quota refusal takes the limiter's admission back: refused calls are free.
    async fn admit(
        &self,
        caller: &Caller,
        ask: &Inference,
        route: &Route,
        output: OutputAsk,
        admitted: &Admitted,
        context: &mut Context,
    ) -> Result<Reservation, InferError> {
        let key = caller.key();
        let admission = Admission {
            request: ask.request,
            key: key.id,
            model: route.model.id,
            model_name: route.model.name.as_str().into(),
            stream: ask.head.stream,
            client: caller.address(),
            admitted: ask.admitted,
            quota: key.quota,
            ask: output,
        };
        // Should the caller go away while this waits, the place in the limiter is given back all the same.
        let place = Place {
            gateway: self,
            caller,
            admitted,
            kept: false,
        };
        let outcome = self.ports.ledger.reserve(&admission).await;
        let remaining = match &outcome {
            Ok(reservation) => key
                .quota
                .map_or(0, |quota| quota::left(quota.limit, reservation.balance)),
            Err(ReserveError::Exceeded(exceeded)) => exceeded.left,
            Err(ReserveError::Unavailable(_)) => 0,
        };
        context.quota = key.quota.map(|quota| QuotaStanding {
            limit: quota.limit,
            remaining,
            resets_at: quota.period.end(ask.admitted, &self.policy.zone),
            now: ask.admitted,
        });
        match outcome {
            Ok(reservation) => {
                place.keep();
                Ok(reservation)
            }
            Err(ReserveError::Exceeded(exceeded)) => Err(InferError::QuotaExceeded(exceeded)),
            Err(ReserveError::Unavailable(cause)) => Err(InferError::MeteringUnavailable(cause)),
        }
    }

    /// Asks one target after the other until one answers. Only what happened before the first event may be tried again.
    async fn proxy(
        &self,
        ask: &Inference,
        route: &Route,
        reservation: &Reservation,
        mut hold: Hold,
        context: &mut Context,
    ) -> Result<AnswerBody, InferError> {
        let mut last = None;
        for target in route::order(&route.model) {
            let Some(backend) = self.ports.backends.get(target.kind) else {
                continue;
            };
            context.attempts += 1;
            context.target = Some(format!("{}/{}", target.kind, target.upstream_name));
            let call = Call {
                request: ask.request,
                head: &ask.head,
                body: &ask.body,
                shown_model: &route.shown,
                model: &route.model,
                target,
                output_limit: reservation.injected,
            };
            // While it is under way it counts as an attempt at work, should the client go away.
            hold.begin_attempt(target.id);
            let reached_before = std::mem::replace(&mut hold.reach, Reach::AtWork);
            match backend.send(call).await {
                Ok(reply) => {
                    hold.end_attempt(None);
                    return Ok(Self::meter(reply, hold, context, ask.head.endpoint).await);
                }
                Err(error) => {
                    hold.reach = reached_before.max(error.reach());
                    hold.end_attempt(Some(format!("{}: {}", error.word(), error.message)));
                    note_failure(ask.request, target, &error);
                    let is_final = !error.may_try_next();
                    last = Some(error);
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(Self::give_up(last, hold, context).await)
    }

    async fn meter(
        reply: Reply,
        mut hold: Hold,
        context: &mut Context,
        endpoint: Endpoint,
    ) -> AnswerBody {
        context.dropped = reply.dropped;
        match reply.body {
            ReplyBody::Stream(stream) => {
                AnswerBody::Stream(Box::new(MeteredStream::new(stream, hold)))
            }
            ReplyBody::Whole { pieces, usage } => {
                hold.told = usage;
                if endpoint != Endpoint::Embeddings {
                    hold.counted = estimated_output(&pieces);
                }
                hold.first_token = Some(hold.now());
                context.usage = hold.spent().usage;
                if let Err(error) = hold.settle(200, None).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a settlement could not be stored"
                    );
                }
                AnswerBody::Whole(pieces)
            }
        }
    }

    async fn give_up(
        last: Option<BackendError>,
        mut hold: Hold,
        context: &mut Context,
    ) -> InferError {
        context.usage = hold.spent().usage;
        let (status, row) = match &last {
            Some(error) => (error.status(), row_error(error)),
            None => (
                503,
                crate::driven::RowError {
                    code: "no_backend_available".into(),
                    message: "the model has no backend".into(),
                },
            ),
        };
        if let Err(error) = hold.settle(status, Some(row)).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a settlement could not be stored"
            );
        }
        last.map_or(InferError::NoBackend, InferError::Backend)
    }
}

/// A place in the limiter that is given back unless it is kept.
struct Place<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    admitted: &'a Admitted,
    kept: bool,
}

impl Place<'_> {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let key = self.caller.key();
            self.gateway
                .ports
                .limiter
                .take_back(key.id, &key.limits, self.admitted);
        }
    }
}

/// Output of a whole answer whose server told no usage: a token for every four bytes of it, as a rule of thumb.
fn estimated_output(pieces: &[Bytes]) -> u64 {
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    u64::try_from(bytes / 4).unwrap_or(u64::MAX)
}

/// What is too much to count is as much as anybody is believed to use.
fn countable(tokens: Option<u64>) -> u64 {
    tokens.map_or(TokenUsage::MOST, |tokens| tokens.min(TokenUsage::MOST))
}

fn note_failure(request: RequestId, target: &Target, error: &BackendError) {
    let cause = error
        .source
        .as_deref()
        .map(|cause| cause as &dyn std::error::Error);
    tracing::warn!(
        request.id = %request,
        backend = target.kind.as_str(),
        target = target.upstream_name,
        error.code = error.word(),
        error.message = error.message,
        cause,
        "a backend failed"
    );
}
