//! One ask, as its requester wrote it.

mod check;
mod ground;

use jiff::Timestamp;

pub(crate) use check::START_AHEAD_SECONDS_MAX;
pub use check::{OWN_NAMESPACES, Proposal, check};
pub use ground::{Ground, NamespaceState, RoleState, TypeScope, Types};

use crate::{length::Length, role::Delivery, rules::Ask, subject::Subject};

/// How urgent the requester says it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Can wait.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Soon.
    High,
    /// Now.
    Critical,
}

/// An AccessRequest whose spec has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The object's name; the grant takes it too.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// When the API server stored it.
    pub created_at: Timestamp,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
    /// Stamped or checked by admission.
    pub requester: Subject,
    /// The AccessRole asked for.
    pub role: String,
    /// Sorted, without repetition; empty for cluster-scoped roles.
    pub namespaces: Vec<String>,
    /// `None`: the whole role.
    pub resources: Option<Vec<Ask>>,
    /// `None`: the role's default.
    pub duration: Option<Length>,
    /// `None`: as soon as it is approved.
    pub start_at: Option<Timestamp>,
    /// Why, for approvers and auditors.
    pub justification: String,
    /// How urgent.
    pub urgency: Urgency,
    /// Empty when none was given.
    pub ticket: String,
    /// `None`: the role's first.
    pub delivery: Option<Delivery>,
}
