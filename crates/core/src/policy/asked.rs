//! What policies are asked: one request, with the facts they may judge by.
//!
//! Promises: what could not be seen is a value of its own, and a rule that
//! would need it decides nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Usage;
use crate::request::{Request, Urgency};
use crate::role::{Delivery, Risk, Role};
use crate::rules::Rules;
use crate::{length::Length, subject::Subject, terms::Terms};

/// The labels of a namespace; `None`: they could not be seen.
pub type Labels = Option<BTreeMap<String, String>>;

/// Where access would apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In these namespaces, with their labels.
    Namespaces(BTreeMap<String, Labels>),
    /// In the cluster.
    Cluster {
        /// Whether it would reach objects in namespaces too: then in all of them.
        reaches_namespaces: bool,
    },
}

/// One request as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRequest {
    /// Who asks.
    pub requester: Subject,
    /// The AccessRole's name.
    pub role: String,
    /// The AccessRole's risk.
    pub risk: Risk,
    /// Where.
    pub place: Place,
    /// Everything that would be granted, companions included.
    pub granted: Rules,
    /// How long.
    pub duration: Length,
    /// From when, if not at once.
    pub start_at: Option<Timestamp>,
    /// How urgent.
    pub urgency: Urgency,
    /// Empty when none was given.
    pub ticket: String,
    /// Why.
    pub justification: String,
    /// How it is handed over.
    pub delivery: Delivery,
    /// What the requester took before; `None`: limits on use were judged
    /// already and are not judged again.
    pub usage: Option<Usage>,
}

impl PolicyRequest {
    /// What policies are asked of a request whose terms were worked out.
    #[must_use]
    pub fn new(request: &Request, terms: &Terms, role: &Role, place: Place, usage: Option<Usage>) -> Self {
        Self {
            requester: request.requester.clone(),
            role: role.name.clone(),
            risk: role.risk,
            place,
            granted: terms.rules.union(&terms.companions),
            duration: terms.duration,
            start_at: terms.start_at,
            urgency: request.urgency,
            ticket: request.ticket.clone(),
            justification: request.justification.clone(),
            delivery: terms.delivery,
            usage,
        }
    }

    /// When access would begin, were it granted at `now`.
    #[must_use]
    pub fn start(&self, now: Timestamp) -> Timestamp {
        self.start_at.map_or(now, |start| start.max(now))
    }
}
