//! What is said of policies, and that a rule called shadowed decides nothing.

use super::*;

/// The risks of the roles there are.
fn known() -> BTreeMap<String, Risk> {
    [("view-logs", Risk::Low), ("view-secrets", Risk::High), ("deploy", Risk::Critical)]
        .map(|(name, risk)| (name.to_owned(), risk))
        .into()
}

/// Rule, then what is said of it, without the path.
fn said(rules: Vec<PolicyRule>) -> Vec<String> {
    let remarks = lint(&Policies::new(vec![policy("p", 0, rules)]), &known());
    remarks.iter().map(|one| format!("{} {}: {}", one.severity.as_str(), one.rule, one.message)).collect()
}

fn on(mut rule: PolicyRule, role: &'static str) -> PolicyRule {
    rule.roles = set(&[role]);
    rule
}

fn stage(name: &str, approvers: Vec<SubjectRef>, required: u32) -> Stage {
    Stage { name: name.into(), approvers, required, escalate_after: None, escalate_to: vec![] }
}

fn asks(stages: Vec<Stage>) -> PolicyRule {
    on(rule("a", Effect::RequireApproval(Approval { timeout: None, order: Order::Parallel, stages })), "view-logs")
}

fn group(name: &str) -> SubjectRef {
    SubjectRef::Group(name.into())
}

fn user(name: &str) -> SubjectRef {
    SubjectRef::User(name.into())
}

#[test]
fn what_is_likely_not_meant_is_said() {
    let mut risky = approve("a");
    risky.risks = [Risk::High, Risk::Critical].into();
    let mut mild = approve("a");
    mild.risks = [Risk::Low].into();
    let mut pods = asks(vec![stage("s", vec![group("owners")], 1)]);
    pods.subjects = vec![group("system:serviceaccounts")];
    let mut slow = stage("s", vec![group("owners")], 1);
    (slow.escalate_after, slow.escalate_to) = (Some(length("1h")), vec![group("bosses")]);
    let mut late = asks(vec![slow]);
    if let Effect::RequireApproval(approval) = &mut late.effect {
        approval.timeout = Some(length("1h"));
    }
    for (rule, expected) in [
        (on(approve("a"), "view-logs"), ""),
        (mild, ""),
        (approve("a"), "warning a: `*` with Approve is every role"),
        (risky, "warning a: grants roles of risk Critical at once"),
        (on(approve("a"), "deploy"), "warning a: grants `deploy` of risk Critical at once"),
        (on(approve("a"), "view-log"), "warning a: there is no AccessRole `view-log`"),
        (pods, "warning a: group `system:serviceaccounts` is every pod"),
        (late, "warning a: escalates after `1h`"),
        (asks(vec![stage("s", vec![group("owners")], 1)]), ""),
        (asks(vec![stage("s", vec![group("developers")], 1)]), "warning a: group `developers` asks and approves"),
        (asks(vec![stage("s", vec![group("developers")], 2)]), ""),
        (asks(vec![stage("s", vec![group("system:authenticated")], 1)]), "warning a: group `system:authenticated` is"),
        (asks(vec![stage("s", vec![user("bob")], 2)]), "error : takes 2 approvals, but names only 1"),
    ] {
        let found = said(vec![rule.clone()]);
        assert_eq!(found.is_empty(), expected.is_empty(), "{rule:?}: {found:?}");
        assert!(found.iter().all(|one| one.starts_with(expected)), "{found:?} {expected}");
    }
    let own = PolicyRule { subjects: vec![user("bob")], ..asks(vec![stage("s", vec![user("bob")], 1)]) };
    assert!(said(vec![own])[0].starts_with("warning a: user `bob` asks, nobody approves their own request"));
}

#[test]
fn stages_that_one_person_cannot_fill_alone_are_told() {
    let both = || vec![user("bob")];
    let found = said(vec![asks(vec![stage("one", both(), 1), stage("two", both(), 1)])]);
    assert_eq!(
        found,
        ["error a: stages `one`, `two` take 2 people, everybody counts once, and those they name fill 1; name more"]
    );
    let carol = vec![user("bob"), user("carol")];
    assert!(said(vec![asks(vec![stage("one", both(), 1), stage("two", carol, 1)])]).is_empty());
    assert!(said(vec![asks(vec![stage("one", both(), 1), stage("two", vec![group("g")], 1)])]).is_empty());
    let mut opens = stage("two", both(), 1);
    (opens.escalate_after, opens.escalate_to) = (Some(length("1h")), vec![group("bosses")]);
    assert!(said(vec![asks(vec![stage("one", both(), 1), opens])]).is_empty());
}

