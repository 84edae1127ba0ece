//! The thread that writes: one chain, in order, a batch at a time.
//!
//! While one batch is written the next fills; while one sync runs the next batch
//! is written. No timer is waited for.
//!
//! Promises: an entry is in the chain if and only if its batch was written whole;
//! after a failure nothing is taken until the log can be written again, and then
//! it goes on without a gap in the chain. What was written and could not be
//! synced is copied into a new segment, since a later sync of the old one would
//! prove nothing.

use std::{
    io, mem,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use brevet_core::audit::{Chain, Event};

use super::{
    disk::{Disk, DiskFile, write_all_at},
    gauges::Gauges,
    limits::{Limits, MEND_EVERY},
    queue::{Queue, Taken},
    receipt::{Filled, Refused},
    recover::{begin, begin_with},
    segment::SegmentName,
    tail::{Open, Suspect, Tail, Unsynced},
};
use crate::{clock, probes::Health};

/// What `/readyz` calls the log.
pub(super) const CHECK: &str = "audit";

/// Bytes of a line, roughly; only a first guess at a buffer's size.
const LINE_BYTES_USUAL: usize = 1024;

/// Bytes that must fit behind the log before entries are taken again after a failure:
/// a disk that has room for one entry only would fail at the next.
const PROBE_BYTES: usize = 64 * 1024;

/// What the writer stands on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) folder: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) limits: Limits,
    pub(super) queue: Arc<Queue>,
    pub(super) tail: Arc<Tail>,
    pub(super) gauges: Gauges,
    pub(super) health: Health,
}

/// The writing thread's state.
#[derive(Debug)]
pub(super) struct Writer {
    ground: Ground,
    name: SegmentName,
    file: Arc<dyn DiskFile>,
    /// Bytes of the open segment that are written.
    written: u64,
    /// Bytes at which the next segment is begun.
    full_at: u64,
    /// When the open segment got its first entry.
    filled_at: Option<Instant>,
    /// The chain after what is written.
    chain: Chain,
    failing: Option<Failing>,
    spare: Vec<Event>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    again_at: Instant,
}

