//! A request for which there is no grant: checked, decided on, granted or not.
//!
//! Promises: the terms are worked out anew each time, so a decision counts only
//! for what would come into force now; once complete, a request stays so; there
//! is never a second grant, and none while the admission policies do not stand
//! or for what was asked before they did.

use jiff::{SignedDuration, Timestamp};

use crate::{
    decision::{self, Decision, Verdict, Verdicts},
    grant,
    lifecycle::{
        observed::{Grounded, Observed, UnreadRequest},
        review::{self, Review},
        ruled,
        standing::{Counted, RequestCondition, RequestStatus, StageSaid, whole_second},
        step::{NewGrant, Plan, Step, Wait},
        tidy,
    },
    phase::Phase,
    policy::stages::{Approval, Filled, State, in_force, tally},
    policy::{Outcome, Ruling},
    reason::{Reason, Refusal},
    request::{self, Request},
    terms::Terms,
    window::Window,
};

/// The next steps for `request`, which has no grant.
pub(super) fn plan(o: &Observed, request: &Request, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut status = o.written.clone().unwrap_or_default();
    if request.is_deleting || status.complete_since().is_some() {
        if !request.is_deleting {
            plan.steps.extend(review::step(o, request, now));
        }
        tidy::finished_request(o, now, &mut plan);
        plan.wake_no_later(review::wake_at(o.written.as_ref(), now));
        return plan;
    }
    if o.is_excess && o.trusted_since.is_some() {
        plan.steps.push(Step::DeleteRequest);
        plan.must_confirm = true;
        return plan;
    }
    let grant = look(o, request, &mut status, now, &mut plan);
    if status.grant.is_none() && status.complete_since().is_some() {
        // No glass was broken after all.
        status.review = None;
        status.conditions.remove(&RequestCondition::ReviewDue);
    }
    review::heed(o, request, &mut status, now);
    if o.written.as_ref() != Some(&status) && plan.waits_for.is_none() {
        plan.steps.push(Step::WriteRequest(Box::new(status)));
    }
    plan.steps.extend(grant.map(|grant| Step::CreateGrant(Box::new(grant))));
    plan
}

/// The next steps for a request that passed the schema and still cannot be read: it is refused in its own
/// status.
pub(super) fn unread(o: &Observed, unread: &UnreadRequest, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let status = o.written.clone().unwrap_or_default();
    if unread.is_deleting || status.complete_since().is_some() {
        tidy::finished_request(o, now, &mut plan);
    } else {
        plan.steps.push(Step::WriteRequest(Box::new(status.refused(&unread.why, now))));
    }
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
    if let Some(since) = o.trusted_since.filter(|since| request.created_at <= *since) {
        *status = std::mem::take(status).refused(&unguarded(since), now);
        plan.must_confirm = true;
        return None;
    }
    let Some(grounded) = &o.ground else {
        plan.waits_for = Some(Wait::Ground);
        return None;
    };
    let admitted = o.ruled.switches.admit(&request.role);
    let proposal = match admitted.and_then(|()| request::check(request, &grounded.ground, now)) {
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
    if let Some((reason, message)) = taken(request, &terms, &decisions) {
        status.close(reason, message, now);
        return None;
    }
    if o.trusted_since.is_none() {
        plan.waits_for = Some(Wait::Guard);
        return None;
    }
    let outcome = ruled::outcome(&o.ruled, request, &terms, grounded, o.written.as_ref());
    let patience =
        SignedDuration::from_secs(i64::from(ruled::patience_seconds(&outcome, o.limits.approval_seconds_max)));
    let decide_by = request.created_at.saturating_add(patience).unwrap_or(Timestamp::MAX);
    let matter = Matter { o, request, grounded, asked: &terms, outcome: &outcome, decide_by };
    match &outcome.ruling {
        Ruling::Deny(refusal) if refusal.reason.is_transient() => plan.waits_for = Some(Wait::Ground),
        Ruling::Deny(refusal) => {
            *status = std::mem::take(status).refused(refusal, now);
            plan.must_confirm = true;
        }
        Ruling::Approve | Ruling::BreakGlass(_) => return matter.at_once(status, now),
        Ruling::RequireApproval(approval) => return matter.by_people(approval, &decisions, status, now, plan),
    }
    None
}

/// A request whose terms are worked out, and what the policies say of it.
struct Matter<'a> {
    o: &'a Observed,
    request: &'a Request,
    grounded: &'a Grounded,
    /// What was asked for.
    asked: &'a Terms,
    outcome: &'a Outcome,
    /// Nothing is decided from then on.
    decide_by: Timestamp,
}

