//! What is in every cluster of this kit: two nodes, two namespaces, some
//! workloads that answer, and the people of the demo.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Node, Pod, ServiceAccount};
use kube::{Api, Client};

use crate::apply::Applier;
use crate::patience::until;

/// Somebody of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// User name.
    pub name: &'static str,
    /// The one group they are in.
    pub group: &'static str,
}

/// Who is who: alice and mallory ask, bob owns shop, carol is secops, dave audits.
pub const PEOPLE: [Person; 5] = [
    Person { name: "alice", group: "developers" },
    Person { name: "mallory", group: "developers" },
    Person { name: "bob", group: "shop-owners" },
    Person { name: "carol", group: "secops" },
    Person { name: "dave", group: "auditors" },
];

/// Nodes and namespaces, which everything else needs.
const GROUND: &str = include_str!("fixtures/ground.yaml");
/// What runs and lies in the namespaces.
const WORKLOADS: &str = include_str!("fixtures/workloads.yaml");

/// A loaded machine's controllers take a while.
const WITHIN: Duration = Duration::from_secs(60);

/// Fills a new cluster.
pub(crate) async fn apply(client: &Client) -> Result<()> {
    let mut applier = Applier::new(client.clone());
    applier.text(GROUND).await?;
    for namespace in ["shop", "web"] {
        populated(client, namespace).await?;
    }
    for node in ["node-1", "node-2"] {
        reachable(client, node).await?;
    }
    applier.text(WORKLOADS).await?;
    for (namespace, pod) in [("shop", "web-1"), ("shop", "web-2"), ("web", "api-1")] {
        running(client, namespace, pod).await?;
    }
    Ok(())
}

/// Waits until pods can be created in a namespace, which takes its service account.
pub(crate) async fn populated(client: &Client, namespace: &str) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let what = format!("the default service account of `{namespace}`");
    until(&what, WITHIN, async || accounts.get_opt("default").await.ok().flatten()).await?;
    Ok(())
}

/// Waits until a node says where its kubelet answers; pods may run there before.
async fn reachable(client: &Client, name: &str) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let answers = |node: &Node| {
        let status = node.status.as_ref();
        status.is_some_and(|status| status.daemon_endpoints.is_some() && status.addresses.is_some())
    };
    until(&format!("node `{name}` to have an address"), WITHIN, async || {
        nodes.get_opt(name).await.ok().flatten().filter(answers)
    })
    .await?;
    Ok(())
}

/// Waits until a pod runs.
pub(crate) async fn running(client: &Client, namespace: &str, name: &str) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let runs = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    until(&format!("pod `{namespace}/{name}` to run"), WITHIN, async || {
        pods.get_opt(name).await.ok().flatten().filter(runs)
    })
    .await
}

/// A pod that runs on one of the two nodes.
pub(crate) fn pod(namespace: &str, name: &str) -> Result<Pod> {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "app", "image": "example.com/app:1" }] },
    }))
    .context("a pod is not a pod")
}
