//! Decisions that go before their time, so that nobody fills etcd (I16): those
//! about nothing, and those of one person that are too many.
//!
//! Promises: one that counts never goes, nor one that a grant rests on, nor the
//! first of several that say the same; the plan without them is the plan with
//! them. The youngest go first.
//!
//! Left out on purpose: looking whether there truly is nothing that a decision
//! is about. Whoever removes asks the API server before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{Decision, Verdict, weigh},
    lifecycle::{observed::Observed, standing::RequestStatus, step::Plan},
    subject::Subject,
    terms::Terms,
};

/// Decisions of one person about one request that stay, whether they count or not: more than anybody takes
/// to say what they mean.
pub const KEPT_PER_PERSON: usize = 20;
/// Seconds that a decision about nothing stays: long enough for its author to see what became of it, and for
/// the watches to tell of a request made just before.
pub const STRAY_SECONDS: i64 = 60;
/// Decisions that go at once: whatever else happens to the request is never kept waiting for long.
pub const SURPLUS_AT_ONCE: usize = 64;

/// The plan for decisions about no request and no grant.
pub(super) fn strays(o: &Observed, now: Timestamp) -> Plan {
    let beyond: BTreeSet<&str> = beyond(o).into_iter().map(|d| d.uid.as_str()).collect();
    let leaves_at = |d: &Decision| match beyond.contains(d.uid.as_str()) {
        true => now,
        false => d.created_at.saturating_add(SignedDuration::from_secs(STRAY_SECONDS)).unwrap_or(Timestamp::MAX),
    };
    let (due, early): (Vec<&Decision>, Vec<&Decision>) = in_order(o).into_iter().partition(|d| leaves_at(d) <= now);
    Plan { surplus: youngest(due), wake_at: early.into_iter().map(leaves_at).min(), ..Plan::default() }
}

/// Those beyond a limit that count for nothing and narrow nothing; none while it cannot be told what counts.
pub(super) fn excess(o: &Observed, narrowed_by: &[String]) -> Vec<Decision> {
    let beyond = beyond(o);
    if beyond.is_empty() || (is_open(o) && terms(o).is_none()) {
        return Vec::new();
    }
    let repeated = repeated(o);
    let rests_on = |d: &Decision| narrowed_by.contains(&d.uid) || is_counted(d, o);
    let is_idle = |d: &&Decision| !rests_on(d) && (!has_weight(d, o) || repeated.contains(d.uid.as_str()));
    youngest(beyond.into_iter().filter(is_idle).collect())
}

/// What is left when they are gone.
pub(super) fn without(o: &Observed, gone: &[Decision]) -> Observed {
    let gone: BTreeSet<&str> = gone.iter().map(|d| d.uid.as_str()).collect();
    let left = o.decisions.iter().filter(|d| !gone.contains(d.uid.as_str())).cloned().collect();
    Observed { decisions: left, ..o.clone() }
}

/// Those that exist for good, the oldest first.
fn in_order(o: &Observed) -> Vec<&Decision> {
    let mut all: Vec<&Decision> = o.decisions.iter().filter(|d| !d.is_deleting).collect();
    all.sort_by(|a, b| (a.created_at, &a.uid).cmp(&(b.created_at, &b.uid)));
    all
}

/// Those beyond a limit of their author's, the oldest first.
fn beyond(o: &Observed) -> Vec<&Decision> {
    if o.decisions.len() <= KEPT_PER_PERSON && o.beyond.is_empty() {
        return Vec::new();
    }
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut beyond = Vec::new();
    for decision in in_order(o) {
        let count = made.entry(&decision.approver.username).or_default();
        *count += 1;
        if *count > KEPT_PER_PERSON || o.beyond.contains(&decision.uid) {
            beyond.push(decision);
        }
    }
    beyond
}

/// Whether it is named as what the request or its grant rests on.
fn is_counted(decision: &Decision, o: &Observed) -> bool {
    let filled = o.written.iter().flat_map(|written| &written.stages).flat_map(|stage| &stage.approvals);
    let reviewed = o.written.iter().filter_map(|written| written.review.as_ref()).filter_map(|r| r.by.as_ref());
    let rests_on = o.grant.iter().flat_map(|seen| &seen.grant.approvals).map(|approval| &approval.decision_uid);
    filled.chain(reviewed).map(|counted| &counted.decision_uid).chain(rests_on).any(|uid| *uid == decision.uid)
}

/// Whether it says something that may be heeded, of the terms that are in force or last were.
fn has_weight(decision: &Decision, o: &Observed) -> bool {
    // Without a request nothing stands, and nobody decides on one that cannot be read.
    o.request.as_ref().is_some_and(|request| weigh(decision, request, terms(o)).is_ok())
}

fn is_open(o: &Observed) -> bool {
    o.grant.is_none() && o.written.as_ref().and_then(RequestStatus::complete_since).is_none()
}

fn terms(o: &Observed) -> Option<&Terms> {
    let granted = o.grant.as_ref().map(|seen| &seen.grant.terms);
    granted.or_else(|| o.written.as_ref().and_then(|written| written.terms.as_ref()))
}

/// Those that only say again what their author had said in the same words.
fn repeated(o: &Observed) -> BTreeSet<&str> {
    let mut said: BTreeSet<(&Subject, Verdict, bool)> = BTreeSet::new();
    let heard = in_order(o).into_iter().filter(|d| has_weight(d, o));
    heard.filter(|d| !said.insert((&d.approver, d.verdict, d.narrow.is_some()))).map(|d| d.uid.as_str()).collect()
}

fn youngest(mut all: Vec<&Decision>) -> Vec<Decision> {
    all.reverse();
    all.into_iter().take(SURPLUS_AT_ONCE).cloned().collect()
}