#[test]
fn a_rule_that_never_decides_is_told_with_the_one_that_does() {
    let (wide, narrow) =
        (on(approve("wide"), "view-logs"), in_namespaces(on(approve("narrow"), "view-logs"), &["shop"]));
    let found = said(vec![wide.clone(), narrow.clone()]);
    assert_eq!(
        found,
        [
            "warning narrow: never decides: rule `wide` of policy `p` takes all that it matches; move it up, or remove it"
        ]
    );
    assert!(said(vec![narrow, wide]).is_empty());
    let denial = on(deny("no"), "view-logs");
    assert_eq!(said(vec![on(approve("a"), "view-logs"), denial]).len(), 1, "a denial is asked first");
}

#[test]
fn what_is_only_nearly_taken_is_no_shadow() {
    let base = || on(approve("b"), "view-logs");
    let changes: [fn(&mut PolicyRule); 7] = [
        |r| r.subjects = vec![SubjectRef::User("alice".into())],
        |r| r.risks = [Risk::Low].into(),
        |r| {
            r.namespaces = Some(NamespaceMatch { except: vec![Glob::parse("x").unwrap()], ..NamespaceMatch::default() })
        },
        |r| r.resources = vec![ResourceMatch { resource: "pods".into(), ..ResourceMatch::default() }],
        |r| r.when = Some("true".into()),
        |r| r.effect = Effect::BreakGlass(BreakGlass { review_within: length("1d"), reviewers: vec![] }),
        |r| {
            r.schedule =
                Some(Schedule { zone: Zone::named("UTC").unwrap(), windows: vec![], dates: vec![], freezes: vec![] });
        },
    ];
    for change in changes {
        let mut early = PolicyRule { name: "a".into(), ..base() };
        change(&mut early);
        let found = said(vec![early.clone(), base()]);
        assert!(!found.iter().any(|one| one.contains("never decides")), "{early:?} {found:?}");
    }
}

fn any_wild_rule() -> impl Strategy<Value = PolicyRule> {
    let terms = BreakGlass { review_within: length("1d"), reviewers: vec![] };
    let effect = prop::sample::select(vec![
        Effect::Approve,
        Effect::RequireApproval(Approval::by_anyone()),
        Effect::BreakGlass(terms),
        Effect::Deny { message: String::new() },
    ]);
    let subjects = prop::sample::subsequence(vec![group("developers"), group("others"), user("alice")], 0..3);
    let roles = prop::sample::subsequence(vec!["view-logs", "deploy", "*"], 1..3);
    let risks = prop::sample::subsequence(vec![Risk::Low, Risk::Critical], 0..2);
    let globs = || prop::sample::subsequence(vec!["shop", "shop-*", "*", "bank"], 0..3);
    let is_labelled = any::<bool>();
    let namespaces = prop::option::of((globs(), globs(), is_labelled).prop_map(|(names, except, is_labelled)| {
        let globs = |all: Vec<&str>| all.into_iter().map(|name| Glob::parse(name).unwrap()).collect();
        let tier = BTreeMap::from([("tier".to_owned(), "production".to_owned())]);
        let selector = is_labelled.then(|| Selector::of_labels(&tier));
        NamespaceMatch { names: globs(names), except: globs(except), selector }
    }));
    let kind = (prop::sample::select(vec!["pods", "pods/log", "secrets", "*"]), any::<bool>(), any::<bool>());
    let kinds = prop::collection::vec(kind, 0..3).prop_map(|all| {
        let one = |(resource, has_verb, has_name): (&str, bool, bool)| ResourceMatch {
            api_group: String::new(),
            resource: resource.into(),
            verbs: if has_verb { set(&["get"]) } else { BTreeSet::new() },
            names: if has_name { set(&["web"]) } else { BTreeSet::new() },
        };
        all.into_iter().map(one).collect::<Vec<_>>()
    });
    let hours = prop::option::weighted(0.3, prop::sample::select(vec![("08:00", "12:00"), ("22:00", "06:00")]));
    let when = prop::option::of(prop::sample::select(vec!["true", "false", "oops"]));
    ((subjects, roles, risks), (namespaces, kinds), (hours, when, effect)).prop_map(
        |((subjects, roles, risks), (namespaces, resources), (hours, when, effect))| PolicyRule {
            name: String::new(),
            subjects,
            roles: roles.into_iter().map(str::to_owned).collect(),
            risks: risks.into_iter().collect(),
            namespaces,
            resources,
            schedule: hours.map(|(from, to)| Schedule {
                zone: Zone::named("UTC").unwrap(),
                windows: vec![DayWindow {
                    weekdays: Weekdays::default(),
                    from: TimeOfDay::parse(from).unwrap(),
                    to: TimeOfDay::parse(to).unwrap(),
                }],
                dates: vec![],
                freezes: vec![],
            }),
            when: when.map(str::to_owned),
            limits: Limits::default(),
            effect,
        },
    )
}

