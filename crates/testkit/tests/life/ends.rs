//! I8, I12, I17: an end is written when all is gone, whatever ended it.

use brevet_api::{AccessDecision, AccessGrant, AccessRequest, Phase, Verdict};
use brevet_testkit::{Cluster, Elevation};
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta},
};
use serde_json::json;

use crate::{ended, identity, logs, parts, reason};

/// In a namespace of its own, so that no other test shares the identity.
async fn approved<'c>(cluster: &'c Cluster, duration: &str) -> Elevation<'c> {
    let namespace = cluster.namespace().await.unwrap();
    cluster.approved("alice", "carol", logs(&namespace, duration)).await.unwrap()
}

#[tokio::test]
async fn a_grant_expires_and_nothing_is_left() {
    let cluster = Cluster::shared().await;
    let elevation = approved(cluster, "4s").await;
    assert_eq!(parts(&cluster.admin().await.unwrap(), Some(&identity(&elevation).await.name)).await.len(), 4);
    let grant = elevation.grant().await.unwrap();
    assert_eq!(grant.spec.not_after.0, grant.spec.not_before.0 + jiff::SignedDuration::from_secs(4));
    ended(cluster, &elevation, Phase::Expired, "Expired").await;
    let grant = elevation.grant().await.unwrap();
    assert_eq!(grant.status.unwrap().ended_at.unwrap(), grant.spec.not_after);
}

#[tokio::test]
async fn the_holder_gives_it_back() {
    let cluster = Cluster::shared().await;
    let elevation = approved(cluster, "1h").await;
    elevation.decide("alice", Verdict::Revoke).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Released").await;
}

#[tokio::test]
async fn somebody_who_may_revokes_it() {
    let cluster = Cluster::shared().await;
    let elevation = approved(cluster, "1h").await;
    elevation.decide("carol", Verdict::Revoke).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Revoked").await;
}

#[tokio::test]
async fn deleting_the_grant_revokes_and_nothing_brings_it_back() {
    let cluster = Cluster::shared().await;
    let elevation = approved(cluster, "1h").await;
    let identity = identity(&elevation).await;
    let client = cluster.admin().await.unwrap();
    let grants = Api::<AccessGrant>::all(client.clone());
    grants.delete(elevation.name(), &DeleteParams::default()).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Deleted").await;
    cluster
        .eventually("the grant to be gone", crate::PATIENCE, async || {
            grants.get_opt(elevation.name()).await.unwrap().is_none().then_some(())
        })
        .await;
    assert_eq!(parts(&client, Some(&identity.name)).await, [""; 0]);
    elevation.decide("carol", Verdict::Approve).await.unwrap();
    // Another life from ask to end, so the controller has seen that approval.
    let other = cluster.approved("alice", "bob", logs("web", "1s")).await;
    drop(other);
    assert!(grants.get_opt(elevation.name()).await.unwrap().is_none());
    assert_eq!(reason(&elevation.request().await.unwrap()), "Deleted");
}

#[tokio::test]
async fn a_grant_without_its_approval_is_over() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let elevation = cluster.ask("alice", logs(&namespace, "1h")).await.unwrap();
    let decision = elevation.decide("carol", Verdict::Approve).await.unwrap();
    elevation.phase(Phase::Active).await.unwrap();
    let decisions = Api::<AccessDecision>::all(cluster.admin().await.unwrap());
    decisions.delete(&decision.metadata.name.unwrap(), &DeleteParams::default()).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Evidence").await;
}

#[tokio::test]
async fn a_grant_without_its_request_is_over_even_if_one_of_that_name_comes_again() {
    let cluster = Cluster::shared().await;
    let elevation = approved(cluster, "1h").await;
    let old = elevation.request().await.unwrap();
    let identity = identity(&elevation).await;
    let client = cluster.admin().await.unwrap();
    Api::<AccessRequest>::all(client.clone()).delete(elevation.name(), &DeleteParams::default()).await.unwrap();
    let metadata = ObjectMeta { name: old.metadata.name.clone(), ..ObjectMeta::default() };
    let again = AccessRequest { metadata, spec: old.spec.clone(), status: None };
    let alice = Api::<AccessRequest>::all(cluster.user("alice").client().await.unwrap());
    alice.create(&kube::api::PostParams::default(), &again).await.unwrap();
    cluster
        .eventually("the grant to have ended", crate::PATIENCE, async || {
            let status = elevation.grant().await.unwrap().status.unwrap();
            (status.phase == Some(Phase::Revoked)).then_some(())
        })
        .await;
    assert_eq!(parts(&client, Some(&identity.name)).await, [""; 0]);
    let request = elevation.phase(Phase::Denied).await.unwrap();
    assert_eq!(reason(&request), "NameTaken");
}

#[tokio::test]
async fn cluster_scoped_access_ends_alike() {
    let cluster = Cluster::shared().await;
    let ask = json!({ "role": "inspect-node", "duration": "1h" });
    let elevation = cluster.approved("alice", "carol", ask).await.unwrap();
    let found = parts(&cluster.admin().await.unwrap(), Some(&identity(&elevation).await.name)).await;
    assert!(found.iter().any(|part| part.starts_with("ClusterRoleBinding ")), "{found:?}");
    elevation.decide("alice", Verdict::Revoke).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Released").await;
}

#[tokio::test]
async fn standing_access_is_untouched() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let admin = cluster.user("admin");
    let role = ["create", "rolebinding", "standing", "-n", &namespace, "--clusterrole=view", "--user=alice"];
    assert!(admin.kubectl(&role).await.unwrap().success());
    let can = async || cluster.user("alice").kubectl(&["get", "pods", "-n", &namespace]).await.unwrap().success();
    cluster.eventually("alice to have her standing access", crate::PATIENCE, async || can().await.then_some(())).await;
    let elevation = cluster.approved("alice", "carol", logs(&namespace, "1h")).await.unwrap();
    assert!(can().await);
    elevation.decide("alice", Verdict::Revoke).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Released").await;
    assert!(can().await);
}
