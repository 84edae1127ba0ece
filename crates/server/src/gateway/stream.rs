//! One exchange under a grant, from its permit to its last byte, and its end.
//!
//! An end comes in two steps. [`Stream::end`] stops the bytes: the connection to
//! kube-apiserver is reset, both bodies refuse to pass more, and the client is
//! owed only the last words. [`Stream::cut`], a moment later, drops what is
//! still there, whether or not the client reads.
//!
//! Promises: once ended, no byte is forwarded in either direction (I2); the
//! bodies compare the clock at each poll, so that holds too when timers are late.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use brevet_core::reason::Reason;
use futures::task::AtomicWaker;
use hyper::body::Incoming;
use jiff::Timestamp;

use super::door::{socket::Grip, task::Task};
use crate::clock::{self, Deadline};

/// Whose exchange it is, for sentences and receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) grant: String,
    pub(super) grant_uid: String,
    pub(super) holder: String,
    /// The command that asks again.
    pub(super) again: String,
}

/// Why and when an exchange ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) cause: Reason,
    /// When it was due.
    pub(super) at: Timestamp,
}

/// One exchange.
pub(super) struct Stream {
    pub(super) about: Arc<About>,
    pub(super) deadline: Deadline,
    pub(super) opened_at: Timestamp,
    pub(super) opened: Instant,
    has_ended: AtomicBool,
    ending: OnceLock<Ending>,
    /// How long after it was due the bytes had stopped.
    late: OnceLock<Duration>,
    /// What is still to come from kube-apiserver; here and not in the body, so
    /// that dropping it needs nobody to poll the body.
    answer: Mutex<Option<Incoming>>,
    /// The connection to kube-apiserver.
    upstream: Mutex<Grip>,
    /// The task towards the client.
    task: Arc<Task>,
    is_tunnel: AtomicBool,
    waker: AtomicWaker,
    /// Whether anything was sent to kube-apiserver.
    was_sent: AtomicBool,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
    /// Without a word for this long it is cut.
    idle_timeout: Option<Duration>,
    /// Milliseconds after `opened` at which something was said last.
    used_ms: AtomicU64,
}

impl Stream {
    /// An exchange of the task that runs now, cut when nothing is said in it for `idle_timeout`.
    pub(super) fn new(about: Arc<About>, deadline: Deadline, idle_timeout: Option<Duration>) -> Self {
        Self {
            about,
            deadline,
            idle_timeout,
            used_ms: AtomicU64::new(0),
            opened_at: clock::now(),
            opened: Instant::now(),
            has_ended: AtomicBool::new(false),
            ending: OnceLock::new(),
            late: OnceLock::new(),
            answer: Mutex::default(),
            upstream: Mutex::default(),
            task: Task::current(),
            is_tunnel: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            was_sent: AtomicBool::new(false),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
        }
    }

    /// Whether bytes may still pass. Ends the exchange when its deadline is over.
    pub(super) fn is_open(&self) -> bool {
        if self.has_ended.load(Ordering::Acquire) {
            return false;
        }
        if self.deadline.is_over() {
            self.end(Reason::Expired, self.deadline.not_after());
            return false;
        }
        true
    }

    /// Why it ended, if it was ended.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Stops the bytes. The first call counts.
    pub(super) fn end(&self, cause: Reason, due: Timestamp) {
        // Both setters fail only where somebody else ended it first.
        self.ending.set(Ending { cause, at: due }).ok();
        self.has_ended.store(true, Ordering::Release);
        let answer = lock(&self.answer).take();
        let upstream = std::mem::take(&mut *lock(&self.upstream));
        upstream.reset();
        drop(answer);
        let late = clock::now().duration_since(due);
        self.late.set(Duration::try_from(late).unwrap_or(Duration::ZERO)).ok();
        self.waker.wake();
    }

    /// How late it was ended, if it was.
    pub(super) fn late(&self) -> Option<Duration> {
        self.late.get().copied()
    }

