//! Who works: one replica at a time, by a Lease.
//!
//! Promises: a Lease is taken or renewed only by a PUT that names the
//! resourceVersion it replaces, so of two candidates one fails. Another's Lease
//! counts as expired only after this process has watched it unchanged for its
//! whole duration by the monotonic clock: no wall clock is compared with
//! another's. A leader stops by its own clock before any other may begin
//! (`renew` < `duration`), and every write asks [`Term::holds`] first.
//!
//! Left out on purpose: the fence. A paused process may wake inside a write; so
//! every privileged write also names a uid or resourceVersion.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams, core::ObjectMeta};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    call::{self, CallError},
    clock,
    probes::Health,
};

/// The Lease's name in `brevet-system`.
const NAME: &str = "controller";
/// How long the work may take to wind up when the lead is lost or given up.
const WIND_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// The times of an election.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long a Lease holds without renewal.
    pub(super) duration: Duration,
}

impl Times {
    /// A leader that could not renew for so long stops.
    fn renew(self) -> Duration {
        self.duration * 2 / 3
    }

    /// Between two tries.
    fn pause(self) -> Duration {
        self.duration / 6
    }
}

/// The lead, while it holds. Clones share.
#[derive(Clone, Debug)]
pub(super) struct Term(Arc<Mutex<Option<Instant>>>);

