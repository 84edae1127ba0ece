//! Every size, count and wait of the store that is bounded, by name.

use std::time::Duration;

/// Entries that wait for the writer; one more is refused. Even at a hundred
/// thousand a second, that is 40 ms of a disk that takes nothing.
pub(super) const QUEUE_ENTRIES_MAX: usize = 4096;

/// Bytes that are written and not yet synced; beyond it the writer waits for the
/// sync, and the queue fills. They are kept in memory, to be written again
/// elsewhere when a sync fails.
pub(super) const UNSYNCED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Between two attempts to write again after a failure.
pub(super) const MEND_EVERY: Duration = Duration::from_millis(200);

/// When a segment is closed and the next begun.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a segment, roughly: the batch that reaches it is the last.
    pub segment_bytes_max: u64,
    /// How long a segment that holds something stays open.
    pub segment_age_max: Duration,
}

impl Default for Limits {
    /// 64 MiB, some ninety thousand entries: read and checked in a fraction of a
    /// second at start. One hour: an archive of whole segments lags no further.
    fn default() -> Self {
        Self { segment_bytes_max: 64 * 1024 * 1024, segment_age_max: Duration::from_secs(60 * 60) }
    }
}
