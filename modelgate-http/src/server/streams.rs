//! The tasks of one HTTP/2 connection: they end with it, and a stream that nobody reads ends before.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::task::JoinSet;

use crate::link::{Link, Mark};
use crate::patience::Patience;

/// Runs the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
    link: Arc<Link>,
    write_timeout: Duration,
}

impl Streams {
    pub(super) fn new(link: &Arc<Link>, write_timeout: Duration) -> Self {
        Self {
            tasks: Arc::default(),
            link: Arc::clone(link),
            write_timeout,
        }
    }

    /// Ends every stream when the connection is over. The tasks know their set, so the set cannot go by itself.
    pub(super) fn bound_to_connection(&self) -> Bound {
        Bound(Arc::clone(&self.tasks))
    }
}

pub(super) struct Bound(Arc<Mutex<JoinSet<()>>>);

impl Drop for Bound {
    fn drop(&mut self) {
        lock(&self.0).abort_all();
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mark = self.link.take_mark();
        let task = run(stream, mark, Arc::clone(&self.link), self.write_timeout);
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// Runs a stream until it is over, or until its client has not taken a frame for too long.
async fn run(
    stream: impl Future<Output = ()>,
    mark: Option<Arc<Mark>>,
    link: Arc<Link>,
    most: Duration,
) {
    let mut stream = pin!(stream);
    let mut patience = Patience::new();
    let mut woken = None;
    poll_fn(|task| {
        woken.get_or_insert_with(|| Woken::new(&link, task.waker().clone()));
        if stream.as_mut().poll(task).is_ready() {
            return Poll::Ready(());
        }
        let stuck_at = mark.as_ref().and_then(|mark| mark.stuck_at());
        patience.poll(task, stuck_at.map(|frame| (frame, most)))
    })
    .await;
}

/// This task is woken when the server goes on to its next phase.
struct Woken<'a> {
    link: &'a Link,
    number: u64,
}

impl<'a> Woken<'a> {
    fn new(link: &'a Link, waker: std::task::Waker) -> Self {
        Self {
            link,
            number: link.remember(waker),
        }
    }
}

impl Drop for Woken<'_> {
    fn drop(&mut self) {
        self.link.forget(self.number);
    }
}

fn lock(tasks: &Mutex<JoinSet<()>>) -> MutexGuard<'_, JoinSet<()>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}
