//! Policies as their author meets them: what the schema takes, what it refuses and in which words, and
//! who may touch them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod admit;

use admit::{Attempt, Caller, with};
use brevet_testkit::{Cluster, Options};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const POLICIES: &str = "/apis/brevet.dev/v1alpha1/accesspolicies";

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async { Cluster::start(Options { no_server: true, ..Options::default() }).await.unwrap() })
        .await
}

fn rule(patch: Value) -> Value {
    let rule = json!({
        "name": "everyone-else", "subjects": [{"kind": "Group", "name": "developers"}], "roles": ["*"],
        "effect": "RequireApproval",
        "approval": {"timeout": "1h", "stages": [
            {"name": "owners", "approvers": [{"kind": "Group", "name": "shop-owners"}], "required": 1},
            {"name": "security", "approvers": [{"kind": "Group", "name": "secops"}], "required": 2},
        ]},
    });
    with(rule, patch)
}

fn policy(rules: Value) -> Value {
    json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessPolicy", "metadata": {"name": "shop"},
        "spec": {"priority": 100, "rules": rules},
    })
}

fn writes(patch: Value) -> Attempt {
    Attempt::create(POLICIES, policy(json!([rule(patch)])))
}

#[tokio::test]
async fn the_policy_of_the_design_is_taken() {
    let admin = Caller::user(cluster().await, "admin").await;
    let on_call = json!({
        "name": "on-call-logs", "subjects": [{"kind": "Group", "name": "shop-oncall"}], "roles": ["view-logs", "debug-pod"],
        "namespaces": {"names": ["shop", "shop-*"], "selector": {"matchLabels": {"tier": "production"}}},
        "when": "request.urgency in ['High', 'Critical'] && request.ticket.startsWith('INC-')",
        "schedule": {"timeZone": "Europe/Berlin", "weekdays": ["Mon", "Tue"], "from": "08:00", "to": "20:00"},
        "limits": {"maxDuration": "1h", "maxActive": 2, "cooldown": "10m"},
        "effect": "Approve",
    });
    admin.accepts(Attempt::create(POLICIES, policy(json!([on_call, rule(json!({}))])))).await;
}

#[tokio::test]
async fn a_policy_that_contradicts_itself_is_refused() {
    let admin = Caller::user(cluster().await, "admin").await;
    for (patch, why) in [
        (json!({"approval": null}), "effect RequireApproval needs an approval"),
        (json!({"effect": "Approve"}), "only effect RequireApproval has an approval"),
        (json!({"effect": "BreakGlass", "approval": null}), "effect BreakGlass needs a review"),
        (json!({"review": {"within": "1d"}}), "only effect BreakGlass has a review"),
        (json!({"limits": {"maxUnreviewed": 1}}), "only effect BreakGlass is reviewed"),
        (json!({"message": "no"}), "only effect Deny has a message"),
        (json!({"effect": "Deny", "approval": null, "limits": {"maxActive": 1}}), "effect Deny has no limits"),
        (json!({"subjects": []}), "spec.rules[0].subjects"),
        (json!({"roles": []}), "spec.rules[0].roles"),
        (json!({"effect": "Allow"}), "Unsupported value: \"Allow\""),
        (json!({"subjects": [{"kind": "ServiceAccount", "name": "x"}]}), "a ServiceAccount has a namespace"),
        (json!({"namespaces": {"names": ["sh*p"]}}), "spec.rules[0].namespaces.names[0]"),
        (json!({"schedule": {"timeZone": "UTC", "from": "08:00"}}), "from and to come together"),
        (json!({"schedule": {"timeZone": "UTC", "from": "8", "to": "9"}}), "spec.rules[0].schedule.from"),
        (json!({"limits": {"maxDuration": "1 hour"}}), "spec.rules[0].limits.maxDuration"),
        (json!({"approval": {"stages": []}}), "spec.rules[0].approval.stages"),
        (json!({"approval": {"stages": [{"name": "a", "required": 0}]}}), "should be greater than or equal to 1"),
        (json!({"approval": {"stages": [{"name": "a", "required": 1, "approvers": []}]}}), "stages[0].approvers"),
        (
            json!({"approval": {"stages": [{"name": "a", "required": 1, "escalateAfter": "1h"}]}}),
            "escalateAfter and escalateTo come",
        ),
    ] {
        admin.rejects(writes(patch), why).await;
    }
    let twice = policy(json!([rule(json!({})), rule(json!({}))]));
    admin.rejects(Attempt::create(POLICIES, twice), "Duplicate value").await;
}

#[tokio::test]
async fn policies_are_their_authors_and_their_status_the_controllers() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    for person in ["alice", "bob", "mallory"] {
        let person = Caller::user(cluster, person).await;
        person.rejects(Attempt::read(POLICIES), "cannot list resource").await;
        person.rejects(writes(json!({})), "cannot create resource").await;
    }
    let kept = with(policy(json!([rule(json!({"roles": ["none"]}))])), json!({"metadata": {"name": "kept"}}));
    admin.accepts(Attempt::create(POLICIES, kept).really()).await;
    let status = json!({"status": {"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted",
        "message": "", "lastTransitionTime": "2026-11-24T10:00:00Z"}]}});
    let path = format!("{POLICIES}/kept/status");
    admin
        .rejects(Attempt::patch(&path, status.clone()), "only Brevet's controller writes status of accesspolicies")
        .await;
    let controller = Caller::user(cluster, "controller").await;
    controller.accepts(Attempt::patch(&path, status)).await;
}

#[tokio::test]
async fn switches_are_for_administrators_and_say_what_they_do() {
    const SWITCHES: &str = "/apis/brevet.dev/v1alpha1/accessswitches";
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let switch = |name: &str, spec: Value| {
        let object = json!({"apiVersion": "brevet.dev/v1alpha1", "kind": "AccessSwitch", "metadata": {"name": name}, "spec": spec});
        Attempt::create(SWITCHES, object)
    };
    admin.accepts(switch("cluster", json!({"suspend": true, "endActive": true, "reason": "INC-42"}))).await;
    admin.rejects(switch("all", json!({"suspend": true})), "the one object is named cluster").await;
    admin.rejects(switch("cluster", json!({"suspend": false, "endActive": true})), "endActive goes with suspend").await;
    admin.rejects(switch("cluster", json!({})), "spec.suspend: Required value").await;
    for person in ["alice", "bob", "carol", "mallory", "controller", "gateway"] {
        let person = Caller::user(cluster, person).await;
        person.rejects(switch("cluster", json!({"suspend": true})), "cannot create resource").await;
    }
    let people = |usernames: Value| {
        Attempt::create(
            POLICIES,
            with(policy(json!([rule(json!({}))])), json!({"spec": {"people": [{"usernames": usernames}]}})),
        )
    };
    admin.accepts(people(json!(["alice", "adm-alice"]))).await;
    admin.rejects(people(json!(["alice"])), "spec.people[0].usernames").await;
    let suspended = with(policy(json!([rule(json!({}))])), json!({"spec": {"endActive": true}}));
    admin.rejects(Attempt::create(POLICIES, suspended), "endActive goes with suspend").await;
}
