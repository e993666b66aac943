//! Reading a request body: within its limit, in its time, decoded, and looked at as it comes.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use modelgate_domain::head::{BadRequest, HeadReader};
use modelgate_domain::{Endpoint, Head};
use modelgate_ports::BoxError;
use tokio::time::Instant;

use super::Inbound;
use super::decode::{DecodeError, Decoder};
use crate::config::{RequestEncodings, ServerConfig};
use crate::patience::Patience;

/// Longest form of the admin API.
const LONGEST_FORM: usize = 1024 * 1024;
/// Bodies that go on after their first pause must keep this pace, in bytes per second.
const SLOWEST: u64 = 1024;
/// Pieces shorter than this are put together: each costs as much memory as a few words.
const SHORT: usize = 1024;
/// Length to which short pieces are put together.
const PUT_TOGETHER: usize = 16 * 1024;

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the body did not come whole")]
    Broken(#[source] BoxError),
    #[error("the content type is not JSON")]
    ContentType,
    #[error("the content encoding is not taken")]
    ContentEncoding,
    #[error("the body is not what its content encoding says")]
    Encoding(#[source] BoxError),
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
}

/// Reads the body of a model call; its head is found while it comes.
pub(crate) async fn inference(
    headers: &HeaderMap,
    inbound: &mut Inbound,
    config: &ServerConfig,
    mut reader: HeadReader,
) -> Result<(Head, Vec<Bytes>), BodyError> {
    let mut pieces = Pieces::default();
    let mut take = |piece: Bytes| {
        reader.feed(&piece)?;
        pieces.push(piece);
        Ok(())
    };
    receive(headers, inbound, config, config.max_body, &mut take).await?;
    Ok((reader.finish()?, pieces.finish()))
}

/// Reads a form of the admin API, in one piece.
pub(crate) async fn form(
    headers: &HeaderMap,
    inbound: &mut Inbound,
    config: &ServerConfig,
) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    let mut take = |piece: Bytes| {
        body.extend_from_slice(&piece);
        Ok(())
    };
    receive(
        headers,
        inbound,
        config,
        config.max_body.min(LONGEST_FORM),
        &mut take,
    )
    .await?;
    Ok(body)
}

/// The reader for bodies of that endpoint, with the caps of the gateway.
pub(crate) fn head_reader(
    endpoint: Endpoint,
    gateway: &modelgate_ports::driving::Gateway,
) -> HeadReader {
    HeadReader::new(endpoint, gateway.caps())
}

type Take<'a> = &'a mut (dyn FnMut(Bytes) -> Result<(), BodyError> + Send);

async fn receive(
    headers: &HeaderMap,
    inbound: &mut Inbound,
    config: &ServerConfig,
    most: usize,
    take: Take<'_>,
) -> Result<(), BodyError> {
    check_type(headers)?;
    let mut decoder = decoder(headers, config.request_encodings, most)?;
    if inbound.announced() > most as u64 {
        return Err(BodyError::TooLarge(most));
    }
    let mut timed = Timed::new(inbound, config.body_timeout);
    let mut got = 0_usize;
    while let Some(piece) = timed.next().await? {
        got = got.saturating_add(piece.len());
        if got > most {
            return Err(BodyError::TooLarge(most));
        }
        match &mut decoder {
            None => take(piece)?,
            Some(decoder) => take(decoder.feed(&piece)?)?,
        }
    }
    if let Some(decoder) = decoder {
        take(decoder.finish()?)?;
    }
    Ok(())
}

fn check_type(headers: &HeaderMap) -> Result<(), BodyError> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().map_err(|_| BodyError::ContentType)?;
    let mut parts = text.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if is_json && is_utf8 {
        Ok(())
    } else {
        Err(BodyError::ContentType)
    }
}

fn decoder(
    headers: &HeaderMap,
    allowed: RequestEncodings,
    most: usize,
) -> Result<Option<Decoder>, BodyError> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(None);
    };
    let coding = coding.as_bytes().trim_ascii();
    let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    match codings.next() {
        None if is("identity") => Ok(None),
        None if is("gzip") && allowed.gzip => Ok(Some(Decoder::gzip(most))),
        None if is("zstd") && allowed.zstd => Ok(Some(Decoder::zstd(most)?)),
        _ => Err(BodyError::ContentEncoding),
    }
}

