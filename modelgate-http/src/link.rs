//! What is known of one connection: whether it works, waits or is stuck. Shared by its socket, its requests and its timers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The state of one connection. It is a handful of flags because several tasks look at it on every read and write.
#[derive(Debug, Default)]
pub(crate) struct Link {
    active: AtomicUsize,
    requests: AtomicUsize,
    heard: AtomicBool,
    blocked: AtomicBool,
    written: AtomicUsize,
    unread: AtomicBool,
    last: AtomicBool,
    on_wire: AtomicBool,
    cutting: AtomicBool,
    cut: AtomicBool,
    multiplexed: AtomicBool,
    wakers: Mutex<HashMap<u64, Waker>>,
    next_waker: AtomicU64,
    newest: Mutex<Option<Arc<Mark>>>,
}

/// What a connection waits for; each value is another wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The first byte of the request after so many others.
    Request(usize),
    /// The rest of that request's head.
    Head(usize),
    /// The client, to take what was written so far and more.
    Reader(usize),
}

/// Whether the last frame of one answer was taken on. Only for HTTP/2, where answers stall one by one.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    handed: AtomicUsize,
    asked: AtomicUsize,
}

/// A request between its head and the end of its answer.
pub(crate) struct Busy {
    link: Arc<Link>,
    mark: Option<Arc<Mark>>,
}

impl Link {
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.active.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.heard.store(false, Relaxed);
        let mark = self.multiplexed.load(Relaxed).then(|| {
            let mark = Arc::new(Mark::default());
            *lock(&self.newest) = Some(Arc::clone(&mark));
            mark
        });
        Busy {
            link: Arc::clone(self),
            mark,
        }
    }

    /// The mark of the request that began just now.
    pub(crate) fn take_mark(&self) -> Option<Arc<Mark>> {
        lock(&self.newest).take()
    }

    /// Bytes came. Between requests that is the beginning of a head.
    pub(crate) fn hear(&self) {
        if self.active.load(Relaxed) == 0 {
            self.heard.store(true, Relaxed);
        }
    }

    pub(crate) fn wrote(&self) {
        self.written.fetch_add(1, Relaxed);
        self.blocked.store(false, Relaxed);
    }

    pub(crate) fn block(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// Whether more would only pile up: the socket takes nothing. It wakes the connection when it does again.
    pub(crate) fn is_stuck(&self) -> bool {
        self.blocked.load(Relaxed) && !self.multiplexed.load(Relaxed)
    }

    pub(crate) fn multiplex(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    /// Part of a request was left unread.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Whether the client may still be sending something that nobody reads.
    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Relaxed) || self.heard.load(Relaxed)
    }

    /// No request follows on this connection, unless it carries others beside.
    pub(crate) fn make_last(&self) {
        self.last.store(!self.multiplexed.load(Relaxed), Relaxed);
    }

    pub(crate) fn is_last(&self) -> bool {
        self.last.load(Relaxed)
    }

    /// This connection shall end without the proper end of its answer, once all that was said so far is on its way.
    /// `false` where it carries other answers too, or where there is no socket to cut.
    pub(crate) fn cut_short(&self) -> bool {
        let alone = self.on_wire.load(Relaxed) && !self.multiplexed.load(Relaxed);
        self.cutting.store(alone, Relaxed);
        alone
    }

    /// There is a socket, which tells what was flushed.
    pub(crate) fn attach(&self) {
        self.on_wire.store(true, Relaxed);
    }

    /// Everything handed over is on its way. Whether somebody waited for that.
    pub(crate) fn flushed(&self) -> bool {
        self.cutting.load(Relaxed) && !self.cut.swap(true, Relaxed)
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// What the connection waits for from the client's side, if it does.
    pub(crate) fn wait(&self) -> Option<Wait> {
        if self.blocked.load(Relaxed) {
            return Some(Wait::Reader(self.written.load(Relaxed)));
        }
        if self.active.load(Relaxed) > 0 {
            return None;
        }
        let requests = self.requests.load(Relaxed);
        let in_head = self.heard.load(Relaxed) || requests == 0;
        let wait = if in_head && !self.multiplexed.load(Relaxed) {
            Wait::Head
        } else {
            Wait::Request
        };
        Some(wait(requests))
    }

    /// Remembers a task to wake when the server goes on to its next phase; gives the number to forget it by.
    pub(crate) fn remember(&self, waker: Waker) -> u64 {
        let number = self.next_waker.fetch_add(1, Relaxed);
        lock(&self.wakers).insert(number, waker);
        number
    }

    pub(crate) fn forget(&self, number: u64) {
        lock(&self.wakers).remove(&number);
    }

    fn wake(&self) {
        lock(&self.wakers).values().for_each(Waker::wake_by_ref);
    }
}

impl Busy {
    /// A frame of the answer is handed over.
    pub(crate) fn hand_over(&self) {
        if let Some(mark) = &self.mark {
            mark.handed.fetch_add(1, Relaxed);
        }
    }

    /// The next frame is asked for, so the last one was taken.
    pub(crate) fn ask(&self) {
        if let Some(mark) = &self.mark {
            mark.asked.store(mark.handed.load(Relaxed), Relaxed);
        }
    }
}

impl Mark {
    /// The number of the frame that nobody takes, if there is one.
    pub(crate) fn stuck_at(&self) -> Option<usize> {
        let handed = self.handed.load(Relaxed);
        (handed != self.asked.load(Relaxed)).then_some(handed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.link.active.fetch_sub(1, Relaxed) == 1 {
            self.link.heard.store(false, Relaxed);
        }
    }
}

/// Every open connection.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<HashMap<u64, Arc<Link>>>, AtomicU64);

/// A connection in [`Links`] for as long as this lives.
pub(crate) struct Listed<'a> {
    links: &'a Links,
    number: u64,
    pub(crate) link: Arc<Link>,
}

impl Links {
    pub(crate) fn open(&self) -> Listed<'_> {
        let link = Arc::new(Link::default());
        let number = self.1.fetch_add(1, Relaxed);
        lock(&self.0).insert(number, Arc::clone(&link));
        Listed {
            links: self,
            number,
            link,
        }
    }

    pub(crate) fn wake_all(&self) {
        lock(&self.0).values().for_each(|link| link.wake());
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        lock(&self.links.0).remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_waits_for_its_client_only_when_nothing_runs() {
        let link = Arc::new(Link::default());
        assert_eq!(
            link.wait(),
            Some(Wait::Head(0)),
            "a new connection owes a head"
        );
        let busy = link.begin();
        assert_eq!(link.wait(), None);
        link.hear(); // the body
        drop(busy);
        assert_eq!(link.wait(), Some(Wait::Request(1)));
        link.hear();
        assert_eq!(link.wait(), Some(Wait::Head(1)));
        let _busy = link.begin();
        link.block();
        assert_eq!(link.wait(), Some(Wait::Reader(0)));
        link.wrote();
        assert_eq!(link.wait(), None);
    }

    #[test]
    fn an_answer_is_stuck_between_handing_over_and_asking_again() {
        let link = Arc::new(Link::default());
        link.multiplex();
        let busy = link.begin();
        let mark = link.take_mark().unwrap();
        assert_eq!(mark.stuck_at(), None);
        busy.ask();
        busy.hand_over();
        assert_eq!(mark.stuck_at(), Some(1));
        busy.ask();
        assert_eq!(mark.stuck_at(), None);
        assert!(link.take_mark().is_none());
    }
}
