//! The exact terms that are approved, and the digest that stands for them.

use jiff::Timestamp;

use crate::{length::Length, role::Delivery, rules::Rules};

/// What an approver agrees to; nothing else ever comes into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The requester's username.
    pub requester: String,
    /// The requester's uid, empty when there is none.
    pub requester_uid: String,
    /// The AccessRole's name.
    pub role: String,
    /// Ceiling ∩ asked.
    pub rules: Rules,
    /// Granted whole beside named objects.
    pub companions: Rules,
    /// Sorted; empty: the whole cluster.
    pub namespaces: Vec<String>,
    /// How long.
    pub duration: Length,
    /// When it starts, if not at approval.
    pub start_at: Option<Timestamp>,
    /// How it is handed over.
    pub delivery: Delivery,
}
