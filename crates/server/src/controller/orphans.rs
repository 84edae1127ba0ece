//! Finds what carries our label and belongs to no grant, and removes it.
//!
//! Such things are left by a process that died while making an identity, by a
//! deposed leader, by an old backup.
//!
//! Promises: found from the cluster, not from memory; what is being made right
//! now is left alone; the grants are listed after the objects, so whatever was
//! finished in between is known.

use std::{collections::HashSet, sync::Arc, time::Duration};

use brevet_api::AccessGrant;
use brevet_core::{grant::Grant, lifecycle::identity::Part};
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{Api, api::ListParams};
use serde::de::DeserializeOwned;

use super::{
    act::{self, ActError, Writer},
    identities::Identities,
    metrics::Metrics,
    parts::{self, Found, IDENTITY_LABEL, PartObject},
};
use crate::{
    call::{self, CallError},
    record::Recorder,
};

/// Between two sweeps.
const EVERY: Duration = Duration::from_secs(60);
/// After a sweep that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// How long one list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Sweeps after `patience`, in which a deposed leader has surely stopped making things, and then from
/// time to time.
pub(super) async fn sweep(
    recorder: Recorder,
    writer: Writer,
    identities: Arc<Identities>,
    metrics: Metrics,
    patience: Duration,
) -> anyhow::Result<()> {
    tokio::time::sleep(patience).await;
    loop {
        let pause = match once(&recorder, &writer, &identities, &metrics).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(error = call::told(&error), "the sweep for orphans failed; it is repeated");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn once(
    recorder: &Recorder,
    writer: &Writer,
    identities: &Identities,
    metrics: &Metrics,
) -> Result<(), ActError> {
    // Without the policies our label says nothing.
    writer.may_give()?;
    let found =
        labelled(writer).await.map_err(|source| ActError::Call { what: "list what carries our label", source })?;
    let in_making = identities.in_making();
    let carried = carried(writer).await.map_err(|source| ActError::Call { what: "list the grants", source })?;
    let is_orphan = |found: &&Found| !in_making.contains(&found.identity) && !carried.contains(&found.identity);
    let mut orphans: Vec<Part> = found.iter().filter(is_orphan).map(Found::bare).filter(|p| !p.is_deleting).collect();
    orphans.sort();
    for orphan in &orphans {
        tracing::warn!(kind = %orphan.kind, name = orphan.name, namespace = orphan.namespace, "an orphan is removed");
        metrics.orphan();
    }
    act::remove_orphans(recorder, writer, &orphans).await
}

/// Everything with our label.
async fn labelled(writer: &Writer) -> Result<Vec<Found>, CallError> {
    let client = writer.client();
    let (roles, bindings, cluster_roles, cluster_bindings, accounts, anchors) = tokio::try_join!(
        list(Api::<Role>::all(client.clone())),
        list(Api::<RoleBinding>::all(client.clone())),
        list(Api::<ClusterRole>::all(client.clone())),
        list(Api::<ClusterRoleBinding>::all(client.clone())),
        list(Api::<ServiceAccount>::namespaced(client.clone(), parts::NAMESPACE)),
        list(Api::<Secret>::namespaced(client.clone(), parts::NAMESPACE)),
    )?;
    Ok([roles, bindings, cluster_roles, cluster_bindings, accounts, anchors].concat())
}

async fn list<K>(api: Api<K>) -> Result<Vec<Found>, CallError>
where
    K: PartObject + Clone + DeserializeOwned + std::fmt::Debug,
{
    let labelled = ListParams::default().labels(IDENTITY_LABEL);
    let all = call::within(LIST_TIMEOUT, api.list(&labelled)).await?;
    Ok(all.items.iter().filter_map(PartObject::found).collect())
}

/// The identities that grants speak of whose end is not confirmed.
async fn carried(writer: &Writer) -> Result<HashSet<String>, CallError> {
    let all = call::within(LIST_TIMEOUT, Api::<AccessGrant>::all(writer.client()).list(&ListParams::default())).await?;
    let names = all.items.iter().filter_map(|object| {
        // A grant that cannot be read carries nothing: nobody may use it.
        let grant = Grant::try_from(object).ok()?;
        grant.identity.filter(|_| !grant.is_end_confirmed).map(|identity| identity.name)
    });
    Ok(names.collect())
}
