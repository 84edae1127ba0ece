//! Clause by clause: what decides, and what it says when it does not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::reason::Reason;
use crate::request::Urgency;
use crate::role::Delivery;
use crate::rules::{Rule, Rules};
use crate::subject::Subject;
use crate::window::Window;

mod laws;
mod lint;

/// Conditions that are their own answer: `true`, `false`, anything else errs.
#[derive(Debug)]
struct Plain;

impl Conditions for Plain {
    fn holds(&self, expression: &str, _: &PolicyRequest, _: Timestamp) -> Result<bool, String> {
        expression.parse().map_err(|_| format!("`{expression}` is neither"))
    }
}

fn at(text: &str) -> Timestamp {
    format!("2026-12-07T{text}Z").parse().unwrap()
}

fn set<T: Ord + From<&'static str>>(words: &[&'static str]) -> BTreeSet<T> {
    words.iter().map(|word| T::from(word)).collect()
}

fn length(text: &str) -> Length {
    text.parse().unwrap()
}

/// Alice of `developers` asks to read pods in `shop` (tier=production) for 30m.
fn asked() -> PolicyRequest {
    PolicyRequest {
        requester: Subject { username: "alice".into(), uid: "u-alice".into(), groups: set(&["developers"]) },
        role: "view-logs".into(),
        risk: Risk::Low,
        place: places(&[("shop", "production")]),
        granted: rules("pods"),
        duration: length("30m"),
        start_at: None,
        urgency: Urgency::Normal,
        ticket: String::new(),
        justification: "checkout errors".into(),
        delivery: Delivery::Gateway,
        usage: Some(Usage::default()),
    }
}

fn places(all: &[(&str, &str)]) -> Place {
    let labels = |tier: &str| Some(BTreeMap::from([("tier".to_owned(), tier.to_owned())]));
    Place::Namespaces(all.iter().map(|(name, tier)| ((*name).to_owned(), labels(tier))).collect())
}

fn rules(resource: &'static str) -> Rules {
    let rule = Rule {
        api_groups: set(&[""]),
        resources: set(&[resource]),
        verbs: set(&["get"]),
        resource_names: BTreeSet::new(),
    };
    [rule].into_iter().collect()
}

/// A rule that lets developers have anything, with this effect.
fn rule(name: &str, effect: Effect) -> PolicyRule {
    PolicyRule {
        name: name.to_owned(),
        subjects: vec![SubjectRef::Group("developers".into())],
        roles: set(&["*"]),
        risks: BTreeSet::new(),
        namespaces: None,
        resources: vec![],
        schedule: None,
        when: None,
        limits: Limits::default(),
        effect,
    }
}

fn approve(name: &str) -> PolicyRule {
    rule(name, Effect::Approve)
}

fn deny(name: &str) -> PolicyRule {
    rule(name, Effect::Deny { message: "not here".into() })
}

fn in_namespaces(mut rule: PolicyRule, names: &[&str]) -> PolicyRule {
    let names = names.iter().map(|name| Glob::parse(name).unwrap()).collect();
    rule.namespaces = Some(NamespaceMatch { names, ..NamespaceMatch::default() });
    rule
}

fn policy(name: &str, priority: i32, rules: Vec<PolicyRule>) -> Policy {
    let uid = format!("uid-{name}");
    Policy { name: name.into(), uid, generation: 1, priority, switch: Switch::Off, fault: None, people: vec![], rules }
}

fn decide(policies: Vec<Policy>, request: &PolicyRequest) -> Outcome {
    evaluate(&Policies::new(policies), request, &Plain, at("10:00:00"))
}

/// The deciding rule, then what was decided in a word.
fn told(outcome: &Outcome) -> (String, String) {
    let by = outcome.by.as_ref().map(|by| by.rule.clone()).unwrap_or_default();
    let word = match &outcome.ruling {
        Ruling::Approve => "Approve".to_owned(),
        Ruling::RequireApproval(_) => "RequireApproval".to_owned(),
        Ruling::BreakGlass(_) => "BreakGlass".to_owned(),
        Ruling::Deny(refusal) => refusal.reason.to_string(),
    };
    (by, word)
}

fn expect(policies: Vec<Policy>, request: &PolicyRequest, by: &str, word: &str) {
    let outcome = decide(policies, request);
    assert_eq!(told(&outcome), (by.to_owned(), word.to_owned()), "{outcome}");
}

