//! Policies that somebody wrote to do harm: nothing falls over, and nothing is granted by an error.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use brevet_api::{AccessPolicy, AccessRequest, border};
use brevet_cel::Library;
use brevet_core::lifecycle::question;
use brevet_core::policy::{Policies, Policy, PolicyRequest, Ruling, evaluate};
use brevet_core::request::{self, Request};
use brevet_core::role::Risk;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::document::parse;
use super::material::Material;
use super::setting::Setting;

/// The longest that one answer may take, in a debug build on a machine with other work; the guard's
/// bound on cost is what keeps it.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Text that looks like a condition, mostly nonsense, some of it nested.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "-1",
        "9223372036854775807",
        "'a'",
        "null",
        "true",
        "false",
        "2u",
        "[]",
        "{}",
        "now",
        "request.ticket",
        "request.duration",
        "request.requester.groups",
        "request.labels",
        "request.resources",
        "role.risk",
        "a",
        "'(a+)+$'",
        "duration('1h')",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 48, 3, |inner| {
        let sign = prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", "&&", "||", "in"]);
        let call =
            prop::sample::select(vec![".size()", ".startsWith('a')", ".matches('(a+)+$')", "[0]", "['a']", ".x"]);
        let repeat = prop::sample::select(vec!["all", "exists", "map", "filter"]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            (inner.clone(), call).prop_map(|(a, call)| format!("{a}{call}")),
            (inner.clone(), repeat, inner.clone()).prop_map(|(a, word, b)| format!("{a}.{word}(a, {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner, 1_usize..400).prop_map(|(a, times)| format!("{}{a}{}", "(".repeat(times), ")".repeat(times))),
        ]
    })
}

fn policy() -> impl Strategy<Value = AccessPolicy> {
    let text = || prop_oneof![3 => "[a-z*-]{0,8}", 1 => "\\PC{0,12}"];
    let effect = prop::sample::select(vec!["Approve", "RequireApproval", "BreakGlass", "Deny"]);
    let when = prop::option::of(prop_oneof![4 => condition(), 1 => text()]);
    let rule = (text(), prop::sample::select(vec!["developers", "others"]), text(), text(), when, effect, any::<u8>());
    let rules = prop::collection::vec(rule, 0..6);
    (rules, -9_i32..9).prop_map(|(rules, priority)| {
        let rules: Vec<_> = rules
            .into_iter()
            .map(|(name, group, glob, zone, when, effect, bits)| {
                let is = |bit: u8| bits & (1 << bit) != 0;
                json!({
                    "name": name,
                    "subjects": [{"kind": "Group", "name": group}],
                    "roles": [if is(0) { "*" } else { "view-logs" }],
                    "namespaces": is(1).then(|| json!({"names": [glob]})),
                    "schedule": is(2).then(|| json!({"timeZone": zone, "from": glob, "to": "10:00"})),
                    "limits": is(3).then(|| json!({"maxDuration": zone, "maxActive": bits})),
                    "when": when,
                    "effect": effect,
                    "approval": is(4).then(|| json!({"stages": [{"name": glob, "required": bits}]})),
                    "review": is(5).then(|| json!({"within": zone})),
                })
            })
            .collect();
        let object = json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessPolicy",
            "metadata": {"name": "p", "uid": "p", "creationTimestamp": "2026-01-05T12:00:00Z"},
            "spec": {"priority": priority, "rules": rules},
        });
        serde_json::from_value(object).unwrap()
    })
}

/// What the policies are asked, when, and the risks of the roles there are. Worked out once.
static ASKED: LazyLock<(PolicyRequest, Timestamp, BTreeMap<String, Risk>)> = LazyLock::new(|| {
    let space = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}"#;
    let setting = Setting::new(&Material::of(parse("ground", space).unwrap(), Vec::new()).unwrap()).unwrap();
    let request = asked();
    let grounded = setting.grounded(&request, None);
    let proposal = request::check(&request, &grounded.ground, request.created_at).unwrap();
    let asked = question(&request, &proposal.terms, &grounded, None).unwrap();
    (asked, request.created_at, setting.risks())
});

/// Alice of `developers` asks for logs, with as many groups as there may be.
fn asked() -> Request {
    let groups: Vec<String> = (0..255).map(|at| format!("group-{at}")).chain(["developers".to_owned()]).collect();
    let object: AccessRequest = serde_json::from_value(json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest",
        "metadata": {"name": "r", "uid": "r", "creationTimestamp": "2026-01-05T12:00:00Z"},
        "spec": {
            "requester": {"username": "alice", "groups": groups}, "role": "view-logs", "namespaces": ["shop"],
            "justification": "a".repeat(1024), "ticket": "a".repeat(128), "urgency": "Critical",
        },
    }))
    .unwrap();
    Request::try_from(&object).unwrap()
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_policy_says_there_is_an_answer(policies in prop::collection::vec(policy(), 1..3)) {
        let (asked, now, risks) = &*ASKED;
        let library = Library::default();
        let read = |object: &AccessPolicy| {
            border::policy(object, |when| library.fault(when).map(|fault| fault.to_string())).unwrap()
        };
        let policies = Policies::new(policies.iter().map(read).collect::<Vec<Policy>>());
        let begun = Instant::now();
        let outcome = evaluate(&policies, asked, &library, *now);
        prop_assert!(begun.elapsed() < ANSWER_MAX, "{:?}: {policies:?}", begun.elapsed());
        prop_assert!(!outcome.to_string().is_empty());
        let by = outcome.by.as_ref().and_then(|by| policies.find(&by.uid, &by.rule));
        if let (Ruling::Approve | Ruling::RequireApproval(_) | Ruling::BreakGlass(_), Some((policy, _))) =
            (&outcome.ruling, by)
        {
            prop_assert!(policy.fault.is_none(), "{outcome}");
        }
        let _ = brevet_core::policy::lint(&policies, risks);
    }
}
