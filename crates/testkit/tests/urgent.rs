//! When it is urgent, on a real API server: glass is broken and reviewed, and everything is stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use brevet_api::{AccessPolicy, AccessRequest, AccessRole, AccessSwitch, AccessSwitchSpec, Phase, Verdict};
use brevet_testkit::{Cluster, Elevation, Options};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn policy() -> AccessPolicy {
    let rule = |more: Value| {
        let mut rule = json!({"subjects": [{"kind": "Group", "name": "developers"}], "roles": ["view-logs"]});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    serde_json::from_value(json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessPolicy", "metadata": {"name": "night"},
        "spec": {"rules": [
            rule(json!({
                "name": "glass", "effect": "BreakGlass", "limits": {"maxDuration": "30m", "maxUnreviewed": 1},
                "review": {"within": "1d", "reviewers": [{"kind": "Group", "name": "secops"}]},
            })),
            rule(json!({
                "name": "people", "effect": "RequireApproval",
                "approval": {"stages": [
                    {"name": "owners", "approvers": [{"kind": "Group", "name": "shop-owners"}], "required": 1},
                ]},
            })),
        ]},
    }))
    .unwrap()
}

async fn asks<'c>(cluster: &'c Cluster, urgency: &str) -> Elevation<'c> {
    let spec = json!({"role": "view-logs", "namespaces": ["shop"], "duration": "20m", "urgency": urgency});
    cluster.ask("alice", spec).await.unwrap()
}

fn said<'r>(request: &'r AccessRequest, kind: &str) -> (&'r str, &'r str) {
    let conditions = &request.status.as_ref().unwrap().conditions;
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or(("", ""), |condition| (condition.reason.as_str(), condition.message.as_str()))
}

/// Carol's name as reviewer, once the request has one.
async fn reviewer(asked: &Elevation<'_>) -> String {
    let has = |request: &AccessRequest| {
        request.status.as_ref().and_then(|status| status.review.as_ref()).is_some_and(|review| review.by.is_some())
    };
    let request = asked.until("to be reviewed", PATIENCE, has).await.unwrap();
    request.status.unwrap().review.unwrap().by.unwrap().approver
}

#[tokio::test]
async fn glass_is_broken_reviewed_and_everything_can_be_stopped() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let admin = cluster.admin().await.unwrap();
    Api::<AccessPolicy>::all(admin.clone()).create(&PostParams::default(), &policy()).await.unwrap();
    breaks_glass(&cluster).await;
    everything_stops(&cluster).await;
    a_role_or_a_policy_stops(&cluster).await;
    many_are_revoked(&cluster).await;
}

/// At once, without those who would have been asked, and once more only after a review by another.
async fn breaks_glass(cluster: &Cluster) {
    let glass = asks(cluster, "Critical").await;
    let request = glass.phase(Phase::Active).await.unwrap();
    assert_eq!(request.status.as_ref().unwrap().policy.as_ref().unwrap().rule, "glass");
    let (reason, message) = said(&request, "ReviewDue");
    assert_eq!(reason, "GlassBroken");
    assert!(message.contains("nobody was asked of 1 of group `shop-owners` (stage `owners`)"), "{message}");
    assert!(message.contains("group `secops` reviews it until "), "{message}");

    let listed = cluster.plugin("carol", &["list", "--reviewable"]).await.unwrap();
    assert!(listed.stdout.contains(glass.name()) && listed.stdout.contains("Active (review due)"), "{listed:?}");

    // One unreviewed at a time, by the rule's limit.
    let again = asks(cluster, "Critical").await.phase(Phase::Denied).await.unwrap();
    assert_eq!(said(&again, "Complete").0, "LimitReached");
    let words = ["explain", "view-logs", "-n", "shop", "--urgency", "critical", "--for", "20m"];
    let explained = cluster.plugin("alice", &words).await.unwrap();
    assert!(format!("{explained:?}").contains("broken glass wait for a review"), "{explained:?}");

    // Nobody reviews their own, and bob is none of those whom the rule names.
    let own = cluster.plugin("alice", &["review", glass.name(), "--yes"]).await.unwrap();
    assert!(own.status == 1 && own.stderr.contains("SelfApproval"), "{own:?}");
    let forced = format!("{:?}", glass.decide("alice", Verdict::Review).await.unwrap_err());
    assert!(forced.contains("nobody reviews their own access"), "{forced}");
    glass.decide("bob", Verdict::Review).await.unwrap();

    let reviewed = cluster
        .plugin("carol", &["review", glass.name(), "--yes", "--comment", "as told", "--timeout", "60s"])
        .await
        .unwrap();
    assert_eq!(reviewed.stdout, format!("reviewed: {}, by carol\n", glass.name()), "{reviewed:?}");
    assert!(reviewed.stderr.contains("Skipped     1 of group `shop-owners` (stage `owners`)"), "{reviewed:?}");
    assert_eq!(reviewer(&glass).await, "carol");
    assert_eq!(said(&glass.request().await.unwrap(), "ReviewDue").1, "reviewed by `carol`: as told");
    let twice = cluster.plugin("carol", &["review", glass.name(), "--yes"]).await.unwrap();
    assert!(twice.status == 1 && twice.stderr.contains("carol has reviewed it"), "{twice:?}");

    asks(cluster, "Critical").await.phase(Phase::Active).await.unwrap();
}

fn switch(name: &str, end_active: bool) -> AccessSwitch {
    AccessSwitch::new(name, AccessSwitchSpec { suspend: true, end_active, reason: "a drill".to_owned() })
}

