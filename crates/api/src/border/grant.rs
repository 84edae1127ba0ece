//! An AccessGrant becomes a grant.
//!
//! In its status, condition `Ready` is `True` once the access is there. Condition `Ended` carries the
//! cause as its reason: `Unknown` while the end is not yet confirmed (phase Revoking), `True` once it is.

use super::{Stored, decider, terms};
use crate::blocks::{IdentityRef as IdentityBlock, ObjectRef};
use crate::grant::{AccessGrant, AccessGrantStatus, GrantApproval};
use brevet_core::grant::{Approval, Ended, Grant, IdentityRef};
use brevet_core::reason::{Reason, Refusal};
use brevet_core::window::Window;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The condition that the access is there.
pub const READY: &str = "Ready";

/// The condition that the access is over.
pub const ENDED: &str = "Ended";

/// Every cause a grant can end by.
const CAUSES: [Reason; 8] = [
    Reason::Expired,
    Reason::Revoked,
    Reason::Released,
    Reason::Deleted,
    Reason::Drift,
    Reason::Evidence,
    Reason::Withdrawn,
    Reason::Suspended,
];

impl TryFrom<&AccessGrant> for Grant {
    type Error = Refusal;

    fn try_from(object: &AccessGrant) -> Result<Self, Refusal> {
        let stored = Stored::read(&object.metadata)?;
        let spec = &object.spec;
        let (terms, digest) = terms("spec.terms", &spec.terms, &spec.holder, &spec.role)?;
        if spec.delivery != spec.terms.delivery {
            return Err(Refusal::new(
                Reason::Unreadable,
                "spec.delivery",
                format!("is `{}`, but the terms say `{}`", spec.delivery, spec.terms.delivery),
            ));
        }
        let status = object.status.as_ref();
        let ended = status.and_then(ended);
        Ok(Self {
            name: stored.name,
            uid: stored.uid,
            resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
            is_deleting: stored.is_deleting,
            request_uid: spec.request.uid.clone(),
            holder: (&spec.holder).into(),
            digest,
            terms,
            window: Window { not_before: spec.not_before.0, not_after: spec.not_after.0 },
            approvals: spec.approvals.iter().map(Approval::from).collect(),
            policy: spec.policy.as_ref().map(|block| decider("spec.policy", block)).transpose()?,
            identity: status.and_then(|status| status.identity.as_ref()).map(IdentityRef::from),
            is_ready: status.and_then(|status| condition(status, READY)).is_some_and(|c| c.status == "True"),
            is_end_confirmed: status.and_then(|status| condition(status, ENDED)).is_some_and(|c| c.status == "True"),
            ended,
        })
    }
}

impl From<&GrantApproval> for Approval {
    fn from(approval: &GrantApproval) -> Self {
        Self {
            decision_name: approval.decision.name.clone(),
            decision_uid: approval.decision.uid.clone(),
            approver: approval.approver.clone(),
            stage: approval.stage.clone(),
        }
    }
}

impl From<&IdentityBlock> for IdentityRef {
    fn from(identity: &IdentityBlock) -> Self {
        Self { name: identity.name.clone(), uid: identity.uid.clone() }
    }
}

impl From<&IdentityRef> for ObjectRef {
    fn from(identity: &IdentityRef) -> Self {
        Self { name: identity.name.clone(), uid: identity.uid.clone() }
    }
}

fn condition<'a>(status: &'a AccessGrantStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

/// The end that was written down. One whose cause is none of ours is an end all the same.
fn ended(status: &AccessGrantStatus) -> Option<Ended> {
    let condition = condition(status, ENDED).filter(|condition| condition.status != "False")?;
    let cause = CAUSES.into_iter().find(|cause| cause.name() == condition.reason).unwrap_or(Reason::Revoked);
    let at = status.ended_at.as_ref().unwrap_or(&condition.last_transition_time).0;
    Some(Ended { cause, at })
}