#[test]
fn without_any_policy_one_holder_of_approve_agrees() {
    let outcome = decide(vec![], &asked());
    assert_eq!(outcome.ruling, Ruling::RequireApproval(Approval::by_anyone()));
    assert_eq!(outcome.to_string(), "takes 1 of holders of `approve` (stage `approvers`)");
}

#[test]
fn with_policies_that_say_nothing_of_it_nothing_is_granted() {
    let mut other = approve("others");
    other.subjects = vec![SubjectRef::Group("secops".into())];
    let outcome = decide(vec![policy("p", 0, vec![other])], &asked());
    assert_eq!(told(&outcome), (String::new(), "NoRule".to_owned()));
    assert_eq!(outcome.near[0].to_string(), "rule `others` of policy `p`: it is for group `secops`");
    expect(vec![policy("empty", 0, vec![])], &asked(), "", "NoRule");
}

#[test]
fn the_first_by_priority_then_name_then_place_decides() {
    let ask = rule("ask", Effect::RequireApproval(Approval::by_anyone()));
    let of =
        |name: &str, priority, rules: &[&PolicyRule]| policy(name, priority, rules.iter().copied().cloned().collect());
    let (a, b) = (approve("a"), approve("b"));
    expect(vec![of("z", 1, &[&a]), of("y", 2, &[&ask])], &asked(), "ask", "RequireApproval");
    expect(vec![of("z", 1, &[&ask]), of("y", 1, &[&a])], &asked(), "a", "Approve");
    expect(vec![of("z", 1, &[&b, &a])], &asked(), "b", "Approve");
}

#[test]
fn a_denial_beats_every_priority() {
    let policies = vec![policy("high", 1000, vec![approve("yes")]), policy("low", -5, vec![deny("no")])];
    let outcome = decide(policies, &asked());
    assert_eq!(told(&outcome), ("no".to_owned(), "DeniedByPolicy".to_owned()));
    assert!(outcome.to_string().contains("not here"), "{outcome}");
}

#[test]
fn adding_a_namespace_never_dodges_a_denial_nor_widens_a_permission() {
    let policies = || {
        vec![policy(
            "p",
            0,
            vec![in_namespaces(deny("no-payments"), &["payments-*"]), in_namespaces(approve("shop"), &["shop"])],
        )]
    };
    let mut request = asked();
    expect(policies(), &request, "shop", "Approve");
    request.place = places(&[("shop", ""), ("payments-eu", "")]);
    expect(policies(), &request, "no-payments", "DeniedByPolicy");
    request.place = places(&[("shop", ""), ("web", "")]);
    let outcome = decide(policies(), &request);
    assert_eq!(told(&outcome).1, "NoRule");
    assert!(outcome.near[0].to_string().contains("`web` is not among its namespaces (shop)"), "{:?}", outcome.near);
    request.place = Place::Namespaces(BTreeMap::new());
    expect(policies(), &request, "", "NoRule");
}

#[test]
fn the_whole_cluster_is_no_namespace_and_reaches_all() {
    let policies =
        || vec![policy("p", 0, vec![in_namespaces(deny("no"), &["payments"]), in_namespaces(approve("some"), &["*"])])];
    let mut request = asked();
    request.place = Place::Cluster { reaches_namespaces: true };
    expect(policies(), &request, "no", "DeniedByPolicy");
    request.place = Place::Cluster { reaches_namespaces: false };
    expect(policies(), &request, "", "NoRule");
    expect(vec![policy("p", 0, vec![approve("anywhere")])], &request, "anywhere", "Approve");
}

#[test]
fn labels_that_cannot_be_seen_decide_nothing() {
    let labelled = |mut rule: PolicyRule| {
        let selector = Selector::of_labels(&BTreeMap::from([("tier".to_owned(), "production".to_owned())]));
        rule.namespaces = Some(NamespaceMatch { selector: Some(selector), ..NamespaceMatch::default() });
        rule
    };
    let mut request = asked();
    expect(vec![policy("p", 0, vec![labelled(approve("a"))])], &request, "a", "Approve");
    request.place = Place::Namespaces([("shop".to_owned(), None)].into());
    expect(vec![policy("p", 0, vec![labelled(approve("a")), approve("b")])], &request, "a", "Stale");
    expect(vec![policy("p", 0, vec![labelled(deny("no")), approve("b")])], &request, "no", "Stale");
    request.place = places(&[("shop", "test")]);
    expect(vec![policy("p", 0, vec![labelled(approve("a")), approve("b")])], &request, "b", "Approve");
}

