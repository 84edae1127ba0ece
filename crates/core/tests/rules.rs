//! Narrowing and canonical form against a second, naive reading of RBAC.
//!
//! The evaluator here follows `k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go`
//! over lists of text and shares nothing with the crate. Every alphabet has a
//! word that no rule ever holds (`other`), which is what tells `*` from a long list.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use brevet_core::call::ResourceCall;
use brevet_core::reason::Reason;
use brevet_core::role::Scope;
use brevet_core::rules::{Ask, Effective, Rule, Rules, identity_digest, narrow};
use proptest::prelude::*;

const GROUPS: [&str; 3] = ["", "apps", "other"];
const RESOURCES: [&str; 3] = ["pods", "secrets", "other"];
const SUBRESOURCES: [&str; 4] = ["", "log", "exec", "other"];
const VERBS: [&str; 5] = ["get", "list", "create", "deletecollection", "other"];
const NAMES: [&str; 4] = ["", "a", "b", "other"];

/// Every call of the small world.
fn calls() -> Vec<ResourceCall> {
    let mut all = Vec::new();
    for group in GROUPS {
        for resource in RESOURCES {
            for subresource in SUBRESOURCES {
                for verb in VERBS {
                    for name in NAMES {
                        all.push(ResourceCall {
                            verb: verb.into(),
                            group: group.into(),
                            version: "v1".into(),
                            resource: resource.into(),
                            subresource: subresource.into(),
                            namespace: "shop".into(),
                            name: name.into(),
                            follows: false,
                        });
                    }
                }
            }
        }
    }
    all
}

/// RBAC's reading of one rule.
fn naive_rule(rule: &Rule, call: &ResourceCall) -> bool {
    let combined = match call.subresource.as_str() {
        "" => call.resource.clone(),
        sub => format!("{}/{sub}", call.resource),
    };
    let resource_matches = rule.resources.iter().any(|held| {
        held == "*" || *held == combined || (!call.subresource.is_empty() && *held == format!("*/{}", call.subresource))
    });
    rule.verbs.iter().any(|v| v == "*" || *v == call.verb)
        && rule.api_groups.iter().any(|g| g == "*" || *g == call.group)
        && resource_matches
        && (rule.resource_names.is_empty() || rule.resource_names.iter().any(|n| *n == call.name))
}

fn naive(rules: &Rules, call: &ResourceCall) -> bool {
    rules.0.iter().any(|rule| naive_rule(rule, call))
}

fn naive_ask(ask: &Ask, call: &ResourceCall) -> bool {
    let combined = format!("{}/{}", call.resource, call.subresource);
    let is_named = ask.resource == call.resource || ask.resource == combined;
    ask.api_group == call.group
        && is_named
        && (ask.verbs.is_empty() || ask.verbs.contains(&call.verb))
        && (ask.names.is_empty() || ask.names.contains(&call.name))
}

/// What exactly must be left: both allow it, and names do not meet what they
/// cannot limit. Where a wildcard has no narrower spelling in RBAC it is either
/// less (`*` under a plain `pods` is `pods` alone; under names it creates
/// nothing) or stays whole (verb `*`); both are forbidden and never in force.
fn expected(ceiling: &Rules, asked: Option<&[Ask]>, call: &ResourceCall) -> bool {
    let is_left = |rule: &Rule, ask: Option<&Ask>| {
        let is_plain = call.subresource.is_empty();
        let is_by_star = !is_plain && !rule.resources.iter().any(|held| naive_resource(held, call));
        let names_subresource = ask.is_some_and(|ask| ask.resource.contains('/'));
        let is_limited = !rule.resource_names.is_empty() || ask.is_some_and(|ask| !ask.names.is_empty());
        let keeps_verb = rule.verbs.contains("*") && ask.is_none_or(|ask| ask.verbs.is_empty());
        let is_unnameable = call.verb == "deletecollection"
            || (call.verb == "create" && (is_plain || (is_by_star && !names_subresource)));
        let has_spelling = !is_by_star || names_subresource || ask.is_none();
        has_spelling && (!is_limited || !is_unnameable || keeps_verb)
    };
    ceiling.0.iter().filter(|rule| naive_rule(rule, call)).any(|rule| match asked {
        None => is_left(rule, None),
        Some(asks) => asks.iter().filter(|ask| naive_ask(ask, call)).any(|ask| is_left(rule, Some(ask))),
    })
}

fn naive_resource(held: &str, call: &ResourceCall) -> bool {
    held == format!("{}/{}", call.resource, call.subresource) || held == format!("*/{}", call.subresource)
}

fn words(of: &'static [&'static str], least: usize) -> impl Strategy<Value = BTreeSet<String>> {
    proptest::sample::subsequence(of, least..=of.len().min(3)).prop_map(|v| v.into_iter().map(str::to_owned).collect())
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        words(&["", "apps", "*"], 1),
        words(&["pods", "secrets", "pods/log", "pods/exec", "secrets/log", "*/log", "*"], 1),
        words(&["get", "list", "create", "deletecollection", "*"], 1),
        words(&["a", "b"], 0),
    )
        .prop_map(|(api_groups, resources, verbs, resource_names)| Rule {
            api_groups,
            resources,
            verbs,
            resource_names,
        })
}

