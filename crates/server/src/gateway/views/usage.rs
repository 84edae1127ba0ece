//! What somebody has taken by rules before, as the views tell it: for the
//! question what would be decided next.
//!
//! Left out on purpose: deciding by it. The controller gathers its own.

use std::collections::BTreeMap;

use brevet_api::AccessRequestStatus;
use brevet_core::{
    length::Length,
    policy::{Usage, Use, UseState},
    window::Window,
};
use jiff::Timestamp;

use super::shelf::{Object, Shelf};
use crate::gateway::route::View;

/// What the person of that username has asked for until `now`.
pub(in crate::gateway) fn usage(shelf: &Shelf, username: &str, now: Timestamp) -> Usage {
    let own = |view| shelf.snapshot(view).shown.into_iter().filter(|shown| shown.owner.username == username);
    let mut granted: BTreeMap<String, UseState> = BTreeMap::new();
    for shown in own(View::Grants) {
        if let Object::Grant(grant) = &shown.object {
            let window = Window { not_before: grant.spec.not_before.0, not_after: grant.spec.not_after.0 };
            let ended_at = grant.status.as_ref().and_then(|status| status.ended_at.as_ref()).map(|at| at.0);
            granted.insert(grant.spec.request.uid.clone(), UseState::Granted { window, ended_at });
        }
    }
    let mut found = Usage::default();
    for shown in own(View::Requests) {
        let Object::Request(request) = &shown.object else { continue };
        let Some(status) = &request.status else { continue };
        let review = status.review.as_ref().filter(|review| review.by.is_none());
        if review.is_some_and(|review| review.due.0 <= now) {
            found.overdue_review = Some(shown.name.clone());
        }
        let uid = request.metadata.uid.as_deref().unwrap_or_default();
        let state = granted.get(uid).copied().or_else(|| pending(status));
        if let (Some(by), Some(state)) = (&status.policy, state) {
            found.uses.push(Use {
                policy_uid: by.uid.clone(),
                rule: by.rule.clone(),
                state,
                is_unreviewed: review.is_some(),
            });
        }
    }
    found
}

/// How long a request that waits would be; `None`: it does not wait.
fn pending(status: &AccessRequestStatus) -> Option<UseState> {
    let is_over = status.conditions.iter().any(|condition| condition.type_ == "Complete" && condition.status == "True");
    let duration = status.terms.as_ref().and_then(|terms| Length::parse(&terms.duration).ok())?;
    (!is_over).then_some(UseState::Pending { duration })
}