#[test]
fn an_exclusion_and_the_names_are_both_asked() {
    let mut some = in_namespaces(approve("some"), &["shop-*"]);
    some.namespaces.as_mut().unwrap().except = vec![Glob::parse("shop-prod").unwrap()];
    let mut request = asked();
    request.place = places(&[("shop-test", "")]);
    expect(vec![policy("p", 0, vec![some.clone()])], &request, "some", "Approve");
    request.place = places(&[("shop-prod", "")]);
    expect(vec![policy("p", 0, vec![some])], &request, "", "NoRule");
}

#[test]
fn a_rule_about_resources_covers_all_or_denies_any() {
    let mut request = asked();
    request.granted = rules("pods").union(&rules("secrets"));
    let about = |mut rule: PolicyRule, resource: &str| {
        rule.resources = vec![ResourceMatch { resource: resource.into(), ..ResourceMatch::default() }];
        rule
    };
    let outcome = decide(vec![policy("p", 0, vec![about(approve("pods"), "pods")])], &request);
    assert_eq!(outcome.near[0].missing, ["it does not cover `get secrets`"]);
    expect(
        vec![policy("p", 0, vec![approve("all"), about(deny("no-secrets"), "secrets")])],
        &request,
        "no-secrets",
        "DeniedByPolicy",
    );
}

#[test]
fn roles_are_named_whole_or_by_risk() {
    let mut named = approve("named");
    named.roles = set(&["view", "view-logs-all"]);
    expect(vec![policy("p", 0, vec![named])], &asked(), "", "NoRule");
    let mut risky = approve("low");
    risky.risks = [Risk::Low].into();
    expect(vec![policy("p", 0, vec![risky.clone()])], &asked(), "low", "Approve");
    let mut request = asked();
    request.risk = Risk::Critical;
    let outcome = decide(vec![policy("p", 0, vec![risky])], &request);
    assert_eq!(outcome.near[0].missing, ["it is for roles of risk Low, not Critical"]);
}

#[test]
fn a_condition_that_errs_denies_and_shows_why() {
    let when = |name, condition: &str| PolicyRule { when: Some(condition.into()), ..approve(name) };
    let of = |rules: Vec<PolicyRule>| vec![policy("p", 0, rules)];
    expect(of(vec![when("a", "false"), approve("b")]), &asked(), "b", "Approve");
    expect(of(vec![when("a", "true"), approve("b")]), &asked(), "a", "Approve");
    expect(of(vec![when("a", "oops"), approve("b")]), &asked(), "a", "ConditionFailed");
    expect(of(vec![approve("b"), when("a", "oops")]), &asked(), "b", "Approve");
    let denial = PolicyRule { when: Some("oops".into()), ..deny("no") };
    let outcome = decide(of(vec![approve("b"), denial]), &asked());
    assert_eq!(told(&outcome), ("no".to_owned(), "ConditionFailed".to_owned()));
    assert!(outcome.to_string().contains("`oops` is neither"), "{outcome}");
}

#[test]
fn a_policy_with_a_fault_denies_what_it_would_match_without_its_conditions() {
    let mut faulty = policy("faulty", 0, vec![PolicyRule { when: Some("false".into()), ..approve("a") }]);
    faulty.fault = Some("spec.rules[0].when: 1:3: no such field".into());
    expect(vec![faulty.clone(), policy("later", -1, vec![approve("b")])], &asked(), "a", "PolicyNotAccepted");
    expect(vec![faulty.clone(), policy("earlier", 1, vec![approve("b")])], &asked(), "b", "Approve");
    faulty.rules = vec![PolicyRule { when: Some("false".into()), ..deny("no") }];
    expect(vec![faulty, policy("earlier", 1, vec![approve("b")])], &asked(), "no", "PolicyNotAccepted");
}

#[test]
fn a_suspended_policy_grants_nothing_and_hides_nothing() {
    let mut suspended = policy("s", 5, vec![approve("a"), in_namespaces(deny("no"), &["bank"])]);
    suspended.switch = Switch::Stop;
    expect(vec![suspended.clone(), policy("p", 0, vec![approve("b")])], &asked(), "a", "Suspended");
    let mut request = asked();
    request.place = places(&[("bank", "")]);
    expect(vec![suspended], &request, "no", "DeniedByPolicy");
}

