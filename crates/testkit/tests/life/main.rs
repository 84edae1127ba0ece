//! The life of a request on a real API server, by invariant: what the
//! controller makes, keeps an eye on and takes away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "everything here is a test")]
#![allow(clippy::indexing_slicing, reason = "everything here is a test")]

mod crashes;
mod crowds;
mod decisions;
mod drift;
mod ends;
mod faults;
mod guard;
mod limits;
mod records;
mod sharing;

use std::time::Duration;

use brevet_api::{AccessGrant, AccessRequest, IdentityRef, Phase};
use brevet_testkit::{Cluster, Elevation, until};
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::{Value, json};

/// Longer than anything here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An ask for pods and their logs in one namespace.
pub(crate) fn logs(namespace: &str, duration: &str) -> Value {
    json!({ "role": "view-logs", "namespaces": [namespace], "duration": duration })
}

/// The identity that carries a grant.
pub(crate) async fn identity(elevation: &Elevation<'_>) -> IdentityRef {
    elevation.grant().await.unwrap().status.unwrap().identity.unwrap()
}

/// Why the request is complete.
pub(crate) fn reason(request: &AccessRequest) -> &str {
    let status = request.status.as_ref().unwrap();
    let complete = status.conditions.iter().find(|condition| condition.type_ == "Complete");
    complete.map_or("not complete", |condition| condition.reason.as_str())
}

/// Waits for the end, of which `phase` and `why` are expected, and for nothing of its identity to be left.
pub(crate) async fn ended(cluster: &Cluster, elevation: &Elevation<'_>, phase: Phase, why: &str) {
    let request = elevation.phase(phase).await.unwrap();
    assert_eq!(reason(&request), why);
    let grant = elevation.grant().await;
    if let Some(identity) = grant.ok().and_then(|grant| grant.status).and_then(|status| status.identity) {
        assert_eq!(parts(&cluster.admin().await.unwrap(), Some(&identity.name)).await, [""; 0]);
    }
}

/// Kind, namespace and name of everything with the label of an identity, or of any.
pub(crate) async fn parts(client: &Client, identity: Option<&str>) -> Vec<String> {
    let label = identity.map_or("brevet.dev/identity".to_owned(), |name| format!("brevet.dev/identity={name}"));
    let labelled = ListParams::default().labels(&label);
    let mut all = Vec::new();
    macro_rules! list {
        ($($kind:ty),+) => {$(
            for object in Api::<$kind>::all(client.clone()).list(&labelled).await.unwrap() {
                let namespace = object.namespace().unwrap_or_default();
                all.push(format!("{} {namespace}/{}", stringify!($kind), object.name_any()));
            }
        )+};
    }
    list!(ServiceAccount, Secret, Role, RoleBinding, ClusterRole, ClusterRoleBinding);
    all
}

/// Waits until nothing with the label of any identity is left.
pub(crate) async fn nothing_left(client: &Client) {
    until("every part of an identity to be gone", PATIENCE, async || {
        parts(client, None).await.is_empty().then_some(())
    })
    .await
    .unwrap();
}

/// The grants there are.
pub(crate) async fn grants(client: &Client) -> Vec<AccessGrant> {
    Api::<AccessGrant>::all(client.clone()).list(&ListParams::default()).await.unwrap().items
}