/// Policies whose rules are told apart by name.
pub(super) fn any_wild_policies() -> impl Strategy<Value = Vec<Policy>> {
    let fault = prop::option::weighted(0.1, Just("broken".to_owned()));
    let one = (-1_i32..2, prop::collection::vec(any_wild_rule(), 0..6), fault);
    prop::collection::vec(one, 1..4).prop_map(|all| {
        let make = |(at, (priority, mut rules, fault)): (usize, (i32, Vec<PolicyRule>, Option<String>))| {
            for (place, rule) in rules.iter_mut().enumerate() {
                rule.name = format!("r{at}-{place}");
            }
            Policy { fault, ..policy(&format!("p{at}"), priority, rules) }
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

/// Requests about anything that those policies speak of.
pub(super) fn any_request() -> impl Strategy<Value = PolicyRequest> {
    let groups = prop::sample::subsequence(vec!["developers", "others"], 0..2);
    let role = prop::sample::select(vec![("view-logs", Risk::Low), ("deploy", Risk::Critical)]);
    let labels = prop::sample::select(vec![None, Some("production"), Some("test")]);
    let names = prop::collection::btree_map(prop::sample::select(vec!["shop", "shop-eu", "bank", "web"]), labels, 0..3);
    let place = prop_oneof![
        4 => names.prop_map(|all| {
            let labels = |tier: &str| BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
            Place::Namespaces(all.into_iter().map(|(name, tier)| (name.to_owned(), tier.map(labels))).collect())
        }),
        1 => any::<bool>().prop_map(|reaches_namespaces| Place::Cluster { reaches_namespaces }),
    ];
    let granted = prop::collection::vec(
        (prop::sample::select(vec!["pods", "pods/log", "secrets"]), any::<bool>(), any::<bool>()),
        0..3,
    );
    let hour = 0_u8..24;
    let urgency = prop::sample::select(vec![Urgency::Normal, Urgency::Critical]);
    (groups, role, place, granted, hour, urgency).prop_map(|(groups, (role, risk), place, granted, hour, urgency)| {
        let rule = |(resource, has_list, has_name): (&'static str, bool, bool)| Rule {
            api_groups: set(&[""]),
            resources: set(&[resource]),
            verbs: if has_list { set(&["get", "list"]) } else { set(&["get"]) },
            resource_names: if has_name { set(&["web"]) } else { BTreeSet::new() },
        };
        PolicyRequest {
            requester: Subject {
                username: "alice".into(),
                uid: String::new(),
                groups: groups.into_iter().map(str::to_owned).collect(),
            },
            role: role.to_owned(),
            risk,
            place,
            granted: granted.into_iter().map(rule).collect(),
            start_at: Some(at(&format!("{hour:02}:30:00"))),
            urgency,
            ..asked()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(512), ..ProptestConfig::default() })]
    #[test]
    fn a_rule_called_shadowed_decides_nothing(
        policies in any_wild_policies(), requests in prop::collection::vec(any_request(), 16),
    ) {
        let policies = Policies::new(policies);
        let remarks = lint(&policies, &BTreeMap::new());
        let shadowed: BTreeSet<&str> =
            remarks.iter().filter(|one| one.message.contains("never decides")).map(|one| one.rule.as_str()).collect();
        for request in requests {
            let outcome = evaluate(&policies, &request, &Plain, at("00:00:00"));
            if matches!(&outcome.ruling, Ruling::Deny(refusal) if refusal.reason.is_transient()) {
                continue; // a fact could not be seen: nothing was decided
            }
            let by = outcome.by.map(|by| by.rule).unwrap_or_default();
            prop_assert!(!shadowed.contains(by.as_str()), "`{by}` decides {request:?}");
        }
    }
}

/// Cases of a property; `PROPTEST_CASES` may ask for more.
pub(super) fn cases(normally: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(normally)
}
