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

use crate::{
    PATIENCE, granted, hands,
    made::{self, Ask},
    server, start, through,
};

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

#[tokio::test]
async fn two_replicas_take_over_from_one_another() {
    let cluster = start(Options::default()).await;
    let services: Api<APIService> = Api::all(cluster.admin().await.unwrap());
    let name = "v1alpha1.sessions.brevet.dev";
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let (alice, server) = (cluster.user("alice"), server(&cluster, &made));
    let works = async || alice.kubectl(&[&server, "-n", "shop", "get", "pods"]).await.unwrap().success();
    let port = async || services.get(name).await.unwrap().spec.unwrap().service.unwrap().port.unwrap();
    let first = port().await;

    let second = cluster.another_gateway("gateway-two", &[]).await.unwrap();
    cluster.eventually("two Leases", PATIENCE, async || (leases(&cluster).await.len() == 2).then_some(())).await;
    assert_eq!(port().await, first, "replicas do not take turns");

    // One that stops in order leaves the other what it needs.
    cluster.brevet().unwrap().stop(Part::Gateway).unwrap();
    assert_eq!(leases(&cluster).await.len(), 1);
    cluster
        .eventually("the other to take over", PATIENCE, async || (port().await != first && works().await).then_some(()))
        .await;

    // Whoever deletes the registration while somebody serves gets it back.
    services.delete(name, &DeleteParams::default()).await.unwrap();
    cluster.eventually("the registration to be back", PATIENCE, async || works().await.then_some(())).await;
    drop(second);
}

#[tokio::test]
async fn a_shared_identity_has_one_token_for_each_grant() {
    let cluster = crate::cluster().await;
    let one = granted(cluster, &Ask::logs("shop", 600)).await;
    let bobs = crate::hands_of(cluster, "bob").await;
    let two = made::grant_beside(&bobs, &Ask::logs("shop", 600), &one).await.unwrap();
    assert_eq!(one.identity, two.identity);
    let mut tokens = Vec::new();
    for (made, user) in [(&one, "alice"), (&two, "bob"), (&one, "alice")] {
        let client = cluster.user(user).client().await.unwrap();
        let whoami = async || {
            let request = http::Request::post(through(made, "/apis/authentication.k8s.io/v1/selfsubjectreviews"))
                .header("content-type", "application/json")
                .body(br#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#.to_vec())
                .unwrap();
            let review: serde_json::Value = client.request(request).await.ok()?;
            let extra = &review["status"]["userInfo"]["extra"]["authentication.kubernetes.io/credential-id"];
            Some(extra.as_array()?.first()?.as_str()?.to_owned())
        };
        tokens.push(cluster.eventually("the gateway to know the grant", PATIENCE, whoami).await);
    }
    assert_ne!(tokens[0], tokens[1], "one token would name two grants");
    assert_eq!(tokens[0], tokens[2], "a token is kept while it serves");

    // The end of one leaves the other, its identity still there.
    made::end(&hands(cluster).await, &one, "Released").await.unwrap();
    let alice = cluster.user("alice").client().await.unwrap();
    let get = |made: &made::Made| http::Request::get(through(made, "/api/v1/namespaces/shop/pods")).body(Vec::new());
    cluster
        .eventually("the end of one", PATIENCE, async || {
            alice.request_text(get(&one).unwrap()).await.err().filter(|e| e.to_string().contains("given back"))
        })
        .await;
    let bob = cluster.user("bob").client().await.unwrap();
    assert!(bob.request_text(get(&two).unwrap()).await.is_ok());
}

#[tokio::test]
async fn both_keys_lead_from_the_inner_event_to_the_grant() {
    let cluster = crate::cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let request = http::Request::get(through(&made, "/api/v1/namespaces/shop/pods/web-1")).header("Audit-ID", "mine");
    alice.request_text(request.body(Vec::new()).unwrap()).await.unwrap();
    let is_inner = |event: &brevet_testkit::AuditEvent| {
        event.username().ends_with(&made.identity) && event.request_uri == "/api/v1/namespaces/shop/pods/web-1"
    };
    let inner = cluster
        .eventually("the inner event", PATIENCE, async || cluster.audit_events().unwrap().into_iter().find(is_inner))
        .await;

    let log = std::fs::read_to_string(cluster.dir().join("logs/gateway.log")).unwrap();
    let receipt = log.lines().find(|line| line.contains(&inner.audit_id)).expect("a receipt with the inner id");
    assert!(receipt.contains(&made.uid) && receipt.contains(r#""client_audit_id":"mine""#), "{receipt}");
    let credential = inner.user["extra"]["authentication.kubernetes.io/credential-id"][0].as_str().unwrap();
    let minted = format!(r#""token_id":"{}""#, credential.strip_prefix("JTI=").unwrap());
    let mint = log.lines().find(|line| line.contains(&minted)).expect("the mint of that token");
    assert!(mint.contains(&made.uid), "{mint}");
    let outer = cluster.audit_events().unwrap().into_iter().find(|event| event.audit_id == "mine").unwrap();
    assert_eq!(outer.username(), "alice");
    assert!(outer.request_uri.contains(&made.name));
}