fn rules(most: usize) -> impl Strategy<Value = Rules> {
    proptest::collection::vec(rule(), 1..=most).prop_map(Rules::from_iter)
}

fn ask() -> impl Strategy<Value = Ask> {
    (
        proptest::sample::select(vec!["", "apps"]),
        proptest::sample::select(vec!["pods", "secrets", "pods/log", "pods/exec"]),
        words(&["a", "b", "other"], 0),
        words(&["get", "list", "create", "deletecollection"], 0),
    )
        .prop_map(|(group, resource, names, verbs)| Ask {
            api_group: group.into(),
            resource: resource.into(),
            names,
            verbs,
        })
}

fn asks() -> impl Strategy<Value = Option<Vec<Ask>>> {
    proptest::option::weighted(0.8, proptest::collection::vec(ask(), 1..=3))
}

/// The same meaning in other words: some rules taken apart, some repeated in part.
fn respelled(rules: &Rules, seed: u64) -> Rules {
    let mut spelled = Vec::new();
    for (index, rule) in rules.0.iter().enumerate() {
        match (seed >> (2 * (index % 32))) & 3 {
            0 => spelled.push(rule.clone()),
            1 => spelled
                .extend(rule.verbs.iter().map(|verb| Rule { verbs: BTreeSet::from([verb.clone()]), ..rule.clone() })),
            2 => spelled.extend(
                rule.resources
                    .iter()
                    .map(|resource| Rule { resources: BTreeSet::from([resource.clone()]), ..rule.clone() }),
            ),
            _ => {
                spelled.push(rule.clone());
                spelled.extend(
                    rule.verbs
                        .first()
                        .map(|verb| Rule {
                            verbs: BTreeSet::from([verb.clone()]),
                            resource_names: BTreeSet::from(["b".to_owned()]),
                            ..rule.clone()
                        })
                        .filter(|_| rule.resource_names.is_empty()),
                );
            }
        }
    }
    spelled.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_allow_what_rbac_allows(rules in rules(3)) {
        for call in calls() {
            prop_assert_eq!(rules.allows(&call), naive(&rules, &call), "{:?}", call);
        }
    }

    #[test]
    fn what_is_left_is_exactly_ceiling_and_asked(ceiling in rules(3), asked in asks()) {
        if let Ok(Effective { rules, .. }) = narrow(&ceiling, asked.as_deref()) {
            for call in calls() {
                let is_left = naive(&rules, &call);
                prop_assert!(!is_left || naive(&ceiling, &call), "more than the ceiling: {:?}", call);
                let is_asked = asked.as_ref().is_none_or(|asks| asks.iter().any(|ask| naive_ask(ask, &call)));
                prop_assert!(!is_left || is_asked, "more than was asked: {:?}", call);
                prop_assert_eq!(is_left, expected(&ceiling, asked.as_deref(), &call), "{:?} of {:?}", call, rules);
            }
        }
    }

    #[test]
    fn names_never_become_all(ceiling in rules(3), asked in asks()) {
        let is_named = asked.as_ref().is_some_and(|asks| asks.iter().all(|ask| !ask.names.is_empty()));
        if let (true, Ok(effective)) = (is_named, narrow(&ceiling, asked.as_deref())) {
            prop_assert!(effective.rules.0.iter().all(|rule| !rule.resource_names.is_empty()));
        }
    }

    #[test]
    fn narrowing_twice_is_narrowing_once(ceiling in rules(3), asked in asks()) {
        if let Ok(once) = narrow(&ceiling, asked.as_deref()) {
            let twice = narrow(&once.rules, asked.as_deref()).map(|e| e.rules);
            // An entry may find nothing left when another one holds all of it.
            prop_assert!(once.rules.is_empty() || twice == Ok(once.rules.clone()), "{:?} then {:?}", once, twice);
        }
    }

    #[test]
    fn order_and_repetition_carry_no_meaning(ceiling in rules(3), asked in proptest::collection::vec(ask(), 1..=3)) {
        let mut turned: Vec<Ask> = asked.iter().rev().cloned().collect();
        turned.extend(asked.first().cloned());
        let straight = narrow(&ceiling, Some(&asked)).map(|e| (e.rules, e.dropped));
        let other = narrow(&ceiling, Some(&turned)).map(|e| (e.rules, e.dropped));
        prop_assert_eq!(straight.is_ok(), other.is_ok());
        if let (Ok(straight), Ok(other)) = (straight, other) {
            prop_assert_eq!(straight, other);
        }
    }

    #[test]
    fn one_meaning_has_one_digest(rules in rules(4), seed in any::<u64>()) {
        let other = respelled(&rules, seed);
        prop_assert_eq!(rules.canonical(), other.canonical());
        prop_assert_eq!(digest(&rules), digest(&other));
    }

    #[test]
    fn two_meanings_have_two_digests(one in rules(2), other in rules(2)) {
        let is_same = calls().iter().all(|call| naive(&one, call) == naive(&other, call));
        prop_assert_eq!(digest(&one) == digest(&other), is_same);
    }

    #[test]
    fn canonical_form_keeps_the_meaning_and_itself(rules in rules(4)) {
        let canonical = rules.canonical().ok_or(TestCaseError::fail("too large"))?;
        for call in calls() {
            prop_assert_eq!(naive(&rules, &call), naive(&canonical, &call), "{:?}", call);
        }
        prop_assert_eq!(canonical.canonical(), Some(canonical));
    }

    #[test]
    fn covering_is_allowing_all_of_it(one in rules(3), other in rules(2)) {
        let is_covered = calls().iter().all(|call| naive(&one, call) || !naive(&other, call));
        prop_assert_eq!(one.covers(&other), is_covered);
    }
}

