//! I16: nobody fills etcd.

use brevet_api::{AccessRequest, Phase, Verdict};
use brevet_testkit::Cluster;
use futures::future::try_join_all;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::scene::{LONG, PATIENCE, logs, now, somebody};

/// Open requests of one person, as the controller allows by default.
const OPEN_MAX: usize = 20;

#[tokio::test]
async fn i16_open_requests_of_one_person_have_a_limit() {
    let cluster = Cluster::shared().await;
    let (who, other) = (somebody(cluster), somebody(cluster));
    let requests: Api<AccessRequest> = Api::all(cluster.admin().await.unwrap());
    let first = cluster.ask(&who, logs("shop", LONG)).await.unwrap();
    let made_at = first.phase(Phase::Pending).await.unwrap().metadata.creation_timestamp.unwrap().0;
    // The server writes whole seconds; of one second, any may count as the newest.
    cluster
        .eventually("the next second", PATIENCE, async || (now().as_second() > made_at.as_second()).then_some(()))
        .await;
    try_join_all((0..OPEN_MAX + 5).map(|_| cluster.ask(&who, logs("shop", LONG)))).await.unwrap();
    let others = cluster.ask(&other, logs("shop", LONG)).await.unwrap();

    cluster
        .eventually("the excess to be removed", PATIENCE, async || {
            let mut found = requests.list(&ListParams::default()).await.ok()?.items;
            found.retain(|request| request.spec.requester.username == who);
            let is_seen =
                |request: &AccessRequest| request.status.as_ref().is_some_and(|status| status.phase.is_some());
            (found.len() == OPEN_MAX && found.iter().all(is_seen)).then_some(())
        })
        .await;
    // The oldest stays, and other people's are their own.
    first.phase(Phase::Pending).await.unwrap();
    others.phase(Phase::Pending).await.unwrap();

    // Who takes one back may ask again.
    first.decide(&who, Verdict::Withdraw).await.unwrap();
    first.phase(Phase::Withdrawn).await.unwrap();
    let again = cluster.ask(&who, logs("shop", LONG)).await.unwrap();
    again.phase(Phase::Pending).await.unwrap();
}

#[tokio::test]
async fn i16_rules_that_grow_too_large_are_refused() {
    let cluster = Cluster::shared().await;
    let names: Vec<String> = (0..64).map(|number| format!("{}-{number}", "x".repeat(122))).collect();
    let spec = json!({
        "role": "debug-pod", "namespaces": ["shop"],
        "resources": [{"apiGroup": "", "resource": "pods", "names": names}],
    });
    let asked = cluster.ask(&somebody(cluster), spec).await.unwrap();
    let status = asked.phase(Phase::Denied).await.unwrap().status.unwrap();
    assert!(status.conditions.iter().any(|condition| condition.reason == "TooBroad"), "{:?}", status.conditions);
}
