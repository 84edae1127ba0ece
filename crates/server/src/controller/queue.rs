//! Which request to look at next, and when.
//!
//! Promises: one worker at a time on a key; what is asked for while a key is
//! being worked on is not lost; of two times for a key the earlier wins; what
//! is due is handed out in the order of its time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

/// The uid of a request.
pub(super) type Key = String;

/// The keys that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeSet<(Instant, Key)>,
    times: HashMap<Key, Instant>,
    /// Being worked on, with the time asked for meanwhile.
    running: HashMap<Key, Option<Instant>>,
}

impl State {
    fn add(&mut self, key: Key, at: Instant) {
        if let Some(asked) = self.running.get_mut(&key) {
            *asked = Some(asked.map_or(at, |before| before.min(at)));
            return;
        }
        match self.times.get(&key) {
            Some(before) if *before <= at => return,
            Some(before) => {
                self.waiting.remove(&(*before, key.clone()));
            }
            None => {}
        }
        self.times.insert(key.clone(), at);
        self.waiting.insert((at, key));
    }

    /// Takes the first key if it is due; otherwise says when one will be.
    fn take(&mut self, now: Instant) -> Result<Key, Option<Instant>> {
        match self.waiting.first() {
            Some((at, _)) if *at > now => return Err(Some(*at)),
            Some(_) => {}
            None => return Err(None),
        }
        let Some((_, key)) = self.waiting.pop_first() else { return Err(None) };
        self.times.remove(&key);
        self.running.insert(key.clone(), None);
        Ok(key)
    }
}

impl Queue {
    /// Asks for `key` to be looked at, at `at` or earlier.
    pub(super) fn add(&self, key: impl Into<Key>, at: Instant) {
        self.state().add(key.into(), at);
        self.changed.notify_one();
    }

    /// The next key that is due; waits for one. To be given back by [`Queue::done`].
    pub(super) async fn next(&self) -> Key {
        loop {
            let taken = self.state().take(Instant::now());
            match taken {
                Ok(key) => {
                    // Another worker may be waiting for what else is due.
                    self.changed.notify_one();
                    return key;
                }
                Err(Some(at)) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
                Err(None) => self.changed.notified().await,
            }
        }
    }

    /// `key` has been looked at; look again at `again`, or when it was asked for meanwhile.
    pub(super) fn done(&self, key: &str, again: Option<Instant>) {
        let mut state = self.state();
        let asked = state.running.remove(key).flatten();
        for at in asked.into_iter().chain(again) {
            state.add(key.to_owned(), at);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_earlier_time_wins() {
        let (mut state, now) = (State::default(), Instant::now());
        for seconds in [60, 1, 30] {
            state.add("a".into(), now + seconds * SECOND);
        }
        assert_eq!(state.take(now), Err(Some(now + SECOND)));
        assert_eq!(state.take(now + SECOND), Ok("a".into()));
        assert!(state.waiting.is_empty());
    }

    #[tokio::test]
    async fn what_is_asked_for_meanwhile_is_not_lost() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.add("a", now);
        let key = queue.next().await;
        queue.add("a", now);
        assert_eq!(queue.len(), 0, "one worker at a time on a key");
        queue.done(&key, Some(now + 60 * SECOND));
        assert_eq!(queue.next().await, "a");
    }

    #[test]
    fn past_due_work_comes_first() {
        let (mut state, now) = (State::default(), Instant::now());
        state.add("new".into(), now + SECOND);
        state.add("past due".into(), now);
        assert_eq!(state.take(now + SECOND), Ok("past due".into()));
        assert_eq!(state.take(now + SECOND), Ok("new".into()));
    }
}
