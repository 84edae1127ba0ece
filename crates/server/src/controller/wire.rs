//! Between the wire and what core plans with: statuses, and grants to be made.
//!
//! Promises: what is written reads back equal, so nothing is written twice.

use std::collections::BTreeMap;

use brevet_api::{
    AccessGrant, AccessGrantSpec, AccessGrantStatus, AccessRequest, AccessRequestStatus, Condition, Dropped,
    GrantApproval, ObjectRef, Phase, ReviewStatus, StageApproval, StageStatus, TermsBlock, Time, border,
};
use brevet_core::{
    grant::{Ended, IdentityRef},
    lifecycle::{Counted, NewGrant, RequestCondition, RequestStatus, Review, Said, StageSaid},
    phase, rules,
};
use jiff::Timestamp;

/// By which the deletion of a grant is seen before it is gone.
pub(super) const FINALIZER: &str = "brevet.dev/end";
/// On a grant: the seal of the uids of the role and namespaces it was made on.
pub(super) const GROUND: &str = "brevet.dev/ground";
/// Kubernetes' own bound on a condition's message.
const MESSAGE_CHARS_MAX: usize = 4096;

/// What a request's status says; `None`: nothing, or nothing that can be read.
pub(super) fn read_status(object: &AccessRequest) -> Option<RequestStatus> {
    let status = object.status.as_ref()?;
    let terms = match &status.terms {
        Some(block) => Some(border::terms("status.terms", block, &object.spec.requester, &object.spec.role).ok()?.0),
        None => None,
    };
    let counted = |approval: &StageApproval| Counted {
        approver: approval.approver.clone(),
        decision_name: approval.decision.name.clone(),
        decision_uid: approval.decision.uid.clone(),
        at: approval.time.0,
    };
    let stages = status.stages.iter().map(|stage| StageSaid {
        name: stage.name.clone(),
        required: stage.required,
        approvals: stage.approvals.iter().map(counted).collect(),
    });
    let policy = match &status.policy {
        Some(block) => Some(border::decider("status.policy", block).ok()?),
        None => None,
    };
    let dropped = status.dropped.iter().map(|dropped| rules::Dropped {
        api_group: dropped.api_group.clone(),
        resource: dropped.resource.clone(),
        verbs: dropped.verbs.iter().cloned().collect(),
        why: dropped.why.clone(),
    });
    let review = status.review.as_ref().map(|block| Review {
        due: block.due.0,
        reviewers: border::subjects(&block.reviewers),
        skipped: block.skipped.clone(),
        by: block.by.as_ref().map(counted),
    });
    Some(RequestStatus {
        phase: status.phase.map_or(phase::Phase::Pending, Into::into),
        conditions: read_conditions(&status.conditions),
        terms,
        dropped: dropped.collect(),
        policy,
        stages: stages.collect(),
        review,
        grant: status.grant.as_ref().map(|grant| (grant.name.clone(), grant.uid.clone())),
    })
}

fn read_conditions(conditions: &[Condition]) -> BTreeMap<RequestCondition, Said> {
    let read = |condition: &Condition| {
        let kind = RequestCondition::ALL.into_iter().find(|kind| kind.name() == condition.type_)?;
        let said = Said {
            is_true: condition.status == "True",
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            since: condition.last_transition_time.0,
        };
        Some((kind, said))
    };
    conditions.iter().filter_map(read).collect()
}

/// A request's status as it is written.
pub(super) fn write_status(status: &RequestStatus) -> AccessRequestStatus {
    let conditions = status.conditions.iter().map(|(kind, said)| {
        condition(kind.name(), if said.is_true { "True" } else { "False" }, &said.reason, &said.message, said.since)
    });
    let approval = |counted: &Counted| StageApproval {
        approver: counted.approver.clone(),
        decision: ObjectRef { name: counted.decision_name.clone(), uid: counted.decision_uid.clone() },
        time: Time(counted.at),
    };
    let stages = status.stages.iter().map(|stage| StageStatus {
        name: stage.name.clone(),
        required: stage.required,
        approvals: stage.approvals.iter().map(approval).collect(),
    });
    let review = status.review.as_ref().map(|review| ReviewStatus {
        due: Time(review.due),
        reviewers: review.reviewers.iter().map(Into::into).collect(),
        skipped: review.skipped.clone(),
        by: review.by.as_ref().map(approval),
    });
    AccessRequestStatus {
        phase: Some(status.phase.into()),
        conditions: conditions.collect(),
        terms: status.terms.as_ref().map(TermsBlock::from),
        dropped: status.dropped.iter().map(Dropped::from).collect(),
        policy: status.policy.as_ref().map(Into::into),
        stages: stages.collect(),
        review,
        grant: status.grant.as_ref().map(|(name, uid)| ObjectRef { name: name.clone(), uid: uid.clone() }),
    }
}

