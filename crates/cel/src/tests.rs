//! What conditions say, what is refused when they are written, and what hostile
//! ones cannot do. Test threads have the small stack that servers' have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use brevet_core::policy::{Conditions, Place, PolicyRequest};
use brevet_core::request::Urgency;
use brevet_core::role::{Delivery, Risk};
use brevet_core::rules::{Rule, Rules};
use brevet_core::subject::Subject;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn request(groups: BTreeSet<String>) -> PolicyRequest {
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let rule = Rule {
        api_groups: set(&[""]),
        resources: set(&["pods", "pods/log"]),
        verbs: set(&["get"]),
        resource_names: set(&["web-1"]),
    };
    PolicyRequest {
        requester: Subject { username: "alice".into(), uid: "u1".into(), groups },
        role: "view-logs".into(),
        risk: Risk::Low,
        place: Place::Namespaces(BTreeMap::from([("shop".to_owned(), Some(labels))])),
        granted: [rule].into_iter().collect::<Rules>(),
        duration: "30m".parse().unwrap(),
        start_at: None,
        urgency: Urgency::High,
        ticket: "INC-42".into(),
        justification: "checkout errors".into(),
        delivery: Delivery::Gateway,
        usage: None,
    }
}

fn now() -> Timestamp {
    "2026-12-07T10:00:00Z".parse().unwrap()
}

fn holds(text: &str) -> Result<bool, String> {
    Library::default().holds(text, &request(set(&["developers"])), now())
}

