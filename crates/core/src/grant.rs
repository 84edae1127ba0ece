//! What is in force, and whether it still stands on its evidence.
//!
//! Promises: nothing stands that was not approved as it is, by somebody other
//! than its holder, on the request it names by uid, under the admission policies
//! as they stand; an end, once recorded, is never taken back.
//!
//! Left out on purpose: drift of the role and of what was made in the cluster;
//! only the controller sees those.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::decision::{Decision, Verdict, in_time, weigh};
use crate::policy::{self, Decider, Policies};
use crate::request::Request;
use crate::role::forbidden;
use crate::switch::{Switch, Switches};
use crate::terms::{Terms, is_within_request};
use crate::{digest::Digest, reason::Reason, subject::Subject, window::Window};

/// An approval a grant rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The AccessDecision's name.
    pub decision_name: String,
    /// The AccessDecision's uid.
    pub decision_uid: String,
    /// Who approved.
    pub approver: String,
    /// The stage it counted for.
    pub stage: String,
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
    /// The rule that decided; `None`: there was no policy.
    pub policy: Option<Decider>,
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
    /// Expired, Revoked, Released, Deleted, Suspended, Drift, Evidence.
    pub cause: Reason,
    /// When.
    pub at: Timestamp,
}

/// What a grant rests on, as far as it can be seen now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The request of the grant's `request_uid`.
    pub request: Option<Request>,
    /// Every decision about that request.
    pub decisions: Vec<Decision>,
    /// Every policy.
    pub policies: Arc<Policies>,
    /// What is suspended.
    pub switches: Arc<Switches>,
    /// Since when the admission policies stand; `None`: they do not, or that could not be seen.
    /// Then nothing ends for it, and nothing is to be served either.
    pub trusted_since: Option<Timestamp>,
}

impl Evidence {
    /// Whether what was stored at `at` was stored under the admission policies, as far as that can be
    /// told. The second in which they came to stand is too early: nothing tells what came first in it.
    #[must_use]
    pub fn is_guarded(&self, at: Timestamp) -> bool {
        self.trusted_since.is_none_or(|since| at > since)
    }
}

/// Whether the grant has not ended: judged anew from its evidence, by
/// controller and gateway alike. A grant whose window has not begun stands
/// ([`Window::contains`] says whether it is in force).
///
/// What is judged is what was handed in. Whoever writes an end for want of
/// evidence must first have looked at the API server itself, not at a cache.
///
/// # Errors
/// Why it is over, and since when: by the earliest cause that can be dated.
pub fn stands(grant: &Grant, evidence: &Evidence, now: Timestamp) -> Result<(), Ended> {
    if let Some(ended) = &grant.ended {
        return Err(ended.clone());
    }
    if let Some(ended) = ended_by_person(grant, evidence) {
        return Err(ended);
    }
    if grant.window.is_over(now) {
        return Err(Ended { cause: Reason::Expired, at: grant.window.not_after });
    }
    if grant.is_deleting {
        return Err(Ended { cause: Reason::Deleted, at: now });
    }
    if is_suspended(grant, evidence) {
        return Err(Ended { cause: Reason::Suspended, at: now });
    }
    rests_on(grant, evidence).map_err(|cause| Ended { cause, at: now })
}

/// Whether a switch ends it: whatever is in force by one that ends, and by any what would only begin.
fn is_suspended(grant: &Grant, evidence: &Evidence) -> bool {
    let thrown = evidence.switches.thrown(&grant.terms.role, &evidence.policies, grant.policy.as_ref());
    thrown.is_some_and(|thrown| thrown.switch == Switch::End || !grant.is_ready)
}

fn counts_for(decision: &Decision, grant: &Grant, request: &Request) -> bool {
    weigh(decision, request, Some(&grant.terms)).is_ok() && in_time(decision, &grant.window).is_ok()
}

