//! A request's status once there is a grant: its mirror, to the end.

use jiff::Timestamp;

use crate::{
    grant::Grant,
    lifecycle::{
        granted::Stage,
        observed::{GrantSeen, Observed},
        standing::{Counted, RequestCondition, RequestStatus, whole_second},
        step::Step,
    },
    phase::{self, Phase},
};

/// The write that lets the request's status mirror its grant, unless it does.
pub(super) fn step(o: &Observed, seen: &GrantSeen, stage: &Stage, is_confirmed: bool, now: Timestamp) -> Option<Step> {
    o.request.as_ref().filter(|request| !request.is_deleting)?;
    let written = o.written.clone().unwrap_or_default();
    if written.complete_since().is_some() {
        return None;
    }
    let grant = &seen.grant;
    let mut status = RequestStatus {
        phase: word(stage, is_confirmed),
        terms: Some(grant.terms.clone()),
        approvals: approvals(o, grant, &written),
        grant: Some((grant.name.clone(), grant.uid.clone())),
        ..written
    };
    status.say(RequestCondition::Evaluated, true, "TermsReady", "the terms wait for a decision", now);
    let by: Vec<String> = grant.approvals.iter().map(|a| format!("`{}`", a.approver)).collect();
    status.say(RequestCondition::Approved, true, "Approved", format!("approved by {}", by.join(", ")), now);
    if let (true, Stage::Over { ended, message, .. }) = (is_confirmed, stage) {
        status.say(RequestCondition::Complete, true, ended.cause, message.clone(), now);
    }
    (o.written.as_ref() != Some(&status)).then(|| Step::WriteRequest(Box::new(status)))
}

/// In force for people only once it is: what this very plan does, the next one says.
fn word(stage: &Stage, is_confirmed: bool) -> Phase {
    match stage {
        Stage::Early | Stage::Due => Phase::Approved,
        Stage::Active => Phase::Active,
        Stage::Over { .. } if !is_confirmed => Phase::Revoking,
        Stage::Over { ended, .. } => phase::of_end(ended.cause),
    }
}

fn approvals(o: &Observed, grant: &Grant, written: &RequestStatus) -> Vec<Counted> {
    let counted = grant.approvals.iter().map(|approval| {
        let is_it = |counted: &&Counted| counted.decision_uid == approval.decision_uid;
        let decision = o.decisions.iter().find(|d| d.uid == approval.decision_uid);
        let remembered = written.approvals.iter().find(is_it).map(|counted| counted.at);
        Counted {
            approver: approval.approver.clone(),
            decision_name: approval.decision_name.clone(),
            decision_uid: approval.decision_uid.clone(),
            at: whole_second(decision.map(|d| d.created_at).or(remembered).unwrap_or(grant.window.not_before)),
        }
    });
    counted.collect()
}
