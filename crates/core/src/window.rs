//! When a grant is in force: from `not_before` up to, not including, `not_after`.
//!
//! Promises: every instant has an answer; an empty window contains nothing;
//! nothing here returns a later `not_after` than it was given (I4).
//!
//! Left out on purpose: the clock (callers pass `now`) and grace periods,
//! because a deadline with grace is only another deadline.

use jiff::Timestamp;

use crate::terms::Terms;

/// A half-open span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant in force.
    pub not_before: Timestamp,
    /// First instant not in force.
    pub not_after: Timestamp,
}

impl Window {
    /// What terms give when they are granted at `now`: a start that lies ahead is
    /// waited for, and a late approval leaves the remainder.
    #[must_use]
    pub fn of(terms: &Terms, now: Timestamp) -> Self {
        let begins = terms.start_at.unwrap_or(now);
        let not_after = begins.checked_add(terms.duration.span()).unwrap_or(begins);
        Self { not_before: begins.max(now), not_after }
    }

    /// Whether `now` lies inside.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whether `now` is at or past the end.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.not_after
    }
}
