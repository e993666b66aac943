//! The echo in events, one for each word.

use std::task::{Context, Poll};

use bytes::BytesMut;
use modelgate_ports::driven::{BackendError, Frame, ReplyStream};

use super::answer::Answers;
use crate::backend::events;

/// All choices advance together, a word at a time.
pub(super) struct EchoStream {
    answers: Answers,
    include_usage: bool,
    /// Words said so far by every choice.
    step: usize,
    state: State,
}

enum State {
    Starting,
    Speaking,
    Over,
}

impl EchoStream {
    pub(super) fn new(answers: Answers, include_usage: bool) -> Self {
        let state = if answers.has_start() {
            State::Starting
        } else {
            State::Speaking
        };
        Self {
            answers,
            include_usage,
            step: 0,
            state,
        }
    }

    fn next(&mut self) -> Option<Frame> {
        match self.state {
            State::Starting => {
                self.state = State::Speaking;
                let starts =
                    (0..self.answers.choices.len()).map(|index| self.answers.delta(index, None));
                Some(frame(&starts.collect::<Vec<_>>(), 0))
            }
            State::Speaking => Some(self.speak()),
            State::Over => None,
        }
    }

    fn speak(&mut self) -> Frame {
        let choices = self.answers.choices.iter().enumerate();
        let word = |(index, choice): (usize, &super::answer::Choice)| {
            let word = choice.words.get(self.step)?;
            Some(self.answers.delta(index, Some(word)))
        };
        let words: Vec<_> = choices.filter_map(word).collect();
        self.step += 1;
        match u32::try_from(words.len()) {
            Ok(0) => self.finish(),
            deltas => frame(&words, deltas.unwrap_or(u32::MAX)),
        }
    }

    fn finish(&mut self) -> Frame {
        self.state = State::Over;
        let ends = (0..self.answers.choices.len()).map(|index| self.answers.finish(index));
        let usage = self.include_usage.then(|| self.answers.usage_event());
        Frame {
            usage: Some(self.answers.usage),
            ..frame(&ends.chain(usage).collect::<Vec<_>>(), 0)
        }
    }
}

impl ReplyStream for EchoStream {
    fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Frame>, BackendError>> {
        Poll::Ready(Ok(self.next()))
    }
}

fn frame(texts: &[String], deltas: u32) -> Frame {
    let mut out = BytesMut::new();
    for text in texts {
        events::push(&mut out, text.as_bytes());
    }
    Frame {
        bytes: out.freeze(),
        usage: None,
        deltas,
    }
}
