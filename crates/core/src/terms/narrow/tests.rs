//! Narrowing takes away, whatever it is told.

use proptest::prelude::*;

use super::*;
use crate::role::Delivery;
use crate::rules::Rule;

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn rule(resources: &[&str], verbs: &[&str], names: &[&str]) -> Rule {
    Rule { api_groups: set(&[""]), resources: set(resources), verbs: set(verbs), resource_names: set(names) }
}

fn at(text: &str) -> Timestamp {
    format!("2026-12-01T{text}Z").parse().unwrap()
}

fn terms() -> Terms {
    Terms {
        requester: "alice".into(),
        requester_uid: String::new(),
        role: "view-logs".into(),
        rules: Rules::from_iter([rule(&["pods", "pods/log"], &["get", "list"], &[])]),
        companions: Rules::default(),
        namespaces: vec!["shop".into(), "web".into()],
        duration: "30m".parse().unwrap(),
        start_at: None,
        delivery: Delivery::Gateway,
    }
}

fn pod(name: &str) -> Narrow {
    let ask = Ask { resource: "pods".into(), names: set(&[name]), ..Ask::default() };
    Narrow { resources: vec![ask], ..Narrow::default() }
}

#[test]
fn what_is_left_is_told() {
    let by = Narrow { namespaces: vec!["shop".into()], duration: "10m".parse().ok(), ..pod("web-1") };
    let less = terms().narrowed(&by, at("10:00:00")).unwrap();
    assert_eq!(
        less.differences(&terms()),
        ["for `10m` instead of `30m`", "in shop only", "only get, list on pods, pods/log web-1"]
    );
    assert_eq!(terms().differences(&terms()), Vec::<String>::new());
    let nothing = terms().narrowed(&Narrow::default(), at("10:00:00")).unwrap();
    assert_eq!(nothing.digest(), terms().digest());
}

#[test]
fn more_is_refused() {
    let ahead = Terms { start_at: Some(at("12:00:00")), ..terms() };
    let start = |text: &str| Narrow { start_at: Some(at(text)), ..Narrow::default() };
    let secrets = Narrow { resources: vec![Ask { resource: "secrets".into(), ..Ask::default() }], ..Narrow::default() };
    for (of, by, field) in [
        (terms(), Narrow { duration: "31m".parse().ok(), ..Narrow::default() }, "duration"),
        (terms(), Narrow { namespaces: vec!["shop".into(), "other".into()], ..Narrow::default() }, "namespaces"),
        (terms(), secrets, "resources"),
        (terms(), start("09:59:59"), "startAt"),
        (ahead.clone(), start("11:59:59"), "startAt"),
        (ahead.clone(), start("12:00:01"), "startAt"),
    ] {
        let refusal = of.narrowed(&by, at("10:00:00")).unwrap_err();
        assert_eq!((refusal.reason, refusal.field), (Reason::NotNarrower, format!("spec.narrow.{field}")));
    }
    let later = Narrow { duration: "10m".parse().ok(), ..start("12:20:00") };
    assert!(ahead.narrowed(&later, at("10:00:00")).is_ok());
}

fn some(words: &'static [&'static str], least: usize) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(prop::sample::select(words), least..=words.len())
        .prop_map(|all| all.into_iter().map(str::to_owned).collect())
}

const RESOURCES: &[&str] = &["pods", "pods/log", "secrets", "deployments"];
const VERBS: &[&str] = &["get", "list", "create", "deletecollection"];
const NAMES: &[&str] = &["a", "b", "c"];
const PLACES: &[&str] = &["shop", "web", "payments"];

prop_compose! {
    fn any_rule()(resources in some(RESOURCES, 1), verbs in some(VERBS, 1), names in some(NAMES, 0)) -> Rule {
        Rule { api_groups: set(&[""]), resources, verbs, resource_names: names }
    }
}

prop_compose! {
    fn any_narrow()(
        asks in prop::collection::vec((prop::sample::select(RESOURCES), some(VERBS, 0), some(NAMES, 0)), 0..3),
        namespaces in some(PLACES, 0),
        seconds in prop::option::of(1u64..4000),
        start in prop::option::of(-100i64..9000),
    ) -> Narrow {
        let ask = |(resource, verbs, names): (&str, _, _)| Ask { api_group: String::new(), resource: resource.into(), names, verbs };
        Narrow {
            resources: asks.into_iter().map(ask).collect(),
            namespaces: namespaces.into_iter().collect(),
            duration: seconds.and_then(Length::from_seconds),
            start_at: start.map(|s| at("10:00:00") + SignedDuration::from_secs(s)),
        }
    }
}

proptest! {
    #[test]
    fn narrowing_only_narrows(
        rules in prop::collection::vec(any_rule(), 1..4),
        namespaces in some(PLACES, 1),
        start in prop::option::of(0i64..4000),
        first in any_narrow(),
        second in any_narrow(),
    ) {
        let asked_at = at("10:00:00");
        let mut held = Terms {
            rules: rules.into_iter().collect(),
            namespaces: namespaces.into_iter().collect(),
            start_at: start.map(|s| asked_at + SignedDuration::from_secs(s)),
            ..terms()
        };
        for by in [first, second] {
            let Ok(less) = held.narrowed(&by, asked_at) else { continue };
            prop_assert!(held.rules.covers(&less.rules));
            prop_assert!(!less.rules.is_empty());
            prop_assert!(!less.namespaces.is_empty() && less.namespaces.iter().all(|name| held.namespaces.contains(name)));
            prop_assert!(less.duration <= held.duration);
            if let (Some(before), Some(now)) = (held.start_at, less.start_at) {
                prop_assert!(now >= before && now + less.duration.span() <= before + held.duration.span());
            }
            prop_assert!(held.start_at.is_none() || less.start_at.is_some());
            prop_assert_eq!(&less.narrowed(&by, asked_at).map(|again| again.digest()), &Ok(less.digest()));
            held = less;
        }
    }
}
