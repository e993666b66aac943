//! How a script becomes bytes: its head, and length, chunks or the close around its pieces.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;

use super::Latch;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Bytes),
    Pause(Duration),
    Hold(Latch),
    Stall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    KeepAlive,
    Close,
    Reset,
}

#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: BodyFraming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    Length,
    Chunked,
    UntilClose,
}

impl Head {
    /// The head goes out with the first piece: waiting in front of that piece holds the head as well.
    pub(super) fn put_before(
        self,
        body: Vec<Step>,
        cut_after: Option<usize>,
        end: End,
    ) -> Vec<Step> {
        let first = body
            .iter()
            .position(|step| matches!(step, Step::Send(_) | Step::Stall));
        let head = Step::Send(self.text(body.iter().map(length).sum()).into());
        let mut room = cut_after.unwrap_or(usize::MAX);
        let framed = body
            .into_iter()
            .map(|step| self.framing.around(cut(step, &mut room)));
        let mut steps: Vec<Step> = framed.collect();
        steps.insert(first.unwrap_or(steps.len()), head);
        if self.framing == BodyFraming::Chunked && end == End::KeepAlive {
            steps.push(Step::Send("0\r\n\r\n".into()));
        }
        steps
    }

    fn text(&self, length: usize) -> String {
        let mut text = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").expect("writing to memory");
        }
        text + &match self.framing {
            BodyFraming::Length => format!("content-length: {length}\r\n\r\n"),
            BodyFraming::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
            BodyFraming::UntilClose => "\r\n".to_owned(),
        }
    }
}

impl BodyFraming {
    /// An empty chunk would end the body, so an empty piece sends nothing.
    fn around(self, step: Step) -> Step {
        match step {
            Step::Send(bytes) if self == Self::Chunked && !bytes.is_empty() => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend_from_slice(&bytes);
                chunk.extend_from_slice(b"\r\n");
                Step::Send(chunk.into())
            }
            other => other,
        }
    }
}

/// Sends at most `room` bytes, and takes them off it.
pub(super) fn cut(step: Step, room: &mut usize) -> Step {
    let Step::Send(bytes) = step else { return step };
    let kept = bytes.len().min(*room);
    *room -= kept;
    Step::Send(bytes.slice(..kept))
}

fn length(step: &Step) -> usize {
    match step {
        Step::Send(bytes) => bytes.len(),
        _ => 0,
    }
}
