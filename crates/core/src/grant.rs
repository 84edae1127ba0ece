//! What is in force, and whether it still stands on its evidence.

use jiff::Timestamp;

use crate::{digest::Digest, reason::Reason, subject::Subject, terms::Terms, window::Window};

/// An approval a grant rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The AccessDecision's name.
    pub decision_name: String,
    /// The AccessDecision's uid.
    pub decision_uid: String,
    /// Who approved.
    pub approver: String,
}

/// An AccessGrant whose spec has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The object's name: its request's.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The object's resourceVersion.
    pub resource_version: String,
    /// Whether the object is being deleted: then it is over.
    pub is_deleting: bool,
    /// Uid of the request it answers.
    pub request_uid: String,
    /// Who may use it.
    pub holder: Subject,
    /// The digest that was approved.
    pub digest: Digest,
    /// The terms, as written into the grant.
    pub terms: Terms,
    /// When.
    pub window: Window,
    /// Who agreed.
    pub approvals: Vec<Approval>,
    /// The identity that carries it, once made.
    pub identity: Option<IdentityRef>,
    /// Whether the controller has confirmed it ready.
    pub is_ready: bool,
    /// Why and when it ended, once the controller has said so.
    pub ended: Option<Ended>,
    /// Whether absence has been confirmed (I8).
    pub is_end_confirmed: bool,
}

/// An elevation identity by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityRef {
    /// The ServiceAccount's name in `brevet-elevations`.
    pub name: String,
    /// The ServiceAccount's uid.
    pub uid: String,
}

/// The end of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Expired, Revoked, Released, Deleted, Drift, Evidence.
    pub cause: Reason,
    /// When.
    pub at: Timestamp,
}
