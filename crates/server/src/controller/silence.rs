//! What is to be done when gateways fall silent: an APIService that leads
//! nowhere stops namespace deletion in the whole cluster, so it goes after a
//! minute without a live replica. The next replica registers it again.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{api::coordination::v1::Lease, kube_aggregator::pkg::apis::apiregistration::v1::APIService};
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use super::{
    SYSTEM_NAMESPACE,
    act::{ActError, Writer},
    gather::GATEWAY_DEAD_AFTER,
    index::Index,
    metrics::Metrics,
    queue::Queue,
};
use crate::call;

/// Ours.
const API_SERVICE: &str = "v1alpha1.sessions.brevet.dev";
/// Without a live replica (design §2).
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Leases so long dead are removed.
const LEASE_KEPT: Duration = Duration::from_secs(3600);
/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Watches over the gateways.
pub(super) async fn watch(
    index: Arc<Index>,
    queue: Arc<Queue>,
    writer: Writer,
    metrics: Metrics,
) -> anyhow::Result<()> {
    let mut silent_since = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        let (is_live, dead, revoking) = {
            let tables = index.read();
            let is_live = tables.gateways.values().any(|gateway| gateway.since.elapsed() < GATEWAY_DEAD_AFTER);
            let dead = tables.gateways.iter().filter(|(_, gateway)| gateway.since.elapsed() > LEASE_KEPT);
            let dead: Vec<(String, String)> = dead.map(|(name, gateway)| (name.clone(), gateway.uid.clone())).collect();
            (is_live, dead, tables.keys_revoking())
        };
        metrics.pending(revoking.len());
        tracing::trace!(waiting = queue.len(), "the queue");
        for (name, uid) in dead {
            let leases = Api::<Lease>::namespaced(writer.client(), SYSTEM_NAMESPACE);
            if let Err(error) = writer.delete(&leases, &name, &uid).await {
                tracing::warn!(error = call::told(&error), "the Lease of a dead gateway was not removed");
            }
        }
        if is_live {
            silent_since = Instant::now();
        } else if silent_since.elapsed() > SILENCE_MAX {
            match unregister(&writer).await {
                Ok(true) => tracing::warn!("no gateway has answered for a minute; its APIService is removed"),
                Ok(false) => {}
                Err(error) => tracing::warn!(error = call::told(&error), "the APIService was not removed"),
            }
            silent_since = Instant::now();
        }
    }
}

async fn unregister(writer: &Writer) -> Result<bool, ActError> {
    let api = Api::<APIService>::all(writer.client());
    let found = call::read(&api, API_SERVICE).await;
    match found.map_err(|source| ActError::Call { what: "read the APIService", source })? {
        Some(object) => writer.delete(&api, API_SERVICE, &object.uid().unwrap_or_default()).await,
        None => Ok(false),
    }
}