impl Writer {
    pub(super) fn new(ground: Ground, segment: &Open) -> Self {
        Self {
            name: segment.name,
            file: segment.file.clone(),
            written: segment.synced,
            full_at: ground.limits.segment_bytes_max,
            filled_at: (segment.chain.size() > segment.name.first).then(Instant::now),
            chain: segment.chain.clone(),
            failing: None,
            spare: Vec::new(),
            ground,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let spare = mem::take(&mut self.spare);
            match self.ground.queue.take(self.look_around_at(), spare) {
                Taken::Some(filled) => self.write(filled),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            if self.failing.is_none()
                && let Some(why) = self.ground.tail.fault()
            {
                self.fail(&why);
            }
            self.mend();
            self.turn_over();
        }
        self.ground.tail.close();
    }

    /// When something is due besides entries.
    fn look_around_at(&self) -> Option<Instant> {
        match (&self.failing, self.filled_at) {
            (Some(failing), _) => Some(failing.again_at),
            (None, Some(filled_at)) => Some(filled_at + self.ground.limits.segment_age_max),
            (None, None) => None,
        }
    }

    fn write(&mut self, filled: Filled<Event>) {
        let Filled { mut events, batch, since } = filled;
        let entries = events.len();
        let (chain, bytes) = self.spell(&events);
        events.clear();
        self.spare = events;
        let outcome = self.ground.tail.wait_for_room().and_then(|()| {
            write_all_at(&*self.file, &bytes, self.written).map_err(|error| format!("write: {error}").into())
        });
        let outcome = match outcome {
            Ok(()) => {
                let length = bytes.len();
                let unsynced = Unsynced { bytes, chain: chain.clone(), batch, since };
                self.ground.tail.push(unsynced, self.chain.size()).map(|()| length)
            }
            Err(why) => Err((batch, why)),
        };
        match outcome {
            Ok(length) => {
                self.chain = chain;
                self.written += length as u64;
                self.filled_at.get_or_insert_with(Instant::now);
                self.ground.gauges.written(entries, length, self.ground.queue.depth(), since.elapsed());
            }
            Err((batch, why)) => {
                // First closed to others, so that nobody hears of a failure and is let in again.
                self.fail(&why);
                self.ground.gauges.refused(&Refused::Failing(why.clone()), entries);
                batch.refuse(&Refused::Failing(why));
            }
        }
    }

    /// The lines of the next entries, and the chain after them.
    fn spell(&self, events: &[Event]) -> (Chain, Vec<u8>) {
        let mut chain = self.chain.clone();
        let mut bytes = Vec::with_capacity(events.len() * LINE_BYTES_USUAL);
        let now = clock::now();
        for event in events {
            bytes.extend_from_slice(&chain.append(event, now).line);
            bytes.push(b'\n');
        }
        (chain, bytes)
    }

    /// Takes nothing more until mended.
    fn fail(&mut self, why: &Arc<str>) {
        // Whoever hears of a failure finds it told.
        self.ground.health.fails(CHECK, &**why);
        self.ground.gauges.failed();
        let waited = self.ground.queue.refuse(&Refused::Failing(why.clone()));
        self.ground.gauges.refused(&Refused::Failing(why.clone()), waited);
        let now = Instant::now();
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        if self.failing.is_none() {
            tracing::error!(reason = &**why, "the audit log cannot be written: everything that needs it is refused");
        }
        self.failing = Some(Failing { since, again_at: now + MEND_EVERY });
    }

    /// Tries to write again, if it is time.
    fn mend(&mut self) {
        let Some(failing) = &self.failing else { return };
        if Instant::now() < failing.again_at {
            return;
        }
        let lasted = failing.since.elapsed();
        match self.try_to_mend() {
            Ok(()) => {
                self.failing = None;
                self.ground.health.holds(CHECK);
                self.ground.queue.accept();
                tracing::warn!(lasted_ms = millis(lasted), "the audit log can be written again");
            }
            Err(error) => self.fail(&error.to_string().into()),
        }
    }

    fn try_to_mend(&mut self) -> io::Result<()> {
        // A sync may be under way; how it ends decides what is in doubt.
        if self.ground.tail.wait_for_sync().is_ok() {
            self.file.set_len(self.written)?;
            write_all_at(&*self.file, &[0; PROBE_BYTES], self.written)?;
            return self.file.set_len(self.written);
        }
        match self.ground.tail.suspect() {
            Some(suspect) => self.move_on(suspect),
            None => Ok(()),
        }
    }

    /// Copies what is in doubt into a new segment.
    fn move_on(&mut self, suspect: Suspect) -> io::Result<()> {
        let Suspect { segment: old, bytes } = suspect;
        let Ground { folder, disk, .. } = &self.ground;
        let name = old.name.next(old.chain.size());
        let mut segment = begin_with(folder, &**disk, name, old.chain, &bytes)?;
        segment.chain = self.chain.clone();
        // Until here the original counts; from here on it must not.
        old.file.set_len(old.synced)?;
        if let Err(error) = old.file.sync().and_then(|()| old.file.seal()) {
            tracing::warn!(%error, segment = %old.name, "a segment that was given up could not be sealed");
        }
        self.go_on_in(segment);
        Ok(())
    }

    /// Begins the next segment, if it is time.
    fn turn_over(&mut self) {
        let is_old = || self.filled_at.is_some_and(|at| at.elapsed() >= self.ground.limits.segment_age_max);
        if self.failing.is_some() || !(self.written >= self.full_at || is_old()) {
            return;
        }
        if self.ground.tail.wait_for_sync().is_err() {
            return;
        }
        let Ground { folder, disk, limits, .. } = &self.ground;
        match begin(folder, &**disk, self.name.next(self.chain.size()), self.chain.clone()) {
            Ok(segment) => {
                if let Err(error) = self.file.seal() {
                    tracing::warn!(%error, segment = %self.name, "a segment could not be sealed");
                }
                self.go_on_in(segment);
            }
            Err(error) => {
                tracing::warn!(%error, segment = %self.name, "no new segment can be begun; this one goes on");
                self.full_at = self.written + limits.segment_bytes_max / 16 + 1;
                self.filled_at = Some(Instant::now());
            }
        }
    }

    fn go_on_in(&mut self, segment: Open) {
        self.name = segment.name;
        self.file = segment.file.clone();
        self.written = segment.synced;
        self.full_at = self.ground.limits.segment_bytes_max;
        self.filled_at = (segment.chain.size() > segment.name.first).then(Instant::now);
        self.ground.tail.replace(segment);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
