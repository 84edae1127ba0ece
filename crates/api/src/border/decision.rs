//! An AccessDecision becomes a decision.

use super::{Stored, instant, length, sorted};
use crate::decision::{AccessDecision, NarrowBlock};
use brevet_core::decision::Decision;
use brevet_core::digest::Digest;
use brevet_core::reason::{Reason, Refusal};
use brevet_core::rules::Ask;
use brevet_core::terms::Narrow;

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
            requester_uid: spec.terms.requester_uid.clone(),
            approver: (&spec.approver).into(),
            comment: spec.comment.clone(),
            narrow: spec.narrow.as_ref().map(narrow).transpose()?,
        })
    }
}

/// What a decision leaves of the terms.
///
/// # Errors
/// With the path of the field that cannot be read.
pub fn narrow(block: &NarrowBlock) -> Result<Narrow, Refusal> {
    let start_at = block.start_at.as_deref().map(|text| instant("spec.narrow.startAt", text));
    Ok(Narrow {
        resources: block.resources.iter().map(Ask::from).collect(),
        namespaces: sorted(&block.namespaces),
        duration: block.duration.as_deref().map(|text| length("spec.narrow.duration", text)).transpose()?,
        start_at: start_at.transpose()?,
    })
}
