//! I8, I9, I17: what is over is gone, whoever is in the way, and never comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brevet_api::{AccessDecision, AccessGrant, AccessRequest, Phase, Verdict};
use brevet_testkit::{Cluster, Elevation, Fault, Options, Part};
use http::{Method, StatusCode};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};

use crate::scene::{LONG, PATIENCE, call, cause, identity, left, logs, pods, refused, settled, somebody};

/// A gateway's Lease is believed for 35 s after its last renewal.
const GATEWAY_DEAD_WITHIN: std::time::Duration = std::time::Duration::from_secs(90);

/// More than one round of the four objects that carry a grant.
const DELETIONS_MIN: usize = 9;

#[tokio::test]
async fn i8_revoked_is_said_only_when_nothing_is_left() {
    let cluster = Cluster::start(Options { faults: true, ..Options::default() }).await.unwrap();
    let alice = cluster.user("alice").client().await.unwrap();
    let grant = cluster.approved("alice", "bob", logs("shop", LONG)).await.unwrap();
    assert!(call(&alice, &grant, &pods("shop")).await.said.is_ok());
    let carried_by = identity(&grant).await;
    let door = cluster.faults(Part::Controller).unwrap();
    let tried = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tried);
    door.set(move |call| {
        if call.method != Method::DELETE {
            return Fault::Pass;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR)
    });

    grant.decide("alice", Verdict::Revoke).await.unwrap();

    // No call passes, although everything is still there.
    assert!(refused(&cluster, &alice, &grant, &pods("shop")).await.contains("was given back"));
    cluster
        .eventually("the deletions to be tried again", PATIENCE, async || {
            (tried.load(Ordering::Relaxed) >= DELETIONS_MIN).then_some(())
        })
        .await;
    grant.phase(Phase::Revoking).await.unwrap();
    assert_eq!(left(&cluster, Some(&carried_by)).await.len(), 4);
    cluster
        .eventually("the alarm", PATIENCE, async || {
            let (_, metrics) = cluster.brevet().unwrap().probe(Part::Controller, "/metrics").await?;
            let pending =
                metrics.lines().find(|line| line.contains("revocations_pending") && !line.starts_with('#'))?;
            pending.ends_with(" 1").then_some(())
        })
        .await;

    door.clear();
    grant.phase(Phase::Revoked).await.unwrap();
    assert_eq!(left(&cluster, None).await, Vec::<String>::new());
    assert_eq!(cause(&grant).await, "Released");
}

#[tokio::test]
async fn i8_a_gateway_that_never_comes_back_holds_no_end_up() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let alice = cluster.user("alice").client().await.unwrap();
    let grant = cluster.approved("alice", "bob", logs("shop", LONG)).await.unwrap();
    assert!(call(&alice, &grant, &pods("shop")).await.said.is_ok());
    cluster.brevet().unwrap().kill(Part::Gateway).unwrap();

    grant.decide("alice", Verdict::Revoke).await.unwrap();

    grant.phase(Phase::Revoking).await.unwrap();
    cluster
        .eventually("everything to be gone", PATIENCE, async || left(&cluster, None).await.is_empty().then_some(()))
        .await;
    // Said only when the dead one's Lease is too old for it to hold a stream.
    cluster
        .eventually("the end to be said", GATEWAY_DEAD_WITHIN, async || {
            (grant.grant().await.ok()?.status?.phase == Some(Phase::Revoked)).then_some(())
        })
        .await;
    assert_eq!(cause(&grant).await, "Released");
}

/// Waits until the grant is over for want of evidence, and shows that it is.
async fn ends_for_want_of_evidence(cluster: &Cluster, who: &str, grant: &Elevation<'_>, carried_by: &str) {
    let client = cluster.user(who).client().await.unwrap();
    let words = refused(cluster, &client, grant, &pods("shop")).await;
    assert!(words.contains("its request or approval is gone"), "{words}");
    let grants: Api<AccessGrant> = Api::all(cluster.admin().await.unwrap());
    cluster
        .eventually("the grant to be revoked", PATIENCE, async || {
            let status = grants.get(grant.name()).await.ok()?.status?;
            (status.phase == Some(Phase::Revoked)).then_some(())
        })
        .await;
    assert_eq!(cause(grant).await, "Evidence");
    assert_eq!(left(cluster, Some(carried_by)).await, Vec::<String>::new());
}

#[tokio::test]
async fn i17_a_grant_without_its_decision_is_over() {
    let cluster = Cluster::shared().await;
    let who = somebody(cluster);
    let grant = cluster.approved(&who, "carol", only(&who)).await.unwrap();
    let carried_by = identity(&grant).await;
    let decision = grant.grant().await.unwrap().spec.approvals.remove(0).decision.name;

    let decisions: Api<AccessDecision> = Api::all(cluster.admin().await.unwrap());
    decisions.delete(&decision, &DeleteParams::default()).await.unwrap();

    ends_for_want_of_evidence(cluster, &who, &grant, &carried_by).await;
    grant.phase(Phase::Revoked).await.unwrap();
}

#[tokio::test]
async fn i9_a_request_made_again_under_its_name_is_a_stranger() {
    let cluster = Cluster::shared().await;
    let who = somebody(cluster);
    let client = cluster.user(&who).client().await.unwrap();
    let grant = cluster.approved(&who, "carol", only(&who)).await.unwrap();
    let carried_by = identity(&grant).await;
    let old = grant.grant().await.unwrap();
    let request = grant.request().await.unwrap();

    let requests: Api<AccessRequest> = Api::all(cluster.admin().await.unwrap());
    requests.delete(grant.name(), &DeleteParams::default()).await.unwrap();
    let again = AccessRequest {
        metadata: ObjectMeta { name: Some(grant.name().to_owned()), ..ObjectMeta::default() },
        spec: request.spec,
        status: None,
    };
    let again = Api::<AccessRequest>::all(client.clone()).create(&PostParams::default(), &again).await.unwrap();
    assert_ne!(again.metadata.uid.as_deref(), Some(grant.uid()));

    ends_for_want_of_evidence(cluster, &who, &grant, &carried_by).await;
    // The old approval is not the new one's, and the old grant is not either.
    let refused = grant.phase(Phase::Denied).await.unwrap().status.unwrap();
    assert!(refused.conditions.iter().any(|condition| condition.reason == "NameTaken"), "{:?}", refused.conditions);
    settled(cluster).await;
    let now = grant.grant().await.unwrap();
    assert_eq!((now.metadata.uid, now.spec), (old.metadata.uid, old.spec));
    assert!(call(&client, &grant, &pods("shop")).await.said.is_err());
}

/// Rules that nobody else asks for, so that the identity is the grant's own.
fn only(who: &str) -> serde_json::Value {
    let mut spec = logs("shop", LONG);
    spec["resources"] = serde_json::json!([
        {"apiGroup": "", "resource": "pods", "verbs": ["list"]},
        {"apiGroup": "", "resource": "pods", "names": [who]},
    ]);
    spec
}
