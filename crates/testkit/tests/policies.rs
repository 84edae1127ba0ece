//! Policies on a real API server: who decides, how many it takes, and what ends when a rule changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use brevet_api::{AccessPolicy, AccessRequest, Phase, PolicyRule, Verdict};
use brevet_testkit::{Cluster, Options};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn policy(when: &str) -> AccessPolicy {
    serde_json::from_value(json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessPolicy", "metadata": {"name": "shop"},
        "spec": {"priority": 100, "rules": [
            {
                "name": "incident-logs", "subjects": [{"kind": "Group", "name": "developers"}], "roles": ["view-logs"],
                "namespaces": {"names": ["shop"]}, "when": when, "limits": {"maxDuration": "1h"}, "effect": "Approve",
            },
            {
                "name": "everyone-else", "subjects": [{"kind": "Group", "name": "developers"}], "roles": ["*"],
                "effect": "RequireApproval",
                "approval": {"stages": [
                    {"name": "owners", "approvers": [{"kind": "Group", "name": "shop-owners"}], "required": 1},
                    {"name": "security", "approvers": [{"kind": "Group", "name": "secops"}], "required": 1},
                ]},
            },
        ]},
    }))
    .unwrap()
}

fn asks(ticket: &str, duration: &str) -> Value {
    json!({ "role": "view-logs", "namespaces": ["shop"], "duration": duration, "ticket": ticket })
}

/// What the condition `Accepted` says of the policy as it is now: its status, and its message.
async fn accepted(cluster: &Cluster, api: &Api<AccessPolicy>) -> (String, String) {
    cluster
        .eventually("the policy to be judged", PATIENCE, async || {
            let policy = api.get("shop").await.ok()?;
            let said = policy.status?.conditions.into_iter().find(|condition| condition.type_ == "Accepted")?;
            (said.observed_generation == policy.metadata.generation).then_some((said.status, said.message))
        })
        .await
}

/// Edits the first rule; somebody may write the status meanwhile.
async fn rewrite(api: &Api<AccessPolicy>, edit: impl Fn(&mut PolicyRule)) {
    for _ in 0..5 {
        let mut policy = api.get("shop").await.unwrap();
        edit(&mut policy.spec.rules[0]);
        if api.replace("shop", &PostParams::default(), &policy).await.is_ok() {
            return;
        }
    }
    panic!("the policy changes all the time");
}

fn reason(request: &AccessRequest) -> &str {
    let conditions = &request.status.as_ref().unwrap().conditions;
    conditions.iter().find(|condition| condition.type_ == "Complete").map_or("", |condition| condition.reason.as_str())
}

fn stages(request: &AccessRequest) -> Vec<(String, usize)> {
    let stages = &request.status.as_ref().unwrap().stages;
    stages.iter().map(|stage| (stage.name.clone(), stage.approvals.len())).collect()
}