/// The first Withdraw or Revoke that counts.
fn ended_by_person(grant: &Grant, evidence: &Evidence) -> Option<Ended> {
    let request = evidence.request.as_ref().filter(|request| request.uid == grant.request_uid)?;
    let counts =
        |d: &&Decision| matches!(d.verdict, Verdict::Withdraw | Verdict::Revoke) && counts_for(d, grant, request);
    let first = evidence.decisions.iter().filter(counts).min_by_key(|d| (d.created_at, &d.uid))?;
    let is_own = first.approver.username == grant.holder.username && first.approver.uid == grant.holder.uid;
    let cause = match first.verdict {
        Verdict::Withdraw => Reason::Withdrawn,
        _ if is_own => Reason::Released,
        _ => Reason::Revoked,
    };
    Some(Ended { cause, at: first.created_at })
}

/// Whether request and approvals are there and say exactly what the grant says.
fn rests_on(grant: &Grant, evidence: &Evidence) -> Result<(), Reason> {
    let request = evidence.request.as_ref().ok_or(Reason::Evidence)?;
    let is_its_request = request.uid == grant.request_uid && request.name == grant.name && !request.is_deleting;
    let is_sound = is_its_request
        && evidence.is_guarded(request.created_at)
        && answers(grant, request, is_narrowed(grant, request, evidence))
        && is_in_terms(&grant.window, &grant.terms)
        && grant.digest == grant.terms.digest()
        && forbidden::first(&grant.terms.rules).is_none()
        && forbidden::first(&grant.terms.companions).is_none()
        && grant.approvals.iter().all(|approval| is_backed(approval, grant, request, evidence));
    if !is_sound {
        return Err(Reason::Evidence);
    }
    let approvals: Vec<&str> = grant.approvals.iter().map(|approval| approval.decision_uid.as_str()).collect();
    let by = grant.policy.as_ref();
    policy::backs(&evidence.policies, by, request, &grant.terms, &evidence.decisions, &approvals)
}

/// Whether somebody narrowed the terms to those of the grant.
fn is_narrowed(grant: &Grant, request: &Request, evidence: &Evidence) -> bool {
    let narrows = |d: &&Decision| d.verdict == Verdict::Approve && d.narrow.is_some() && !d.is_deleting;
    evidence.decisions.iter().filter(narrows).any(|d| counts_for(d, grant, request))
}

/// Whether holder and terms are what the request asked for, or less of it where they were narrowed.
fn answers(grant: &Grant, request: &Request, is_narrowed: bool) -> bool {
    let (terms, requester) = (&grant.terms, &request.requester);
    let asked: BTreeSet<&String> = request.namespaces.iter().collect();
    let given: BTreeSet<&String> = terms.namespaces.iter().collect();
    let is_for_its_requester = (&grant.holder.username, &grant.holder.uid) == (&requester.username, &requester.uid)
        && (&terms.requester, &terms.requester_uid) == (&requester.username, &requester.uid);
    let is_all = asked == given
        && request.duration.is_none_or(|duration| duration == terms.duration)
        && request.start_at == terms.start_at;
    is_for_its_requester
        && terms.role == request.role
        && (is_all || (is_narrowed && is_within_request(terms, request)))
        && request.delivery.is_none_or(|delivery| delivery == terms.delivery)
}

/// Whether the window gives no more time than the terms.
fn is_in_terms(window: &Window, terms: &Terms) -> bool {
    let most = Window::of(terms, window.not_before);
    window.not_before >= most.not_before && window.not_after <= most.not_after
}

/// Whether the approval's decision is there, counts, and, where no rule says whose
/// word counts, was not preceded by a denial that counts. A rule's stages say it
/// themselves ([`policy::backs`]): a denial by somebody they do not name is none.
fn is_backed(approval: &Approval, grant: &Grant, request: &Request, evidence: &Evidence) -> bool {
    let counts = |d: &&Decision| counts_for(d, grant, request);
    let decision = evidence.decisions.iter().find(|d| d.uid == approval.decision_uid).filter(counts);
    decision.is_some_and(|decision| {
        let is_before = |d: &Decision| d.verdict == Verdict::Deny && d.created_at < decision.created_at;
        let denied_before = grant.policy.is_none() && evidence.decisions.iter().filter(counts).any(is_before);
        decision.verdict == Verdict::Approve
            && evidence.is_guarded(decision.created_at)
            && !decision.is_deleting
            && decision.approver.username == approval.approver
            && !denied_before
    })
}
