//! The author's tools for policies, as a pipeline runs them: no cluster, no kubeconfig, no home.
//!
//! Promises checked here: every policy of the guide does what its cases say; exit codes; what a
//! failing case is told with; unknown fields are refused with their path.
//!
//! Left out on purpose: what policies mean, which core's own tests say.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test: its panic is its failure

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A policy, and a test of three cases of which one is wrong on purpose.
const SHOP: &str = r#"
apiVersion: brevet.dev/v1alpha1
kind: AccessPolicy
metadata: {name: shop}
spec:
  rules:
  - name: on-call
    subjects: [{kind: Group, name: oncall}]
    roles: [view-logs]
    namespaces: {selector: {matchLabels: {tier: production}}}
    when: request.ticket.startsWith('INC-')
    effect: Approve
  - name: others
    subjects: [{kind: Group, name: developers}]
    roles: [view-logs, deploy]
    effect: RequireApproval
    approval: {stages: [{name: owners, approvers: [{kind: Group, name: owners}], required: 1}]}
---
apiVersion: test.brevet.dev/v1alpha1
kind: PolicyTest
given:
  people: {alice: {groups: [oncall]}, bob: {groups: [owners]}}
  namespaces: [{name: shop, labels: {tier: production}}]
when: {who: alice, role: view-logs, namespaces: [shop]}
cases:
- name: an incident
  when: {ticket: INC-1}
  expect: {effect: Approve, rule: on-call}
- name: no <incident> & "so on"
  expect: {effect: Approve, rule: on-call}
- name: an unknown place
  when: {namespaces: [bank]}
  expect: {effect: Deny, reason: NamespaceNotFound}
"#;

fn brevet(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-brevet"));
    command.arg("policy").args(words).env_clear().current_dir(folder).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn every_policy_of_the_guide_does_what_its_cases_say() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/policies.md");
    let guide = fs::read_to_string(guide).unwrap();
    let mut tried = 0;
    for section in guide.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        let blocks: Vec<&str> =
            section.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        if blocks.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "policy.yaml", &blocks.join("\n---\n"));
        let output = brevet(folder.path(), &["test", "policy.yaml"]);
        assert_eq!(output.status.code(), Some(0), "{title}: {}{}", out(&output), err(&output));
        assert!(!out(&output).contains("no case reached") && err(&output).is_empty(), "{title}: {}", out(&output));
        let output = brevet(folder.path(), &["lint", "policy.yaml"]);
        assert_eq!(output.status.code(), Some(0), "{title}: {}{}", out(&output), err(&output));
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} policies were found");
}

#[test]
fn a_case_that_comes_out_otherwise_is_told_with_what_came_close() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policies/shop.yaml", SHOP);
    let output = brevet(folder.path(), &["test", "policies", "--junit", "report.xml"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert_eq!(
        out(&output),
        "FAIL policies/shop.yaml (document 2): no <incident> & \"so on\"
     effect: expected Approve, got Deny
     rule: expected on-call, got none
     why: NoRule: no rule lets you have `view-logs` like this; see what comes close: kubectl brevet explain view-logs
     near: rule `on-call` of policy `shop`: its condition does not hold: request.ticket.startsWith('INC-')
     near: rule `others` of policy `shop`: it is for group `developers`

rules that no case reached:
  shop/others

2 of 3 cases as expected; 1 of 2 rules reached
"
    );
    let report = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert!(report.contains("<testsuites tests=\"3\" failures=\"1\">"), "{report}");
    assert!(report.contains("name=\"no &lt;incident&gt; &amp; &quot;so on&quot;\">\n      <failure"), "{report}");
    let output = brevet(folder.path(), &["test", "policies", "-o", "json"]);
    let report: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(report["cases"][1]["passed"], false);
    assert_eq!(report["rules"][0]["cases"], 1);
}

#[test]
fn what_no_server_would_take_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, says) in [
        ("effect: Approve\n", "efect: Approve\n", "AccessPolicy: spec.rules[0].efect is no field"),
        ("ticket: INC-1", "tickt: INC-1", "PolicyTest: cases[0].when.tickt is no field"),
        ("labels: {tier", "label: {tier", "PolicyTest: given.namespaces[0].label is no field"),
        ("effect: Deny,", "efect: Deny,", "PolicyTest: cases[2].expect.effect is missing"),
        ("effect: Deny,", "effect: Denied,", "is `Denied`, and should be one of Approve, RequireApproval"),
        (
            "matchLabels: {tier: production}",
            "matchLabels: {tier: 1}",
            "matchLabels.tier is a number, and should be text",
        ),
        ("who: alice", "who: mallory", "when.who nobody is called `mallory` under given.people"),
        ("NamespaceNotFound", "NoSuchThing", "expect.reason there is no reason `NoSuchThing`"),
        ("rules:\n", "priority: 5000\n  rules:\n", "spec.priority has 5000, and at most 1000 are allowed"),
        ("test.brevet.dev/v1alpha1", "brevet.dev/v1alpha1", "apiVersion of a PolicyTest is `test.brevet.dev/v1alpha1`"),
        ("cases:", "cases: [", "it is neither YAML nor JSON"),
        ("metadata: {name: shop}", "metadata: {}", "metadata.name is missing"),
    ] {
        assert!(SHOP.contains(from), "{from}");
        write(folder.path(), "shop.yaml", &SHOP.replacen(from, to, 1));
        let output = brevet(folder.path(), &["test", "shop.yaml"]);
        assert_eq!(output.status.code(), Some(2), "{to}: {}", out(&output));
        assert!(err(&output).contains(says), "{to}: {}", err(&output));
    }
    for (words, says) in [
        (&["test", "nowhere.yaml"][..], "cannot read `nowhere.yaml`"),
        (&["test", "."], "nothing to try"),
        (&["lint", "."], "nothing to look at"),
        (&["test"], "required"),
    ] {
        let empty = tempfile::tempdir().unwrap();
        let output = brevet(empty.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).contains(says), "{words:?}: {}", err(&output));
    }
}

