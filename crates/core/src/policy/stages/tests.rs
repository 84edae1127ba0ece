//! Who fills what: told as lines of `minute who verdict`, with the groups of
//! the people in the `CAST`.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::request::Urgency;
use crate::role::Delivery;
use crate::rules::Rules;

/// Everybody, with their groups. Alice asks.
const CAST: &[(&str, &[&str])] = &[
    ("alice", &["owners", "security"]),
    ("adm-alice", &["owners"]),
    ("bob", &["owners"]),
    ("carol", &["owners", "security"]),
    ("dave", &["security"]),
    ("erin", &["security"]),
    ("boss", &["managers"]),
    ("mallory", &[]),
];

fn minute(at: i64) -> Timestamp {
    let start: Timestamp = "2026-12-07T10:00:00Z".parse().unwrap();
    start.checked_add(SignedDuration::from_mins(at)).unwrap()
}

fn subject(name: &str) -> Subject {
    let groups = CAST.iter().find(|(known, _)| *known == name).map(|(_, groups)| *groups).unwrap();
    Subject { username: name.into(), uid: String::new(), groups: groups.iter().map(|g| (*g).to_owned()).collect() }
}

fn request() -> Request {
    Request {
        name: "view-logs-1".into(),
        uid: "r1".into(),
        created_at: minute(0),
        is_deleting: false,
        requester: subject("alice"),
        role: "view-logs".into(),
        namespaces: vec!["shop".into()],
        resources: None,
        duration: None,
        start_at: None,
        justification: "errors".into(),
        urgency: Urgency::Normal,
        ticket: String::new(),
        delivery: None,
    }
}

fn terms() -> Terms {
    Terms {
        requester: "alice".into(),
        requester_uid: String::new(),
        role: "view-logs".into(),
        rules: Rules::default(),
        companions: Rules::default(),
        namespaces: vec!["shop".into()],
        duration: "30m".parse().unwrap(),
        start_at: None,
        delivery: Delivery::Gateway,
    }
}

/// Reads `3 bob approves`, `4 dave denies`, `5 carol approves wrongly` (another digest).
fn decisions(story: &[&str]) -> Vec<Decision> {
    let read = |(at, line): (usize, &&str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let verdict = if words[2] == "denies" { Verdict::Deny } else { Verdict::Approve };
        let is_wrong = words.get(3) == Some(&"wrongly");
        Decision {
            name: format!("d{at}"),
            uid: format!("d{at}"),
            created_at: minute(words[0].parse().unwrap()),
            is_deleting: false,
            verdict,
            request_name: "view-logs-1".into(),
            request_uid: "r1".into(),
            digest: (!is_wrong).then(|| terms().digest()),
            role: "view-logs".into(),
            namespaces: vec!["shop".into()],
            requester: "alice".into(),
            requester_uid: String::new(),
            approver: subject(words[1]),
            comment: String::new(),
            narrow: None,
        }
    };
    story.iter().enumerate().map(read).collect()
}

fn stage(name: &str, group: &str, required: u32) -> Stage {
    let approvers = vec![SubjectRef::Group(group.into())];
    Stage { name: name.into(), approvers, required, escalate_after: None, escalate_to: vec![] }
}

fn approval(order: Order, stages: Vec<Stage>) -> Approval {
    Approval { timeout: None, order, stages }
}

/// `owners: bob; security: carol, dave` and the state, then each idle decision with its reason.
fn tell(approval: &Approval, story: &[&str], aliases: &Aliases) -> String {
    let decisions = decisions(story);
    let standing = tally(approval, &request(), &terms(), &decisions, aliases);
    let stage = |filled: &Filled<'_>| {
        let names: Vec<&str> = filled.by.iter().map(|d| d.approver.username.as_str()).collect();
        format!("{}: {}", filled.name, names.join(", "))
    };
    let stages: Vec<String> = standing.stages.iter().map(stage).collect();
    let state = match standing.state {
        State::Open => "open".to_owned(),
        State::Approved => "approved".to_owned(),
        State::Denied(by) => format!("denied by {}", by.approver.username),
    };
    let mut idle: Vec<String> =
        standing.idle.iter().map(|(d, why)| format!("{} {}", d.approver.username, why.reason)).collect();
    idle.sort();
    let idle = if idle.is_empty() { String::new() } else { format!(" | {}", idle.join(", ")) };
    format!("{} -> {state}{idle}", stages.join("; "))
}

fn parallel() -> Approval {
    approval(Order::Parallel, vec![stage("owners", "owners", 1), stage("security", "security", 2)])
}

fn ordered() -> Approval {
    approval(Order::Ordered, vec![stage("owners", "owners", 1), stage("security", "security", 1)])
}