impl From<DecodeError> for BodyError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge(most) => Self::TooLarge(most),
            DecodeError::Broken(cause) => Self::Encoding(cause.into()),
        }
    }
}

/// A body whose pauses and pace are watched. A body that never pauses costs no look at a clock.
struct Timed<'a> {
    inbound: &'a mut Inbound,
    gap: Duration,
    got: u64,
    /// When the first pause began: until then no clock was needed.
    paused: Option<Instant>,
    patience: Patience<u64>,
}

impl<'a> Timed<'a> {
    fn new(inbound: &'a mut Inbound, gap: Duration) -> Self {
        Self {
            inbound,
            gap,
            got: 0,
            paused: None,
            patience: Patience::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        poll_fn(|task| self.poll_next(task)).await
    }

    fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        match self.inbound.poll_piece(task) {
            Poll::Ready(Ok(Some(piece))) => {
                self.got += piece.len() as u64;
                if self.is_too_slow() {
                    Poll::Ready(Err(BodyError::TooSlow))
                } else {
                    Poll::Ready(Ok(Some(piece)))
                }
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Err(cause)) => Poll::Ready(Err(BodyError::Broken(cause))),
            Poll::Pending => {
                self.paused.get_or_insert_with(Instant::now);
                // Empty pieces do not count as progress: the wait has the same key.
                let wait = self.patience.poll(task, Some((self.got, self.gap)));
                wait.map(|()| Err(BodyError::TooSlow))
            }
        }
    }

    fn is_too_slow(&self) -> bool {
        self.paused.is_some_and(|since| {
            let taken = since.elapsed();
            taken > self.gap && self.got < taken.as_secs().saturating_mul(SLOWEST)
        })
    }
}

/// A body in pieces, none of them tiny.
#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    tail: BytesMut,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if piece.len() >= SHORT || (self.done.is_empty() && self.tail.is_empty()) {
            self.close_tail();
            self.done.push(piece);
            return;
        }
        self.tail.extend_from_slice(&piece);
        if self.tail.len() >= PUT_TOGETHER {
            self.close_tail();
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.done.push(self.tail.split().freeze());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close_tail();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |&(name, value): &(&str, &str)| {
            (
                HeaderName::try_from(name).unwrap(),
                HeaderValue::try_from(value).unwrap(),
            )
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn json_is_the_only_content_type() {
        let check = |value: &str, expected: bool| {
            assert_eq!(
                check_type(&headers(&[("content-type", value)])).is_ok(),
                expected,
                "{value}"
            );
        };
        assert!(check_type(&headers(&[])).is_ok());
        check("application/json", true);
        check("Application/JSON", true);
        check("application/json; charset=utf-8", true);
        check("application/json;charset=\"UTF-8\"", true);
        check("application/json; charset=latin1", false);
        check("application/jsonp", false);
        check("text/plain", false);
        check("", false);
    }

    #[test]
    fn codings_are_taken_when_they_are_switched_on() {
        let check = |coding: &str, gzip: bool, zstd: bool, expected: Option<bool>| {
            let found = decoder(
                &headers(&[("content-encoding", coding)]),
                RequestEncodings { gzip, zstd },
                1,
            );
            assert_eq!(
                found.map(|decoder| decoder.is_some()).ok(),
                expected,
                "{coding}"
            );
        };
        check("identity", false, false, Some(false));
        check("gzip", false, true, None);
        check("gzip", true, false, Some(true));
        check("GZIP", true, false, Some(true));
        check("zstd", true, false, None);
        check("zstd", false, true, Some(true));
        check("br", true, true, None);
        check("gzip, gzip", true, true, None);
        check("", true, true, None);
    }

    #[test]
    fn short_pieces_are_put_together() {
        let mut pieces = Pieces::default();
        let whole: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for byte in &whole[..40_000] {
            pieces.push(Bytes::copy_from_slice(&[*byte]));
        }
        pieces.push(Bytes::copy_from_slice(&whole[40_000..99_999]));
        pieces.push(Bytes::new());
        pieces.push(Bytes::copy_from_slice(&whole[99_999..]));
        let done = pieces.finish();
        assert_eq!(done.concat(), whole);
        assert_eq!(done.len(), 6);
    }
}
