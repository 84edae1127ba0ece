//! The open segment, from what is synced to what is written, and the thread that
//! moves the one after the other.
//!
//! Promises: whoever hears of a sync hears of it after `fdatasync` and the mark;
//! while one sync runs, the next batch is written. What is not synced is kept in
//! memory: after a failed sync the kernel may forget what it was given, and a
//! later success would prove nothing, so it is written again elsewhere.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use brevet_core::audit::Chain;
use tokio::sync::watch;

use super::{
    disk::DiskFile,
    gauges::Gauges,
    limits::UNSYNCED_BYTES_MAX,
    mark::{Mark, MarkFile},
    queue::Queue,
    receipt::{Batch, Refused},
    segment::SegmentName,
    signing::Checkpoints,
};

/// Shared by the writer and the syncing thread.
#[derive(Debug)]
pub(super) struct Tail {
    state: Mutex<State>,
    changed: Condvar,
    /// What readers may read up to.
    head: watch::Sender<Mark>,
}

#[derive(Debug)]
struct State {
    segment: Open,
    unsynced: VecDeque<Unsynced>,
    unsynced_bytes: u64,
    fault: Option<Arc<str>>,
    is_closing: bool,
    is_syncer_waiting: bool,
}

/// The open segment.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) name: SegmentName,
    pub(super) file: Arc<dyn DiskFile>,
    /// Bytes of it that are synced.
    pub(super) synced: u64,
    /// The chain after what is synced.
    pub(super) chain: Chain,
}

/// A batch that is written.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) bytes: Vec<u8>,
    /// The chain after it.
    pub(super) chain: Chain,
    pub(super) batch: Batch,
    pub(super) since: Instant,
}

/// What was written and not synced when a sync failed.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) segment: Open,
    pub(super) bytes: Vec<u8>,
}

impl Open {
    fn mark(&self) -> Mark {
        Mark { ordinal: self.name.ordinal, bytes: self.synced, size: self.chain.size() }
    }
}

impl Tail {
    pub(super) fn new(segment: Open) -> Self {
        let head = watch::Sender::new(segment.mark());
        let state = State {
            segment,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            fault: None,
            is_closing: false,
            is_syncer_waiting: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), head }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a>(&self, state: MutexGuard<'a, State>, left: Option<Duration>) -> MutexGuard<'a, State> {
        match left {
            None => self.wait(state),
            Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// What readers may read up to, as it moves.
    pub(super) fn head(&self) -> watch::Receiver<Mark> {
        self.head.subscribe()
    }

    /// Why the last sync failed, if it did.
    pub(super) fn fault(&self) -> Option<Arc<str>> {
        self.state().fault.clone()
    }

    /// Takes a batch that was written behind everything else, and tells its callers so.
    ///
    /// # Errors
    /// A sync has failed meanwhile: what was written there counts for nothing.
    pub(super) fn push(&self, written: Unsynced, first: u64) -> Result<(), (Batch, Arc<str>)> {
        let mut state = self.state();
        if let Some(why) = state.fault.clone() {
            return Err((written.batch, why));
        }
        state.unsynced_bytes += written.bytes.len() as u64;
        written.batch.written(first);
        state.unsynced.push_back(written);
        if std::mem::take(&mut state.is_syncer_waiting) {
            drop(state);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Waits until no more than that many bytes are not synced.
    ///
    /// # Errors
    /// A sync has failed.
    fn wait_until(&self, unsynced_bytes_max: u64) -> Result<(), Arc<str>> {
        let mut state = self.state();
        loop {
            match &state.fault {
                Some(why) => return Err(why.clone()),
                None if state.unsynced_bytes <= unsynced_bytes_max => return Ok(()),
                None => state = self.wait(state),
            }
        }
    }

    /// Waits until there is room for more.
    ///
    /// # Errors
    /// A sync has failed.
    pub(super) fn wait_for_room(&self) -> Result<(), Arc<str>> {
        self.wait_until(UNSYNCED_BYTES_MAX)
    }

    /// Waits until everything is synced.
    ///
    /// # Errors
    /// A sync has failed.
    pub(super) fn wait_for_sync(&self) -> Result<(), Arc<str>> {
        self.wait_until(0)
    }

    /// What a failed sync has left in doubt; `None` when none has failed.
    pub(super) fn suspect(&self) -> Option<Suspect> {
        let state = self.state();
        state.fault.as_ref()?;
        let bytes = state.unsynced.iter().flat_map(|batch| &batch.bytes).copied().collect();
        Some(Suspect { segment: state.segment.clone(), bytes })
    }

    /// Goes on in another segment, which holds everything and is synced.
    pub(super) fn replace(&self, segment: Open) {
        let mut state = self.state();
        let mark = segment.mark();
        state.segment = segment;
        state.unsynced.clear();
        state.unsynced_bytes = 0;
        state.fault = None;
        self.head.send_replace(mark);
    }

    /// Lets the syncing thread end once everything is synced.
    pub(super) fn close(&self) {
        self.state().is_closing = true;
        self.changed.notify_all();
    }

    /// Syncs what is written, until closed.
    /// A checkpoint is signed when one is due, and at the end.
    pub(super) fn keep_synced(&self, mark: &MarkFile, mut checkpoints: Checkpoints, queue: &Queue, gauges: &Gauges) {
        let mut state = self.state();
        loop {
            if state.unsynced.is_empty() || state.fault.is_some() {
                let due_in = checkpoints.due_in(state.segment.chain.size());
                if due_in.is_some_and(|left| state.is_closing || left.is_zero()) {
                    let chain = state.segment.chain.clone();
                    drop(state);
                    checkpoints.sign(&chain);
                    state = self.state();
                } else if state.is_closing {
                    return;
                } else {
                    state.is_syncer_waiting = true;
                    state = self.wait_for(state, due_in);
                }
                continue;
            }
            let (batches, bytes) = (state.unsynced.len(), state.unsynced_bytes);
            let mut segment = state.segment.clone();
            segment.synced += bytes;
            if let Some(last) = state.unsynced.back() {
                segment.chain = last.chain.clone();
            }
            drop(state);
            let begun = Instant::now();
            let outcome = segment.file.sync().and_then(|()| mark.set(segment.mark()));
            gauges.sync(begun.elapsed());
            state = self.state();
            match outcome {
                Ok(()) => self.synced(state, segment, batches, bytes, gauges),
                Err(error) => self.not_synced(state, &error, queue),
            }
            state = self.state();
        }
    }

    fn synced(&self, mut state: MutexGuard<'_, State>, segment: Open, batches: usize, bytes: u64, gauges: &Gauges) {
        let mark = segment.mark();
        state.segment = segment;
        state.unsynced_bytes -= bytes;
        let done: Vec<Unsynced> = state.unsynced.drain(..batches).collect();
        drop(state);
        self.head.send_replace(mark);
        self.changed.notify_all();
        for batch in done {
            batch.batch.synced();
            gauges.synced(batch.since.elapsed());
        }
    }

    fn not_synced(&self, mut state: MutexGuard<'_, State>, error: &io::Error, queue: &Queue) {
        let why: Arc<str> = format!("sync: {error}").into();
        state.fault = Some(why.clone());
        let refused = Refused::Failing(why);
        for waiting in &state.unsynced {
            waiting.batch.refuse(&refused);
        }
        drop(state);
        self.changed.notify_all();
        queue.nudge();
    }
}
