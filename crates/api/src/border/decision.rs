//! An AccessDecision becomes a decision.

use super::{Stored, sorted};
use crate::decision::AccessDecision;
use brevet_core::decision::Decision;
use brevet_core::digest::Digest;
use brevet_core::reason::{Reason, Refusal};

impl TryFrom<&AccessDecision> for Decision {
    type Error = Refusal;

    fn try_from(object: &AccessDecision) -> Result<Self, Refusal> {
        let stored = Stored::read(&object.metadata)?;
        let spec = &object.spec;
        let digest = match spec.terms.digest.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Digest::parse(text).ok_or_else(|| {
                Refusal::new(
                    Reason::Unreadable,
                    "spec.terms.digest",
                    "is not `sha256:` and 64 hexadecimal digits; copy it from status.terms.digest of the request",
                )
            })?),
        };
        Ok(Self {
            name: stored.name,
            uid: stored.uid,
            created_at: stored.created_at,
            is_deleting: stored.is_deleting,
            verdict: spec.verdict.into(),
            request_name: spec.request.name.clone(),
            request_uid: spec.request.uid.clone(),
            digest,
            role: spec.terms.role.clone(),
            namespaces: sorted(&spec.terms.namespaces),
            requester: spec.terms.requester.clone(),
            approver: (&spec.approver).into(),
            comment: spec.comment.clone(),
        })
    }
}
