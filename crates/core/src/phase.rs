//! A derived word for people; never a source of truth.

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