#[test]
fn parallel_stages_are_told() {
    for (story, expected) in [
        (&["1 bob approves"][..], "owners: bob; security:  -> open"),
        (&["1 bob approves", "2 dave approves", "3 erin approves"], "owners: bob; security: dave, erin -> approved"),
        // Carol stands for either; whichever way fills the stages.
        (&["1 carol approves", "2 bob approves", "3 dave approves"], "owners: bob; security: carol, dave -> approved"),
        (
            &["1 carol approves", "2 dave approves", "3 erin approves"],
            "owners: carol; security: dave, erin -> approved",
        ),
        // One person never fills two places.
        (
            &["1 carol approves", "2 carol approves", "3 dave approves"],
            "owners: carol; security: dave -> open | carol Duplicate",
        ),
        (&["1 alice approves", "2 bob approves"], "owners: bob; security:  -> open | alice SelfApproval"),
        (&["1 mallory approves"], "owners: ; security:  -> open | mallory NotEligible"),
        (&["1 bob approves wrongly"], "owners: ; security:  -> open | bob DigestMismatch"),
        (&["1 bob approves", "2 adm-alice approves"], "owners: bob; security:  -> open | adm-alice TooLate"),
        // A denial ends it: by somebody whom a stage names, before the last stage is filled.
        (
            &["1 bob approves", "2 dave denies", "3 erin approves"],
            "owners: bob; security:  -> denied by dave | erin TooLate",
        ),
        (&["1 mallory denies", "2 bob approves"], "owners: bob; security:  -> open | mallory NotEligible"),
        (
            &["1 bob approves", "2 dave approves", "3 erin approves", "4 carol denies"],
            "owners: bob; security: dave, erin -> approved | carol TooLate",
        ),
        (
            &["1 bob approves", "2 dave approves", "3 erin approves", "3 carol denies"],
            "owners: bob; security: dave -> denied by carol | erin TooLate",
        ),
    ] {
        assert_eq!(tell(&parallel(), story, &Aliases::default()), expected, "{story:?}");
    }
}

#[test]
fn ordered_stages_are_told() {
    for (story, expected) in [
        (&["1 bob approves", "2 dave approves"][..], "owners: bob; security: dave -> approved"),
        (&["1 dave approves", "2 bob approves"], "owners: bob; security:  -> open | dave TooLate"),
        (
            &["1 dave approves", "2 bob approves", "3 dave approves"],
            "owners: bob; security: dave -> approved | dave Duplicate",
        ),
        (&["1 carol approves", "2 carol approves"], "owners: carol; security:  -> open | carol Duplicate"),
    ] {
        assert_eq!(tell(&ordered(), story, &Aliases::default()), expected, "{story:?}");
    }
}

#[test]
fn nobody_approves_themselves_under_any_name() {
    let aliases =
        Aliases([("adm-alice".to_owned(), "alice".to_owned()), ("erin".to_owned(), "dave".to_owned())].into());
    let story = ["1 adm-alice approves", "2 dave approves", "3 erin approves"];
    let told = tell(&parallel(), &story, &aliases);
    assert_eq!(told, "owners: ; security: dave -> open | adm-alice SelfApproval, erin Duplicate");
}

#[test]
fn a_stage_that_waits_too_long_opens_to_others() {
    let mut slow = approval(Order::Parallel, vec![stage("owners", "owners", 1)]);
    slow.stages[0].escalate_after = Some("30m".parse().unwrap());
    slow.stages[0].escalate_to = vec![SubjectRef::Group("managers".into())];
    assert_eq!(tell(&slow, &["29 boss approves"], &Aliases::default()), "owners:  -> open | boss NotEligible");
    assert_eq!(tell(&slow, &["30 boss approves"], &Aliases::default()), "owners: boss -> approved");
}

#[test]
fn a_stage_without_approvers_is_for_whoever_holds_the_verb() {
    assert_eq!(
        tell(&Approval::by_anyone(), &["1 mallory approves"], &Aliases::default()),
        "approvers: mallory -> approved"
    );
    assert_eq!(
        tell(&Approval::by_anyone(), &["1 mallory denies"], &Aliases::default()),
        "approvers:  -> denied by mallory"
    );
}

#[test]
fn no_stages_are_never_filled() {
    assert_eq!(
        tell(&approval(Order::Parallel, vec![]), &["1 bob approves"], &Aliases::default()),
        " -> open | bob NotEligible"
    );
}