impl Matter<'_> {
    /// A rule grants it without people.
    fn at_once(&self, status: &mut RequestStatus, now: Timestamp) -> Option<NewGrant> {
        status.policy.clone_from(&self.outcome.by);
        status.stages = Vec::new();
        let message = ruled::granted_at_once(self.outcome, self.request.created_at);
        status.say(RequestCondition::Evaluated, true, "ApprovedByPolicy", message, now);
        status.review = match &self.outcome.ruling {
            Ruling::BreakGlass(terms) => {
                let skipped = ruled::skipped(&self.o.ruled, self.request, self.asked, self.grounded);
                Some(Review::of(terms, skipped, self.request))
            }
            _ => None,
        };
        if now >= self.decide_by {
            status.close(Reason::ApprovalTimeout, "it could not be granted in time; ask again", now);
            return None;
        }
        self.grant(self.asked, Vec::new(), now)
    }

    /// People decide, on what was asked for or on less.
    fn by_people(
        &self,
        approval: &Approval,
        decisions: &[Decision],
        status: &mut RequestStatus,
        now: Timestamp,
        plan: &mut Plan,
    ) -> Option<NewGrant> {
        status.policy.clone_from(&self.outcome.by);
        let terms = self.narrowed(approval, decisions, status, now, plan);
        let end = terms.start_at.and_then(|start| start.saturating_add(terms.duration.span()).ok());
        if end.is_some_and(|end| now >= end) {
            status.close(Reason::WindowMissed, "the time that was left of it is over; ask again", now);
            return None;
        }
        let standing = tally(approval, self.request, &terms, decisions, self.o.ruled.policies.aliases());
        status.stages = standing.stages.iter().map(said).collect();
        match standing.state {
            State::Denied(by) => status.close(Reason::DeniedByPerson, told("denied", by), now),
            State::Open | State::Approved if now >= self.decide_by => {
                status.close(Reason::ApprovalTimeout, "nobody decided in time; ask again", now);
            }
            State::Open => {
                if self.outcome.by.is_some() {
                    status.say(RequestCondition::Evaluated, true, "TermsReady", self.outcome.to_string(), now);
                }
                plan.wake_at = Some(end.map_or(self.decide_by, |end| end.min(self.decide_by)));
            }
            State::Approved => {
                let approvals =
                    standing.stages.iter().flat_map(|stage| stage.by.iter().map(|by| counted_for(by, &stage.name)));
                return self.grant(&terms, approvals.collect(), now);
            }
        }
        None
    }

    /// The terms in force, which `status` then has, with what was cut from them and by whom.
    fn narrowed(
        &self,
        approval: &Approval,
        decisions: &[Decision],
        status: &mut RequestStatus,
        now: Timestamp,
        plan: &mut Plan,
    ) -> Terms {
        let allows = |less: &Terms| self.allows(less);
        let found = in_force(approval, self.request, self.asked, decisions, self.o.ruled.policies.aliases(), &allows);
        if found.by.is_empty() {
            status.conditions.remove(&RequestCondition::Narrowed);
        } else {
            let who: Vec<String> = found.by.iter().map(|by| format!("`{}`", by.approver.username)).collect();
            let what = found.terms.differences(self.asked).join("; ");
            let message = format!("narrowed by {}: {what}", who.join(", "));
            status.say(RequestCondition::Narrowed, true, "Narrowed", message, now);
        }
        plan.narrowed_by = found.by.iter().map(|by| by.uid.clone()).collect();
        status.terms = Some(found.terms.clone());
        found.terms
    }

    /// Whether the policies let `less` be decided by the rule that decides the request. Another rule
    /// may match it first; but access at another time must be this rule's to give.
    fn allows(&self, less: &Terms) -> bool {
        let outcome = ruled::outcome(&self.o.ruled, self.request, less, self.grounded, self.o.written.as_ref());
        let is_same_time = less.start_at == self.asked.start_at;
        !matches!(outcome.ruling, Ruling::Deny(_)) && (is_same_time || outcome.by == self.outcome.by)
    }

    fn grant(&self, terms: &Terms, approvals: Vec<grant::Approval>, now: Timestamp) -> Option<NewGrant> {
        let window = window(terms, now).filter(|window| window.not_before < window.not_after)?;
        Some(NewGrant {
            name: self.request.name.clone(),
            request_uid: self.request.uid.clone(),
            holder: self.request.requester.clone(),
            terms: terms.clone(),
            window,
            approvals,
            policy: self.outcome.by.clone(),
            ground: self.grounded.seal.clone()?,
        })
    }
}

/// That it was taken back or revoked.
fn taken(request: &Request, terms: &Terms, decisions: &[Decision]) -> Option<(Reason, String)> {
    match decision::settle(request, terms, decisions) {
        Verdicts::Withdrawn(by) => Some((Reason::Withdrawn, told("taken back", by))),
        Verdicts::Revoked(by) => Some((Reason::Revoked, told("revoked", by))),
        Verdicts::Open | Verdicts::Approved(_) | Verdicts::Denied(_) => None,
    }
}

fn unguarded(since: Timestamp) -> Refusal {
    let message = format!(
        "the admission policies were put in place anew at {since}, and what was asked before may be forged; ask again"
    );
    Refusal::new(Reason::Unguarded, "", message)
}

fn said(stage: &Filled<'_>) -> StageSaid {
    let approvals = stage.by.iter().map(|decision| Counted::of(decision)).collect();
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

/// The decisions, without approvals older than the role or a namespace, which were of another one, or
/// not younger than the admission policies, which saw none of them.
fn timely(o: &Observed, grounded: &Grounded) -> Vec<Decision> {
    let is_guarded = |d: &Decision| o.trusted_since.is_some_and(|since| d.created_at > since);
    let is_timely =
        |d: &&Decision| d.verdict != Verdict::Approve || (d.created_at >= grounded.youngest && is_guarded(d));
    o.decisions.iter().filter(is_timely).cloned().collect()
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

fn told(what: &str, decision: &Decision) -> String {
    let who = &decision.approver.username;
    match decision.comment.as_str() {
        "" => format!("{what} by `{who}`"),
        comment => format!("{what} by `{who}`: {comment}"),
    }
}
