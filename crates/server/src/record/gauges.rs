//! How the log fares, in figures.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::receipt::Refused;
use crate::telemetry::Metrics;

/// Seconds from handing in to written; the goal is 20 µs.
const WRITTEN_BUCKETS: [f64; 9] = [0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 1.0];
/// Seconds of a sync, or until one: a disk takes about one millisecond.
const SYNCED_BUCKETS: [f64; 9] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0];
/// Entries that are written together.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Cause {
    reason: &'static str,
}

/// Clones share.
#[derive(Clone, Debug)]
pub(super) struct Gauges {
    entries: Counter,
    bytes: Counter,
    batches: Histogram,
    depth: Gauge<i64, AtomicI64>,
    written: Histogram,
    synced: Histogram,
    syncs: Histogram,
    refused: Family<Cause, Counter>,
    failures: Counter,
}

impl Gauges {
    /// Registers the metrics.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            entries: metrics.add("audit_entries", "Entries written", Counter::default()),
            bytes: metrics.add("audit_bytes", "Bytes of entries written", Counter::default()),
            batches: metrics.add("audit_batch_entries", "Entries written at once", Histogram::new(BATCH_BUCKETS)),
            depth: metrics.add("audit_queue_entries", "Entries that waited when a batch was taken", Gauge::default()),
            written: metrics.add(
                "audit_written_seconds",
                "From handing in the first entry of a batch to all of it written",
                Histogram::new(WRITTEN_BUCKETS),
            ),
            synced: metrics.add(
                "audit_synced_seconds",
                "From handing in the first entry of a batch to all of it synced",
                Histogram::new(SYNCED_BUCKETS),
            ),
            syncs: metrics.add("audit_sync_seconds", "How long the disk took to sync", Histogram::new(SYNCED_BUCKETS)),
            refused: metrics.add("audit_refused", "Entries that were not taken, by reason", Family::default()),
            failures: metrics.add("audit_failures", "Times the disk failed to write or sync", Counter::default()),
        }
    }

    /// A batch was written; so many waited behind it.
    pub(super) fn written(&self, entries: usize, bytes: usize, waiting: usize, took: Duration) {
        self.entries.inc_by(entries as u64);
        self.bytes.inc_by(bytes as u64);
        self.batches.observe(entries as f64);
        self.depth.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.written.observe(took.as_secs_f64());
    }

    /// A batch was synced.
    pub(super) fn synced(&self, took: Duration) {
        self.synced.observe(took.as_secs_f64());
    }

    /// The disk was asked to sync.
    pub(super) fn sync(&self, took: Duration) {
        self.syncs.observe(took.as_secs_f64());
    }

    /// Entries were not taken.
    pub(super) fn refused(&self, why: &Refused, entries: usize) {
        self.refused.get_or_create(&Cause { reason: why.label() }).inc_by(entries as u64);
    }

    /// The disk failed.
    pub(super) fn failed(&self) {
        self.failures.inc();
    }
}