fn state_word(state: &State<'_>) -> &'static str {
    match state {
        State::Open => "open",
        State::Approved => "approved",
        State::Denied(_) => "denied",
    }
}

fn any_story() -> impl Strategy<Value = Vec<String>> {
    let who = prop::sample::select(vec!["alice", "adm-alice", "bob", "carol", "dave", "erin", "boss", "mallory"]);
    let verdict = prop::sample::select(vec!["approves", "approves", "approves", "denies"]);
    prop::collection::vec((0_i64..9, who, verdict), 0..9)
        .prop_map(|lines| lines.iter().map(|(at, who, verdict)| format!("{at} {who} {verdict}")).collect())
}

fn any_approval() -> impl Strategy<Value = Approval> {
    let group = prop::sample::select(vec!["owners", "security", "managers"]);
    let order = prop::sample::select(vec![Order::Parallel, Order::Ordered]);
    (order, prop::collection::vec((group, 1_u32..3), 1..4)).prop_map(|(order, stages)| {
        let make = |(at, (group, required)): (usize, (&str, u32))| stage(&format!("s{at}"), group, required);
        approval(order, stages.into_iter().enumerate().map(make).collect())
    })
}

proptest! {
    #[test]
    fn everybody_counts_once_for_a_stage_that_names_them(approval in any_approval(), story in any_story()) {
        let story: Vec<&str> = story.iter().map(String::as_str).collect();
        let decisions = decisions(&story);
        let standing = tally(&approval, &request(), &terms(), &decisions, &Aliases::default());
        let mut counted = BTreeSet::new();
        for (filled, stage) in standing.stages.iter().zip(&approval.stages) {
            prop_assert!(filled.by.len() <= stage.required as usize);
            for by in &filled.by {
                prop_assert!(counted.insert(&by.approver.username), "{} counts twice", by.approver.username);
                prop_assert!(by.approver.username != "alice");
                prop_assert!(stage.names(&by.approver, minute(0), by.created_at));
            }
        }
        if standing.state == State::Approved {
            prop_assert!(standing.stages.iter().all(|filled| filled.by.len() == filled.required as usize));
        }
        // Every decision counts, settles, or is told to have no effect.
        let settles = usize::from(matches!(standing.state, State::Denied(_)));
        let told = standing.stages.iter().map(|filled| filled.by.len()).sum::<usize>() + standing.idle.len() + settles;
        prop_assert_eq!(told, decisions.len());
    }

    #[test]
    fn the_order_of_reading_carries_no_meaning(approval in any_approval(), story in any_story(), turn in 0_usize..9) {
        let story: Vec<&str> = story.iter().map(String::as_str).collect();
        let decisions = decisions(&story);
        let mut turned = decisions.clone();
        if !turned.is_empty() { turned.rotate_left(turn % decisions.len()); }
        let state = |all: &[Decision]| match tally(&approval, &request(), &terms(), all, &Aliases::default()).state {
            State::Denied(by) => format!("denied {}", by.uid),
            other => format!("{other:?}"),
        };
        prop_assert_eq!(state(&decisions), state(&turned));
    }

    #[test]
    fn what_is_settled_stays_settled_whatever_comes_later(
        approval in any_approval(), story in any_story(), later in any_story(),
    ) {
        let later: Vec<String> = later
            .iter()
            .map(|line| { let (at, rest) = line.split_once(' ').unwrap(); format!("{} {rest}", at.parse::<i64>().unwrap() + 20) })
            .collect();
        let both: Vec<&str> = story.iter().chain(&later).map(String::as_str).collect();
        let all = decisions(&both);
        let tell = |decisions: &[Decision]| {
            let standing = tally(&approval, &request(), &terms(), decisions, &Aliases::default());
            let counted: Vec<Vec<String>> =
                standing.stages.iter().map(|s| s.by.iter().map(|d| d.uid.clone()).collect()).collect();
            (state_word(&standing.state), counted)
        };
        let before = tell(&all[..story.len()]);
        if before.0 != "open" {
            prop_assert_eq!(before, tell(&all));
        }
    }
}

/// Rules that can be cut by name.
fn wide_terms() -> Terms {
    let set = |word: &str| BTreeSet::from([word.to_owned()]);
    let rule = crate::rules::Rule {
        api_groups: set(""),
        resources: set("pods"),
        verbs: set("get"),
        resource_names: BTreeSet::new(),
    };
    Terms { rules: Rules::from_iter([rule]), ..terms() }
}

/// Reads `2 carol narrows 30m to 10m`, `3 bob approves 10m` and `3 bob denies 10m`: which terms they
/// attest is told by their duration.
fn narrowings(story: &[&str]) -> Vec<Decision> {
    let of = |duration: &str| Terms { duration: duration.parse().unwrap(), ..wide_terms() };
    let read = |(at, line): (usize, &&str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let last = words.last().unwrap();
        let by = crate::terms::Narrow { duration: last.parse().ok(), ..crate::terms::Narrow::default() };
        Decision {
            name: format!("d{at}"),
            uid: format!("d{at}"),
            digest: Some(of(last).digest()),
            narrow: (words[2] == "narrows").then_some(by),
            verdict: if words[2] == "denies" { Verdict::Deny } else { Verdict::Approve },
            ..decisions(&[&words[..3].join(" ")])[0].clone()
        }
    };
    story.iter().enumerate().map(read).collect()
}

#[test]
fn narrowed_terms_are_everybodys_to_attest() {
    let (parallel, ordered) = (parallel(), ordered());
    let adm = Aliases([("adm-alice".to_owned(), "alice".to_owned())].into());
    for (approval, story, expected) in [
        (&parallel, &["1 bob approves 30m", "2 dave narrows to 10m"][..], "10m: owners ; security dave: Open"),
        (
            &parallel,
            &["1 bob approves 30m", "2 dave narrows to 10m", "3 bob approves 10m", "4 erin approves 10m"],
            "10m: owners bob; security dave, erin: Approved",
        ),
        // The wider terms are attested in vain.
        (&parallel, &["1 dave narrows to 10m", "2 bob approves 30m"], "10m: owners ; security dave: Open"),
        // Once more, and never back.
        (&parallel, &["1 dave narrows to 10m", "2 erin narrows to 5m"], "5m: owners ; security erin: Open"),
        (&parallel, &["1 dave narrows to 10m", "2 erin narrows to 20m"], "10m: owners ; security dave: Open"),
        (&parallel, &["1 dave narrows to 40m"], "30m: owners ; security : Open"),
        // Nothing is cut: an approval like any other.
        (&parallel, &["1 dave narrows to 30m"], "30m: owners ; security dave: Open"),
        // Nobody narrows for whom no stage stands, nor the requester under any name.
        (&parallel, &["1 mallory narrows to 10m"], "30m: owners ; security : Open"),
        (&parallel, &["1 alice narrows to 10m"], "30m: owners ; security : Open"),
        (&parallel, &["1 adm-alice narrows to 10m"], "30m: owners ; security : Open"),
        // Too late: approved or denied as it was.
        (
            &parallel,
            &["1 bob approves 30m", "2 dave approves 30m", "3 erin approves 30m", "4 carol narrows to 10m"],
            "30m: owners bob; security dave, erin: Approved",
        ),
        (&parallel, &["1 bob denies 30m", "2 dave narrows to 10m"], "30m: owners ; security : Denied"),
        (&parallel, &["1 dave narrows to 10m", "2 bob denies 10m"], "10m: owners ; security dave: Denied"),
        // Ordered stages begin anew.
        (
            &ordered,
            &["1 bob approves 30m", "2 dave narrows to 10m", "3 bob approves 10m"],
            "10m: owners bob; security : Open",
        ),
        (
            &ordered,
            &["1 bob approves 30m", "2 dave narrows to 10m", "3 bob approves 10m", "4 dave approves 10m"],
            "10m: owners bob; security dave: Approved",
        ),
        (&ordered, &["1 bob narrows to 10m", "2 dave approves 10m"], "10m: owners bob; security dave: Approved"),
    ] {
        let decisions = narrowings(story);
        let found = in_force(approval, &request(), &wide_terms(), &decisions, &adm, &|_| true);
        let standing = tally(approval, &request(), &found.terms, &decisions, &adm);
        let stage = |filled: &Filled<'_>| {
            let names: Vec<&str> = filled.by.iter().map(|d| d.approver.username.as_str()).collect();
            format!("{} {}", filled.name, names.join(", "))
        };
        let stages: Vec<String> = standing.stages.iter().map(stage).collect();
        let state = match standing.state {
            State::Open => "Open",
            State::Approved => "Approved",
            State::Denied(_) => "Denied",
        };
        assert_eq!(format!("{}: {}: {state}", found.terms.duration, stages.join("; ")), expected, "{story:?}");
    }
}

#[test]
fn what_the_policies_do_not_allow_takes_no_effect() {
    let decisions = narrowings(&["1 dave narrows to 10m"]);
    let found = in_force(&parallel(), &request(), &wide_terms(), &decisions, &Aliases::default(), &|_| false);
    assert_eq!((found.terms, found.by), (wide_terms(), vec![]));
}

#[test]
fn a_stage_says_who_may_decide_later() {
    let escalates = Stage {
        escalate_after: "30m".parse().ok(),
        escalate_to: vec![SubjectRef::Group("managers".into())],
        ..stage("owners", "owners", 1)
    };
    assert_eq!(escalates.to_string(), "1 of group `owners`, after `30m` also of group `managers` (stage `owners`)");
}
