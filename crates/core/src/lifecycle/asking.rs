//! A request for which there is no grant: checked, decided on, granted or not.
//!
//! Promises: the terms are worked out anew each time, so a decision counts only
//! for what would come into force now; once complete, a request stays so; there
//! is never a second grant.

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{self, Decision, Verdict, Verdicts},
    grant::Approval,
    lifecycle::{
        observed::{Grounded, Observed},
        standing::{Counted, RequestCondition, RequestStatus, whole_second},
        step::{NewGrant, Plan, Step, Wait},
        tidy,
    },
    phase::Phase,
    reason::Reason,
    request::{self, Request},
    terms::Terms,
    window::Window,
};

/// The next steps for `request`, which has no grant.
pub(super) fn plan(o: &Observed, request: &Request, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut status = o.written.clone().unwrap_or_default();
    if request.is_deleting || status.complete_since().is_some() {
        tidy::finished_request(o, request, now, &mut plan);
        return plan;
    }
    if o.is_excess {
        plan.steps.push(Step::DeleteRequest);
        plan.must_confirm = true;
        return plan;
    }
    let grant = look(o, request, &mut status, now, &mut plan);
    if o.written.as_ref() != Some(&status) && plan.waits_for.is_none() {
        plan.steps.push(Step::WriteRequest(Box::new(status)));
    }
    plan.steps.extend(grant.map(|grant| Step::CreateGrant(Box::new(grant))));
    plan
}

/// Brings `status` up to date; returns the grant that is due, if one is.
fn look(
    o: &Observed,
    request: &Request,
    status: &mut RequestStatus,
    now: Timestamp,
    plan: &mut Plan,
) -> Option<NewGrant> {
    if status.grant.is_some() {
        // There was a grant, and it is gone with its finalizer: never make another.
        status.close(Reason::Deleted, "its grant was removed; ask again", now);
        plan.must_confirm = true;
        return None;
    }
    let Some(grounded) = &o.ground else {
        plan.waits_for = Some(Wait::Ground);
        return None;
    };
    let proposal = match request::check(request, &grounded.ground, now) {
        Ok(proposal) => proposal,
        Err(refusal) if refusal.reason.is_transient() => {
            plan.waits_for = Some(Wait::Ground);
            return None;
        }
        Err(refusal) => {
            *status = std::mem::take(status).refused(&refusal, now);
            plan.must_confirm = true;
            return None;
        }
    };
    status.phase = Phase::Pending;
    status.terms = Some(proposal.terms.clone());
    status.dropped.clone_from(&proposal.dropped);
    status.say(RequestCondition::Evaluated, true, "TermsReady", "the terms wait for a decision", now);
    if o.is_name_taken {
        let message =
            format!("the grant of an earlier request `{}` is still kept; ask under another name", request.name);
        status.close(Reason::NameTaken, message, now);
        plan.must_confirm = true;
        return None;
    }
    heed(o, request, grounded, status, now, plan)
}

/// What people said, and whether anybody still may.
fn heed(
    o: &Observed,
    request: &Request,
    grounded: &Grounded,
    status: &mut RequestStatus,
    now: Timestamp,
    plan: &mut Plan,
) -> Option<NewGrant> {
    let terms = status.terms.clone()?;
    let decisions = timely(o, grounded);
    let verdicts = decision::settle(request, &terms, &decisions);
    let patience = SignedDuration::from_secs(i64::from(o.limits.approval_seconds_max));
    let decide_by = request.created_at.saturating_add(patience).unwrap_or(Timestamp::MAX);
    match verdicts {
        Verdicts::Withdrawn(by) => status.close(Reason::Withdrawn, told("taken back", by), now),
        Verdicts::Revoked(by) => status.close(Reason::Revoked, told("revoked", by), now),
        Verdicts::Denied(by) => status.close(Reason::DeniedByPerson, told("denied", by), now),
        Verdicts::Open | Verdicts::Approved(_) if now >= decide_by => {
            status.close(Reason::ApprovalTimeout, "nobody decided in time; ask again", now);
        }
        Verdicts::Open => {
            status.approvals = Vec::new();
            let end = terms.start_at.and_then(|start| start.saturating_add(terms.duration.span()).ok());
            plan.wake_at = Some(end.map_or(decide_by, |end| end.min(decide_by)));
        }
        Verdicts::Approved(by) => {
            status.approvals = by.iter().map(|decision| count(decision)).collect();
            return new_grant(request, &terms, &by, grounded.seal.clone()?, now);
        }
    }
    None
}

/// The decisions, without approvals older than the role or a namespace: they were of another one.
fn timely(o: &Observed, grounded: &Grounded) -> Vec<Decision> {
    let is_timely = |d: &&Decision| d.verdict != Verdict::Approve || d.created_at >= grounded.youngest;
    o.decisions.iter().filter(is_timely).cloned().collect()
}

fn new_grant(request: &Request, terms: &Terms, by: &[&Decision], ground: String, now: Timestamp) -> Option<NewGrant> {
    let window = window(terms, now).filter(|window| window.not_before < window.not_after)?;
    let approval = |decision: &&Decision| Approval {
        decision_name: decision.name.clone(),
        decision_uid: decision.uid.clone(),
        approver: decision.approver.username.clone(),
    };
    Some(NewGrant {
        name: request.name.clone(),
        request_uid: request.uid.clone(),
        holder: request.requester.clone(),
        terms: terms.clone(),
        window,
        approvals: by.iter().map(approval).collect(),
        ground,
    })
}

/// The window of a grant made at `now`: from then, or from `startAt` if that is later, and never past
/// what was asked for. In whole seconds, as the wire has them.
fn window(terms: &Terms, now: Timestamp) -> Option<Window> {
    let this_second = whole_second(now);
    let Some(start) = terms.start_at else {
        let not_after = this_second.checked_add(terms.duration.span()).ok()?;
        return Some(Window { not_before: this_second, not_after });
    };
    let first_second = match whole_second(start) {
        second if second == start => start,
        second => second.checked_add(SignedDuration::from_secs(1)).ok()?,
    };
    let not_after = whole_second(start.checked_add(terms.duration.span()).ok()?);
    Some(Window { not_before: this_second.max(first_second), not_after })
}

/// An approval as the request's status lists it.
fn count(decision: &Decision) -> Counted {
    Counted {
        approver: decision.approver.username.clone(),
        decision_name: decision.name.clone(),
        decision_uid: decision.uid.clone(),
        at: whole_second(decision.created_at),
    }
}

fn told(what: &str, decision: &Decision) -> String {
    let who = &decision.approver.username;
    match decision.comment.as_str() {
        "" => format!("{what} by `{who}`"),
        comment => format!("{what} by `{who}`: {comment}"),
    }
}