#[test]
fn a_schedule_is_asked_of_the_start_and_a_denial_of_every_minute() {
    let window = |from, to| DayWindow {
        weekdays: Weekdays::default(),
        from: TimeOfDay::parse(from).unwrap(),
        to: TimeOfDay::parse(to).unwrap(),
    };
    let between = |rule: PolicyRule, from, to| PolicyRule {
        schedule: Some(Schedule {
            zone: Zone::named("UTC").unwrap(),
            windows: vec![window(from, to)],
            dates: vec![],
            freezes: vec![],
        }),
        ..rule
    };
    let mut request = asked();
    let office = || vec![policy("p", 0, vec![between(approve("office"), "08:00", "20:00")])];
    expect(office(), &request, "office", "Approve");
    request.start_at = Some(at("21:00:00"));
    let outcome = decide(office(), &request);
    assert_eq!(outcome.near[0].missing, ["it holds only daily 08:00-20:00 (UTC)"]);
    request.start_at = None;
    let freeze = || vec![policy("p", 0, vec![between(deny("freeze"), "10:20", "11:00"), approve("yes")])];
    expect(freeze(), &request, "freeze", "DeniedByPolicy");
    request.duration = length("20m");
    expect(freeze(), &request, "yes", "Approve");
}

#[test]
fn break_glass_takes_urgency_critical_and_no_review_overdue() {
    let terms = BreakGlass { review_within: length("1d"), reviewers: vec![] };
    let policies = || vec![policy("p", 0, vec![rule("glass", Effect::BreakGlass(terms.clone()))])];
    let mut request = asked();
    let outcome = decide(policies(), &request);
    assert_eq!(outcome.near[0].missing, ["it takes urgency Critical"]);
    request.urgency = Urgency::Critical;
    expect(policies(), &request, "glass", "BreakGlass");
    request.usage = Some(Usage { overdue_review: Some("view-logs-x".into()), uses: vec![] });
    expect(policies(), &request, "glass", "ReviewOverdue");
}

#[test]
fn who_was_skipped_is_who_would_have_been_asked() {
    let terms = BreakGlass { review_within: length("1d"), reviewers: vec![] };
    let glass = rule("glass", Effect::BreakGlass(terms));
    let people = rule("people", Effect::RequireApproval(Approval::by_anyone()));
    let mut request = asked();
    request.urgency = Urgency::Critical;
    let now = "2026-12-07T10:00:00Z".parse().unwrap();
    let told = |rules| skipped(&Policies::new(vec![policy("p", 0, rules)]), &request, &Unread, now);
    assert_eq!(told(vec![glass.clone(), people]), ["1 of holders of `approve` (stage `approvers`)"]);
    assert_eq!(told(vec![glass.clone(), approve("a")]), Vec::<String>::new());
    assert_eq!(told(vec![glass]), Vec::<String>::new());
}

fn used(state: UseState) -> Use {
    Use { policy_uid: "uid-p".into(), rule: "limited".into(), state, is_unreviewed: false }
}

fn granted(from: &str, to: &str, ended: Option<&str>) -> Use {
    let window = Window { not_before: at(from), not_after: at(to) };
    used(UseState::Granted { window, ended_at: ended.map(at) })
}

