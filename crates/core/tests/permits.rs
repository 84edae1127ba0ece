//! The gateway's table: no permit outside a window, none for what has ended.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use brevet_core::call::Call;
use brevet_core::decision::{Decision, Verdict};
use brevet_core::grant::{Approval, Ended, Evidence, Grant, IdentityRef, stands};
use brevet_core::length::Length;
use brevet_core::permit::{Attempt, Grants, Permit};
use brevet_core::phase::{Phase, of_grant, of_request};
use brevet_core::reason::{Reason, Refusal};
use brevet_core::request::{Request, Urgency};
use brevet_core::role::Delivery;
use brevet_core::rules::{Rule, Rules};
use brevet_core::subject::{Caller, Subject};
use brevet_core::terms::Terms;
use brevet_core::window::Window;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn second(at: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + at)
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn person(name: &str, uid: &str) -> Subject {
    Subject { username: name.to_owned(), uid: uid.to_owned(), groups: BTreeSet::new() }
}

fn terms(seconds: u64) -> Terms {
    Terms {
        requester: "alice".to_owned(),
        requester_uid: "alice-uid".to_owned(),
        role: "view-logs".to_owned(),
        rules: Rules::from_iter([Rule {
            api_groups: set(&[""]),
            resources: set(&["pods", "pods/log"]),
            verbs: set(&["get", "watch"]),
            resource_names: BTreeSet::new(),
        }]),
        companions: Rules::default(),
        namespaces: vec!["shop".to_owned()],
        duration: Length::from_seconds(seconds).unwrap(),
        start_at: None,
        delivery: Delivery::Gateway,
    }
}

/// A grant named `name` for `seconds` from `from`, with all it rests on.
fn granted(name: &str, from: i64, seconds: u64) -> (Grant, Evidence) {
    let terms = terms(seconds);
    let request = Request {
        name: name.to_owned(),
        uid: format!("{name}-request"),
        created_at: second(from - 60),
        is_deleting: false,
        requester: person("alice", "alice-uid"),
        role: terms.role.clone(),
        namespaces: terms.namespaces.clone(),
        resources: None,
        duration: Some(terms.duration),
        start_at: None,
        justification: "because".to_owned(),
        urgency: Urgency::Normal,
        ticket: String::new(),
        delivery: None,
    };
    let decision = Decision {
        name: format!("{name}-1"),
        uid: format!("{name}-decision"),
        created_at: second(from - 30),
        is_deleting: false,
        verdict: Verdict::Approve,
        request_name: name.to_owned(),
        request_uid: request.uid.clone(),
        digest: Some(terms.digest()),
        role: terms.role.clone(),
        namespaces: terms.namespaces.clone(),
        requester: "alice".to_owned(),
        requester_uid: String::new(),
        approver: person("bob", ""),
        comment: String::new(),
        narrow: None,
    };
    let grant = Grant {
        name: name.to_owned(),
        uid: format!("{name}-grant"),
        resource_version: "1".to_owned(),
        is_deleting: false,
        request_uid: request.uid.clone(),
        holder: request.requester.clone(),
        digest: terms.digest(),
        window: Window { not_before: second(from), not_after: second(from) + terms.duration.span() },
        terms,
        approvals: vec![Approval {
            decision_name: decision.name.clone(),
            decision_uid: decision.uid.clone(),
            approver: "bob".to_owned(),
            stage: "approvers".to_owned(),
        }],
        policy: None,
        identity: Some(IdentityRef { name: "e-x".to_owned(), uid: "e-x-uid".to_owned() }),
        is_ready: true,
        ended: None,
        is_end_confirmed: false,
    };
    (grant, Evidence { request: Some(request), decisions: vec![decision], ..Evidence::default() })
}

fn alice() -> Caller {
    Caller { username: "alice".to_owned(), uid: Some("alice-uid".to_owned()) }
}

fn try_through(grants: &Grants, caller: &Caller, url: &str, now: Timestamp) -> Result<Permit, Refusal> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let call = Call::read("GET", path, query)?;
    grants.permit(&Attempt { grant: "g", caller, call: &call }, now)
}

fn reason(outcome: Result<Permit, Refusal>) -> Option<Reason> {
    outcome.err().map(|refusal| refusal.reason)
}

const PODS: &str = "/api/v1/namespaces/shop/pods/web-1";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_permit_outside_the_window(
        from in 0_i64..1000,
        seconds in 1_u64..1000,
        judged in -100_i64..2200,
        called in -100_i64..2200,
        url in proptest::sample::select(vec![PODS, "/api", "/apis/apps/v1", "/version"]),
    ) {
        let (grant, evidence) = granted("g", from, seconds);
        let window = grant.window;
        let mut grants = Grants::default();
        let stood = grants.apply(grant, &evidence, second(judged)).is_ok();
        prop_assert_eq!(stood, !window.is_over(second(judged)));
        match try_through(&grants, &alice(), url, second(called)) {
            Ok(permit) => {
                prop_assert!(window.contains(second(called)));
                prop_assert_eq!(permit.until(), window.not_after);
            }
            Err(_) => prop_assert!(!window.contains(second(called)) || !stood),
        }
    }

    #[test]
    fn nothing_stands_past_its_terms(from in 0_i64..1000, seconds in 1_u64..1000, later in -5_i64..5, longer in -5_i64..5) {
        let (mut grant, evidence) = granted("g", from, seconds);
        grant.window.not_before += SignedDuration::from_secs(later);
        grant.window.not_after += SignedDuration::from_secs(longer);
        if stands(&grant, &evidence, second(from)).is_ok() {
            let length = grant.window.not_after.duration_since(grant.window.not_before);
            prop_assert!(length <= grant.terms.duration.span());
        }
    }
}

