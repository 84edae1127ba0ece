//! What the audit log says of each step: before it, and after.
//!
//! Promises (I10): every step that gives, ends or removes something has an entry
//! that is synced before anything is written, and another that says how it went;
//! what a request's status newly says has entries of its own, synced before, too.
//!
//! Left out on purpose: entries for a status that only mirrors what has one (a
//! request's copy of its grant's phase, a grant that waits for its beginning).

use brevet_core::{
    audit::{
        Event,
        event::{
            ActDone, ActFailed, Activated, ActivationBegun, DeletionBegun, EndConfirmed, GrantBegun, GrantEnded,
            GrantMade, ObjectMade, ObjectRef, RemovalBegun, RequestClosed, RequestKind, RequestSeen, TermsSet,
        },
        text::Text,
    },
    grant::{Grant, IdentityRef},
    lifecycle::{GrantSeen, RequestCondition, RequestStatus, Step, identity::Part},
    reason::Reason,
    request::Request,
};

use super::ActError;
use crate::{
    controller::gather::Case,
    record::{Recorder, Refused},
};

/// What a step has made.
#[derive(Debug)]
pub(super) enum Made {
    /// Nothing that has a name.
    Nothing,
    /// A grant.
    Grant(ObjectRef),
    /// Access, through these objects.
    Access(IdentityRef, Vec<Part>),
}

/// Proof that a step is on record; says how it went.
#[derive(Debug)]
#[must_use]
pub(super) struct Begun {
    recorder: Recorder,
    intent: Option<u64>,
}

/// Puts a step on record, and waits until that survives a power cut.
///
/// # Errors
/// It is not on record, so it must not be done.
pub(super) async fn begin(recorder: &Recorder, case: &Case, step: &Step) -> Result<Begun, ActError> {
    if let Step::WriteRequest(status) = step {
        for event in said(case, status) {
            put(recorder, event).await?;
        }
    }
    let intent = match begins(case, step) {
        Some(event) => Some(put(recorder, event).await?),
        None => None,
    };
    Ok(Begun { recorder: recorder.clone(), intent })
}

/// Puts the removal of what belongs to no grant on record.
///
/// # Errors
/// It is not on record, so it must not be done.
pub(super) async fn begin_removal(recorder: &Recorder, found: &[Part]) -> Result<Begun, ActError> {
    let intent = put(recorder, RemovalBegun { grant: None, objects: found.iter().collect() }.into()).await?;
    Ok(Begun { recorder: recorder.clone(), intent: Some(intent) })
}

async fn put(recorder: &Recorder, event: Event) -> Result<u64, ActError> {
    let unrecorded = |why: Refused| ActError::NotAllowed(why.to_string());
    let synced = recorder.append(event).map_err(unrecorded)?.synced().await.map_err(unrecorded)?;
    Ok(synced.seq())
}

impl Begun {
    /// Says how it went. Nothing waits for that.
    pub(super) fn went(self, outcome: &Result<Made, ActError>) {
        let Some(intent) = self.intent else { return };
        let event: Event = match outcome {
            Ok(Made::Nothing) => ActDone { intent }.into(),
            Ok(Made::Grant(grant)) => GrantMade { intent, grant: grant.clone() }.into(),
            Ok(Made::Access(identity, parts)) => {
                let objects = parts.iter().map(ObjectMade::from).collect();
                Activated { intent, identity: ObjectRef::from(identity), objects }.into()
            }
            Err(error) => ActFailed { intent, message: crate::call::told(error).into() }.into(),
        };
        if let Err(why) = self.recorder.append(event) {
            tracing::warn!(intent, reason = %why, "how a step went is not on record");
        }
    }
}

/// The entry that begins a step.
fn begins(case: &Case, step: &Step) -> Option<Event> {
    let seen = case.observed.grant.as_ref();
    let grant = seen.map(|seen| of_grant(&seen.grant));
    match step {
        Step::WriteRequest(_) | Step::Announce => None,
        Step::CreateGrant(new) => Some(GrantBegun::from(&**new).into()),
        Step::Activate { join } => {
            Some(ActivationBegun { grant: grant?, joins: join.as_ref().map(ObjectRef::from) }.into())
        }
        Step::End { ended, message } => Some(GrantEnded::new(grant?, ended, message).into()),
        Step::Unmake { parts, .. } => Some(RemovalBegun { grant, objects: parts.iter().collect() }.into()),
        Step::ConfirmEnd => Some(EndConfirmed { grant: grant?, acknowledged_by: acknowledged_by(seen?) }.into()),
        Step::ReleaseGrant | Step::DeleteGrant => deletion(RequestKind::AccessGrant, grant?),
        Step::DeleteDecision(decision) => {
            deletion(RequestKind::AccessDecision, ObjectRef::new(&decision.name, &decision.uid))
        }
        Step::DeleteRequest => deletion(RequestKind::AccessRequest, of_request(case.observed.request.as_ref()?)),
    }
}

fn deletion(kind: RequestKind, object: ObjectRef) -> Option<Event> {
    Some(DeletionBegun { kind, object }.into())
}

/// The replicas that have closed what the grant held open.
fn acknowledged_by(seen: &GrantSeen) -> brevet_core::audit::text::List<Text> {
    let silent = seen.unacknowledged();
    let have = seen.gateways.iter().filter(|gateway| !silent.contains(gateway));
    have.map(|gateway| gateway.replica.as_str()).collect()
}

/// What the request's status is about to say for the first time.
fn said(case: &Case, status: &RequestStatus) -> Vec<Event> {
    let Some(request) = &case.observed.request else { return Vec::new() };
    let written = case.observed.written.as_ref();
    let object = of_request(request);
    let mut events = Vec::new();
    if written.is_none() {
        events.push(RequestSeen::new(request, None).into());
    }
    let known = written.and_then(|written| written.terms.as_ref()).map(|terms| terms.digest());
    if let Some(terms) = status.terms.as_ref().filter(|terms| Some(terms.digest()) != known) {
        events.push(TermsSet::new(object.clone(), terms, &status.dropped).into());
    }
    let is_over =
        |status: &RequestStatus| status.conditions.get(&RequestCondition::Complete).is_some_and(|said| said.is_true);
    if is_over(status) && !written.is_some_and(is_over) && status.grant.is_none() {
        events.extend(closed(object, status));
    }
    events
}

/// That a request is over without a grant, and why.
fn closed(request: ObjectRef, status: &RequestStatus) -> Option<Event> {
    let said = |condition| status.conditions.get(&condition).filter(|said| said.is_true);
    let why = said(RequestCondition::Denied).or_else(|| said(RequestCondition::Complete))?;
    Some(RequestClosed::new(request, Reason::parse(&why.reason)?, &why.message).into())
}

fn of_request(request: &Request) -> ObjectRef {
    ObjectRef::new(&request.name, &request.uid)
}

fn of_grant(grant: &Grant) -> ObjectRef {
    ObjectRef::new(&grant.name, &grant.uid)
}