#[test]
fn conditions_speak_of_the_request() {
    for (text, expected) in [
        ("request.urgency in ['High', 'Critical'] && request.ticket.startsWith('INC-')", true),
        ("request.ticket.matches('^INC-[0-9]+$')", true),
        ("'developers' in request.requester.groups", true),
        ("request.requester.username == 'mallory'", false),
        ("request.duration <= duration('1h')", true),
        ("request.namespaces.all(n, request.labels[n].team == 'shop')", true),
        ("request.namespaces.exists(n, n == 'bank')", false),
        ("request.resources.all(r, r.verbs.all(v, v in ['get', 'list']))", true),
        ("request.resources.all(r, size(r.names) == 1)", true),
        ("role.risk == 'Low' && role.name == request.role", true),
        ("now.getDayOfWeek() == 1 && now.getHours() >= 8", true),
        ("now.getHours('Europe/Berlin') == 11", true),
        ("request.startAt == now", true),
        ("size(request.justification) > 10 ? true : false", true),
        ("request.delivery == 'Gateway' && request.risk == 'Low' && request.requester.uid == 'u1'", true),
        ("has(request.labels['shop'].tier)", false),
        ("size(request.namespaces) + 1 == 2", true),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn every_field_of_the_vocabulary_is_bound() {
    use crate::vocabulary::{Object, fields};
    for (path, object) in [
        ("request", Object::Request),
        ("request.requester", Object::Requester),
        ("request.resources[0]", Object::Resource),
        ("role", Object::Role),
    ] {
        for (field, _) in fields(object) {
            assert_eq!(holds(&format!("has({path}.{field})")), Ok(true), "{path}.{field}");
        }
    }
}

#[test]
fn what_cannot_be_told_is_an_error_and_never_a_truth() {
    for text in [
        "request.labels['shop'].tier == 'x'",
        "request.labels['bank'].team == 'x'",
        "duration('nonsense') == duration('1h')",
    ] {
        assert!(holds(text).is_err(), "{text}");
    }
}

#[test]
fn nonsense_is_refused_where_it_stands() {
    for (text, place, part) in [
        ("request.urgncy == 'High'", (1, 8), "there is no field `urgncy`"),
        ("true &&\n  reqest.role == 'x'", (2, 3), "there is no `reqest`"),
        ("request.urgency == 3", (1, 17), "`==` does not take text and a whole number"),
        ("request.duration < 3600", (1, 18), "`<` does not take a duration and a whole number"),
        ("request.namespaces", (1, 8), "a condition is a truth value"),
        ("request.namespaces == 'shop'", (1, 20), "`==` does not take a list and text"),
        ("'x' in request.ticket", (1, 5), "`in` does not take"),
        ("request.ticket.replace('a', 'b') == ''", (1, 23), "conditions do not call `replace`"),
        ("request.namespaces.join() == ''", (1, 24), "conditions do not call `join`"),
        ("request.ticket.matches(request.role)", (1, 23), "a pattern is a text written out"),
        ("request.namespaces.all(n, n.x == 1)", (1, 28), "text has no field `x`"),
        ("n == 'shop'", (1, 1), "there is no `n`"),
        ("request.namespaces.all(n, true) && n == 'shop'", (1, 36), "there is no `n`"),
        ("request.ticket ==", (1, 18), ""),
        ("", (1, 1), ""),
        ("request.ticket.startsWith(1)", (1, 26), "`startsWith` does not take text and a whole number"),
    ] {
        let fault = Condition::compile(text).unwrap_err();
        assert!(fault.message.contains(part), "{text}: {fault}");
        assert_eq!((fault.line, fault.column), place, "{text}: {fault}");
    }
}

/// Compiles and, if it may be, evaluates with the largest request; how long that took.
fn survive(text: &str) -> (Result<bool, String>, Duration) {
    let groups = (0..256).map(|at| format!("group-{at}")).collect();
    let library = Library::default();
    let _ = library.fault(text);
    let begun = Instant::now();
    (library.holds(text, &request(groups), now()), begun.elapsed())
}

#[test]
fn bombs_are_refused() {
    let sum = vec!["1"; 1400].join("+");
    let brackets = format!("{}true{}", "(".repeat(1000), ")".repeat(1000));
    let lists = format!("{}{} == []", "[".repeat(900), "]".repeat(900));
    let long = format!("'{}' == ''", "a".repeat(5000));
    let replace = format!("'a'{} == ''", ".replace('a', 'aaaaaaaaaa')".repeat(7));
    let wide = format!("[{}]", vec!["1"; 450].join(","));
    let nested = format!("{wide}.all(a, {wide}.all(b, a == b))");
    let ternary = "true ? ".repeat(400) + "true" + &" : true".repeat(400);
    let select = format!("request{}", ".labels".repeat(500));
    for (what, text) in [
        ("sum", format!("{sum} == 1")),
        ("brackets", brackets),
        ("lists", lists),
        ("long", long),
        ("replace", replace),
        (
            "three loops",
            "request.requester.groups.all(a, request.requester.groups.all(b, request.requester.groups.all(c, a == c)))"
                .into(),
        ),
        ("wide loops", nested),
        (
            "dear loops",
            format!(
                "request.requester.groups.all(a, request.requester.groups.all(b, {}))",
                vec!["a == b"; 20].join(" || ")
            ),
        ),
        ("pattern", format!("request.ticket.matches('{}')", "(a{99}){99}".repeat(30))),
        ("ternary", ternary),
        ("select", select),
    ] {
        let fault = Condition::compile(&text).err();
        assert!(fault.is_some(), "{what} was let through");
    }
}

#[test]
fn what_is_let_through_is_cheap() {
    let groups = "request.requester.groups";
    for text in [
        format!("{groups}.all(a, {groups}.exists(b, a == b))"),
        format!("{groups}.filter(a, {groups}.exists(b, b == a)).size() == 256"),
        format!("{groups}.map(a, {groups}.map(b, b)).size() == 256"),
        "request.ticket.matches('(((((a{30}){30}){30})?)*)*$')".into(),
        vec!["request.ticket == 'x'"; 120].join(" || "),
        format!("{}true", "!".repeat(3000)),
    ] {
        let (answer, took) = survive(&text);
        assert!(took < Duration::from_secs(3), "{took:?}: {answer:?} {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_written_nothing_falls_over(text in "\\PC{0,80}") {
        let _ = survive(&text);
    }

    #[test]
    fn whatever_is_built_nothing_falls_over(text in expression(5)) {
        let (_, took) = survive(&text);
        prop_assert!(took < Duration::from_secs(5), "{took:?}: {text}");
    }
}

/// Text that looks like a condition, mostly nonsense, some of it nested.
fn expression(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "-1",
        "9223372036854775807",
        "1.5",
        "'a'",
        "b'x'",
        "null",
        "true",
        "2u",
        "[]",
        "{}",
        "now",
        "request.ticket",
        "request.duration",
        "request.requester.groups",
        "request.labels",
        "request.resources",
        "role",
        "a",
        "b",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(depth, 64, 3, |inner| {
        let sign = prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"]);
        let call = prop::sample::select(vec![
            ".size()",
            ".startsWith('a')",
            ".matches('(a+)+$')",
            ".getHours()",
            "[0]",
            "['a']",
            ".x",
        ]);
        let repeat = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            (inner.clone(), call).prop_map(|(a, call)| format!("{a}{call}")),
            (inner.clone(), repeat, inner.clone()).prop_map(|(a, word, b)| format!("{a}.{word}(a, {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.prop_map(|a| format!("duration(string({a}))")),
        ]
    })
}