#[tokio::test]
async fn rules_decide_stages_are_filled_and_a_changed_rule_ends_what_it_gave() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let api = Api::<AccessPolicy>::all(cluster.admin().await.unwrap());
    api.create(&PostParams::default(), &policy("request.ticket.startsWith('INC-')")).await.unwrap();
    assert_eq!(accepted(&cluster, &api).await, ("True".to_owned(), "it decides".to_owned()));

    // At once, by the rule.
    let incident = cluster.ask("alice", asks("INC-1", "30m")).await.unwrap();
    let request = incident.phase(Phase::Active).await.unwrap();
    let by = request.status.as_ref().unwrap().policy.clone().unwrap();
    assert_eq!((by.name.as_str(), by.rule.as_str()), ("shop", "incident-logs"));
    let seen = incident.holder().unwrap().kubectl(&["-n", "shop", "get", "pods"]).await.unwrap();
    assert!(seen.success(), "{seen:?}");

    // A limit of the rule that decides refuses.
    let long = cluster.ask("alice", asks("INC-1", "2h")).await.unwrap();
    assert_eq!(reason(&long.phase(Phase::Denied).await.unwrap()), "DurationTooLong");

    // Without a ticket: two stages, each by its own people.
    let plain = cluster.ask("alice", asks("OTHER-1", "30m")).await.unwrap();
    plain.decide("bob", Verdict::Approve).await.unwrap();
    let half =
        plain.until("to have its owner", PATIENCE, |r| stages(r).contains(&("owners".to_owned(), 1))).await.unwrap();
    assert_eq!(half.status.as_ref().unwrap().phase, Some(Phase::Pending));
    assert_eq!(stages(&half), [("owners".to_owned(), 1), ("security".to_owned(), 0)]);
    plain.decide("carol", Verdict::Approve).await.unwrap();
    plain.phase(Phase::Active).await.unwrap();
    assert_eq!(plain.grant().await.unwrap().spec.approvals.len(), 2);
    less_is_approved(&cluster).await;

    // The rule that gave it says something else: it ends; what the other rule gave stays.
    rewrite(&api, |rule| rule.limits.as_mut().unwrap().max_duration = Some("45m".to_owned())).await;
    assert_eq!(reason(&incident.phase(Phase::Revoked).await.unwrap()), "Drift");
    assert_eq!(plain.request().await.unwrap().status.unwrap().phase, Some(Phase::Active));

    // A condition of no sense: told with its place, and what the rules match is denied.
    rewrite(&api, |rule| rule.when = Some("request.tiket == ''".to_owned())).await;
    let (status, message) = accepted(&cluster, &api).await;
    assert_eq!(status, "False");
    assert!(message.contains("spec.rules[0].when: 1:8: there is no field `tiket`"), "{message}");
    let refused = cluster.ask("alice", asks("INC-1", "30m")).await.unwrap();
    assert_eq!(reason(&refused.phase(Phase::Denied).await.unwrap()), "PolicyNotAccepted");
}

/// Carol approves less than was asked for, with the plugin: what bob approved lapses, and what both
/// attest is what comes into force.
async fn less_is_approved(cluster: &Cluster) {
    let asked = cluster.ask("alice", asks("OTHER-2", "30m")).await.unwrap();
    let done = async |who: &str, more: &[&str]| {
        let words = [&["approve", asked.name(), "--yes", "--timeout", "60s"], more].concat();
        let output = cluster.plugin(who, &words).await.unwrap();
        assert!(output.success(), "{who} {more:?}: {output:?}");
        output
    };
    let first = done("bob", &[]).await;
    assert!(first.stdout.ends_with(", 1 of 2\n"), "{first:?}");
    assert!(first.stderr.contains("still needed: 1 of security"), "{first:?}");

    let less = done("carol", &["--narrow-for", "10m", "--narrow-pod", "web-1"]).await;
    assert!(less.stderr.contains("Narrowed    by you: for `10m` instead of `30m`; only "), "{less:?}");
    assert!(less.stdout.ends_with(", 1 of 2\n"), "{less:?}");
    let half = asked.request().await.unwrap();
    assert_eq!(stages(&half), [("owners".to_owned(), 0), ("security".to_owned(), 1)]);
    let status = half.status.unwrap();
    assert_eq!((status.phase, status.terms.unwrap().duration.as_str()), (Some(Phase::Pending), "10m"));
    let shown = cluster.plugin("alice", &["get", asked.name()]).await.unwrap().stdout;
    assert!(shown.contains("Narrowed    narrowed by `carol`: for `10m` instead of `30m`; only "), "{shown}");

    done("bob", &[]).await;
    asked.phase(Phase::Active).await.unwrap();
    let grant = asked.grant().await.unwrap().spec;
    assert_eq!((grant.terms.duration.as_str(), grant.approvals.len()), ("10m", 2));
    assert_eq!((grant.not_after.0 - grant.not_before.0).get_seconds(), 600);
    let holder = asked.holder().unwrap();
    let named = holder.kubectl(&["-n", "shop", "get", "pod", "web-1"]).await.unwrap();
    assert!(named.success(), "{named:?}");
    let all = holder.kubectl(&["-n", "shop", "get", "pods"]).await.unwrap();
    assert!(!all.success() && all.stderr.contains("does not allow"), "{all:?}");
}
