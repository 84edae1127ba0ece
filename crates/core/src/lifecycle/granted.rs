//! A grant: brought into force at its beginning, ended for the first cause that
//! holds, and kept at `Revoking` until the end is confirmed.
//!
//! Promises: an end once written is final; nothing here gives access after it;
//! the window is read and never written (I4); what could not be read ends
//! nothing; nothing comes into force while the admission policies do not stand.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    grant::{self, Ended, Evidence, Grant},
    lifecycle::{
        ground, identity, mirror,
        observed::{GrantSeen, Observed},
        review,
        standing::whole_second,
        step::{Plan, Step, Wait},
        tidy,
    },
    reason::Reason,
};

/// Where the grant is, once the clock and all evidence have been heard.
pub(super) enum Stage {
    /// Its window has not begun.
    Early,
    /// In its window, without an identity.
    Due,
    /// In its window and in force.
    Active,
    /// Over.
    Over {
        /// Cause and moment.
        ended: Ended,
        /// For people.
        message: String,
        /// Whether the grant's status says so already.
        is_written: bool,
    },
}

/// The next steps for a grant.
pub(super) fn plan(o: &Observed, seen: &GrantSeen, now: Timestamp) -> Plan {
    let stage = stage(o, seen, now);
    let mut plan = Plan::default();
    match &stage {
        Stage::Early => {
            if !seen.is_announced {
                plan.steps.push(Step::Announce);
            }
            plan.wake_at = Some(seen.grant.window.not_before);
        }
        Stage::Due => {
            plan.wake_at = Some(seen.grant.window.not_after);
            match (o.trusted_since, &o.ground) {
                (None, _) => plan.waits_for = Some(Wait::Guard),
                (_, None) => plan.waits_for = Some(Wait::Ground),
                _ => plan.steps.push(Step::Activate { join: o.joinable.clone() }),
            }
        }
        Stage::Active => plan.wake_at = Some(seen.grant.window.not_after),
        Stage::Over { ended, message, is_written: false } => {
            plan.must_confirm =
                matches!(ended.cause, Reason::Drift | Reason::Evidence | Reason::Deleted | Reason::Suspended);
            plan.steps.push(Step::End { ended: ended.clone(), message: message.clone() });
        }
        Stage::Over { is_written: true, .. } if !seen.grant.is_end_confirmed => take_away(seen, &mut plan),
        Stage::Over { .. } => {}
    }
    // In force for the request's status only after it is, by another round; over as soon as decided.
    let is_confirmed = seen.grant.is_end_confirmed || plan.steps.contains(&Step::ConfirmEnd);
    if let Some(step) = mirror::step(o, seen, &stage, is_confirmed, now) {
        // Last: that people are told must never keep access from being taken away.
        plan.steps.push(step);
    }
    if is_confirmed {
        tidy::finished_grant(o, seen, now, &mut plan);
    }
    plan.wake_no_later(review::wake_at(o.written.as_ref(), now));
    plan
}

/// Removes what carried an ended grant, and says so when everybody has confirmed it.
fn take_away(seen: &GrantSeen, plan: &mut Plan) {
    let Some(identity) = &seen.grant.identity else {
        // Never brought into force: nothing was made that a call could have used.
        plan.steps.push(Step::ConfirmEnd);
        return;
    };
    let mut is_absent = seen.is_identity_shared;
    if !seen.is_identity_shared {
        match &seen.parts {
            Some(parts) if parts.is_empty() => is_absent = true,
            Some(parts) => {
                // What is being deleted already waits for somebody else's finalizer; asking again helps nothing.
                let mut left: Vec<_> = parts.iter().filter(|p| !p.is_deleting).cloned().collect();
                left.sort();
                if !left.is_empty() {
                    plan.steps.push(Step::Unmake { identity: identity.clone(), parts: left });
                }
                plan.waits_for = Some(Wait::Absence);
            }
            None => plan.waits_for = Some(Wait::Absence),
        }
    }
    let silent = seen.unacknowledged();
    if !silent.is_empty() {
        plan.wake_at = silent.iter().map(|a| a.dead_at).min();
        plan.waits_for.get_or_insert(Wait::Acknowledgement);
    } else if is_absent {
        plan.must_confirm = true;
        plan.steps.push(Step::ConfirmEnd);
    }
}

