//! An AccessRequest, or a question about one, becomes a request.

use super::{Stored, instant, length, sorted};
use crate::blocks::ResourceAsk;
use crate::request::AccessRequest;
use crate::sessions::EvaluationSpec;
use brevet_core::length::Length;
use brevet_core::reason::Refusal;
use brevet_core::request::Request;
use brevet_core::rules::Ask;
use brevet_core::subject::Subject;
use jiff::Timestamp;

impl TryFrom<&AccessRequest> for Request {
    type Error = Refusal;

    fn try_from(object: &AccessRequest) -> Result<Self, Refusal> {
        let stored = Stored::read(&object.metadata)?;
        let spec = &object.spec;
        Ok(Self {
            name: stored.name,
            uid: stored.uid,
            created_at: stored.created_at,
            is_deleting: stored.is_deleting,
            requester: (&spec.requester).into(),
            role: spec.role.clone(),
            namespaces: sorted(&spec.namespaces),
            resources: asks(&spec.resources),
            duration: duration(spec.duration.as_deref())?,
            start_at: start(spec.start_at.as_deref())?,
            justification: spec.justification.clone(),
            urgency: spec.urgency.map(Into::into).unwrap_or_default(),
            ticket: spec.ticket.clone().unwrap_or_default(),
            delivery: spec.delivery.map(Into::into),
        })
    }
}

/// The request that `caller` would make with this spec at `now`; it has no name and no uid.
///
/// # Errors
/// With the path of the field that cannot be read.
pub fn question(spec: &EvaluationSpec, caller: &Subject, now: Timestamp) -> Result<Request, Refusal> {
    Ok(Request {
        name: String::new(),
        uid: String::new(),
        created_at: now,
        is_deleting: false,
        requester: caller.clone(),
        role: spec.role.clone(),
        namespaces: sorted(&spec.namespaces),
        resources: asks(&spec.resources),
        duration: duration(spec.duration.as_deref())?,
        start_at: start(spec.start_at.as_deref())?,
        justification: spec.justification.clone(),
        urgency: spec.urgency.map(Into::into).unwrap_or_default(),
        ticket: spec.ticket.clone().unwrap_or_default(),
        delivery: spec.delivery.map(Into::into),
    })
}

/// Absent and empty alike: the whole role.
fn asks(resources: &[ResourceAsk]) -> Option<Vec<Ask>> {
    (!resources.is_empty()).then(|| resources.iter().map(Ask::from).collect())
}

fn duration(text: Option<&str>) -> Result<Option<Length>, Refusal> {
    text.map(|text| length("spec.duration", text)).transpose()
}

fn start(text: Option<&str>) -> Result<Option<Timestamp>, Refusal> {
    text.map(|text| instant("spec.startAt", text)).transpose()
}
