//! The way from callers to the writer.
//!
//! Promises: bounded; entries are written in the order in which they were handed
//! in; while the log fails or is closed nothing is let in.
//!
//! Left out on purpose: waiting for room. Whoever finds the queue full is
//! refused and may ask again.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use brevet_core::audit::Event;

use super::{
    limits::QUEUE_ENTRIES_MAX,
    receipt::{Batch, Filled, Pending, Refused},
};

/// Shared by every caller and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug)]
struct State {
    events: Vec<Event>,
    batch: Batch,
    since: Instant,
    mode: Mode,
    is_writer_waiting: bool,
    /// Somebody wants the writer to look around.
    is_nudged: bool,
}

#[derive(Debug)]
enum Mode {
    Accepting,
    Refusing(Refused),
    Closed,
}

/// What the writer finds.
#[derive(Debug)]
pub(super) enum Taken {
    /// Entries to write.
    Some(Filled<Event>),
    /// None, and it is time to look around.
    Nothing,
    /// None, and none will come.
    Closed,
}

impl Queue {
    pub(super) fn new() -> Self {
        let state = State {
            events: Vec::new(),
            batch: Batch::new(),
            since: Instant::now(),
            mode: Mode::Accepting,
            is_writer_waiting: false,
            is_nudged: false,
        };
        Self { state: Mutex::new(state), filled: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in an entry.
    ///
    /// # Errors
    /// There is no room, or the log takes nothing.
    pub(super) fn push(&self, event: Event) -> Result<Pending, Refused> {
        let mut state = self.state();
        match &state.mode {
            Mode::Accepting => {}
            Mode::Refusing(why) => return Err(why.clone()),
            Mode::Closed => return Err(Refused::Closed),
        }
        if state.events.len() >= QUEUE_ENTRIES_MAX {
            return Err(Refused::Full);
        }
        if state.events.is_empty() {
            state.since = Instant::now();
        }
        let pending = state.batch.pending(state.events.len() as u64);
        state.events.push(event);
        self.wake(state);
        Ok(pending)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if mem::take(&mut state.is_writer_waiting) {
            drop(state);
            self.filled.notify_one();
        }
    }

    /// How many wait.
    pub(super) fn depth(&self) -> usize {
        self.state().events.len()
    }

    /// Waits for entries, at most until `until`. `spare` takes the place of what is taken.
    pub(super) fn take(&self, until: Option<Instant>, spare: Vec<Event>) -> Taken {
        let mut state = self.state();
        loop {
            if !state.events.is_empty() {
                let events = mem::replace(&mut state.events, spare);
                let batch = mem::replace(&mut state.batch, Batch::new());
                return Taken::Some(Filled { events, batch, since: state.since });
            }
            if matches!(state.mode, Mode::Closed) {
                return Taken::Closed;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if mem::take(&mut state.is_nudged) || left.is_some_and(|left| left.is_zero()) {
                return Taken::Nothing;
            }
            state.is_writer_waiting = true;
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Option<Duration>) -> MutexGuard<'a, State> {
        match left {
            None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(left) => self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// Makes the writer look around.
    pub(super) fn nudge(&self) {
        let mut state = self.state();
        state.is_nudged = true;
        self.wake(state);
    }

    /// Turns away who waits and who comes, until [`Queue::accept`]; says how many waited.
    pub(super) fn refuse(&self, why: &Refused) -> usize {
        let mut state = self.state();
        let waiting = mem::take(&mut state.events).len();
        let batch = mem::replace(&mut state.batch, Batch::new());
        if !matches!(state.mode, Mode::Closed) {
            state.mode = Mode::Refusing(why.clone());
        }
        drop(state);
        batch.refuse(why);
        waiting
    }

    /// Lets entries in again.
    pub(super) fn accept(&self) {
        let mut state = self.state();
        if !matches!(state.mode, Mode::Closed) {
            state.mode = Mode::Accepting;
        }
    }

    /// Lets nothing in any more; what waits is still written.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.mode = Mode::Closed;
        self.wake(state);
    }
}
