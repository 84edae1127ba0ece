//! A request's status once there is a grant: its mirror, to the end.

use jiff::Timestamp;

use crate::{
    grant::Grant,
    lifecycle::{
        granted::Stage,
        observed::{GrantSeen, Observed},
        review,
        standing::{Counted, RequestCondition, RequestStatus, StageSaid, whole_second},
        step::Step,
    },
    phase::{self, Phase},
};

/// The write that lets the request's status mirror its grant, unless it does.
pub(super) fn step(o: &Observed, seen: &GrantSeen, stage: &Stage, is_confirmed: bool, now: Timestamp) -> Option<Step> {
    let request = o.request.as_ref().filter(|request| !request.is_deleting)?;
    let written = o.written.clone().unwrap_or_default();
    if written.complete_since().is_some() {
        return review::step(o, request, now);
    }
    let grant = &seen.grant;
    let mut status = RequestStatus {
        phase: word(stage, is_confirmed),
        terms: Some(grant.terms.clone()),
        policy: grant.policy.clone(),
        stages: stages(o, grant, &written),
        grant: Some((grant.name.clone(), grant.uid.clone())),
        ..written
    };
    status.say(RequestCondition::Evaluated, true, "TermsReady", "the terms wait for a decision", now);
    let by: Vec<String> = grant.approvals.iter().map(|a| format!("`{}`", a.approver)).collect();
    let message = match &grant.policy {
        Some(by) if grant.approvals.is_empty() => format!("approved by rule `{}` of policy `{}`", by.rule, by.policy),
        _ => format!("approved by {}", by.join(", ")),
    };
    status.say(RequestCondition::Approved, true, "Approved", message, now);
    if let (true, Stage::Over { ended, message, .. }) = (is_confirmed, stage) {
        status.say(RequestCondition::Complete, true, ended.cause, message.clone(), now);
    }
    review::heed(o, request, &mut status, now);
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

/// The stages as they were filled.
fn stages(o: &Observed, grant: &Grant, written: &RequestStatus) -> Vec<StageSaid> {
    let mut stages: Vec<StageSaid> = Vec::new();
    for approval in &grant.approvals {
        let written_stage = written.stages.iter().find(|stage| stage.name == approval.stage);
        let remembered = written_stage.into_iter().flat_map(|stage| &stage.approvals);
        let remembered =
            remembered.filter(|counted| counted.decision_uid == approval.decision_uid).map(|c| c.at).next();
        let decision = o.decisions.iter().find(|d| d.uid == approval.decision_uid);
        let counted = Counted {
            approver: approval.approver.clone(),
            decision_name: approval.decision_name.clone(),
            decision_uid: approval.decision_uid.clone(),
            at: whole_second(decision.map(|d| d.created_at).or(remembered).unwrap_or(grant.window.not_before)),
        };
        match stages.iter_mut().find(|stage| stage.name == approval.stage) {
            Some(stage) => stage.approvals.push(counted),
            None => stages.push(StageSaid { name: approval.stage.clone(), required: 1, approvals: vec![counted] }),
        }
    }
    for stage in &mut stages {
        // All that was required had agreed.
        stage.required = u32::try_from(stage.approvals.len()).unwrap_or(u32::MAX);
    }
    stages
}
