//! The least of HTTP/1.1 that a load generator and a scripted upstream need, so that they cost little themselves.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection with what was read beyond the last message.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

/// The end of the connection, or nonsense on it.
#[derive(Debug)]
pub(crate) struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Result<Self, Broken> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
            start: 0,
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads a head and returns it without the empty line.
    pub(crate) async fn head(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(at) = find(&self.buffer[self.start..], b"\r\n\r\n") {
                let head =
                    String::from_utf8_lossy(&self.buffer[self.start..self.start + at]).into_owned();
                self.start += at + 4;
                return Ok(head);
            }
            self.more().await?;
        }
    }

    /// Reads a body of that length and returns it.
    pub(crate) async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        while self.buffer.len() - self.start < length {
            self.more().await?;
        }
        let body = self.buffer[self.start..self.start + length].to_vec();
        self.start += length;
        Ok(body)
    }

    /// Reads one chunk of a chunked body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let line = loop {
            if let Some(at) = find(&self.buffer[self.start..], b"\r\n") {
                let line =
                    String::from_utf8_lossy(&self.buffer[self.start..self.start + at]).into_owned();
                self.start += at + 2;
                break line;
            }
            self.more().await?;
        };
        let length = usize::from_str_radix(line.trim(), 16).map_err(|_| Broken)?;
        let chunk = self.exactly(length).await?;
        self.exactly(2).await?;
        Ok((length > 0).then_some(chunk))
    }

    async fn more(&mut self) -> Result<(), Broken> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            Err(Broken)
        } else {
            Ok(())
        }
    }
}

/// A header's value in a head, by its lower-case name.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .into_iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
