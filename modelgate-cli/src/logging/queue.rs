//! A queue of bytes to a slow place: writers only append, one thread writes what has gathered.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines gather for this long, so that many of them cost one system call.
const GATHER: Duration = Duration::from_millis(5);

/// A writer that has fallen this far behind holds everybody up: nothing is lost.
const MOST: usize = 4 << 20;

/// The thread and its queue.
#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The end where lines go in.
#[derive(Debug, Clone)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    finished: bool,
}

impl Queue {
    /// Starts the thread that writes to `place`.
    pub(super) fn start(place: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let held = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || held.drain(place));
        Self {
            shared,
            thread: thread.ok(),
        }
    }

    pub(super) fn sink(&self) -> Sink {
        Sink(Arc::clone(&self.shared))
    }

    /// Waits until everything is written. What comes later is lost.
    pub(super) fn finish(&mut self) {
        self.shared.lock().finished = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drain(&self, mut place: impl Write) {
        let mut batch = Vec::new();
        loop {
            let mut pending = self.lock();
            while pending.bytes.is_empty() && !pending.finished {
                pending = self
                    .changed
                    .wait(pending)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let gathered = self.changed.wait_timeout_while(pending, GATHER, |pending| {
                !pending.finished && pending.bytes.len() < MOST
            });
            let (mut pending, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut pending.bytes, &mut batch);
            let is_last = pending.finished;
            drop(pending);
            self.changed.notify_all();
            // There is nobody left to tell when stderr is gone.
            let _gone = place.write_all(&batch).and_then(|()| place.flush());
            batch.clear();
            if is_last {
                return;
            }
        }
    }
}

impl Sink {
    /// Takes a whole line.
    pub(super) fn push(&self, line: &[u8]) {
        let mut pending = self.0.lock();
        while pending.bytes.len() >= MOST && !pending.finished {
            pending = self
                .0
                .changed
                .wait(pending)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let was_empty = pending.bytes.is_empty();
        pending.bytes.extend_from_slice(line);
        drop(pending);
        if was_empty {
            self.0.changed.notify_all();
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place whose content can be read afterwards.
    #[derive(Debug, Clone, Default)]
    struct Shelf(Arc<Mutex<Vec<u8>>>);

    impl Write for Shelf {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // One byte less than asked, as pipes do.
            let taken = (bytes.len() / 2).max(1);
            self.0.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_lost_at_the_end() {
        let shelf = Shelf::default();
        let mut queue = Queue::start(shelf.clone());
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let sink = queue.sink();
                scope.spawn(move || {
                    (0..1_000).for_each(|line| sink.push(format!("{writer} {line}\n").as_bytes()));
                });
            }
        });
        queue.finish();
        let text = String::from_utf8(shelf.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 4_000);
        for writer in 0..4 {
            let own = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{writer} ")));
            assert!(
                own.eq((0..1_000).map(|line| line.to_string())),
                "the lines of a writer keep their order"
            );
        }
    }

    #[test]
    fn a_full_queue_waits_for_its_writer() {
        let shelf = Shelf::default();
        let mut queue = Queue::start(shelf.clone());
        let sink = queue.sink();
        let block = vec![b'x'; MOST / 2 + 1];
        (0..8).for_each(|_| sink.push(&block));
        queue.finish();
        assert_eq!(shelf.0.lock().unwrap().len(), 8 * block.len());
    }
}
