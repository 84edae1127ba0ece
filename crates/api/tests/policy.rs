//! A policy crosses the border: read whole, or faulty and then matching more, never less.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use brevet_api::AccessPolicy;
use brevet_api::border::policy;
use brevet_core::policy::{Effect, Policy};
use serde_json::{Value, json};

fn read(rules: Value) -> Policy {
    let object: AccessPolicy = serde_json::from_value(json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessPolicy",
        "metadata": {"name": "shop", "uid": "u1", "generation": 3, "creationTimestamp": "2026-11-24T10:00:00Z"},
        "spec": {"priority": 100, "rules": rules},
    }))
    .unwrap();
    policy(&object, |when| when.contains("oops").then(|| "1:1: there is no `oops`".to_owned())).unwrap()
}

fn rule(patch: Value) -> Value {
    let mut rule = json!({
        "name": "on-call", "subjects": [{"kind": "Group", "name": "shop-oncall"}], "roles": ["view-logs"], "effect": "Approve",
    });
    rule.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    json!([rule])
}

#[test]
fn the_policy_of_the_design_is_read_whole() {
    let policy = read(json!([
        {
            "name": "on-call-logs",
            "subjects": [{"kind": "Group", "name": "shop-oncall"}],
            "roles": ["view-logs", "debug-pod"],
            "namespaces": {"names": ["shop", "shop-*"], "selector": {"matchLabels": {"tier": "production"}}},
            "when": "request.urgency in ['High', 'Critical'] && request.ticket.startsWith('INC-')",
            "schedule": {"timeZone": "Europe/Berlin", "weekdays": ["Mon", "Tue"], "from": "08:00", "to": "20:00"},
            "limits": {"maxDuration": "1h", "maxActive": 2, "cooldown": "10m"},
            "effect": "Approve",
        },
        {
            "name": "everyone-else",
            "subjects": [{"kind": "Group", "name": "developers"}],
            "roles": ["*"],
            "effect": "RequireApproval",
            "approval": {"timeout": "1h", "stages": [
                {"name": "owners", "approvers": [{"kind": "Group", "name": "shop-owners"}], "required": 1},
                {"name": "security", "approvers": [{"kind": "Group", "name": "secops"}], "required": 2},
            ]},
        },
    ]));
    assert_eq!(policy.fault, None);
    assert_eq!((policy.priority, policy.generation), (100, 3));
    let schedule = policy.rules[0].schedule.as_ref().unwrap();
    assert_eq!(schedule.to_string(), "Mon,Tue 08:00-20:00 (Europe/Berlin)");
    let Effect::RequireApproval(approval) = &policy.rules[1].effect else { unreachable!() };
    assert_eq!(
        approval.to_string(),
        "1 of group `shop-owners` (stage `owners`) and 2 of group `secops` (stage `security`)"
    );
}

#[test]
fn what_cannot_be_read_is_a_fault_with_its_path_and_matches_more() {
    let schedule = |patch: Value| {
        let mut block = json!({"timeZone": "UTC"});
        block.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        rule(json!({"schedule": block}))
    };
    for (rules, fault) in [
        (
            rule(json!({"effect": "BreakGlass", "review": {"within": "1d"}})),
            "spec.rules[0].limits.maxDuration: is missing; broken glass takes a cap",
        ),
        (
            rule(
                json!({"effect": "BreakGlass", "roles": ["*"], "review": {"within": "1d"}, "limits": {"maxDuration": "1h"}}),
            ),
            "spec.rules[0].roles: `*` is every role",
        ),
        (rule(json!({"when": "oops"})), "spec.rules[0].when: 1:1: there is no `oops`"),
        (
            schedule(json!({"timeZone": "Mars/Base"})),
            "spec.rules[0].schedule.timeZone: there is no time zone `Mars/Base`",
        ),
        (schedule(json!({"from": "08:00", "to": "25:00"})), "spec.rules[0].schedule: `08:00` to `25:00`"),
        (schedule(json!({"freezes": [{"from": "2026-12-24", "to": "2026-12-01"}]})), "spec.rules[0].schedule.freezes"),
        (rule(json!({"namespaces": {"names": ["shop", "sh*p"]}})), "spec.rules[0].namespaces.names: in `sh*p`"),
        (rule(json!({"limits": {"maxDuration": "40d"}})), "spec.rules[0].limits.maxDuration"),
        (rule(json!({"subjects": [{"kind": "Group", "name": "system:authenticated"}]})), "spec.rules[0].subjects"),
    ] {
        let policy = read(rules);
        let told = policy.fault.unwrap_or_default();
        assert!(told.starts_with(fault), "{told}");
        assert_eq!(policy.rules[0].schedule, None);
        assert!(policy.rules[0].namespaces.as_ref().is_none_or(|wanted| wanted.names.is_empty()));
    }
}

#[test]
fn a_service_account_is_named_by_its_namespace_too() {
    let policy = read(rule(json!({"subjects": [{"kind": "ServiceAccount", "namespace": "ci", "name": "deployer"}]})));
    assert_eq!(policy.rules[0].subjects[0].to_string(), "service account `ci/deployer`");
}
