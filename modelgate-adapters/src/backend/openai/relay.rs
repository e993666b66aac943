//! From chunks to frames: the reader and the translator of one stream, without any I/O.

use bytes::Bytes;
use modelgate_ports::driven::{BackendError, Call, Frame};

use super::super::error::{Names, nonsense};
use super::super::sse::{Event, Reader, TooLong};
use super::frames::Frames;
use super::translate::Translator;

/// One stream on its way through.
pub(super) struct Relay {
    reader: Reader,
    translator: Translator,
    frames: Frames,
    /// Comes after the frames before it.
    failure: Option<BackendError>,
    ended: bool,
}

/// What there is to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Hand this out.
    Frame(Frame),
    /// Feed the next chunk, or the end.
    Hungry,
    /// All was handed out, and the answer is complete.
    Done,
}

impl Relay {
    pub(super) fn new(call: &Call<'_>, names: Names, normalize: bool) -> Self {
        Self {
            reader: Reader::default(),
            translator: Translator::new(call, names, normalize),
            frames: Frames::default(),
            failure: None,
            ended: false,
        }
    }

    /// Takes the next chunk, when hungry.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        self.reader.feed(chunk);
    }

    /// Takes note that there is no more.
    pub(super) fn feed_end(&mut self) {
        self.ended = true;
        let last = self.reader.finish().map_err(too_long);
        let taken = last.and_then(|event| match event {
            Some(event) if is_complete(&event) => self.translator.event(&event, &mut self.frames),
            _ => Ok(()),
        });
        self.failure = taken
            .and_then(|()| self.translator.end(&mut self.frames))
            .err();
    }

    /// The next step. All events of a chunk make one frame; the first may be taken alone.
    ///
    /// # Errors
    /// The server failed; nothing comes after that.
    pub(super) fn step(&mut self) -> Result<Step, BackendError> {
        if !self.ended && self.failure.is_none() {
            self.failure = self.drain().err();
        }
        if let Some(frame) = self.frames.take() {
            return Ok(Step::Frame(frame));
        }
        match self.failure.take() {
            Some(failure) => {
                self.ended = true;
                Err(failure)
            }
            None if self.ended => Ok(Step::Done),
            None => Ok(Step::Hungry),
        }
    }

    fn drain(&mut self) -> Result<(), BackendError> {
        while let Some(event) = self.reader.next().map_err(too_long)? {
            self.translator.event(&event, &mut self.frames)?;
            if self.translator.is_done() {
                self.ended = true;
                return self.translator.end(&mut self.frames);
            }
        }
        Ok(())
    }
}

/// An event without the empty line after it counts if nothing of it is missing.
fn is_complete(event: &Event<'_>) -> bool {
    event.data.trim_ascii().starts_with(b"[DONE]")
        || modelgate_domain::json::members(event.data, &[]).is_ok()
}

fn too_long(cause: TooLong) -> BackendError {
    nonsense("the model server sent an event that is too large", cause)
}

#[cfg(test)]
mod tests;