/// Where the grant is at `now`.
fn stage(o: &Observed, seen: &GrantSeen, now: Timestamp) -> Stage {
    let grant = &seen.grant;
    if let Some(ended) = &grant.ended {
        return Stage::Over { ended: ended.clone(), message: seen.end_message.clone(), is_written: true };
    }
    let evidence = Evidence {
        request: o.request.clone(),
        decisions: o.decisions.clone(),
        policies: Arc::clone(&o.ruled.policies),
        switches: Arc::clone(&o.ruled.switches),
        trusted_since: o.trusted_since,
    };
    if let Err(ended) = grant::stands(grant, &evidence, now) {
        return over(grant, ended.cause, why(o, grant, ended.cause), ended.at);
    }
    if let Some(message) = settled_otherwise(o, grant) {
        return over(grant, Reason::Evidence, message, now);
    }
    if let Some(message) = drift(o, seen) {
        return over(grant, Reason::Drift, message, now);
    }
    match (grant.window.contains(now), grant.is_ready && grant.identity.is_some()) {
        (false, _) => Stage::Early,
        (true, false) => Stage::Due,
        (true, true) => Stage::Active,
    }
}

fn over(grant: &Grant, cause: Reason, message: impl Into<String>, at: Timestamp) -> Stage {
    // The deadline is when an expired grant ended, however late that is noticed.
    let at = whole_second(at).min(grant.window.not_after);
    Stage::Over { ended: Ended { cause, at }, message: message.into(), is_written: false }
}

/// A grant that a deposed leader made although its request was settled without it.
fn settled_otherwise(o: &Observed, grant: &Grant) -> Option<String> {
    let written = o.written.as_ref()?;
    written.complete_since()?;
    let is_ours = written.grant.as_ref().is_some_and(|(_, uid)| *uid == grant.uid);
    (!is_ours).then(|| "its request was settled without it".to_owned())
}

/// How the world differs from what was approved and made; `None`: not at all, or could not tell.
fn drift(o: &Observed, seen: &GrantSeen) -> Option<String> {
    let grant = &seen.grant;
    let approved_at = grant
        .approvals
        .iter()
        .filter_map(|a| o.decisions.iter().find(|d| d.uid == a.decision_uid))
        .map(|d| d.created_at)
        .min()
        .or(o.request.as_ref().filter(|_| grant.approvals.is_empty()).map(|request| request.created_at));
    if let (Some(ground), Some(approved_at)) = (&o.ground, approved_at)
        && let Some(fault) = ground::fault(ground, &grant.terms, seen.ground.as_deref(), approved_at)
    {
        return Some(fault);
    }
    match (&grant.identity, &seen.parts) {
        (Some(identity), Some(parts)) if grant.is_ready => identity::fault(&grant.terms, &identity.uid, parts),
        _ => None,
    }
}

/// Why it is over, in words.
fn why(o: &Observed, grant: &Grant, cause: Reason) -> String {
    let thrown = o.ruled.switches.thrown(&grant.terms.role, &o.ruled.policies, grant.policy.as_ref());
    match (cause, thrown, unguarded(o)) {
        (Reason::Suspended, Some(thrown), _) => thrown.what,
        (Reason::Evidence, _, Some(message)) => message,
        _ => told(cause).to_owned(),
    }
}

/// That what the grant rests on is there, and counts no more.
fn unguarded(o: &Observed) -> Option<String> {
    let since = o.trusted_since.filter(|since| o.request.as_ref().is_some_and(|r| r.created_at <= *since))?;
    Some(format!("the admission policies were put in place anew at {since}, after it was asked for; ask again"))
}

fn told(cause: Reason) -> &'static str {
    match cause {
        Reason::Expired => "its time is over",
        Reason::Revoked => "it was revoked",
        Reason::Released => "it was given back",
        Reason::Withdrawn => "it was taken back before it began",
        Reason::Deleted => "the grant was deleted",
        Reason::Drift => "the rule that decided it changed, or policies came where there were none",
        Reason::Evidence => "its request or an approval it rested on is gone",
        _ => "it does not stand any more",
    }
}