fn digest(rules: &Rules) -> String {
    identity_digest(rules, &Rules::default(), Scope::Namespaced, &["shop".to_owned()]).to_string()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn one(groups: &[&str], resources: &[&str], verbs: &[&str], names: &[&str]) -> Rules {
    Rules::from_iter([Rule {
        api_groups: set(groups),
        resources: set(resources),
        verbs: set(verbs),
        resource_names: set(names),
    }])
}

fn asking(resource: &str, names: &[&str], verbs: &[&str]) -> Ask {
    Ask { api_group: String::new(), resource: resource.to_owned(), names: set(names), verbs: set(verbs) }
}

#[test]
fn what_names_cannot_limit_is_dropped_and_reported() {
    let ceiling = one(&[""], &["configmaps", "pods/exec"], &["get", "create", "deletecollection"], &[]);
    let asked = [asking("configmaps", &["a"], &[]), asking("pods", &["web-1"], &[])];

    let effective = narrow(&ceiling, Some(&asked)).unwrap();

    let left = effective.rules;
    assert_eq!(
        left,
        Rules::from_iter([
            one(&[""], &["configmaps"], &["get"], &["a"]).0.first().unwrap().clone(),
            one(&[""], &["pods/exec"], &["create", "get"], &["web-1"]).0.first().unwrap().clone(),
        ])
    );
    let told: Vec<String> =
        effective.dropped.iter().map(|d| format!("{:?} {}: {}", d.verbs, d.resource, d.why)).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with(r#"{"create"} configmaps: creating cannot"#), "{told:#?}");
    assert!(told[1].starts_with(r#"{"deletecollection"} configmaps: deleting a collection"#), "{told:#?}");
    assert!(told[2].starts_with(r#"{"deletecollection"} pods/exec"#), "{told:#?}");
}

#[test]
fn what_the_role_lacks_is_reported_or_refused() {
    let ceiling = one(&[""], &["pods"], &["get"], &["a", "b"]);

    let some = narrow(&ceiling, Some(&[asking("pods", &["a", "z"], &["get", "delete"])])).unwrap();
    assert_eq!(some.rules, one(&[""], &["pods"], &["get"], &["a"]));
    let told: Vec<&str> = some.dropped.iter().map(|d| d.why.as_str()).collect();
    assert_eq!(told, ["the role does not allow it", "the role does not allow it on `z`"]);

    for asked in [asking("pods", &["z"], &[]), asking("secrets", &[], &[]), asking("pods", &[], &["delete"])] {
        let refusal = narrow(&ceiling, Some(&[asked])).unwrap_err();
        assert_eq!((refusal.reason, refusal.field.as_str()), (Reason::OutsideRole, "spec.resources[0]"));
    }
    assert_eq!(narrow(&ceiling, Some(&[])).unwrap_err().reason, Reason::OutsideRole);
}

#[test]
fn a_foreign_group_is_another_resource() {
    let ceiling = one(&[""], &["pods"], &["get"], &[]);
    let asked = Ask { api_group: "metrics.k8s.io".to_owned(), ..asking("pods", &[], &[]) };
    assert_eq!(narrow(&ceiling, Some(&[asked])).unwrap_err().reason, Reason::OutsideRole);
}

#[test]
fn wildcards_are_never_asked_for() {
    let ceiling = one(&["*"], &["*"], &["*"], &[]);
    for ask in
        [asking("*", &[], &[]), asking("pods/*", &[], &[]), asking("pods", &["*"], &[]), asking("pods", &[], &["*"])]
    {
        assert_eq!(narrow(&ceiling, Some(&[ask])).unwrap_err().reason, Reason::ForbiddenRule);
    }
    let left = narrow(&ceiling, Some(&[asking("pods", &["a"], &["get"])])).unwrap();
    assert_eq!(left.rules, one(&[""], &["pods"], &["get"], &["a"]));
}

#[test]
fn rules_past_their_limits_are_too_broad() {
    let many: Vec<String> = (0..70).map(|n| format!("kind{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for ceiling in
        [one(&many, &many, &many, &[]), one(&[""], &many, &["get"], &[]), one(&[""], &["pods"], &["get"], &many)]
    {
        assert_eq!(narrow(&ceiling, None).unwrap_err().reason, Reason::TooBroad);
    }
    assert!(!one(&["*"], &["*"], &["*"], &[]).covers(&one(&many, &many, &many, &[])), "too large to compare");
}
