//! How long ago kube-apiserver last showed life, on each way that matters.
//!
//! A watch that is dead without being closed tells nothing, and a probe beside
//! it would not notice. So each watch must show life itself (an event, a
//! bookmark, a new leg), and a write must have gone through to etcd (the
//! replica's own Lease).
//!
//! Promises: contact is as old as that of the oldest way; before every way has
//! been heard once there is none.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::limits;

/// One way on which life must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// The watch of AccessGrants.
    Grants,
    /// The watch of AccessRequests.
    Requests,
    /// The watch of AccessDecisions.
    Decisions,
    /// The watch of AccessPolicies.
    Policies,
    /// The watch of AccessRoles, for their switches and limits.
    Roles,
    /// The watch of AccessSwitches.
    Switches,
    /// Writing the replica's Lease.
    Lease,
}

const WAYS: [Way; 7] =
    [Way::Grants, Way::Requests, Way::Decisions, Way::Policies, Way::Roles, Way::Switches, Way::Lease];

/// When each way was last heard.
#[derive(Debug)]
pub(super) struct Contact {
    start: Instant,
    /// Milliseconds since the start, plus one; 0: never.
    heard: [AtomicU64; WAYS.len()],
}

impl Contact {
    /// Nothing heard yet.
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), heard: Default::default() }
    }

    /// Something was heard on `way` that was asked for at `asked` or later.
    pub(super) fn heard(&self, way: Way, asked: Instant) {
        let ms = asked.saturating_duration_since(self.start).as_millis();
        let ms = u64::try_from(ms).unwrap_or(u64::MAX).saturating_add(1);
        for (known, at) in WAYS.iter().zip(&self.heard) {
            if *known == way {
                at.fetch_max(ms, Ordering::AcqRel);
            }
        }
    }

    /// Since when nothing has been heard on the quietest way; `None` before all were heard.
    pub(super) fn age(&self) -> Option<Duration> {
        let oldest = self.heard.iter().map(|at| at.load(Ordering::Acquire)).min().unwrap_or(0);
        let at = Duration::from_millis(oldest.checked_sub(1)?);
        Some(self.start.elapsed().saturating_sub(at))
    }

    /// Whether new calls may be admitted.
    pub(super) fn is_fresh(&self) -> bool {
        self.age().is_some_and(|age| age < limits::STALE_AFTER)
    }

    /// Whether open exchanges must be cut.
    pub(super) fn is_lost(&self) -> bool {
        self.age().is_some_and(|age| age >= limits::STALE_CUT_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_is_as_old_as_the_quietest_way() {
        let contact = Contact::new();
        assert!(!contact.is_fresh() && contact.age().is_none());
        let long_ago = contact.start;
        for way in WAYS {
            assert!(!contact.is_fresh());
            contact.heard(way, long_ago);
        }
        assert!(contact.is_fresh() && !contact.is_lost());
        let later = Contact { start: Instant::now() - Duration::from_secs(60), heard: Default::default() };
        for way in WAYS {
            later.heard(way, Instant::now());
        }
        assert!(later.is_fresh());
        let quiet = Contact { start: Instant::now() - Duration::from_secs(60), heard: Default::default() };
        for way in WAYS {
            quiet.heard(way, Instant::now());
        }
        quiet.heard[0].store(1, Ordering::Release);
        assert!(!quiet.is_fresh() && quiet.is_lost());
    }
}
