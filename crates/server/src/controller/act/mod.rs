//! Performs what was planned: the only place that writes requests' statuses,
//! grants, identities and their RBAC.
//!
//! Promises: decides nothing. Every write asks first whether this process still
//! leads and, unless it only takes away, whether the admission policies stand;
//! it names the uid or resourceVersion it was
//! planned for, so a deposed leader's write fails. What was written goes into
//! the index at once. Before it, it is on record ([`entries`]).

mod entries;
mod identity;
mod surplus;
mod writer;

use std::sync::Arc;

use brevet_api::{AccessDecision, AccessGrant, AccessRequest};
use brevet_core::{
    audit::event::ObjectRef,
    lifecycle::{NewGrant, RequestStatus, Step, identity::Part},
};
use jiff::Timestamp;
use kube::{Api, ResourceExt, api::PostParams};

pub(super) use writer::Writer;

use self::entries::Made;
use super::{
    gather::{Case, Gatherer},
    index::Index,
    metrics::Metrics,
    wire::{self, GrantWrite},
};
use crate::{
    call::{self, CALL_TIMEOUT, CallError},
    record::Recorder,
};

/// Why a step was not performed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    /// This replica does not lead, or the policies do not stand.
    #[error("{0}")]
    NotAllowed(String),
    /// The API server did not perform it.
    #[error("cannot {what}")]
    Call {
        /// The act.
        what: &'static str,
        /// Why.
        #[source]
        source: CallError,
    },
    /// What was made reads back otherwise.
    #[error("{0}")]
    Unconfirmed(String),
    /// The world is not the one it was planned for; look again.
    #[error("what was planned for has changed: {0}")]
    Outdated(&'static str),
}

impl ActError {
    /// Whether looking again at once is all that is needed.
    pub(super) fn is_outdated(&self) -> bool {
        match self {
            Self::Outdated(_) => true,
            Self::Call { source, .. } => source.is_conflict(),
            _ => false,
        }
    }
}

/// Names an act for [`ActError::Call`].
pub(super) trait Doing<T> {
    /// `what` completes "cannot …".
    fn doing(self, what: &'static str) -> Result<T, ActError>;
}

impl<T> Doing<T> for Result<T, CallError> {
    fn doing(self, what: &'static str) -> Result<T, ActError> {
        self.map_err(|source| ActError::Call { what, source })
    }
}

/// Performs.
pub(super) struct Actor {
    pub(super) recorder: Recorder,
    pub(super) writer: Writer,
    pub(super) index: Arc<Index>,
    pub(super) gatherer: Arc<Gatherer>,
    pub(super) metrics: Metrics,
}

impl Actor {
    /// Performs one step for `case`, once it is on record.
    pub(super) async fn perform(&self, case: &Case, step: &Step, now: Timestamp) -> Result<(), ActError> {
        let begun = entries::begin(&self.recorder, case, step).await?;
        let outcome = self.act(case, step, now).await;
        begun.went(&outcome);
        outcome.map(drop)
    }

    async fn act(&self, case: &Case, step: &Step, now: Timestamp) -> Result<Made, ActError> {
        match step {
            Step::CreateGrant(new) => return self.create_grant(new).await.map(Made::Grant),
            Step::Activate { join } => {
                let (identity, parts) = self.activate(case, join.as_ref(), now).await?;
                return Ok(Made::Access(identity, parts));
            }
            Step::WriteRequest(status) => self.write_request(case, status).await?,
            Step::Announce => drop(self.write_grant(grant_of(case)?, &GrantWrite::Announce, now).await?),
            Step::End { ended, message } => {
                let grant = grant_of(case)?;
                self.write_grant(grant, &GrantWrite::End(ended, message), now).await?;
                self.metrics.ended(ended.cause);
                tracing::info!(
                    request.uid = grant.spec.request.uid,
                    grant.uid = grant.uid(),
                    reason = %ended.cause,
                    why = message,
                    "a grant is over"
                );
            }
            Step::Unmake { identity, parts } => self.unmake(case, identity, parts).await?,
            Step::ConfirmEnd => {
                let grant = grant_of(case)?;
                self.write_grant(grant, &GrantWrite::ConfirmEnd, now).await?;
                tracing::info!(grant.uid = grant.uid(), "the end of a grant is confirmed");
            }
            Step::ReleaseGrant => self.release_grant(grant_of(case)?).await?,
            Step::DeleteGrant => {
                let grant = grant_of(case)?;
                self.delete::<AccessGrant>(&grant.name_any(), &grant.uid().unwrap_or_default()).await?;
            }
            Step::DeleteDecision(decision) => self.delete::<AccessDecision>(&decision.name, &decision.uid).await?,
            Step::DeleteRequest => {
                let request = case.request.as_ref().ok_or(ActError::Outdated("the request is gone"))?;
                let uid = request.uid().unwrap_or_default();
                tracing::info!(request.uid = uid, "a request is removed");
                self.delete::<AccessRequest>(&request.name_any(), &uid).await?;
            }
        }
        Ok(Made::Nothing)
    }

