//! The grants that calls are judged by, and whether the table may be believed.
//!
//! Promises: while the admission policies do not stand, or the grants have not
//! been judged by when they came to stand, or contact is older than
//! `limits::STALE_AFTER`, nothing is permitted (I11); a deadline counts by the
//! wall clock and by the time that was left when the grant was first seen.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use brevet_core::{
    grant::{Ended, Evidence, Grant},
    permit::{Attempt, Grants, Permit},
    reason::{Reason, Refusal},
    role::StreamLimits,
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::{contact::Contact, stream::About};
use crate::{
    clock::{self, Deadline},
    guard::{Fault, Guard},
};

const NO_CONTACT: &str = "the gateway has no contact with kube-apiserver and cannot decide; try again in a moment";

/// The table. Read by every call, written by the index alone.
pub(super) struct Table {
    rows: RwLock<Rows>,
    contact: Arc<Contact>,
    guard: watch::Receiver<Guard>,
}

#[derive(Default)]
struct Rows {
    grants: Grants,
    by_name: HashMap<String, Row>,
    /// How grants of each role may use streams, where it says so.
    limits: HashMap<String, StreamLimits>,
    /// Since when the admission policies stand, as the grants were judged.
    judged_under: Option<Timestamp>,
}

/// What belongs to a grant besides core's judgement.
struct Row {
    about: Arc<About>,
    deadline: Deadline,
    role: String,
    stands: bool,
}

/// A permit, and what the exchange needs to end on time.
pub(super) struct Admitted {
    pub(super) permit: Permit,
    pub(super) about: Arc<About>,
    pub(super) deadline: Deadline,
    pub(super) limits: StreamLimits,
}

impl Table {
    /// An empty table.
    pub(super) fn new(contact: Arc<Contact>, guard: watch::Receiver<Guard>) -> Self {
        Self { rows: RwLock::default(), contact, guard }
    }

    /// Leave for one call.
    pub(super) fn permit(&self, attempt: &Attempt<'_>) -> Result<Admitted, Refusal> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        self.check_guard(&rows)?;
        self.check_contact()?;
        let now = clock::now();
        let row = rows.by_name.get(attempt.grant);
        let now = match row {
            // The wall clock was set back: the time that had been left is over all the same.
            Some(row) if row.deadline.is_over() => now.max(row.deadline.not_after()),
            _ => now,
        };
        let permit = rows.grants.permit(attempt, now)?;
        // A grant that core permits has a row: both are written together.
        let row = row.ok_or_else(|| Refusal::new(Reason::NoSuchGrant, "", "no such grant"))?;
        let limits = rows.limits.get(&row.role).copied().unwrap_or_default();
        Ok(Admitted { permit, about: row.about.clone(), deadline: row.deadline, limits })
    }

    /// Whether the grant of this name and uid still stands.
    pub(super) fn still_stands(&self, name: &str, uid: &str) -> bool {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.by_name.get(name).is_some_and(|row| row.stands && row.about.grant_uid == uid)
    }

    /// Whether anything may be decided at all.
    pub(super) fn check_working(&self) -> Result<(), Refusal> {
        self.check_guard(&self.rows.read().unwrap_or_else(PoisonError::into_inner))?;
        self.check_contact()
    }

    fn check_guard(&self, rows: &Rows) -> Result<(), Refusal> {
        let (reason, message) = match &*self.guard.borrow() {
            Guard::Intact { since } if rows.judged_under == Some(*since) => return Ok(()),
            Guard::Intact { .. } => (Reason::Stale, "the grants are judged anew; try again in a moment"),
            Guard::Down { fault: Fault::Unlisted(_) | Fault::Fresh, .. } => (
                Reason::Unguarded,
                "Brevet's controller has not put on record yet that the admission policies stand; try again in a \
                 moment, or tell an administrator",
            ),
            Guard::Down { fault: Fault::Unknown(_), .. } => (Reason::Stale, NO_CONTACT),
            Guard::Down { fault: Fault::Broken(_), .. } => (
                Reason::Unguarded,
                "Brevet gives nothing: its admission policies do not stand as shipped; tell an administrator",
            ),
        };
        Err(Refusal::new(reason, "", message))
    }

    /// What readers must know of answers that rest on what the policies guard; `None`: nothing.
    pub(super) fn warning(&self) -> Option<&'static str> {
        self.guard.borrow().fault().map(|_| {
            "Brevet gives nothing now: its admission policies are in doubt, and what is shown here may be forged; tell \
             an administrator"
        })
    }

    /// Whether what is known of the cluster is fresh enough to be told.
    pub(super) fn check_contact(&self) -> Result<(), Refusal> {
        if !self.contact.is_fresh() {
            return Err(Refusal::new(Reason::Stale, "", NO_CONTACT));
        }
        Ok(())
    }

    /// All grants have been judged by the admission policies that stand since then; `None`: by none.
    pub(super) fn judged_under(&self, trusted_since: Option<Timestamp>) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).judged_under = trusted_since;
    }

    /// Takes in a grant as it is now.
    ///
    /// # Errors
    /// Why it does not stand; then its exchanges must be ended.
    pub(super) fn apply(&self, grant: Grant, evidence: &Evidence, now: Timestamp) -> Result<(), Ended> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let seen = rows.by_name.get(&grant.name).filter(|row| row.about.grant_uid == grant.uid);
        let (about, deadline) = match seen {
            Some(row) => (row.about.clone(), row.deadline),
            None => (Arc::new(about(&grant)), Deadline::seen_now(grant.window.not_after)),
        };
        let (name, role) = (grant.name.clone(), grant.terms.role.clone());
        let judged = rows.grants.apply(grant, evidence, now);
        rows.by_name.insert(name, Row { about, deadline, role, stands: judged.is_ok() });
        judged
    }

    /// Takes in how grants of all roles may use streams.
    pub(super) fn limit_all(&self, limits: HashMap<String, StreamLimits>) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).limits = limits;
    }

    /// Takes in how grants of one role may use streams.
    pub(super) fn limit(&self, role: String, limits: StreamLimits) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).limits.insert(role, limits);
    }

    /// Forgets a role that is gone.
    pub(super) fn unlimit(&self, role: &str) {
        self.rows.write().unwrap_or_else(PoisonError::into_inner).limits.remove(role);
    }

    /// Forgets a grant that is gone.
    pub(super) fn remove(&self, name: &str, uid: &str) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        rows.grants.remove(name, uid);
        if rows.by_name.get(name).is_some_and(|row| row.about.grant_uid == uid) {
            rows.by_name.remove(name);
        }
    }
}

fn about(grant: &Grant) -> About {
    About {
        grant: grant.name.clone(),
        grant_uid: grant.uid.clone(),
        holder: grant.holder.username.clone(),
        again: grant.terms.ask_again(),
    }
}