/// The switch for the whole cluster: nothing begins, what is active ends, open streams are cut.
async fn everything_stops(cluster: &Cluster) {
    let switches = Api::<AccessSwitch>::all(cluster.admin().await.unwrap());
    let create = async |name: &str, ends| switches.create(&PostParams::default(), &switch(name, ends)).await;
    let other = create("other", true).await.unwrap_err().to_string();
    assert!(other.contains("the one object is named cluster"), "{other}");

    let asked = asks(cluster, "Normal").await;
    asked.decide("bob", Verdict::Approve).await.unwrap();
    asked.phase(Phase::Active).await.unwrap();
    let holder = asked.holder().unwrap();
    let throw = async {
        // The watch has begun once the gateway has let a call through after it.
        let seen = holder.kubectl(&["-n", "shop", "get", "pods"]).await.unwrap();
        assert!(seen.success(), "{seen:?}");
        create("cluster", true).await.unwrap();
    };
    let watch = tokio::time::timeout(PATIENCE, holder.kubectl(&["-n", "shop", "get", "pods", "-w"]));
    let (watched, ()) = tokio::join!(watch, throw);
    drop(watched.expect("the open watch was not cut"));
    let ended = asked.phase(Phase::Revoked).await.unwrap();
    assert_eq!(said(&ended, "Complete"), ("Suspended", "access is suspended in the whole cluster (a drill)"));
    let refused = holder.kubectl(&["-n", "shop", "get", "pods"]).await.unwrap();
    assert!(!refused.success() && refused.stderr.contains("was suspended"), "{refused:?}");

    let refused = asks(cluster, "Normal").await.phase(Phase::Denied).await.unwrap();
    assert_eq!(said(&refused, "Complete").0, "Suspended");
    let explained = cluster.plugin("alice", &["explain", "view-logs", "-n", "shop"]).await.unwrap();
    assert!(format!("{explained:?}").contains("a drill"), "{explained:?}");
    switches.delete("cluster", &DeleteParams::default()).await.unwrap();
}

/// Alice's access to logs, given by bob once nothing is suspended any more.
async fn given(cluster: &Cluster) -> Elevation<'_> {
    cluster
        .eventually("access to be given again", PATIENCE, async || {
            let asked = asks(cluster, "Normal").await;
            let is_pending = |request: &AccessRequest| {
                let status = request.status.as_ref();
                status.is_some_and(|status| status.phase.is_some())
            };
            let request = asked.until("to be looked at", PATIENCE, is_pending).await.ok()?;
            if request.status?.phase != Some(Phase::Pending) {
                return None;
            }
            asked.decide("bob", Verdict::Approve).await.ok()?;
            asked.phase(Phase::Active).await.ok()?;
            Some(asked)
        })
        .await
}

/// A role that is suspended is given to nobody; whoever has it loses it only if it says so.
async fn a_role_or_a_policy_stops(cluster: &Cluster) {
    let client = cluster.admin().await.unwrap();
    let (roles, policies) = (Api::<AccessRole>::all(client.clone()), Api::<AccessPolicy>::all(client));
    let patch = |spec: Value| Patch::Merge(json!({ "spec": spec }));
    let params = PatchParams::default();
    let contradiction = roles.patch("view-logs", &params, &patch(json!({"endActive": true}))).await.unwrap_err();
    assert!(contradiction.to_string().contains("endActive goes with suspend"), "{contradiction}");

    let kept = given(cluster).await;
    roles.patch("view-logs", &params, &patch(json!({"suspend": true}))).await.unwrap();
    let refused = asks(cluster, "Normal").await.phase(Phase::Denied).await.unwrap();
    assert!(said(&refused, "Complete").1.contains("the role `view-logs` is suspended"), "{refused:?}");
    assert_eq!(kept.request().await.unwrap().status.unwrap().phase, Some(Phase::Active));
    roles.patch("view-logs", &params, &patch(json!({"endActive": true}))).await.unwrap();
    let ended = kept.phase(Phase::Revoked).await.unwrap();
    assert_eq!(said(&ended, "Complete"), ("Suspended", "the role `view-logs` is suspended"));
    roles.patch("view-logs", &params, &patch(json!({"suspend": false, "endActive": false}))).await.unwrap();

    let kept = given(cluster).await;
    policies.patch("night", &params, &patch(json!({"suspend": true, "endActive": true}))).await.unwrap();
    let ended = kept.phase(Phase::Revoked).await.unwrap();
    assert_eq!(said(&ended, "Complete"), ("Suspended", "the policy `night` is suspended"));
    policies.patch("night", &params, &patch(json!({"suspend": false, "endActive": false}))).await.unwrap();
}

/// Everybody concerned is shown, and each end reported.
async fn many_are_revoked(cluster: &Cluster) {
    let (one, other) = (given(cluster).await, given(cluster).await);
    let words = ["revoke", "--user", "alice", "--role", "view-logs", "--policy", "night", "-n", "shop"];
    let unasked = cluster.plugin("carol", &words).await.unwrap();
    assert!(unasked.status == 2 && unasked.stderr.contains("--yes"), "{unasked:?}");
    let nobody = cluster.plugin("carol", &["revoke", "--user", "bob", "--yes"]).await.unwrap();
    assert!(nobody.success() && nobody.stderr.contains("nobody holds such an access"), "{nobody:?}");
    let done = cluster.plugin("carol", &[&words[..], &["--yes"]].concat()).await.unwrap();
    assert!(done.success(), "{done:?}");
    for ended in [&one, &other] {
        assert!(done.stderr.contains(ended.name()), "who is affected is shown: {done:?}");
        assert!(done.stdout.contains(&format!("revoked: {}\n", ended.name())), "{done:?}");
        assert_eq!(said(&ended.phase(Phase::Revoked).await.unwrap(), "Complete").0, "Revoked");
    }
}
