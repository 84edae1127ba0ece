//! What a caller holds while its entry is on the way, and once it is there.
//!
//! Promises: [`Written`] and [`Synced`] are made here alone, of an entry that
//! is; whoever demands one of them cannot be reached without the entry.

use std::{sync::Arc, time::Instant};

use tokio::sync::watch;

use super::limits::QUEUE_ENTRIES_MAX;

/// Why an entry is not, or may not be, in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The disk does not keep up.
    #[error("the audit log does not keep up: {QUEUE_ENTRIES_MAX} entries are waiting to be written")]
    Full,
    /// The disk fails. The entry may be there all the same, and nobody may act on it.
    #[error("the audit log cannot be written: {0}")]
    Failing(Arc<str>),
    /// The process is stopping.
    #[error("the audit log is closed")]
    Closed,
}

impl Refused {
    /// For metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::Failing(_) => "Failing",
            Self::Closed => "Closed",
        }
    }
}

/// How far entries that are written together have come.
#[derive(Clone, Debug)]
enum Phase {
    /// Waiting for the writer.
    Queued,
    /// In the kernel; the place of the first.
    Written(u64),
    /// On the disk; the place of the first.
    Synced(u64),
    /// Not written.
    NotWritten(Refused),
    /// Written from this place on, and then not synced.
    NotSynced(u64, Refused),
}

/// Tells those whose entries are written together.
#[derive(Debug)]
pub(super) struct Batch(watch::Sender<Phase>);

impl Batch {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Queued))
    }

    /// The entry at `index` of this batch.
    pub(super) fn pending(&self, index: u64) -> Pending {
        Pending { phase: self.0.subscribe(), index }
    }

    /// Says that all are written, the first of them at this place.
    pub(super) fn written(&self, first: u64) {
        self.0.send_replace(Phase::Written(first));
    }

    /// Says that all are synced.
    pub(super) fn synced(&self) {
        self.0.send_modify(|phase| {
            if let Phase::Written(first) = *phase {
                *phase = Phase::Synced(first);
            }
        });
    }

    /// Says that no more will come of it.
    pub(super) fn refuse(&self, why: &Refused) {
        self.0.send_modify(|phase| {
            *phase = match *phase {
                Phase::Written(first) => Phase::NotSynced(first, why.clone()),
                _ => Phase::NotWritten(why.clone()),
            };
        });
    }
}

/// An entry that was handed in.
#[derive(Debug)]
#[must_use = "an entry that nobody waits for proves nothing to whoever acts on it"]
pub struct Pending {
    phase: watch::Receiver<Phase>,
    index: u64,
}

/// Proof that an entry survives the death of this process.
#[derive(Debug)]
pub struct Written {
    pending: Pending,
    seq: u64,
}

/// Proof that an entry survives a power cut.
#[derive(Debug)]
pub struct Synced {
    seq: u64,
}

impl Pending {
    /// Waits until the entry is written.
    ///
    /// # Errors
    /// It was not, and nothing may be done that needs it.
    pub async fn written(mut self) -> Result<Written, Refused> {
        let told = self.phase.wait_for(|phase| !matches!(phase, Phase::Queued)).await;
        let first = match told.as_deref() {
            Ok(Phase::Written(first) | Phase::Synced(first) | Phase::NotSynced(first, _)) => *first,
            Ok(Phase::NotWritten(why)) => return Err(why.clone()),
            Ok(Phase::Queued) | Err(_) => return Err(Refused::Closed),
        };
        drop(told);
        Ok(Written { seq: first + self.index, pending: self })
    }

    /// Waits until the entry is synced.
    ///
    /// # Errors
    /// It was not, and nothing may be done that needs it.
    pub async fn synced(mut self) -> Result<Synced, Refused> {
        match self.phase.wait_for(|phase| !matches!(phase, Phase::Queued | Phase::Written(_))).await.as_deref() {
            Ok(Phase::Synced(first)) => Ok(Synced { seq: first + self.index }),
            Ok(Phase::NotWritten(why) | Phase::NotSynced(_, why)) => Err(why.clone()),
            Ok(Phase::Queued | Phase::Written(_)) | Err(_) => Err(Refused::Closed),
        }
    }
}

impl Written {
    /// The entry's place in the chain.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Waits until it is synced, too.
    ///
    /// # Errors
    /// It was not.
    pub async fn synced(self) -> Result<Synced, Refused> {
        self.pending.synced().await
    }
}

impl Synced {
    /// The entry's place in the chain.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

/// Entries that are handed to the writer together, in their order.
#[derive(Debug)]
pub(super) struct Filled<T> {
    pub(super) events: Vec<T>,
    pub(super) batch: Batch,
    /// When the first of them was handed in.
    pub(super) since: Instant,
}
