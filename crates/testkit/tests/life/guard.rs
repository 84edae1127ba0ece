//! I11, I17: while the admission policies do not stand nothing is given and
//! everything can be taken; what was written meanwhile never counts, whoever
//! looked and whoever did not.

use std::time::{Duration, Instant};

use brevet_api::{AccessDecision, Phase, Verdict};
use brevet_core::audit::Event;
use brevet_testkit::{Cluster, Elevation, Options, Part};
use futures::AsyncReadExt as _;
use http::{Request, StatusCode};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{PATIENCE, ended, logs};

/// The policy that looks at who decides.
const POLICY: &str = "decisions.brevet.dev";
/// A change of a policy is known within this, on a loaded machine.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// Design I11: what is open is cut after this long, and a little for a loaded machine.
const CUT_AFTER: std::ops::Range<u64> = 28..36;

async fn own_cluster() -> Cluster {
    Cluster::start(Options::default()).await.unwrap()
}

fn bindings(client: &Client) -> Api<ValidatingAdmissionPolicyBinding> {
    Api::all(client.clone())
}

/// Takes the binding away; returns what puts it back.
async fn unbind(client: &Client) -> ValidatingAdmissionPolicyBinding {
    let kept = bindings(client).get(POLICY).await.unwrap();
    bindings(client).delete(POLICY, &DeleteParams::default()).await.unwrap();
    let metadata = ObjectMeta { name: kept.metadata.name.clone(), ..ObjectMeta::default() };
    ValidatingAdmissionPolicyBinding { metadata, spec: kept.spec }
}

/// Puts it back, and returns when what people write counts again.
async fn bind(cluster: &Cluster, binding: &ValidatingAdmissionPolicyBinding) {
    bindings(&cluster.admin().await.unwrap()).create(&PostParams::default(), binding).await.unwrap();
    cluster.brevet().unwrap().ready(Part::Controller).await.unwrap();
}

/// Alice, who may decide nothing, approves; returns once a server without the policy took it.
async fn forge(cluster: &Cluster, asked: &Elevation<'_>) -> AccessDecision {
    let forged = async || asked.decide("alice", Verdict::Approve).await.ok();
    cluster.eventually("a decision to be stored unseen", PATIENCE, forged).await
}

/// What the gateway answers to a list of pods through the grant.
async fn pods(elevation: &Elevation<'_>, client: &Client) -> StatusCode {
    let request = Request::get(elevation.path("/api/v1/namespaces/shop/pods")).body(Body::empty()).unwrap();
    client.send(request).await.unwrap().status()
}

async fn record(client: &Client) -> ConfigMap {
    Api::<ConfigMap>::namespaced(client.clone(), "brevet-system").get("admission-record").await.unwrap()
}