#[test]
fn a_permit_says_what_it_is_for() {
    let (grant, evidence) = granted("g", 0, 60);
    let mut grants = Grants::default();
    grants.apply(grant, &evidence, second(0)).unwrap();

    let get = try_through(&grants, &alice(), PODS, second(1)).unwrap();
    assert_eq!((get.grant_name(), get.grant_uid(), get.identity().name.as_str()), ("g", "g-grant", "e-x"));
    assert!(!get.is_long_running());
    assert!(try_through(&grants, &alice(), &format!("{PODS}/log?follow=1"), second(1)).unwrap().is_long_running());
    assert!(
        try_through(&grants, &alice(), "/api/v1/namespaces/shop/pods?watch=1", second(1)).unwrap().is_long_running()
    );
}

#[test]
fn the_holder_is_known_by_name_and_uid() {
    let (grant, evidence) = granted("g", 0, 60);
    let mut grants = Grants::default();
    grants.apply(grant, &evidence, second(0)).unwrap();
    let caller = |name: &str, uid: Option<&str>| Caller { username: name.to_owned(), uid: uid.map(str::to_owned) };

    assert!(try_through(&grants, &caller("alice", None), PODS, second(1)).is_ok());
    for stranger in
        [caller("alice", Some("")), caller("alice", Some("other")), caller("Alice", None), caller("alice ", None)]
    {
        assert_eq!(reason(try_through(&grants, &stranger, PODS, second(1))), Some(Reason::NoSuchGrant));
    }
    let unknown = try_through(&Grants::default(), &alice(), PODS, second(1)).unwrap_err();
    assert_eq!(unknown, try_through(&grants, &caller("eve", None), PODS, second(1)).unwrap_err());
}

#[test]
fn the_table_follows_what_it_is_told() {
    let (grant, evidence) = granted("g", 0, 60);
    let mut grants = Grants::default();
    assert!(grants.is_empty());

    let unready = Grant { is_ready: false, ..grant.clone() };
    grants.apply(unready, &evidence, second(0)).unwrap();
    assert_eq!(reason(try_through(&grants, &alice(), PODS, second(1))), Some(Reason::NotReady));
    assert_eq!(reason(try_through(&grants, &alice(), PODS, second(-1))), Some(Reason::NotYet));
    assert_eq!(reason(try_through(&grants, &alice(), PODS, second(60))), Some(Reason::WindowClosed));
    let bare = Grant { identity: None, ..grant.clone() };
    grants.apply(bare, &evidence, second(0)).unwrap();
    assert_eq!(reason(try_through(&grants, &alice(), PODS, second(1))), Some(Reason::NotReady));

    grants.apply(grant.clone(), &evidence, second(0)).unwrap();
    assert!(try_through(&grants, &alice(), PODS, second(1)).is_ok());
    grants.apply(grant.clone(), &Evidence::default(), second(1)).unwrap_err();
    let refusal = try_through(&grants, &alice(), PODS, second(1)).unwrap_err();
    assert_eq!(refusal.reason, Reason::Ended);
    assert!(refusal.message.ends_with("kubectl brevet request view-logs -n shop --for 1m --reason TEXT"), "{refusal}");

    grants.remove("g", "another uid");
    assert_eq!(grants.len(), 1);
    grants.remove("g", "g-grant");
    assert_eq!(reason(try_through(&grants, &alice(), PODS, second(1))), Some(Reason::NoSuchGrant));
}

#[test]
fn a_recorded_end_is_never_taken_back() {
    let (mut grant, evidence) = granted("g", 0, 60);
    let ended = Ended { cause: Reason::Drift, at: second(5) };
    grant.ended = Some(ended.clone());
    assert_eq!(stands(&grant, &evidence, second(6)), Err(ended));
    assert_eq!(of_grant(&grant, second(6)), Phase::Revoking);
    grant.is_end_confirmed = true;
    assert_eq!(of_grant(&grant, second(6)), Phase::Revoked);
    assert_eq!(of_request(true, None, Some(&grant), second(6)), Phase::Revoked);
}

#[test]
fn phases_follow_the_window() {
    let (grant, _) = granted("g", 10, 60);
    for (now, is_ready, phase) in [
        (0, true, Phase::Approved),
        (10, false, Phase::Approved),
        (10, true, Phase::Active),
        (69, true, Phase::Active),
        (70, true, Phase::Revoking),
        (70, false, Phase::Revoking),
    ] {
        let grant = Grant { is_ready, ..grant.clone() };
        assert_eq!(of_grant(&grant, second(now)), phase, "at {now}");
    }
    let deleting = Grant { is_deleting: true, ..grant };
    assert_eq!(of_grant(&deleting, second(20)), Phase::Revoking);
    for (closed, phase) in [
        (None, Phase::Approved),
        (Some(Reason::ApprovalTimeout), Phase::Expired),
        (Some(Reason::Withdrawn), Phase::Withdrawn),
        (Some(Reason::DurationTooLong), Phase::Denied),
        (Some(Reason::DeniedByPerson), Phase::Denied),
        (Some(Reason::Released), Phase::Revoked),
    ] {
        assert_eq!(of_request(true, closed, None, second(0)), phase);
        assert!(closed.is_none() || phase.is_terminal());
    }
    assert_eq!(of_request(false, None, None, second(0)), Phase::Pending);
}