/// What is asked of `limited`, what was used before, and what comes of it.
fn limit_cases() -> Vec<(&'static str, Limits, Vec<Use>, &'static str)> {
    let none = Limits::default();
    let pending = || used(UseState::Pending { duration: length("30m") });
    let day = length("1h");
    vec![
        ("too long", Limits { max_duration: Some(length("29m")), ..none }, vec![], "DurationTooLong"),
        ("just long enough", Limits { max_duration: Some(length("30m")), ..none }, vec![], "Approve"),
        (
            "one in force",
            Limits { max_active: Some(1), ..none },
            vec![granted("09:00:00", "11:00:00", None)],
            "LimitReached",
        ),
        (
            "one planned",
            Limits { max_active: Some(1), ..none },
            vec![granted("12:00:00", "13:00:00", None)],
            "LimitReached",
        ),
        ("one waiting", Limits { max_active: Some(1), ..none }, vec![pending()], "LimitReached"),
        ("one over", Limits { max_active: Some(1), ..none }, vec![granted("08:00:00", "10:00:00", None)], "Approve"),
        (
            "one released",
            Limits { max_active: Some(1), ..none },
            vec![granted("09:00:00", "11:00:00", Some("09:30:00"))],
            "Approve",
        ),
        ("another waits", Limits { max_pending: Some(1), ..none }, vec![pending()], "LimitReached"),
        (
            "too soon",
            Limits { cooldown: Some(length("10m")), ..none },
            vec![granted("09:00:00", "09:55:00", None)],
            "LimitReached",
        ),
        (
            "released too soon",
            Limits { cooldown: Some(length("10m")), ..none },
            vec![granted("09:00:00", "11:00:00", Some("09:51:00"))],
            "LimitReached",
        ),
        (
            "after the pause",
            Limits { cooldown: Some(length("10m")), ..none },
            vec![granted("09:00:00", "09:50:00", None)],
            "Approve",
        ),
        (
            "the day is spent",
            Limits { daily_total: Some(day), ..none },
            vec![granted("08:00:00", "08:31:00", None)],
            "LimitReached",
        ),
        (
            "the day has room",
            Limits { daily_total: Some(day), ..none },
            vec![granted("08:00:00", "08:30:00", None)],
            "Approve",
        ),
        (
            "given back counts as used",
            Limits { daily_total: Some(day), ..none },
            vec![granted("08:00:00", "09:00:00", Some("08:30:00"))],
            "Approve",
        ),
    ]
}

fn review_cases() -> Vec<(&'static str, Limits, Vec<Use>, &'static str)> {
    let none = Limits::default();
    vec![
        (
            "broken glass waits for a review",
            Limits { max_unreviewed: Some(1), ..none },
            vec![Use { is_unreviewed: true, ..granted("07:00:00", "07:30:00", None) }],
            "LimitReached",
        ),
        (
            "broken glass was reviewed",
            Limits { max_unreviewed: Some(1), ..none },
            vec![granted("07:00:00", "07:30:00", None)],
            "Approve",
        ),
    ]
}

