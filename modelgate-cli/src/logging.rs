//! The log: one line for each event on stderr, as JSON or text, written by a thread of its own.

mod line;
mod queue;

use std::io::IsTerminal;

use tracing::Metadata;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::output::is_colourless;
use crate::settings::{Environment, Log};
use line::JsonLines;
use queue::Queue;

/// Keeps the log going. Dropping it waits until every line is written.
#[derive(Debug)]
pub(crate) struct Logging {
    queue: Queue,
}

/// Starts the log of this process.
pub(crate) fn start(settings: &Log, environment: &Environment) -> Logging {
    let queue = Queue::start(std::io::stderr());
    let is_json = match settings.format.as_str() {
        "auto" => !std::io::stderr().is_terminal(),
        format => format == "json",
    };
    let levels = levels(&settings.level);
    let most = levels
        .iter()
        .map(|(_, level)| level)
        .chain(levels.default_level())
        .max();
    // Spans would cost every request something and tell nothing that the events do not.
    let wanted = move |metadata: &Metadata<'_>| {
        metadata.is_event() && levels.would_enable(metadata.target(), metadata.level())
    };
    let filter = filter_fn(wanted).with_max_level_hint(most.unwrap_or(LevelFilter::OFF));
    let sink = queue.sink();
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if is_json {
        Box::new(JsonLines::new(sink))
    } else {
        let text = fmt::layer()
            .with_writer(move || sink.clone())
            .with_target(false);
        Box::new(text.with_ansi(std::io::stderr().is_terminal() && !is_colourless(environment)))
    };
    let subscriber = Registry::default().with(lines.and_then(filter));
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
    Logging { queue }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.queue.finish();
    }
}

/// A single word below `info` is about this program: what its libraries then say is noise, and may hold headers.
fn levels(text: &str) -> Targets {
    match text.parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::INFO => Targets::new()
            .with_default(LevelFilter::INFO)
            .with_target("modelgate", level),
        Ok(level) => Targets::new().with_default(level),
        Err(_) => text
            .parse()
            .unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO)),
    }
}

/// Where it happened, and not what it said: a message may quote a prompt.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(
        panic.location = place.as_str(),
        "a bug: a task panicked, and only its request failed"
    );
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_word_below_info_is_about_this_program() {
        let check = |text: &str, target: &str, level: Level, expected: bool| {
            assert_eq!(
                levels(text).would_enable(target, &level),
                expected,
                "{text} {target} {level}"
            );
        };
        check("info", "hyper", Level::INFO, true);
        check("info", "modelgate_http::server", Level::DEBUG, false);
        check("debug", "modelgate_http::server", Level::DEBUG, true);
        check("debug", "h2::codec", Level::DEBUG, false);
        check("off", "modelgate", Level::ERROR, false);
        check("warn,h2=debug", "h2::codec", Level::DEBUG, true);
        check("warn,h2=debug", "modelgate", Level::INFO, false);
    }
}
