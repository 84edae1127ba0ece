//! What finished leaves: request, decisions and grant together, after a retention.
//!
//! Promises: nothing unfinished is removed; the grant goes only after the
//! request's status says how it ended, or the request is gone. Only what came to
//! no grant may leave before its time, crowded out by its author's newer ones.

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::Decision,
    lifecycle::{
        observed::{GrantSeen, Observed},
        step::{Plan, Step},
    },
};

/// A grant whose end is confirmed.
pub(super) fn finished_grant(o: &Observed, seen: &GrantSeen, now: Timestamp, plan: &mut Plan) {
    if seen.grant.is_deleting {
        if seen.is_held {
            plan.steps.push(Step::ReleaseGrant);
        }
        return;
    }
    let since = match (&o.request, &o.written) {
        (Some(_), Some(written)) => written.complete_since(),
        (Some(_), None) => None,
        (None, _) => seen.grant.ended.as_ref().map(|ended| ended.at),
    };
    leave(o, since, now, plan, true);
}

/// A request that ended without a grant, or whose grant has gone before it.
pub(super) fn finished_request(o: &Observed, now: Timestamp, plan: &mut Plan) {
    if o.has_request() {
        let since = o.written.as_ref().and_then(|written| written.complete_since());
        leave(o, since, now, plan, false);
    }
}

fn leave(o: &Observed, since: Option<Timestamp>, now: Timestamp, plan: &mut Plan, has_grant: bool) {
    let review = o.written.as_ref().and_then(|written| written.review.as_ref());
    // The proof of broken glass stays until somebody has reviewed it, and a while from then.
    let reviewed = match review {
        Some(review) if review.by.is_none() => return,
        review => review.and_then(|review| review.by.as_ref()).map(|by| by.at),
    };
    let Some(since) = since.max(reviewed) else { return };
    let stay = SignedDuration::from_secs(i64::from(o.limits.retention_seconds));
    let Ok(until) = since.saturating_add(stay) else { return };
    let is_crowded_out = o.is_crowded_out && !has_grant;
    if now < until && !is_crowded_out {
        plan.wake_at = Some(until);
        return;
    }
    plan.must_confirm = true;
    let decisions =
        o.decisions.iter().filter(|d| !d.is_deleting).map(|d| Step::DeleteDecision(Box::new(Decision::clone(d))));
    plan.steps.extend(decisions);
    if has_grant {
        plan.steps.push(Step::DeleteGrant);
    }
    if o.has_request() {
        plan.steps.push(Step::DeleteRequest);
    }
}