    /// Drops what is left of it, reader or not. A tunnel does so by itself.
    pub(super) fn cut(&self) {
        if !self.is_tunnel() {
            self.task.cut();
        }
    }

    /// Whether it has left HTTP behind.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// Leaves the task it began in: a tunnel has one of its own, which watches for the end.
    pub(super) fn becomes_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Release);
    }

    /// Says which connection to kube-apiserver carries it. One that comes after the end is reset.
    pub(super) fn runs_over(&self, upstream: Grip) {
        self.was_sent.store(true, Ordering::Relaxed);
        *lock(&self.upstream) = upstream;
        if self.has_ended.load(Ordering::Acquire) {
            std::mem::take(&mut *lock(&self.upstream)).reset();
        }
    }

    /// Takes in the answer's body. One that comes after the end is dropped.
    pub(super) fn answers_with(&self, body: Incoming) {
        *lock(&self.answer) = Some(body);
        if self.has_ended.load(Ordering::Acquire) {
            let late = lock(&self.answer).take();
            drop(late);
        }
    }

    /// Lets `poll` at what is still to come; `None` when there is nothing any more.
    pub(super) fn with_answer<T>(&self, poll: impl FnOnce(&mut Incoming) -> T) -> Option<T> {
        lock(&self.answer).as_mut().map(poll)
    }

    /// Lets go of kube-apiserver after a whole answer: the connection may serve another.
    pub(super) fn is_answered(&self) {
        drop(std::mem::take(&mut *lock(&self.upstream)));
        let whole = lock(&self.answer).take();
        drop(whole);
    }

    /// Asks that the current task be woken at the end.
    pub(super) fn watch_end(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// Returns when the exchange has ended.
    pub(super) async fn ended(&self) -> &Ending {
        std::future::poll_fn(|cx| {
            self.watch_end(cx);
            let _ = self.is_open();
            self.ending().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Whether kube-apiserver may have seen any of it.
    pub(super) fn was_sent(&self) -> bool {
        self.was_sent.load(Ordering::Relaxed)
    }

    /// Something was said in it.
    pub(super) fn is_used(&self) {
        if self.idle_timeout.is_some() {
            self.used_ms.store(self.age_ms(), Ordering::Relaxed);
        }
    }

    /// Since when it has been idle for too long, if it has.
    pub(super) fn is_idle(&self) -> Option<Timestamp> {
        let silent = Duration::from_millis(self.age_ms().saturating_sub(self.used_ms.load(Ordering::Relaxed)));
        let too_long = silent.checked_sub(self.idle_timeout?)?;
        clock::now().checked_sub(too_long).ok()
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts bytes from the client.
    pub(super) fn count_up(&self, bytes: usize) {
        self.bytes_up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes to the client.
    pub(super) fn count_down(&self, bytes: usize) {
        self.bytes_down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes from and to the client so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.bytes_up.load(Ordering::Relaxed), self.bytes_down.load(Ordering::Relaxed))
    }
}

impl About {
    /// What the person is told at the end.
    pub(super) fn sentence(&self, ending: &Ending) -> String {
        let at = ending.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        match ending.cause {
            Reason::Stale => format!(
                "grant `{}` was cut at {at}: the gateway has lost contact with kube-apiserver; try again",
                self.grant
            ),
            Reason::Unguarded => format!(
                "grant `{}` was cut at {at}: Brevet's admission policies do not stand as shipped; tell an administrator, \
                 and ask again when they do",
                self.grant
            ),
            Reason::Stopping => {
                format!("a gateway of grant `{}` stopped at {at}; the grant stands: try again", self.grant)
            }
            Reason::Idle => {
                format!(
                    "a stream under grant `{}` was cut at {at}: nothing was said in it for too long (Idle); \
                         the grant stands: open it again",
                    self.grant
                )
            }
            cause => format!("grant `{}` ended at {at} ({cause}); ask again: {}", self.grant, self.again),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