#[test]
fn limits_refuse_and_never_cut() {
    let with = |limits| vec![policy("p", 0, vec![PolicyRule { limits, ..approve("limited") }, approve("fallback")])];
    for (what, limits, uses, word) in limit_cases().into_iter().chain(review_cases()) {
        let mut request = asked();
        request.usage = Some(Usage { uses: uses.clone(), overdue_review: None });
        let outcome = decide(with(limits), &request);
        assert_eq!(told(&outcome), ("limited".to_owned(), word.to_owned()), "{what}: {outcome}");
        request.usage = Some(Usage {
            uses: uses.into_iter().map(|past| Use { rule: "another".into(), ..past }).collect(),
            overdue_review: None,
        });
        if word == "LimitReached" {
            expect(with(limits), &request, "limited", "Approve");
        }
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_found() {
    let mut twice = policy("p", 0, vec![approve("a"), approve("a")]);
    twice.rules[0].subjects = vec![SubjectRef::Group("system:authenticated".into())];
    let stage = Stage {
        name: "owners".into(),
        approvers: vec![SubjectRef::User("bob".into())],
        required: 2,
        escalate_after: None,
        escalate_to: vec![],
    };
    let approval = Approval { timeout: None, order: Order::Parallel, stages: vec![stage] };
    twice.rules.push(rule("b", Effect::RequireApproval(approval)));
    let found: Vec<String> = findings(&twice).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("spec.rules[0].subjects: group `system:authenticated` is everybody"), "{found:?}");
    assert!(found[1].starts_with("spec.rules[1].name: `a` names two rules"), "{found:?}");
    assert!(found[2].starts_with("spec.rules[2].approval.stages[0]: takes 2 approvals, but names only 1"), "{found:?}");
    assert!(findings(&policy("p", 0, vec![approve("a"), deny("b")])).is_empty());
}

#[test]
fn a_digest_is_over_meaning() {
    let plain = approve("a");
    let mut shuffled = plain.clone();
    shuffled.subjects = vec![plain.subjects[0].clone(), plain.subjects[0].clone()];
    assert_eq!(plain.digest(), shuffled.digest());
    let changes: [fn(&mut PolicyRule); 7] = [
        |r| r.name = "b".into(),
        |r| r.subjects.push(SubjectRef::User("eve".into())),
        |r| r.roles = ["view-logs".to_owned()].into(),
        |r| r.namespaces = Some(NamespaceMatch::default()),
        |r| r.when = Some("true".into()),
        |r| r.limits.max_active = Some(1),
        |r| r.effect = Effect::RequireApproval(Approval::by_anyone()),
    ];
    let digests: BTreeSet<_> = changes
        .iter()
        .map(|change| {
            let mut changed = plain.clone();
            change(&mut changed);
            changed.digest()
        })
        .chain([plain.digest()])
        .collect();
    assert_eq!(digests.len(), changes.len() + 1);
}

#[test]
fn the_rule_that_decided_is_found_again_only_while_it_says_the_same() {
    let mut changed = policy("p", 0, vec![approve("a")]);
    let by = Decider::of(&changed, &changed.rules[0]);
    changed.priority = 7;
    assert!(by.still_in(&Policies::new(vec![changed.clone()])).is_some());
    changed.rules[0].limits.max_active = Some(1);
    assert!(by.still_in(&Policies::new(vec![changed.clone()])).is_none());
    changed.rules[0].limits.max_active = None;
    changed.uid = "made again".into();
    assert!(by.still_in(&Policies::new(vec![changed])).is_none());
}

fn any_rule() -> impl Strategy<Value = PolicyRule> {
    let effect = prop_oneof![
        Just(Effect::Approve),
        Just(Effect::RequireApproval(Approval::by_anyone())),
        Just(Effect::Deny { message: String::new() }),
    ];
    let names = prop::sample::subsequence(vec!["shop", "shop-*", "*", "bank"], 0..3);
    let when = prop::option::of(prop::sample::select(vec!["true", "false", "oops"]));
    ("[a-c]", any::<bool>(), names, when, effect).prop_map(|(name, is_ours, names, when, effect)| {
        let mut made = in_namespaces(rule(&name, effect), &names);
        made.subjects = vec![SubjectRef::Group(if is_ours { "developers" } else { "others" }.into())];
        made.when = when.map(str::to_owned);
        made
    })
}

fn any_policies() -> impl Strategy<Value = Vec<Policy>> {
    let fault = prop::option::weighted(0.2, Just("broken".to_owned()));
    let one = (-2_i32..3, prop::collection::vec(any_rule(), 0..4), fault);
    prop::collection::vec(one, 1..5).prop_map(|all| {
        let make = |(at, (priority, rules, fault)): (usize, (i32, Vec<PolicyRule>, Option<String>))| Policy {
            fault,
            ..policy(&format!("p{at}"), priority, rules)
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_reading_carries_no_meaning(policies in any_policies(), turn in 0_usize..5) {
        let mut turned = policies.clone();
        turned.rotate_left(turn % policies.len());
        prop_assert_eq!(decide(policies, &asked()), decide(turned, &asked()));
    }

    #[test]
    fn a_denial_more_never_helps(policies in any_policies(), no in any_rule(), at in 0_usize..5) {
        let before = decide(policies.clone(), &asked());
        let mut more = policies;
        let into = at % more.len();
        more[into].rules.push(PolicyRule { effect: Effect::Deny { message: String::new() }, ..no });
        let after = decide(more, &asked());
        if matches!(before.ruling, Ruling::Deny(_)) {
            prop_assert!(matches!(after.ruling, Ruling::Deny(_)), "{after}");
        } else {
            prop_assert!(after.ruling == before.ruling || matches!(after.ruling, Ruling::Deny(_)), "{after}");
        }
    }

    #[test]
    fn a_matching_denial_always_wins(policies in any_policies(), at in 0_usize..5) {
        let mut more = policies;
        let into = at % more.len();
        more[into].rules.push(deny("never"));
        prop_assert!(matches!(decide(more, &asked()).ruling, Ruling::Deny(_)));
    }

    #[test]
    fn a_namespace_more_never_helps(policies in any_policies(), more in "(shop|bank|web)(-[ab])?") {
        let before = decide(policies.clone(), &asked());
        let mut request = asked();
        request.place = places(&[("shop", "production"), (more.as_str(), "")]);
        if let (Ruling::Deny(why), after) = (&before.ruling, decide(policies, &request)) {
            let helps = why.reason == Reason::DeniedByPolicy && !matches!(after.ruling, Ruling::Deny(_));
            prop_assert!(!helps, "{after}");
        }
    }
}