impl Term {
    /// Whether this process may write.
    pub(super) fn holds(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| Instant::now() < until)
    }

    fn set(&self, until: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Another's Lease, and since when this process has seen it as it is.
struct Watched {
    resource_version: Option<String>,
    since: Instant,
}

/// Stands for election until `stop`.
pub(super) struct Candidate {
    api: Api<Lease>,
    me: String,
    times: Times,
    health: Health,
}

impl Candidate {
    /// As `me`, which no other process may be called.
    pub(super) fn new(client: Client, me: String, times: Times, health: Health) -> Self {
        Self { api: Api::namespaced(client, super::SYSTEM_NAMESPACE), me, times, health }
    }

    /// Runs `work` whenever this process leads; `work` must end soon once its token is cancelled.
    pub(super) async fn run<W, F>(&self, stop: CancellationToken, work: W) -> anyhow::Result<()>
    where
        W: Fn(Term, CancellationToken) -> F,
        F: Future<Output = anyhow::Result<()>>,
    {
        while !stop.is_cancelled() {
            let Some(mut lease) = self.acquire(&stop).await else { break };
            tracing::info!(replica = self.me, "this replica leads");
            let term = Term(Arc::new(Mutex::new(Some(Instant::now() + self.times.renew()))));
            let wind_up = stop.child_token();
            let mut working = std::pin::pin!(work(term.clone(), wind_up.clone()));
            let finished = tokio::select! {
                finished = &mut working => Some(finished),
                () = self.keep(&mut lease, &term) => None,
                () = stop.cancelled() => None,
            };
            if let Some(finished) = finished {
                self.release(lease).await;
                return finished.context("the controller's work ended");
            }
            if !stop.is_cancelled() {
                tracing::warn!(replica = self.me, "the lead is lost; this replica stands by");
            }
            term.set(None);
            wind_up.cancel();
            let wound_up = tokio::time::timeout(WIND_UP_TIMEOUT, working).await;
            wound_up.context("the controller's work did not wind up in time")??;
            if stop.is_cancelled() {
                self.release(lease).await;
            }
        }
        Ok(())
    }

    /// Waits until the Lease is ours; `None`: told to stop.
    async fn acquire(&self, stop: &CancellationToken) -> Option<Lease> {
        let mut watched: Option<Watched> = None;
        loop {
            match self.try_acquire(&mut watched).await {
                Ok(Some(lease)) => return Some(lease),
                // Standing by is all that is asked of this replica now.
                Ok(None) => self.health.holds("controller"),
                Err(error) if error.is_conflict() => {}
                Err(error) => {
                    tracing::warn!(error = call::told(&error), "cannot stand for election");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.times.pause()) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    async fn try_acquire(&self, watched: &mut Option<Watched>) -> Result<Option<Lease>, CallError> {
        let Some(found) = call::read(&self.api, NAME).await? else {
            let lease = self.signed(Lease { metadata: named(), spec: None });
            return self.put(self.api.create(&PostParams::default(), &lease)).await.map(Some);
        };
        if !is_free(&found, watched, self.times.duration) {
            return Ok(None);
        }
        let lease = self.signed(found);
        self.put(self.api.replace(NAME, &PostParams::default(), &lease)).await.map(Some)
    }

    /// Renews until that fails for too long.
    async fn keep(&self, lease: &mut Lease, term: &Term) {
        let mut renewed_at = Instant::now();
        while renewed_at.elapsed() < self.times.renew() {
            tokio::time::sleep(self.times.pause()).await;
            // The Lease holds from when it was asked for, not from when the answer came.
            let asked_at = Instant::now();
            let signed = self.signed(lease.clone());
            match self.put(self.api.replace(NAME, &PostParams::default(), &signed)).await {
                Ok(renewed) => {
                    *lease = renewed;
                    renewed_at = asked_at;
                    term.set(Some(asked_at + self.times.renew()));
                }
                // Somebody else wrote it, or removed it; or our own write went through unheard.
                Err(error) if error.is_conflict() || error.is_absence_of(NAME) => match self.reread(lease).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => tracing::warn!(error = call::told(&error), "cannot read the Lease"),
                },
                Err(error) => tracing::warn!(error = call::told(&error), "cannot renew the Lease"),
            }
        }
    }

    /// Whether the Lease is still ours; takes over its resourceVersion then.
    async fn reread(&self, lease: &mut Lease) -> Result<bool, CallError> {
        match call::read(&self.api, NAME).await? {
            Some(found) if holder(&found) == Some(self.me.as_str()) => {
                *lease = found;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Lets the next leader begin at once. Only after the work has wound up.
    async fn release(&self, mut lease: Lease) {
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
        }
        if let Err(error) = self.put(self.api.replace(NAME, &PostParams::default(), &lease)).await {
            tracing::info!(error = call::told(&error), "the Lease was not given up; it will expire");
        }
    }

    async fn put(&self, call: impl Future<Output = kube::Result<Lease>>) -> Result<Lease, CallError> {
        call::within(self.times.pause().max(Duration::from_secs(1)), call).await
    }

    fn signed(&self, mut lease: Lease) -> Lease {
        let now = Some(MicroTime(clock::now()));
        let before = lease.spec.take().unwrap_or_default();
        let is_mine = before.holder_identity.as_deref() == Some(self.me.as_str());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(self.times.duration.as_secs()).ok(),
            acquire_time: if is_mine { before.acquire_time } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!is_mine)),
            ..LeaseSpec::default()
        });
        lease
    }
}

fn named() -> ObjectMeta {
    ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

/// Whether the Lease may be taken: given up, or seen unchanged for its whole duration.
fn is_free(lease: &Lease, watched: &mut Option<Watched>, duration: Duration) -> bool {
    if holder(lease).is_none_or(str::is_empty) {
        return true;
    }
    let resource_version = lease.metadata.resource_version.clone();
    match watched {
        Some(seen) if seen.resource_version == resource_version => {
            // The holder's own word counts if it is longer than ours.
            let said = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
            let said = Duration::from_secs(u64::try_from(said).unwrap_or(0));
            seen.since.elapsed() >= duration.max(said)
        }
        _ => {
            *watched = Some(Watched { resource_version, since: Instant::now() });
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, resource_version: &str, seconds: i32) -> Lease {
        Lease {
            metadata: ObjectMeta { resource_version: Some(resource_version.to_owned()), ..named() },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(seconds),
                ..LeaseSpec::default()
            }),
        }
    }

    #[test]
    fn a_lease_given_up_is_free_at_once() {
        assert!(is_free(&lease("", "1", 15), &mut None, Duration::from_secs(15)));
    }

    #[test]
    fn anothers_lease_is_watched_for_its_whole_duration() {
        let mut watched = None;
        assert!(!is_free(&lease("other", "1", 15), &mut watched, Duration::from_secs(15)));
        watched.as_mut().unwrap().since -= Duration::from_secs(14);
        assert!(!is_free(&lease("other", "1", 15), &mut watched, Duration::from_secs(15)));
        watched.as_mut().unwrap().since -= Duration::from_secs(2);
        assert!(is_free(&lease("other", "1", 15), &mut watched, Duration::from_secs(15)));
    }

    #[test]
    fn a_renewal_starts_the_watch_again() {
        let mut watched = None;
        is_free(&lease("other", "1", 15), &mut watched, Duration::from_secs(15));
        watched.as_mut().unwrap().since -= Duration::from_secs(16);
        assert!(!is_free(&lease("other", "2", 15), &mut watched, Duration::from_secs(15)));
    }

    #[test]
    fn the_holders_longer_word_counts() {
        let mut watched = None;
        is_free(&lease("other", "1", 60), &mut watched, Duration::from_secs(15));
        watched.as_mut().unwrap().since -= Duration::from_secs(16);
        assert!(!is_free(&lease("other", "1", 60), &mut watched, Duration::from_secs(15)));
    }

    #[test]
    fn a_leader_stops_before_another_may_begin() {
        let times = Times { duration: Duration::from_secs(15) };
        assert!(times.renew() + times.pause() < times.duration);
    }
}
