//! I8, F4, F5, F35: kube-apiserver errs, loses answers, or keeps what was
//! deleted; nothing is called over that is not, and nothing is torn down.

use std::time::Duration;

use brevet_api::{Phase, Verdict};
use brevet_testkit::{Cluster, Fault, Part};
use http::{Method, StatusCode};
use k8s_openapi::api::{admissionregistration::v1::ValidatingAdmissionPolicyBinding, rbac::v1::RoleBinding};
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{PATIENCE, crashes::ailing, ended, identity, logs, nothing_left, parts};

/// Long enough for the controller to have looked several times.
const LOOKS: Duration = Duration::from_secs(3);

async fn pending(cluster: &Cluster) -> u64 {
    let (_, text) = cluster.brevet().unwrap().probe(Part::Controller, "/metrics").await.unwrap();
    let line = text.lines().find(|line| line.starts_with("brevet_revocations_pending ")).unwrap_or("- 0");
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn while_deletions_fail_it_stays_revoking_and_alarms() {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    nothing_left(&client).await;
    let elevation = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    let name = identity(&elevation).await.name;
    let faults = cluster.faults(Part::Controller).unwrap();
    faults.set(|call| {
        if call.method == Method::DELETE { Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR) } else { Fault::Pass }
    });
    elevation.decide("alice", Verdict::Revoke).await.unwrap();
    elevation.phase(Phase::Revoking).await.unwrap();
    cluster.eventually("the alarm", PATIENCE, async || (pending(cluster).await == 1).then_some(())).await;
    assert_eq!(parts(&client, Some(&name)).await.len(), 4);
    elevation.phase(Phase::Revoking).await.unwrap();
    faults.clear();
    ended(cluster, &elevation, Phase::Revoked, "Released").await;
    cluster.eventually("the alarm to end", PATIENCE, async || (pending(cluster).await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_lost_answer_makes_nothing_twice() {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    nothing_left(&client).await;
    let faults = cluster.faults(Part::Controller).unwrap();
    for lost in ["/accessgrants", "/roles", "/rolebindings", "/serviceaccounts", "/secrets", "/status"] {
        let mut is_lost = false;
        faults.set(move |call| {
            let is_it = call.writes() && call.path.ends_with(lost) && !call.path.contains("/accessrequests/");
            if is_it && !std::mem::replace(&mut is_lost, true) { Fault::Swallow } else { Fault::Pass }
        });
        let elevation = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
        faults.clear();
        let name = identity(&elevation).await.name;
        cluster
            .eventually("what was made too much to be gone", Duration::from_secs(90), async || {
                (parts(&client, None).await.len() == 4).then_some(())
            })
            .await;
        assert_eq!(parts(&client, Some(&name)).await.len(), 4, "lost {lost}");
        elevation.decide("alice", Verdict::Revoke).await.unwrap();
        ended(cluster, &elevation, Phase::Revoked, "Released").await;
    }
}

#[tokio::test]
async fn refusals_and_broken_watches_tear_nothing_down() {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    nothing_left(&client).await;
    let elevation = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    let before = elevation.grant().await.unwrap();
    let faults = cluster.faults(Part::Controller).unwrap();
    for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE] {
        faults.set(move |call| if call.path.contains("/leases") { Fault::Pass } else { Fault::Answer(status) });
        faults.cut();
        // Nothing is to happen: there is no event to wait for.
        tokio::time::timeout(LOOKS, std::future::pending::<()>()).await.unwrap_err();
        faults.clear();
        faults.cut();
        let other = cluster.approved("alice", "carol", logs("web", "1h")).await.unwrap();
        other.decide("alice", Verdict::Revoke).await.unwrap();
        ended(cluster, &other, Phase::Revoked, "Released").await;
        assert_eq!(elevation.grant().await.unwrap(), before, "after {status}");
    }
    elevation.decide("alice", Verdict::Revoke).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Released").await;
}

/// Lets anybody touch bindings while `open`, as a cluster administrator who means harm would.
async fn unlock(client: &Client, open: bool, kept: &ValidatingAdmissionPolicyBinding) {
    let locks = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone());
    if open {
        locks.delete("bindings.brevet.dev", &DeleteParams::default()).await.unwrap();
    } else {
        let metadata = ObjectMeta { name: kept.metadata.name.clone(), ..ObjectMeta::default() };
        let again = ValidatingAdmissionPolicyBinding { metadata, spec: kept.spec.clone() };
        locks.create(&PostParams::default(), &again).await.unwrap();
    }
}

#[tokio::test]
async fn a_binding_held_by_a_finalizer_is_not_called_gone() {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    nothing_left(&client).await;
    let kept = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).get("bindings.brevet.dev").await.unwrap();
    let elevation = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    let name = identity(&elevation).await.name;
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), "shop");
    let hold = async |finalizers: &[&str]| {
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }));
        bindings.patch(&format!("brevet:{name}"), &PatchParams::default(), &patch).await.ok()
    };
    unlock(&client, true, &kept).await;
    cluster.eventually("the lock to open", PATIENCE, async || hold(&["example.com/mine"]).await).await;
    elevation.phase(Phase::Revoking).await.unwrap();
    cluster
        .eventually("all but the binding to be gone", PATIENCE, async || {
            (parts(&client, Some(&name)).await.len() == 1).then_some(())
        })
        .await;
    let pods = elevation.holder().unwrap().kubectl(&["get", "pods", "-n", "shop"]).await.unwrap();
    assert!(!pods.success());
    elevation.phase(Phase::Revoking).await.unwrap();
    hold(&[]).await.unwrap();
    unlock(&client, false, &kept).await;
    // What the next test's people write must count.
    cluster.brevet().unwrap().ready(Part::Controller).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Drift").await;
}
