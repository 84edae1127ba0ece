//! Everything that is known about one request at one moment.
//!
//! Promises: "not there" and "could not tell" are different values. Nothing is
//! ended because something could not be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    decision::Decision,
    grant::{Grant, IdentityRef},
    lifecycle::{identity::Part, standing::RequestStatus},
    policy::{Conditions, Labels, Policies, Unread, Usage},
    reason::Refusal,
    request::{Ground, Request},
    switch::Switches,
};

/// How long things may take and stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds a request may wait for its decision.
    pub approval_seconds_max: u32,
    /// Seconds a finished request stays, with its decisions and grant.
    pub retention_seconds: u32,
}

/// What a request is checked against, and the youngest thing in it.
#[derive(Clone, Debug)]
pub struct Grounded {
    /// Role, namespaces, types.
    pub ground: Ground,
    /// When the youngest of role and namespaces was made. One made after an approval is another
    /// than the one approved, under the same name (I9).
    pub youngest: Timestamp,
    /// The labels of the namespaces.
    pub labels: BTreeMap<String, Labels>,
    /// Stands for the uids of role and namespaces; `None`: not all could be seen.
    pub seal: Option<String>,
}

/// What the organisation's rules are, and what the requester took by them.
#[derive(Clone, Debug)]
pub struct Ruled {
    /// Every policy.
    pub policies: Arc<Policies>,
    /// The language of their conditions.
    pub conditions: Arc<dyn Conditions + Send + Sync>,
    /// What the requester asked for before.
    pub usage: Usage,
    /// What is suspended.
    pub switches: Arc<Switches>,
}

impl Default for Ruled {
    fn default() -> Self {
        Self {
            policies: Arc::default(),
            conditions: Arc::new(Unread),
            usage: Usage::default(),
            switches: Arc::default(),
        }
    }
}

/// One request and all that hangs on its uid.
#[derive(Clone, Debug)]
pub struct Observed {
    /// How long things may take and stay.
    pub limits: Limits,
    /// The request; `None`: there is none with this uid.
    pub request: Option<Request>,
    /// Why the request with this uid cannot be read, if there is one and it cannot.
    pub unread: Option<UnreadRequest>,
    /// What its status says; `None`: nothing yet, or nothing that can be read.
    pub written: Option<RequestStatus>,
    /// Whether its requester has more open requests than allowed, and this is one of the excess.
    pub is_excess: bool,
    /// Whether its requester has too many that ended without a grant, and this is one of the oldest.
    pub is_crowded_out: bool,
    /// The decisions that name this uid.
    pub decisions: Vec<Decision>,
    /// Uids of those whose author has made as many before as are kept of one person, about anything.
    pub beyond: BTreeSet<String>,
    /// The grant made from this uid.
    pub grant: Option<GrantSeen>,
    /// Whether a grant of another request has the name that this one's would have.
    pub is_name_taken: bool,
    /// The role, the namespaces, the resource types; `None`: could not tell.
    pub ground: Option<Grounded>,
    /// The policies, and what the requester took by them.
    pub ruled: Ruled,
    /// Since when the admission policies stand: what was written later counts. `None`: they do not,
    /// or that could not be seen, and then nothing is given; taking away goes on.
    pub trusted_since: Option<Timestamp>,
    /// An identity carried by a live grant with equal rules, whole and not retired.
    pub joinable: Option<IdentityRef>,
}

/// A request that the schema let pass and that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadRequest {
    /// Why.
    pub why: Refusal,
    /// Whether the object is being deleted.
    pub is_deleting: bool,
}

impl Observed {
    /// Whether there is a request that can be removed.
    pub(super) fn has_request(&self) -> bool {
        self.request.as_ref().is_some_and(|request| !request.is_deleting)
            || self.unread.as_ref().is_some_and(|unread| !unread.is_deleting)
    }
}

/// A grant and all that hangs on it.
#[derive(Clone, Debug)]
pub struct GrantSeen {
    /// The grant.
    pub grant: Grant,
    /// Whether its status says a phase at all.
    pub is_announced: bool,
    /// The seal of the ground it was made on; `None`: it says none.
    pub ground: Option<String>,
    /// Whether our finalizer still holds the object.
    pub is_held: bool,
    /// What carries our label with the grant's identity; `None`: could not tell.
    pub parts: Option<Vec<Part>>,
    /// What the status says of the end, for people.
    pub end_message: String,
    /// Whether another live grant is carried by the same identity.
    pub is_identity_shared: bool,
    /// Every gateway replica that may still hold something open.
    pub gateways: Vec<Acknowledgement>,
}

/// How far one live gateway replica has closed what had to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The replica's Lease.
    pub replica: String,
    /// The resourceVersion of grants it has acted on; `None`: none yet, or unreadable.
    pub resource_version: Option<u64>,
    /// When it counts as dead, its streams cut by itself, if its Lease is not renewed until then.
    pub dead_at: Timestamp,
}

impl GrantSeen {
    /// The replicas that have not yet said that they closed what this grant held open (I8).
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<&Acknowledgement> {
        // A resourceVersion that is no number can be compared with nothing: then nobody has acknowledged.
        let needed: Option<u64> = self.grant.resource_version.parse().ok();
        let lags = |a: &&Acknowledgement| match (needed, a.resource_version) {
            (Some(needed), Some(seen)) => seen < needed,
            _ => true,
        };
        self.gateways.iter().filter(lags).collect()
    }
}