#[test]
fn a_policy_that_is_not_accepted_denies_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "shop.yaml", &SHOP.replace("request.ticket.startsWith", "request.tiket.startsWith"));
    let output = brevet(folder.path(), &["test", "shop.yaml", "-o", "json"]);
    let report: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(report["cases"][0]["reason"], "PolicyNotAccepted");
    assert!(err(&output).contains("policy `shop` would not be accepted"), "{}", err(&output));
    let output = brevet(folder.path(), &["lint", "shop.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).starts_with("error: policy `shop`: spec.rules[0].when: 1:8: "), "{}", out(&output));
}

#[test]
fn a_linter_says_what_is_not_meant() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "shop.yaml", SHOP);
    assert_eq!(brevet(folder.path(), &["lint", "shop.yaml", "--strict"]).status.code(), Some(0));
    let wide = SHOP.replacen("roles: [view-logs]", "roles: [\"*\"]", 1);
    write(folder.path(), "shop.yaml", &wide);
    let output = brevet(folder.path(), &["lint", "shop.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(
        out(&output),
        "warning: policy `shop`, rule `on-call`, spec.rules[0].roles: `*` with Approve is every role there is and will be; name roles, or their risks\n1 policies: 0 errors, 1 warnings\n"
    );
    assert_eq!(brevet(folder.path(), &["lint", "shop.yaml", "--strict"]).status.code(), Some(1));
}

#[test]
fn a_difference_is_whose_outcome_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (policy, _) = SHOP.split_once("---\n").unwrap();
    write(folder.path(), "old.yaml", policy);
    write(folder.path(), "new.yaml", &policy.replace("INC-", "SEV-"));
    write(folder.path(), "cases.yaml", SHOP);
    let diff = |new: &str, more: &[&str]| brevet(folder.path(), &[&["diff", "old.yaml", new], more].concat());
    let output = diff("new.yaml", &["--requests", "cases.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert_eq!(
        out(&output),
        "cases.yaml (document 2): an incident: view-logs of alice
  - granted at once (shop/on-call)
  + denied: NoRule
1 outcomes change, 2 stay
"
    );
    assert_eq!(diff("old.yaml", &["--requests", "cases.yaml"]).status.code(), Some(0));

    // What `kubectl get accessrequests -o json` prints.
    let request = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [{
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest",
        "metadata": {"name": "view-logs-x", "uid": "u", "creationTimestamp": "2026-01-05T12:00:00Z"},
        "spec": {"requester": {"username": "alice", "groups": ["oncall"]}, "role": "view-logs",
                 "namespaces": ["shop"], "justification": "errors", "ticket": "INC-1"},
    }]});
    write(folder.path(), "requests.json", &request.to_string());
    let output = diff("new.yaml", &["--requests", "requests.json"]);
    assert_eq!(output.status.code(), Some(2), "labels were not to be seen: {}", out(&output));
    assert!(err(&output).contains("--with namespaces.json"), "{}", err(&output));
    let namespace =
        r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"tier": "production"}}}"#;
    write(folder.path(), "namespaces.json", namespace);
    let output = diff("new.yaml", &["--requests", "requests.json", "--with", "namespaces.json", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let changes: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(changes["changes"][0]["request"], "view-logs-x");
}
