//! A request for which there is no grant: checked, decided on, granted or not.
//!
//! Promises: the terms are worked out anew each time, so a decision counts only
//! for what would come into force now; once complete, a request stays so; there
//! is never a second grant.

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{self, Decision, Verdict, Verdicts},
    grant,
    lifecycle::{
        observed::{Grounded, Observed},
        ruled,
        standing::{Counted, RequestCondition, RequestStatus, StageSaid, whole_second},
        step::{NewGrant, Plan, Step, Wait},
        tidy,
    },
    phase::Phase,
    policy::stages::{Aliases, Approval, Filled, State, tally},
    policy::{Decider, Ruling},
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

/// What policies and people said, and whether anybody still may.
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
    match decision::settle(request, &terms, &decisions) {
        Verdicts::Withdrawn(by) => {
            status.close(Reason::Withdrawn, told("taken back", by), now);
            return None;
        }
        Verdicts::Revoked(by) => {
            status.close(Reason::Revoked, told("revoked", by), now);
            return None;
        }
        Verdicts::Open | Verdicts::Approved(_) | Verdicts::Denied(_) => {}
    }
    let outcome = ruled::outcome(&o.ruled, request, &terms, grounded, o.written.as_ref());
    let patience =
        SignedDuration::from_secs(i64::from(ruled::patience_seconds(&outcome, o.limits.approval_seconds_max)));
    let decide_by = request.created_at.saturating_add(patience).unwrap_or(Timestamp::MAX);
    let approval = match &outcome.ruling {
        Ruling::Deny(refusal) if refusal.reason.is_transient() => {
            plan.waits_for = Some(Wait::Ground);
            return None;
        }
        Ruling::Deny(refusal) => {
            *status = std::mem::take(status).refused(refusal, now);
            plan.must_confirm = true;
            return None;
        }
        Ruling::Approve | Ruling::BreakGlass(_) => Approval { stages: Vec::new(), ..Approval::by_anyone() },
        Ruling::RequireApproval(approval) => approval.clone(),
    };
    status.policy.clone_from(&outcome.by);
    if let Some(message) = ruled::granted_at_once(&outcome, request.created_at) {
        status.stages = Vec::new();
        status.say(RequestCondition::Evaluated, true, "ApprovedByPolicy", message, now);
        if now >= decide_by {
            status.close(Reason::ApprovalTimeout, "it could not be granted in time; ask again", now);
            return None;
        }
        return new_grant(request, &terms, Vec::new(), outcome.by, grounded.seal.clone()?, now);
    }
    let standing = tally(&approval, request, &terms, &decisions, &Aliases::default());
    status.stages = standing.stages.iter().map(said).collect();
    match standing.state {
        State::Denied(by) => status.close(Reason::DeniedByPerson, told("denied", by), now),
        State::Open | State::Approved if now >= decide_by => {
            status.close(Reason::ApprovalTimeout, "nobody decided in time; ask again", now);
        }
        State::Open => {
            if outcome.by.is_some() {
                status.say(RequestCondition::Evaluated, true, "TermsReady", outcome.to_string(), now);
            }
            let end = terms.start_at.and_then(|start| start.saturating_add(terms.duration.span()).ok());
            plan.wake_at = Some(end.map_or(decide_by, |end| end.min(decide_by)));
        }
        State::Approved => {
            let approvals =
                standing.stages.iter().flat_map(|stage| stage.by.iter().map(|by| counted_for(by, &stage.name)));
            return new_grant(request, &terms, approvals.collect(), outcome.by, grounded.seal.clone()?, now);
        }
    }
    None
}

fn said(stage: &Filled<'_>) -> StageSaid {
    let approvals = stage.by.iter().map(|decision| count(decision)).collect();
    StageSaid { name: stage.name.clone(), required: stage.required, approvals }
}

fn counted_for(decision: &Decision, stage: &str) -> grant::Approval {
    grant::Approval {
        decision_name: decision.name.clone(),
        decision_uid: decision.uid.clone(),
        approver: decision.approver.username.clone(),
        stage: stage.to_owned(),
    }
}

/// The decisions, without approvals older than the role or a namespace: they were of another one.
fn timely(o: &Observed, grounded: &Grounded) -> Vec<Decision> {
    let is_timely = |d: &&Decision| d.verdict != Verdict::Approve || d.created_at >= grounded.youngest;
    o.decisions.iter().filter(is_timely).cloned().collect()
}

fn new_grant(
    request: &Request,
    terms: &Terms,
    approvals: Vec<grant::Approval>,
    policy: Option<Decider>,
    ground: String,
    now: Timestamp,
) -> Option<NewGrant> {
    let window = window(terms, now).filter(|window| window.not_before < window.not_after)?;
    Some(NewGrant {
        name: request.name.clone(),
        request_uid: request.uid.clone(),
        holder: request.requester.clone(),
        terms: terms.clone(),
        window,
        approvals,
        policy,
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