#[tokio::test]
async fn an_approval_without_its_policy_never_counts_and_what_is_open_is_cut() {
    let cluster = own_cluster().await;
    let (admin, alice) = (cluster.admin().await.unwrap(), cluster.user("alice").client().await.unwrap());
    let open = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    let released = cluster.approved("alice", "carol", logs("web", "30m")).await.unwrap();
    let asked = cluster.ask("mallory", logs("shop", "1h")).await.unwrap();
    asked.phase(Phase::Pending).await.unwrap();
    assert_eq!(pods(&open, &alice).await, StatusCode::OK);
    let watch = Request::get(open.path("/api/v1/namespaces/shop/pods?watch=1")).body(Vec::new()).unwrap();
    let mut stream = Box::pin(alice.request_stream(watch).await.unwrap());
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        (text, Instant::now())
    });

    let binding = unbind(&admin).await;
    let gone = Instant::now();
    while pods(&open, &alice).await != StatusCode::SERVICE_UNAVAILABLE {
        assert!(gone.elapsed() < KNOWN_WITHIN, "served {:?} after the binding was gone", gone.elapsed());
    }
    forge(&cluster, &asked).await;

    // Views answer, with a warning, so that what is in force can be given back.
    let view = Request::get("/apis/sessions.brevet.dev/v1alpha1/grants").body(Body::empty()).unwrap();
    let view = alice.send(view).await.unwrap();
    assert_eq!(view.status(), StatusCode::OK);
    assert!(view.headers()["warning"].to_str().unwrap().contains("admission policies"), "{:?}", view.headers());
    let told = cluster.plugin("alice", &["release", released.name()]).await.unwrap();
    assert!(told.success(), "{told:?}");
    ended(&cluster, &released, Phase::Revoked, "Released").await;

    let (text, cut) = tokio::time::timeout(PATIENCE, reading.join_next()).await.unwrap().unwrap().unwrap();
    assert!(CUT_AFTER.contains(&(cut - gone).as_secs()), "cut after {:?}", cut - gone);
    assert!(text.contains("admission policies do not stand"), "{text}");
    assert_eq!(asked.request().await.unwrap().status.unwrap().phase, Some(Phase::Pending));
    assert!(asked.grant().await.is_err());

    bind(&cluster, &binding).await;
    ended(&cluster, &asked, Phase::Denied, "Unguarded").await;
    ended(&cluster, &open, Phase::Revoked, "Evidence").await;
    assert_eq!(pods(&open, &alice).await, StatusCode::FORBIDDEN);
    let again = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    cluster
        .eventually("the gateway to serve again", PATIENCE, async || {
            (pods(&again, &alice).await == StatusCode::OK).then_some(())
        })
        .await;
    for part in [Part::Controller, Part::Gateway] {
        let records = cluster.brevet().unwrap().replica(part).records().unwrap();
        let mut told = records.iter().map(|record| &record.event);
        let is_broken =
            |event: &Event| matches!(event, Event::GuardBroken(broken) if broken.message.as_str().contains(POLICY));
        assert!(told.any(is_broken), "a missing policy is on record");
        assert!(told.any(|event| matches!(event, Event::GuardRepaired(_))), "and that it is back");
    }
}

#[tokio::test]
async fn a_policy_altered_and_put_back_while_nobody_looked_is_seen_all_the_same() {
    let cluster = own_cluster().await;
    let (admin, alice) = (cluster.admin().await.unwrap(), cluster.user("alice").client().await.unwrap());
    let brevet = cluster.brevet().unwrap();
    let open = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    let asked = cluster.ask("mallory", logs("shop", "1h")).await.unwrap();
    asked.phase(Phase::Pending).await.unwrap();
    let before = record(&admin).await;

    // Stopping alone changes nothing.
    for part in [Part::Controller, Part::Gateway] {
        brevet.stop(part).unwrap();
        brevet.restart(part).await.unwrap();
    }
    assert_eq!(record(&admin).await.uid(), before.uid());
    assert_eq!(open.request().await.unwrap().status.unwrap().phase, Some(Phase::Active));

    brevet.stop(Part::Controller).unwrap();
    brevet.stop(Part::Gateway).unwrap();
    let policies = Api::<ValidatingAdmissionPolicy>::all(admin.clone());
    let spec = policies.get(POLICY).await.unwrap().spec;
    let patch = async |spec: serde_json::Value| {
        policies.patch(POLICY, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.unwrap();
    };
    patch(json!({ "matchConditions": [{ "name": "never", "expression": "false" }] })).await;
    forge(&cluster, &asked).await;
    patch(json!({ "matchConditions": null })).await;
    assert_eq!(policies.get(POLICY).await.unwrap().spec, spec);

    // The gateway by itself does not believe what it finds.
    brevet.restart(Part::Gateway).await.unwrap();
    cluster
        .eventually("the gateway to refuse", PATIENCE, async || {
            let status = pods(&open, &alice).await;
            assert_ne!(status, StatusCode::OK);
            (status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
        })
        .await;
    brevet.restart(Part::Controller).await.unwrap();
    ended(&cluster, &asked, Phase::Denied, "Unguarded").await;
    ended(&cluster, &open, Phase::Revoked, "Evidence").await;

    // Without its record a set of policies is a new one.
    let again = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    let records = Api::<ConfigMap>::namespaced(admin.clone(), "brevet-system");
    records.delete("admission-record", &DeleteParams::default()).await.unwrap();
    ended(&cluster, &again, Phase::Revoked, "Evidence").await;
    assert_ne!(record(&admin).await.uid(), before.uid());
}
