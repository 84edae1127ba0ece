//! I4, I5: whose word counts, for what, and that no word moves a deadline.

use brevet_api::{AccessDecision, Phase, Verdict};
use brevet_testkit::Cluster;
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::{ended, logs, reason};

#[tokio::test]
async fn an_approval_of_other_terms_counts_for_nothing() {
    let cluster = Cluster::shared().await;
    let elevation = cluster.ask("alice", logs("shop", "1h")).await.unwrap();
    let request = elevation.phase(Phase::Pending).await.unwrap();
    let bob = cluster.user("bob").client().await.unwrap();
    let wrong: AccessDecision = serde_json::from_value(json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessDecision",
        "metadata": { "generateName": "wrong-" },
        "spec": {
            "verdict": "Approve",
            "request": { "name": elevation.name(), "uid": elevation.uid() },
            "terms": {
                "digest": format!("sha256:{}", "0".repeat(64)), "role": request.spec.role,
                "namespaces": request.spec.namespaces, "requester": "alice",
            },
            "approver": { "username": "bob", "groups": ["shop-owners", "system:authenticated"] },
        },
    }))
    .unwrap();
    Api::<AccessDecision>::all(bob).create(&PostParams::default(), &wrong).await.unwrap();
    // The controller works in order for one request: when it has heeded the denial, it had seen the approval.
    elevation.decide("carol", Verdict::Deny).await.unwrap();
    let request = elevation.phase(Phase::Denied).await.unwrap();
    assert_eq!(reason(&request), "DeniedByPerson");
    assert!(elevation.grant().await.is_err());
}

#[tokio::test]
async fn a_lie_about_the_requester_does_not_make_a_self_approval_count() {
    let cluster = Cluster::shared().await;
    // Carol may approve everywhere, so admission lets her lie pass: it cannot see the request.
    let elevation = cluster.ask("carol", logs("shop", "1h")).await.unwrap();
    let request = elevation.phase(Phase::Pending).await.unwrap();
    let digest = request.status.unwrap().terms.unwrap().digest;
    let carol = cluster.user("carol").client().await.unwrap();
    let lie: AccessDecision = serde_json::from_value(json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessDecision",
        "metadata": { "generateName": "lie-" },
        "spec": {
            "verdict": "Approve",
            "request": { "name": elevation.name(), "uid": elevation.uid() },
            "terms": { "digest": digest, "role": "view-logs", "namespaces": ["shop"], "requester": "mallory" },
            "approver": { "username": "carol", "groups": ["secops", "system:authenticated"] },
        },
    }))
    .unwrap();
    Api::<AccessDecision>::all(carol).create(&PostParams::default(), &lie).await.unwrap();
    elevation.decide("carol", Verdict::Withdraw).await.unwrap();
    let request = elevation.phase(Phase::Withdrawn).await.unwrap();
    assert_eq!(reason(&request), "Withdrawn");
    assert!(elevation.grant().await.is_err());
}

#[tokio::test]
async fn more_approvals_do_not_move_the_deadline() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let elevation = cluster.approved("alice", "carol", logs(&namespace, "10s")).await.unwrap();
    let before = elevation.grant().await.unwrap();
    elevation.decide("carol", Verdict::Approve).await.unwrap();
    elevation.decide("carol", Verdict::Approve).await.unwrap();
    ended(cluster, &elevation, Phase::Expired, "Expired").await;
    let after = elevation.grant().await.unwrap();
    assert_eq!((after.metadata.uid, after.spec), (before.metadata.uid, before.spec));
}

#[tokio::test]
async fn an_approved_start_is_waited_for_and_may_be_withdrawn() {
    let cluster = Cluster::shared().await;
    let start = "2099-01-01T00:00:00Z";
    let far = json!({ "role": "view-logs", "namespaces": ["shop"], "duration": "1h", "startAt": start });
    let elevation = cluster.ask("alice", far).await.unwrap();
    assert_eq!(reason(&elevation.phase(Phase::Denied).await.unwrap()), "StartOutOfRange");

    let now = elevation.request().await.unwrap().metadata.creation_timestamp.unwrap().0;
    let start = (now + jiff::SignedDuration::from_hours(1)).to_string();
    let near = json!({ "role": "view-logs", "namespaces": ["shop"], "duration": "1h", "startAt": start });
    let elevation = cluster.ask("alice", near).await.unwrap();
    elevation.decide("bob", Verdict::Approve).await.unwrap();
    elevation.phase(Phase::Approved).await.unwrap();
    let grant = elevation.grant().await.unwrap();
    assert_eq!(grant.spec.not_before.0.to_string(), start);
    assert!(grant.status.is_none_or(|status| status.identity.is_none()), "nothing is made before the beginning");
    elevation.decide("alice", Verdict::Withdraw).await.unwrap();
    ended(cluster, &elevation, Phase::Withdrawn, "Withdrawn").await;
}

#[tokio::test]
async fn a_request_that_cannot_be_granted_is_refused_with_its_field() {
    let cluster = Cluster::shared().await;
    let refused = async |spec| {
        let elevation = cluster.ask("alice", spec).await.unwrap();
        let request = elevation.phase(Phase::Denied).await.unwrap();
        let conditions = request.status.clone().unwrap().conditions;
        let message = conditions.into_iter().find(|condition| condition.type_ == "Denied").unwrap().message;
        (reason(&request).to_owned(), message)
    };
    let view = |namespace: &str, duration: &str| logs(namespace, duration);
    for (spec, why, field) in [
        (json!({ "role": "nope", "namespaces": ["shop"] }), "RoleNotFound", "spec.role"),
        (view("nope", "1m"), "NamespaceNotFound", "spec.namespaces"),
        (view("kube-system", "1m"), "NamespaceForbidden", "spec.namespaces"),
        (view("brevet-elevations", "1m"), "NamespaceForbidden", "spec.namespaces"),
        (view("shop", "20h"), "DurationTooLong", "spec.duration"),
        (json!({ "role": "view-secrets", "namespaces": ["shop"] }), "NamesRequired", "spec.resources"),
        (
            json!({ "role": "view-logs", "namespaces": ["shop"], "delivery": "Token" }),
            "DeliveryUnavailable",
            "spec.delivery",
        ),
        (
            json!({ "role": "view-logs", "namespaces": ["shop"], "resources": [{ "apiGroup": "", "resource": "gizmos" }] }),
            "ResourceUnknown",
            "spec.resources",
        ),
    ] {
        let (reason, message) = refused(spec).await;
        assert_eq!(reason, why);
        assert!(message.starts_with(field), "{message}");
    }
}
