//! Equal rules share an identity, others never do; what one grant's end takes
//! away, no other grant was using (I8).

use brevet_api::{Phase, Verdict};
use brevet_testkit::Cluster;
use serde_json::json;

use crate::{ended, identity, logs, parts, reason};

#[tokio::test]
async fn equal_grants_share_and_the_last_one_turns_off_the_light() {
    let cluster = Cluster::shared().await;
    let client = cluster.admin().await.unwrap();
    let namespace = cluster.namespace().await.unwrap();
    let first = cluster.approved("alice", "carol", logs(&namespace, "1h")).await.unwrap();
    let second = cluster.approved("mallory", "carol", logs(&namespace, "2h")).await.unwrap();
    let shared = identity(&first).await;
    assert_eq!(identity(&second).await, shared);

    first.decide("alice", Verdict::Revoke).await.unwrap();
    assert_eq!(reason(&first.phase(Phase::Revoked).await.unwrap()), "Released");
    assert_eq!(parts(&client, Some(&shared.name)).await.len(), 4, "the second still stands on it");
    assert_eq!(second.grant().await.unwrap().status.unwrap().phase, Some(Phase::Active));

    second.decide("mallory", Verdict::Revoke).await.unwrap();
    ended(cluster, &second, Phase::Revoked, "Released").await;

    let third = cluster.approved("alice", "carol", logs(&namespace, "1h")).await.unwrap();
    assert_ne!(identity(&third).await.name, shared.name, "a name never recurs");
}

#[tokio::test]
async fn overlapping_grants_do_not_share() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let one = json!({
        "role": "view-logs", "namespaces": [namespace], "duration": "1h",
        "resources": [{ "apiGroup": "", "resource": "pods", "names": ["a"] }],
    });
    let whole = cluster.approved("alice", "carol", logs(&namespace, "1h")).await.unwrap();
    let named = cluster.approved("alice", "carol", one).await.unwrap();
    let both = json!({ "role": "view-logs", "namespaces": [namespace, "shop"], "duration": "1h" });
    let wider = cluster.approved("alice", "carol", both).await.unwrap();
    let names = [identity(&whole).await.name, identity(&named).await.name, identity(&wider).await.name];
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
    whole.decide("alice", Verdict::Revoke).await.unwrap();
    ended(cluster, &whole, Phase::Revoked, "Released").await;
    let client = cluster.admin().await.unwrap();
    assert_eq!(parts(&client, Some(&names[1])).await.len(), 4);
    assert_eq!(parts(&client, Some(&names[2])).await.len(), 6);
}

#[tokio::test]
async fn many_equal_grants_at_once_make_one_identity() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let all = (0..6).map(|_| cluster.approved("alice", "carol", logs(&namespace, "1h")));
    let all: Vec<_> = futures::future::join_all(all).await.into_iter().map(Result::unwrap).collect();
    let shared = identity(&all[0]).await;
    for other in &all {
        assert_eq!(identity(other).await, shared);
    }
    let ends = all.iter().map(|elevation| elevation.decide("alice", Verdict::Revoke));
    futures::future::join_all(ends).await.into_iter().for_each(|decided| drop(decided.unwrap()));
    for elevation in &all {
        ended_or_shared(elevation).await;
    }
    let client = cluster.admin().await.unwrap();
    cluster
        .eventually("the identity to be gone", crate::PATIENCE, async || {
            parts(&client, Some(&shared.name)).await.is_empty().then_some(())
        })
        .await;
}

async fn ended_or_shared(elevation: &brevet_testkit::Elevation<'_>) {
    assert_eq!(reason(&elevation.phase(Phase::Revoked).await.unwrap()), "Released");
}
