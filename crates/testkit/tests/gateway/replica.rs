//! A replica in the cluster: its registration, its Lease, and how it leaves.

use std::time::Duration;

use brevet_testkit::{Cluster, Options, Part};
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Namespace},
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use tokio::io::AsyncReadExt as _;

use crate::{PATIENCE, granted, made::Ask, server, start};

/// Kubernetes itself takes some five seconds.
const NAMESPACE_GONE_WITHIN: Duration = Duration::from_secs(40);

async fn leases(cluster: &Cluster) -> Vec<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin().await.unwrap(), "brevet-system");
    let found = leases.list(&ListParams::default().labels("brevet.dev/role=gateway")).await.unwrap();
    found.into_iter().filter_map(|lease| lease.metadata.name).collect()
}

#[tokio::test]
async fn an_orderly_stop_leaves_nothing_that_could_block_the_cluster() {
    let cluster = start(Options::default()).await;
    let services: Api<APIService> = Api::all(cluster.admin().await.unwrap());
    let name = "v1alpha1.sessions.brevet.dev";
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let follow = ["-n", "shop", "logs", "-f", "web-1"];
    let alice = cluster.user("alice");
    let server = server(&cluster, &made);
    let mut child = alice.kubectl_command(&[&[server.as_str()], &follow[..]].concat()).unwrap().spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 16]).await.unwrap();
    assert_eq!(leases(&cluster).await.len(), 1);

    cluster.brevet().unwrap().stop(Part::Gateway).unwrap();

    assert!(services.get_opt(name).await.unwrap().is_none());
    assert!(leases(&cluster).await.is_empty());
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(!ended.success());
    // With an APIService that nobody answers, this would hang.
    let namespaces: Api<Namespace> = Api::all(cluster.admin().await.unwrap());
    let doomed = cluster.namespace().await.unwrap();
    namespaces.delete(&doomed, &DeleteParams::default()).await.unwrap();
    cluster
        .eventually("the namespace to go", NAMESPACE_GONE_WITHIN, async || {
            namespaces.get_opt(&doomed).await.unwrap().is_none().then_some(())
        })
        .await;

    cluster.brevet().unwrap().restart(Part::Gateway).await.unwrap();
    cluster
        .eventually("the grant to work again", PATIENCE, async || {
            alice.kubectl(&[&server, "-n", "shop", "get", "pods"]).await.unwrap().success().then_some(())
        })
        .await;
    assert!(services.get_opt(name).await.unwrap().is_some());
}

#[tokio::test]
async fn a_killed_replica_that_comes_back_serves_again() {
    let cluster = start(Options::default()).await;
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let (alice, server) = (cluster.user("alice"), server(&cluster, &made));
    cluster.brevet().unwrap().kill(Part::Gateway).unwrap();
    cluster.brevet().unwrap().restart(Part::Gateway).await.unwrap();
    cluster
        .eventually("the grant to work again", PATIENCE, async || {
            alice.kubectl(&[&server, "-n", "shop", "get", "pods"]).await.unwrap().success().then_some(())
        })
        .await;
}
