//! Reading HTTP/1 messages off a socket, byte for byte: used by the raw client and by the upstream.
//!
//! Nothing is forgiven here: a message that is not framed as its head says is an error, not a guess.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first line and the header lines of a message, as they came.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

pub(crate) struct WireReader<R> {
    inner: R,
    buffer: BytesMut,
}

impl Head {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// `otherwise` is what a head without any framing header means: nothing for a request, all for a response.
    pub(crate) fn framing(&self, otherwise: Framing) -> Framing {
        if self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked;
        }
        let length = self
            .header("content-length")
            .and_then(|value| value.parse().ok());
        length.map_or(otherwise, Framing::Length)
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self {
            first_line,
            headers: headers.collect(),
        }
    }
}

impl<R: AsyncRead + Unpin> WireReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: BytesMut::new(),
        }
    }

    pub(crate) fn get_ref(&self) -> &R {
        &self.inner
    }

    pub(crate) fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The next head, or `None` when the peer closed before its first byte.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        let text = match self.line_block(b"\r\n\r\n").await {
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && self.buffer.is_empty() =>
            {
                return Ok(None);
            }
            other => other?,
        };
        Ok(Some(Head::parse(&String::from_utf8_lossy(&text))))
    }

    pub(crate) async fn body(&mut self, framing: Framing) -> io::Result<Bytes> {
        match framing {
            Framing::Length(length) => self.exactly(length).await,
            Framing::Chunked => self.chunks().await,
            Framing::UntilClose => self.rest().await,
        }
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    /// Everything until the peer closes.
    pub(crate) async fn rest(&mut self) -> io::Result<Bytes> {
        while self.inner.read_buf(&mut self.buffer).await? > 0 {}
        Ok(self.buffer.split().freeze())
    }

    /// A body without its last chunk is no body, but for one: a stream that failed is cut after the event that says so.
    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = match self.line_block(b"\r\n").await {
                Err(error) if is_end(&error) && self.buffer.is_empty() && tells_failure(&body) => {
                    return Ok(body.freeze());
                }
                line => line?,
            };
            let size = chunk_size(&line)?;
            if size == 0 {
                self.trailers().await?;
                return Ok(body.freeze());
            }
            body.extend_from_slice(&self.exactly(size).await?);
            self.expect_line_end().await?;
        }
    }

    async fn trailers(&mut self) -> io::Result<()> {
        while !self.line_block(b"\r\n").await?.is_empty() {}
        Ok(())
    }

    async fn expect_line_end(&mut self) -> io::Result<()> {
        let end = self.exactly(2).await?;
        if end == "\r\n" {
            Ok(())
        } else {
            Err(io::Error::other("chunk without its line end"))
        }
    }

    /// Bytes up to `end`, which is taken off.
    async fn line_block(&mut self, end: &[u8]) -> io::Result<Bytes> {
        let mut searched = 0;
        loop {
            let found = self.buffer[searched..]
                .windows(end.len())
                .position(|window| window == end);
            if let Some(offset) = found {
                let text = self.buffer.split_to(searched + offset).freeze();
                self.buffer.advance(end.len());
                return Ok(text);
            }
            searched = self.buffer.len().saturating_sub(end.len() - 1);
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.inner.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn tells_failure(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    text.ends_with("}\n\n") && last.starts_with("data: {\"error\":{")
}

fn chunk_size(line: &[u8]) -> io::Result<usize> {
    let text = String::from_utf8_lossy(line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    usize::from_str_radix(digits, 16).map_err(io::Error::other)
}
