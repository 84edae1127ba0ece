//! Why something was refused or ended: one closed list for machines, a
//! sentence with the way out for people.
//!
//! Promises: every [`Refusal`] carries a [`Reason`] of the list and a message
//! that says what to do next; metrics label with the reason's name, never with
//! text from outside.

use std::fmt;

macro_rules! reasons {
    ($(#[doc = $doc:literal] $name:ident,)+) => {
        /// A CamelCase reason, as it stands in conditions, Status objects and metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $doc] $name,)+
        }

        impl Reason {
            /// The whole list.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    // A request that cannot be granted as it stands.
    /// The spec could not be read.
    Unreadable,
    /// No AccessRole of that name.
    RoleNotFound,
    /// The role's ceiling was not accepted, or one of its ClusterRoles is missing.
    RoleNotAccepted,
    /// A namespace does not exist.
    NamespaceNotFound,
    /// A namespace that is never a target, or only for Critical roles.
    NamespaceForbidden,
    /// A namespaced role needs at least one namespace.
    NamespacesRequired,
    /// A cluster-scoped role takes no namespaces.
    NamespacesNotAllowed,
    /// The cluster does not serve that resource type.
    ResourceUnknown,
    /// The resource type has another scope than the role.
    ResourceScope,
    /// A name that no object can have.
    NameMalformed,
    /// The role demands object names.
    NamesRequired,
    /// Nothing of what was asked lies under the role's ceiling.
    OutsideRole,
    /// The effective rules are larger than their limit.
    TooBroad,
    /// An effective rule that may never be part of an elevation.
    ForbiddenRule,
    /// A duration that cannot be read, or is not between 1s and 30d.
    DurationMalformed,
    /// Longer than the role allows.
    DurationTooLong,
    /// `startAt` lies in the past or too far ahead.
    StartOutOfRange,
    /// This way of delivery is not built.
    DeliveryUnavailable,
    /// The role does not allow this way of delivery.
    DeliveryNotAllowed,
    /// The grant of an earlier request of that name is still kept.
    NameTaken,
    /// The admission policies do not stand, or did not yet when it was written: it may be forged.
    Unguarded,

    // A request that the policies refuse.
    /// No rule of any policy lets the person have this.
    NoRule,
    /// A rule denies it.
    DeniedByPolicy,
    /// The condition of a rule fails instead of holding or not.
    ConditionFailed,
    /// A policy has a fault, so what its rules match is denied.
    PolicyNotAccepted,
    /// The policy, the role or everything is suspended; a grant that was active may end by it.
    Suspended,
    /// The person has as much as the rule allows.
    LimitReached,
    /// A review of the person's last break-glass is overdue.
    ReviewOverdue,

    // How a request or grant ended.
    /// Denied by a person.
    DeniedByPerson,
    /// Taken back by its requester before it was in force.
    Withdrawn,
    /// Nobody decided in time.
    ApprovalTimeout,
    /// The window was over before the grant could be made.
    WindowMissed,
    /// The deadline passed.
    Expired,
    /// Ended early by a holder of `revoke`.
    Revoked,
    /// Given back by its holder.
    Released,
    /// The grant object was deleted.
    Deleted,
    /// What was made for the grant is no longer as it was made, or its role no longer covers it.
    Drift,
    /// The request or a counted decision is gone.
    Evidence,

    // A decision that counts for nothing.
    /// Approver and requester are the same person.
    SelfApproval,
    /// The digest is not that of the terms in force.
    DigestMismatch,
    /// The claims about requester, role or namespaces are not those of the request.
    ClaimsMismatch,
    /// It came after the end, or after another decision settled the matter.
    TooLate,
    /// Only the requester withdraws; only before the grant is in force.
    NotYours,
    /// No stage of the rule that decides names the person.
    NotEligible,
    /// The person counts already, under this name or another.
    Duplicate,
    /// What it would narrow the terms to is more than they are.
    NotNarrower,

    // A call the gateway does not pass on.
    /// No such grant, or another person's: both answer alike.
    NoSuchGrant,
    /// The window has not begun.
    NotYet,
    /// The window is over.
    WindowClosed,
    /// The grant ended before its deadline.
    Ended,
    /// The grant is not ready yet.
    NotReady,
    /// The grant's own rules do not allow the call.
    OutsideRules,
    /// A path, query or header that could be read in two ways.
    Malformed,
    /// As many streams are open under the grant as its role allows.
    TooManyStreams,
    /// Nothing was said on a stream for as long as its role allows; the grant stands.
    Idle,
    /// A header that tries to act as somebody else.
    Impersonation,
    /// A method or protocol that is not served.
    NotServed,
    /// What is known of the cluster is too old to decide.
    Stale,
    /// The audit log takes no entry, so nothing may be done.
    Unrecorded,
    /// The gateway that carries it goes; the grant stands.
    Stopping,
    /// The caller could not be authenticated.
    Unauthenticated,
}

impl Reason {
    /// Whether asking again may help: what was needed could not be seen, so
    /// nothing was decided. Such a refusal is never written into a status.
    #[must_use]
    pub fn is_transient(self) -> bool {
        self == Self::Stale
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// [`Reason::as_str`], owned.
    #[must_use]
    pub fn name(self) -> String {
        self.as_str().to_owned()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: what, why and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For machines.
    pub reason: Reason,
    /// Where in the spec, such as `spec.duration`; empty when it concerns no field.
    pub field: String,
    /// For people; ends in the way out. May quote input in backticks.
    pub message: String,
}

impl Refusal {
    /// A refusal that points at `field` (empty: at none).
    #[must_use]
    pub fn new(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}", self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
            assert_eq!(reason.is_transient(), *reason == Reason::Stale);
        }
        assert_eq!(Reason::parse("expired"), None);
    }
}
