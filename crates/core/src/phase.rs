//! A derived word for people; never a source of truth.

use jiff::Timestamp;

use crate::grant::Grant;
use crate::reason::Reason;

/// Where a request or grant is in its life (design §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waits for a decision.
    Pending,
    /// Approved, not yet in force.
    Approved,
    /// In force.
    Active,
    /// Refused by a person or by the controller's checks.
    Denied,
    /// Taken back before it was in force.
    Withdrawn,
    /// Over, absence not yet confirmed.
    Revoking,
    /// Over by its deadline, or nobody decided in time.
    Expired,
    /// Over by any other cause.
    Revoked,
}

impl Phase {
    /// Whether nothing follows.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Denied | Self::Withdrawn | Self::Expired | Self::Revoked)
    }
}

/// The phase of a request: that of its grant once there is one, else how it was
/// closed without one (`closed`), else whether it was approved.
#[must_use]
pub fn of_request(is_approved: bool, closed: Option<Reason>, grant: Option<&Grant>, now: Timestamp) -> Phase {
    match (grant, closed) {
        (Some(grant), _) => of_grant(grant, now),
        (None, Some(reason)) => of_close(reason),
        (None, None) if is_approved => Phase::Approved,
        (None, None) => Phase::Pending,
    }
}

/// The phase of a grant.
#[must_use]
pub fn of_grant(grant: &Grant, now: Timestamp) -> Phase {
    match &grant.ended {
        Some(ended) if grant.is_end_confirmed => of_end(ended.cause),
        Some(_) => Phase::Revoking,
        None if grant.is_deleting || grant.window.is_over(now) => Phase::Revoking,
        None if grant.is_ready && grant.window.contains(now) => Phase::Active,
        None => Phase::Approved,
    }
}

/// The phase that follows from why something ended.
#[must_use]
pub fn of_end(cause: Reason) -> Phase {
    match cause {
        Reason::Expired | Reason::ApprovalTimeout | Reason::WindowMissed => Phase::Expired,
        Reason::Withdrawn => Phase::Withdrawn,
        Reason::Revoked | Reason::Released | Reason::Deleted | Reason::Suspended | Reason::Drift | Reason::Evidence => {
            Phase::Revoked
        }
        _ => Phase::Denied,
    }
}

/// The phase of a request that came to nothing for that reason.
#[must_use]
pub fn of_close(reason: Reason) -> Phase {
    if reason == Reason::Suspended { Phase::Denied } else { of_end(reason) }
}