    async fn write_request(&self, case: &Case, status: &RequestStatus) -> Result<(), ActError> {
        let known = case.request.as_ref().ok_or(ActError::Outdated("the request is gone"))?;
        let object = AccessRequest { status: Some(wire::write_status(status)), ..AccessRequest::clone(known) };
        self.writer.may_write()?;
        let api = Api::<AccessRequest>::all(self.writer.client());
        let name = object.name_any();
        let written = call::within(CALL_TIMEOUT, api.replace_status(&name, &PostParams::default(), &object)).await;
        self.index.write().put_request(&written.doing("write the request's status")?);
        Ok(())
    }

    async fn create_grant(&self, new: &NewGrant) -> Result<ObjectRef, ActError> {
        self.writer.may_give()?;
        let api = Api::<AccessGrant>::all(self.writer.client());
        let made = call::within(CALL_TIMEOUT, api.create(&PostParams::default(), &wire::grant(new))).await;
        let made = made.doing("make the grant")?;
        tracing::info!(request.uid = new.request_uid, grant.uid = made.uid(), "a grant is made");
        self.index.write().put_grant(&made);
        Ok(ObjectRef::new(&made.name_any(), &made.uid().unwrap_or_default()))
    }

    /// Writes a grant's status over exactly the copy it was planned for.
    async fn write_grant(
        &self,
        known: &AccessGrant,
        write: &GrantWrite<'_>,
        now: Timestamp,
    ) -> Result<AccessGrant, ActError> {
        let object = AccessGrant { status: Some(wire::grant_status(known, write, now)), ..known.clone() };
        match write {
            GrantWrite::Ready(_) => self.writer.may_give()?,
            GrantWrite::Announce | GrantWrite::End(..) | GrantWrite::ConfirmEnd => self.writer.may_write()?,
        }
        let api = Api::<AccessGrant>::all(self.writer.client());
        let name = object.name_any();
        let written = call::within(CALL_TIMEOUT, api.replace_status(&name, &PostParams::default(), &object)).await;
        let written = written.doing("write the grant's status")?;
        self.index.write().put_grant(&written);
        Ok(written)
    }

    async fn release_grant(&self, known: &AccessGrant) -> Result<(), ActError> {
        let mut object = known.clone();
        object.finalizers_mut().retain(|finalizer| finalizer != wire::FINALIZER);
        self.writer.may_write()?;
        let api = Api::<AccessGrant>::all(self.writer.client());
        let name = object.name_any();
        let released = call::within(CALL_TIMEOUT, api.replace(&name, &PostParams::default(), &object)).await;
        match released {
            Err(error) if error.is_absence_of(&name) => Ok(()),
            released => released.map(drop).doing("let the deleted grant go"),
        }
    }

    async fn delete<K>(&self, name: &str, uid: &str) -> Result<(), ActError>
    where
        K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        self.writer.delete(&Api::<K>::all(self.writer.client()), name, uid).await.map(drop)
    }
}

/// Removes exactly these objects, which belong to no grant, once that is on record.
pub(super) async fn remove_orphans(recorder: &Recorder, writer: &Writer, found: &[Part]) -> Result<(), ActError> {
    if found.is_empty() {
        return Ok(());
    }
    let begun = entries::begin_removal(recorder, found).await?;
    let outcome = identity::remove(writer, found).await.map(|()| Made::Nothing);
    begun.went(&outcome);
    outcome.map(drop)
}

fn grant_of(case: &Case) -> Result<&AccessGrant, ActError> {
    case.grant.as_deref().ok_or(ActError::Outdated("the grant is gone"))
}
