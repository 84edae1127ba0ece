//! The one place where the server reads the time.
//!
//! Promises: a [`Deadline`] is over as soon as *either* clock says so. The wall
//! clock may be set back, the monotonic clock stops in suspend; neither alone
//! may lengthen an access (I4).

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The wall clock.
#[allow(clippy::disallowed_methods, reason = "the edge: everything else takes `now` as an argument")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// An instant after which nothing may pass, by the wall clock and by the time
/// that had been left when it was first seen.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    wall: Timestamp,
    monotonic: Instant,
}

impl Deadline {
    /// The deadline `not_after`, as seen at this moment.
    pub fn seen_now(not_after: Timestamp) -> Self {
        let left = Duration::try_from(not_after.duration_since(now())).unwrap_or(Duration::ZERO);
        // Beyond what the clock can express there is no deadline to miss within a grant's 30 days.
        let monotonic = Instant::now().checked_add(left).unwrap_or_else(Instant::now);
        Self { wall: not_after, monotonic }
    }

    /// Whether it has passed, by either clock.
    pub fn is_over(&self) -> bool {
        now() >= self.wall || Instant::now() >= self.monotonic
    }

    /// How long until it passes at the latest; zero when over.
    pub fn left(&self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(now())).unwrap_or(Duration::ZERO);
        wall.min(self.monotonic.saturating_duration_since(Instant::now()))
    }

    /// The wall-clock instant.
    pub fn not_after(&self) -> Timestamp {
        self.wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_in_the_past_is_over() {
        let deadline = Deadline::seen_now(now() - jiff::SignedDuration::from_secs(1));
        assert!(deadline.is_over());
        assert_eq!(deadline.left(), Duration::ZERO);
    }

    #[test]
    fn a_deadline_ahead_is_not_over() {
        let deadline = Deadline::seen_now(now() + jiff::SignedDuration::from_hours(1));
        assert!(!deadline.is_over());
        assert!(deadline.left() > Duration::from_secs(3590));
    }
}
