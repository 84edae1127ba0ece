//! What the policies say of a request, judged as of when it was asked.
//!
//! Promises: the answer to a waiting request changes only when policies, roles
//! or labels do, never by the mere passing of time. Limits on use are judged
//! once, when no rule has taken the request in yet.

use jiff::Timestamp;

use crate::{
    lifecycle::{observed::Grounded, observed::Ruled, standing::RequestStatus},
    policy::{self, Outcome, Place, PolicyRequest, Ruling, evaluate},
    reason::{Reason, Refusal},
    request::{Request, RoleState, TypeScope, Types},
    rules::Rules,
    terms::Terms,
};

/// What the policies say of `request`, whose terms are `terms`.
pub(super) fn outcome(
    ruled: &Ruled,
    request: &Request,
    terms: &Terms,
    grounded: &Grounded,
    written: Option<&RequestStatus>,
) -> Outcome {
    let is_taken_in = written.is_some_and(|written| written.policy.is_some());
    let usage = (!is_taken_in).then(|| ruled.usage.clone());
    match question(request, terms, grounded, usage) {
        Some(asked) => evaluate(&ruled.policies, &asked, ruled.conditions.as_ref(), request.created_at),
        None => {
            let refusal =
                Refusal::new(Reason::Stale, "spec.role", "the role could not be seen; nothing was decided yet");
            Outcome { ruling: Ruling::Deny(refusal), by: None, near: Vec::new() }
        }
    }
}

/// Who would have been asked, had no rule let glass be broken.
pub(super) fn skipped(ruled: &Ruled, request: &Request, terms: &Terms, grounded: &Grounded) -> Vec<String> {
    let asked = question(request, terms, grounded, None);
    asked.map_or_else(Vec::new, |asked| {
        policy::skipped(&ruled.policies, &asked, ruled.conditions.as_ref(), request.created_at)
    })
}

/// What the policies are asked; `None`: the role could not be seen.
#[must_use]
pub fn question(
    request: &Request,
    terms: &Terms,
    grounded: &Grounded,
    usage: Option<crate::policy::Usage>,
) -> Option<PolicyRequest> {
    let RoleState::Found(role) = &grounded.ground.role else {
        return None;
    };
    let place = if terms.namespaces.is_empty() {
        let granted = terms.rules.union(&terms.companions);
        Place::Cluster { reaches_namespaces: reaches_namespaces(&granted, &grounded.ground.types) }
    } else {
        let labels = |name: &String| (name.clone(), grounded.labels.get(name).cloned().flatten());
        Place::Namespaces(terms.namespaces.iter().map(labels).collect())
    };
    Some(PolicyRequest::new(request, terms, role, place, usage))
}

/// Whether anything granted in the whole cluster lives in namespaces, as far as can be told.
fn reaches_namespaces(granted: &Rules, types: &Types) -> bool {
    granted.0.iter().any(|rule| {
        rule.api_groups.iter().any(|group| {
            rule.resources.iter().any(|resource| types.lookup(group, resource) != Some(TypeScope::Cluster))
        })
    })
}

/// When a request that nobody decided about ends: the rule's time, or the server's.
pub(super) fn patience_seconds(outcome: &Outcome, default_seconds: u32) -> u32 {
    match &outcome.ruling {
        Ruling::RequireApproval(approval) => approval.timeout.map_or(default_seconds, crate::length::Length::seconds),
        Ruling::Approve | Ruling::BreakGlass(_) | Ruling::Deny(_) => default_seconds,
    }
}

/// Why it was granted without people, in words.
pub(super) fn granted_at_once(outcome: &Outcome, asked_at: Timestamp) -> String {
    match &outcome.ruling {
        Ruling::BreakGlass(terms) => {
            let due = asked_at.checked_add(terms.review_within.span()).unwrap_or(Timestamp::MAX);
            format!("{outcome}; somebody else reviews it until {due}")
        }
        Ruling::Approve | Ruling::RequireApproval(_) | Ruling::Deny(_) => outcome.to_string(),
    }
}