/// The grant object to be created.
pub(super) fn grant(new: &NewGrant) -> AccessGrant {
    let approvals = new.approvals.iter().map(|approval| GrantApproval {
        approver: approval.approver.clone(),
        decision: ObjectRef { name: approval.decision_name.clone(), uid: approval.decision_uid.clone() },
        stage: approval.stage.clone(),
    });
    let spec = AccessGrantSpec {
        request: ObjectRef { name: new.name.clone(), uid: new.request_uid.clone() },
        holder: (&new.holder).into(),
        role: new.terms.role.clone(),
        terms: (&new.terms).into(),
        not_before: Time(new.window.not_before),
        not_after: Time(new.window.not_after),
        delivery: new.terms.delivery.into(),
        approvals: approvals.collect(),
        policy: new.policy.as_ref().map(Into::into),
    };
    let mut object = AccessGrant::new(&new.name, spec);
    object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    object.metadata.annotations = Some(BTreeMap::from([(GROUND.to_owned(), new.ground.clone())]));
    object
}

/// What is written into a grant's status.
pub(super) enum GrantWrite<'a> {
    /// It waits for its beginning.
    Announce,
    /// It is in force, on this identity.
    Ready(&'a IdentityRef),
    /// It is over; not yet confirmed.
    End(&'a Ended, &'a str),
    /// Its end is confirmed.
    ConfirmEnd,
}

/// The status of `object` after that write, at `now`.
pub(super) fn grant_status(object: &AccessGrant, write: &GrantWrite<'_>, now: Timestamp) -> AccessGrantStatus {
    let mut status = object.status.clone().unwrap_or_default();
    match write {
        GrantWrite::Announce => status.phase = Some(Phase::Approved),
        GrantWrite::Ready(identity) => {
            status.phase = Some(Phase::Active);
            status.identity = Some((*identity).into());
            let message = "the identity is made and confirmed";
            say(&mut status, condition(border::READY, "True", "Confirmed", message, now));
        }
        GrantWrite::End(ended, message) => {
            status.phase = Some(Phase::Revoking);
            status.ended_at = Some(Time(ended.at));
            say(&mut status, condition(border::ENDED, "Unknown", &ended.cause.name(), message, now));
        }
        GrantWrite::ConfirmEnd => {
            let written = status.conditions.iter().find(|condition| condition.type_ == border::ENDED).cloned();
            if let Some(ended) = written {
                status.phase = Some(ended_phase(&ended.reason));
                say(&mut status, condition(border::ENDED, "True", &ended.reason, &ended.message, now));
            }
        }
    }
    status
}

/// What the status says of the end.
pub(super) fn end_message(object: &AccessGrant) -> String {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.filter(|condition| condition.type_ == border::ENDED).map(|condition| condition.message.clone()).collect()
}

fn ended_phase(cause: &str) -> Phase {
    match cause {
        "Expired" => Phase::Expired,
        "Withdrawn" => Phase::Withdrawn,
        _ => Phase::Revoked,
    }
}

fn say(status: &mut AccessGrantStatus, condition: Condition) {
    status.conditions.retain(|other| other.type_ != condition.type_);
    status.conditions.push(condition);
}

/// A condition as Kubernetes writes it.
pub(super) fn condition(kind: &str, status: &str, reason: &str, message: &str, since: Timestamp) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(MESSAGE_CHARS_MAX).collect(),
        last_transition_time: Time(since),
        observed_generation: None,
    }
}
