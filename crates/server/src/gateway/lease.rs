//! A replica's Lease: that it lives, and up to where it has closed what had to
//! be closed (I8).
//!
//! Promises: the acknowledged resourceVersion is written only after everything
//! up to it was carried out; it is renewed every two seconds and at once after
//! an end. A write that went through is a sign of life of kube-apiserver.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    SYSTEM,
    contact::{Contact, Way},
    index::Acknowledged,
    limits,
};
use crate::clock;

/// On every gateway's Lease.
const ROLE: (&str, &str) = ("brevet.dev/role", "gateway");

/// The resourceVersion of grants up to which everything has been closed.
const ACKNOWLEDGED: &str = "brevet.dev/acknowledged";

/// Ends come in crowds; one write serves all of this span.
const CROWD: Duration = Duration::from_millis(20);

/// The Lease of one replica.
pub(super) struct ReplicaLease {
    leases: Api<Lease>,
    name: String,
    /// As last written or read.
    stored: Option<Lease>,
}

impl ReplicaLease {
    /// Of the replica called `replica`.
    pub(super) fn new(client: Client, replica: &str) -> Self {
        Self { leases: Api::namespaced(client, SYSTEM), name: format!("gateway-{replica}"), stored: None }
    }

    /// Renews until `stop`. The Lease stays; [`ReplicaLease::give_up`] removes it.
    pub(super) async fn run(
        mut self,
        contact: Arc<Contact>,
        mut acknowledged: watch::Receiver<Acknowledged>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut told_ends = 0;
        loop {
            let state = acknowledged.borrow_and_update().clone();
            let asked = Instant::now();
            let pause = match self.renew(&state).await {
                Ok(()) => {
                    told_ends = state.ends;
                    contact.heard(Way::Lease, asked);
                    limits::LEASE_RENEW_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the replica's Lease could not be renewed");
                    // What is stored is unknown now.
                    self.stored = None;
                    limits::WATCH_RETRY
                }
            };
            let next = Instant::now() + pause;
            loop {
                tokio::select! {
                    // First: what tells of changes may stop at the same moment.
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep_until(next.into()) => break,
                    changed = acknowledged.changed() => {
                        changed?;
                        if acknowledged.borrow_and_update().ends > told_ends {
                            tokio::time::sleep(CROWD).await;
                            break;
                        }
                    }
                }
            }
        }
    }

    async fn renew(&mut self, state: &Acknowledged) -> anyhow::Result<()> {
        tokio::time::timeout(limits::OWN_CALL_TIMEOUT, async {
            if self.stored.is_none() {
                self.stored = self.leases.get_opt(&self.name).await?;
            }
            let params = PostParams::default();
            let written = match self.stored.take() {
                None => self.leases.create(&params, &self.filled(Lease::default(), state)).await?,
                Some(stored) => self.leases.replace(&self.name, &params, &self.filled(stored, state)).await?,
            };
            self.stored = Some(written);
            anyhow::Ok(())
        })
        .await?
    }

    fn filled(&self, stored: Lease, state: &Acknowledged) -> Lease {
        let now = MicroTime(clock::now());
        let spec = stored.spec.unwrap_or_default();
        let mut metadata = ObjectMeta { name: Some(self.name.clone()), ..stored.metadata };
        metadata.labels.get_or_insert_default().insert(ROLE.0.to_owned(), ROLE.1.to_owned());
        if !state.version.is_empty() {
            let annotations = metadata.annotations.get_or_insert_default();
            annotations.insert(ACKNOWLEDGED.to_owned(), state.version.clone());
        }
        let spec = LeaseSpec {
            acquire_time: spec.acquire_time.or_else(|| Some(now.clone())),
            holder_identity: Some(self.name.clone()),
            lease_duration_seconds: Some(limits::LEASE_SECONDS),
            renew_time: Some(now),
            ..spec
        };
        Lease { metadata, spec: Some(spec) }
    }
}

/// Whether another replica than `replica` lives; `Err` means could not tell.
pub(super) async fn others_live(client: &Client, replica: &str) -> anyhow::Result<bool> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM);
    let params = ListParams::default().labels(&format!("{}={}", ROLE.0, ROLE.1));
    let found = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, leases.list(&params)).await??;
    let own = format!("gateway-{replica}");
    let by_name: BTreeMap<&str, &Lease> =
        found.iter().filter_map(|lease| Some((lease.metadata.name.as_deref()?, lease))).collect();
    Ok(by_name.iter().any(|(name, lease)| **name != own && lives(lease, clock::now())))
}

fn lives(lease: &Lease, now: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_some_and(|at| now.duration_since(at.0) < SignedDuration::from_secs(limits::LEASE_SECONDS.into()))
}

/// Removes the replica's Lease on an orderly stop: nobody need wait for it any more.
pub(super) async fn give_up(client: &Client, replica: &str) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), SYSTEM);
    let (name, params) = (format!("gateway-{replica}"), DeleteParams::default());
    tokio::time::timeout(limits::OWN_CALL_TIMEOUT, leases.delete(&name, &params)).await??;
    Ok(())
}
