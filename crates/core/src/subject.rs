//! Who: a person, pipeline or service account as Kubernetes names it.
//!
//! Promises: names are compared byte for byte; groups never decide whether two
//! subjects are the same person.

use std::collections::BTreeSet;

/// An authenticated user as Kubernetes reports it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Never empty.
    pub username: String,
    /// Empty where the authenticator gives none (client certificates).
    pub uid: String,
    /// As a set; order and repetition carry no meaning.
    pub groups: BTreeSet<String>,
}

/// Who makes a call at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Never empty.
    pub username: String,
    /// `None` where the door does not tell (aggregated door before Kubernetes 1.33).
    pub uid: Option<String>,
}

impl Subject {
    /// Whether `caller` is this subject: same username, and same uid where the door tells it.
    #[must_use]
    pub fn is(&self, caller: &Caller) -> bool {
        self.username == caller.username && caller.uid.as_ref().is_none_or(|uid| *uid == self.uid)
    }

    /// Whether both are one person for the purpose of self-approval: the same
    /// username, or the same uid where both have one.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        self.username == other.username || (!self.uid.is_empty() && self.uid == other.uid)
    }
}
