//! What a person said of a request or grant.

use jiff::Timestamp;

use crate::{digest::Digest, subject::Subject};

/// The act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Agree to exactly these terms.
    Approve,
    /// Refuse.
    Deny,
    /// Take one's own request back before it is in force.
    Withdraw,
    /// End a grant early.
    Revoke,
}

/// An AccessDecision whose spec has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// When the API server stored it.
    pub created_at: Timestamp,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
    /// The act.
    pub verdict: Verdict,
    /// Name of the request it is about.
    pub request_name: String,
    /// Uid of the request it is about; this alone joins.
    pub request_uid: String,
    /// The digest it attests; absent for Withdraw and Revoke.
    pub digest: Option<Digest>,
    /// Claimed: the request's role.
    pub role: String,
    /// Claimed: the request's namespaces, sorted.
    pub namespaces: Vec<String>,
    /// Claimed: the requester's username.
    pub requester: String,
    /// Stamped or checked by admission.
    pub approver: Subject,
    /// What the approver wrote.
    pub comment: String,
}
