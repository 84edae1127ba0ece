//! Lives of requests, told as stories: what happens on the left, how the
//! request stands once the plan has come to rest on the right.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

#[path = "lives/crowds.rs"]
mod crowds;
mod lives;

use brevet_core::{
    decision::Verdict,
    digest::Digest,
    lifecycle::{RequestCondition, Step, Wait, plan},
    reason::Reason,
    request::{NamespaceState, RoleState, Urgency},
    switch::Switch,
};
use jiff::SignedDuration;
use lives::{World, at, role};
use proptest::prelude::*;

/// Tells a story and checks each line's end.
fn check(story: &str) -> World {
    check_in(World::new(), story)
}

fn check_in(mut world: World, story: &str) -> World {
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, expected) = line.split_once("->").unwrap();
        happen(&mut world, event.trim());
        world.settle();
        assert_eq!(world.told(), expected.trim(), "after `{}` in\n{story}", event.trim());
    }
    world
}

fn happen(world: &mut World, event: &str) {
    let words: Vec<&str> = event.split_whitespace().collect();
    match words.as_slice() {
        ["tick", length] => {
            let seconds = brevet_core::length::Length::parse(length).unwrap().seconds();
            world.now += SignedDuration::from_secs(i64::from(seconds));
        }
        ["alice", "asks", "for", duration] => world.ask(duration, None),
        ["alice", "asks", "for", duration, "from", start] => world.ask(duration, Some(at(start))),
        ["alice", "breaks", "glass", "for", duration] => {
            world.ask(duration, None);
            world.request.as_mut().unwrap().urgency = Urgency::Critical;
        }
        [who, "reviews"] => world.decide(who, Verdict::Review, world.digest()),
        [who, "approves"] => world.decide(who, Verdict::Approve, world.digest()),
        [who, "approves", "another", "digest"] => world.decide(who, Verdict::Approve, Some(Digest::of(b"other"))),
        [who, "narrows", "to", duration] => world.narrow(who, duration),
        [who, "denies"] => world.decide(who, Verdict::Deny, world.digest()),
        [who, "withdraws"] => world.decide(who, Verdict::Withdraw, None),
        [who, "revokes"] => world.decide(who, Verdict::Revoke, None),
        [who, "says", "much"] => crowds::says_much(world, who),
        _ => accident(world, event),
    }
}

fn accident(world: &mut World, event: &str) {
    let part = |world: &mut World, uid: &str, change: fn(&mut brevet_core::lifecycle::identity::Part)| {
        world.parts.iter_mut().filter(|part| part.uid == uid).for_each(change);
    };
    match event {
        "the grant is deleted" => world.grant.as_mut().unwrap().grant.is_deleting = true,
        "the grant is gone, finalizer and all" => world.grant = None,
        "the cluster is suspended" => world.suspend(Switch::Stop),
        "the cluster is suspended, what is active ends" => world.suspend(Switch::End),
        "the cluster goes on" => world.suspend(Switch::Off),
        "the request is deleted" => (world.request, world.written) = (None, None),
        "the approval is deleted" => world.decisions.clear(),
        "the binding is gone" => world.parts.retain(|part| part.uid != "b"),
        "the binding is changed" => part(world, "b", |part| part.is_as_written = false),
        "the binding is made again" => part(world, "b", |part| part.uid = "b2".to_owned()),
        "the anchor is made again" => part(world, "a", |part| part.seal = None),
        "a binding is added elsewhere" => {
            let mut more = world.parts.iter().find(|part| part.uid == "b").unwrap().clone();
            (more.namespace, more.uid) = ("web".to_owned(), "more".to_owned());
            world.parts.push(more);
        }
        "the role is deleted" => world.role = RoleState::Missing,
        "the role loses its ClusterRole" => world.role = RoleState::Unsound("no ClusterRole".to_owned()),
        "the role is narrowed" => world.role = role(&["get"]),
        "the role is widened" => world.role = role(&["get", "list", "watch"]),
        "role or namespace are made again" => (world.youngest, world.seal) = (world.now, world.seal + 1),
        "all within a second, role or namespace are made again" => world.seal += 1,
        "the namespace is deleted" => world.namespace = NamespaceState::Missing,
        "the namespace is being deleted" => world.namespace = NamespaceState::Terminating,
        "nothing can be read" => world.is_readable = false,
        "all can be read" => world.is_readable = true,
        "the gateway hangs" => world.gateway_hangs = true,
        "the gateway acknowledges" => world.gateway_hangs = false,
        "somebody holds the binding" => world.is_binding_held = true,
        "somebody lets go of it" => world.parts.clear(),
        "another grant shares the identity" => world.is_shared = true,
        "a grant of that name is kept" => world.name_taken = true,
        "the admission policies are gone" => world.trusted_since = None,
        "the admission policies are back" => world.trusted_since = Some(world.now),
        other => panic!("no such event: {other}"),
    }
}

#[test]
fn a_request_lives_to_its_deadline() {
    check(
        "alice asks for 30m     -> Pending
         tick 2m                -> Pending
         alice approves         -> Pending
         bob approves another digest -> Pending
         bob approves           -> Active, 4 parts
         tick 29m59s            -> Active, 4 parts
         tick 1s                -> Expired Expired
         tick 6d                -> Expired Expired
         tick 1d                -> no request, no end, 0 parts",
    );
}

#[test]
fn people_end_it_earlier() {
    for (who, verb, reason) in [("alice", "revokes", "Released"), ("carol", "revokes", "Revoked")] {
        check(&format!(
            "alice asks for 30m -> Pending
             bob approves       -> Active, 4 parts
             tick 5m            -> Active, 4 parts
             {who} {verb}       -> Revoked {reason}"
        ));
    }
    check(
        "alice asks for 30m -> Pending
         bob denies         -> Denied DeniedByPerson
         carol approves     -> Denied DeniedByPerson",
    );
    check(
        "alice asks for 30m -> Pending
         alice withdraws    -> Withdrawn Withdrawn
         bob approves       -> Withdrawn Withdrawn",
    );
}

#[test]
fn less_may_be_approved_and_that_is_what_comes_into_force() {
    let world = check(
        "alice asks for 30m      -> Pending
         bob narrows to 10m      -> Active, 4 parts
         tick 9m59s              -> Active, 4 parts
         tick 1s                 -> Expired Expired",
    );
    let status = world.written.unwrap();
    let narrowed = &status.conditions[&RequestCondition::Narrowed];
    assert_eq!(narrowed.message, "narrowed by `bob`: for `10m` instead of `30m`");
    check(
        "alice asks for 30m       -> Pending
         alice narrows to 10m     -> Pending
         bob narrows to 10m       -> Active, 4 parts
         the approval is deleted  -> Revoked Evidence",
    );
}

#[test]
fn whom_no_stage_names_has_no_say() {
    check_in(
        World::with_bob(),
        "alice asks for 30m -> Pending
         carol denies       -> Pending
         tick 1m            -> Pending
         bob approves       -> Active, 4 parts
         carol denies       -> Active, 4 parts",
    );
    check_in(
        World::with_bob(),
        "alice asks for 30m -> Pending
         bob denies         -> Denied DeniedByPerson
         bob approves       -> Denied DeniedByPerson",
    );
}

#[test]
fn broken_glass_is_reviewed_and_its_proof_kept_until_then() {
    let world = check_in(
        World::with_glass(),
        "alice breaks glass for 30m -> Active, 4 parts
         tick 1h                    -> Expired Expired
         tick 30d                   -> Expired Expired",
    );
    let status = world.written.clone().unwrap();
    let said = &status.conditions[&RequestCondition::ReviewDue];
    assert_eq!((said.is_true, said.reason.as_str()), (true, "ReviewOverdue"));
    assert_eq!(
        said.message,
        "glass was broken: nobody was asked of 1 of holders of `approve` (stage `approvers`); \
         user `carol` reviews it until 2026-12-02T10:00:00Z"
    );
    // Not by herself, nor by somebody whom the rule does not name.
    let world = check_in(
        world,
        "alice reviews -> Expired Expired
         bob reviews   -> Expired Expired",
    );
    assert!(world.written.as_ref().unwrap().awaits_review());
    // Nor by what nobody can tell from a forgery.
    let world = check_in(
        world,
        "the admission policies are gone -> Expired Expired
         carol reviews                   -> Expired Expired
         the admission policies are back -> Expired Expired
         tick 1s                         -> Expired Expired",
    );
    assert!(world.written.as_ref().unwrap().awaits_review());
    let world = check_in(world, "carol reviews -> Expired Expired");
    let status = world.written.clone().unwrap();
    let said = &status.conditions[&RequestCondition::ReviewDue];
    assert_eq!((said.is_true, said.message.as_str()), (false, "reviewed by `carol`"));
    check_in(
        world,
        "tick 6d -> Expired Expired
         tick 1d -> no request, no end, 0 parts",
    );
}

#[test]
fn a_review_is_due_as_soon_as_glass_is_broken_and_becomes_overdue() {
    let mut world = check_in(World::with_glass(), "alice breaks glass for 30m -> Active, 4 parts");
    let said = |world: &World| world.written.as_ref().unwrap().conditions[&RequestCondition::ReviewDue].reason.clone();
    assert_eq!(said(&world), "GlassBroken");
    world = check_in(world, "carol revokes -> Revoked Revoked");
    assert_eq!(said(&world), "GlassBroken");
    world = check_in(world, "tick 23h59m59s -> Revoked Revoked");
    assert_eq!(said(&world), "GlassBroken");
    world = check_in(world, "tick 1s -> Revoked Revoked");
    assert_eq!(said(&world), Reason::ReviewOverdue.as_str());
    // Without urgency people are asked, and nothing is reviewed.
    let world = check_in(World::with_glass(), "alice asks for 30m -> Pending\n bob approves -> Active, 4 parts");
    assert_eq!(world.written.unwrap().review, None);
}

#[test]
fn a_kill_switch_stops_what_would_begin_and_may_end_what_is_active() {
    check(
        "alice asks for 30m        -> Pending
         the cluster is suspended  -> Denied Suspended
         the cluster goes on       -> Denied Suspended",
    );
    check(
        "alice asks for 30m        -> Pending
         bob approves              -> Active, 4 parts
         the cluster is suspended  -> Active, 4 parts
         the cluster is suspended, what is active ends -> Revoked Suspended
         the cluster goes on       -> Revoked Suspended",
    );
    check(
        "alice asks for 30m from 12:00:00 -> Pending
         bob approves                     -> Approved
         the cluster is suspended         -> Revoked Suspended",
    );
}

#[test]
fn nobody_in_time() {
    check(
        "alice asks for 30m -> Pending
         tick 23h59m59s     -> Pending
         tick 1s            -> Expired ApprovalTimeout
         bob approves       -> Expired ApprovalTimeout",
    );
}

#[test]
fn a_start_ahead_is_waited_for_and_a_late_approval_leaves_the_remainder() {
    check(
        "alice asks for 30m from 12:00:00 -> Pending
         bob approves                     -> Approved
         tick 1h59m59s                    -> Approved
         tick 1s                          -> Active, 4 parts
         tick 30m                         -> Expired Expired",
    );
    let world = check(
        "alice asks for 30m from 10:10:00 -> Pending
         tick 20m                         -> Pending
         bob approves                     -> Active, 4 parts
         tick 20m                         -> Expired Expired",
    );
    assert_eq!(world.grant.unwrap().grant.window.not_after, at("10:40:00"));
    check(
        "alice asks for 30m from 10:10:00 -> Pending
         tick 40m                         -> Expired WindowMissed",
    );
    check(
        "alice asks for 30m from 12:00:00 -> Pending
         bob approves                     -> Approved
         alice withdraws                  -> Withdrawn Withdrawn",
    );
}

#[test]
fn whatever_drifts_ends_it() {
    for (event, parts) in [
        ("the binding is gone", ""),
        ("the binding is changed", ""),
        ("the binding is made again", ""),
        ("the anchor is made again", ""),
        ("a binding is added elsewhere", ""),
        ("the role is deleted", ""),
        ("the role loses its ClusterRole", ""),
        ("the role is narrowed", ""),
        ("role or namespace are made again", ""),
        ("all within a second, role or namespace are made again", ""),
        ("the namespace is deleted", ""),
        ("the namespace is being deleted", ""),
    ] {
        check(&format!(
            "alice asks for 30m -> Pending
             bob approves       -> Active, 4 parts
             tick 1m            -> Active, 4 parts
             {event}            -> Revoked Drift{parts}
             tick 1h            -> Revoked Drift"
        ));
    }
    check(
        "alice asks for 30m  -> Pending
         bob approves        -> Active, 4 parts
         the role is widened -> Active, 4 parts",
    );
}

#[test]
fn evidence_that_goes_takes_the_grant_along() {
    check(
        "alice asks for 30m      -> Pending
         bob approves            -> Active, 4 parts
         the approval is deleted -> Revoked Evidence",
    );
    check(
        "alice asks for 30m      -> Pending
         bob approves            -> Active, 4 parts
         the request is deleted  -> no request, Evidence, 0 parts
         tick 7d                 -> no request, no end, 0 parts",
    );
}

#[test]
fn a_deleted_grant_never_comes_again() {
    let world = check(
        "alice asks for 30m   -> Pending
         bob approves         -> Active, 4 parts
         the grant is deleted -> Revoked Deleted
         tick 1m              -> Revoked Deleted",
    );
    assert!(world.grant.is_none(), "the finalizer holds it still");
    check(
        "alice asks for 30m                   -> Pending
         bob approves                         -> Active, 4 parts
         the grant is gone, finalizer and all -> Revoked Deleted, 4 parts",
    );
}

#[test]
fn what_cannot_be_read_ends_nothing_and_gives_nothing() {
    let mut world = check(
        "nothing can be read -> no request, no end, 0 parts
         alice asks for 30m  -> no request, no end, 0 parts
         all can be read     -> Pending
         bob approves        -> Active, 4 parts
         nothing can be read -> Active, 4 parts
         tick 10m            -> Active, 4 parts
         tick 20m            -> Revoking, 4 parts
         all can be read     -> Expired Expired",
    );
    world.is_readable = false;
    assert!(plan(&world.observe(), world.now).steps.is_empty());
}

#[test]
fn without_the_admission_policies_nothing_comes_into_force_and_everything_ends() {
    check(
        "the admission policies are gone -> no request, no end, 0 parts
         alice asks for 30m              -> no request, no end, 0 parts
         alice withdraws                 -> Withdrawn Withdrawn",
    );
    check(
        "alice asks for 30m              -> Pending
         the admission policies are gone -> Pending
         bob approves                    -> Pending
         tick 25h                        -> Pending",
    );
    check(
        "alice asks for 30m from 12:00:00 -> Pending
         bob approves                     -> Approved
         the admission policies are gone  -> Approved
         tick 2h10m                       -> Approved
         tick 20m                         -> Expired Expired",
    );
    for (event, end) in [
        ("alice revokes", "Revoked Released"),
        ("carol revokes", "Revoked Revoked"),
        ("the binding is gone", "Revoked Drift"),
        ("the approval is deleted", "Revoked Evidence"),
        ("the grant is deleted", "Revoked Deleted"),
        ("tick 30m", "Expired Expired"),
    ] {
        check(&format!(
            "alice asks for 30m              -> Pending
             bob approves                    -> Active, 4 parts
             the admission policies are gone -> Active, 4 parts
             tick 1m                         -> Active, 4 parts
             {event}                         -> {end}"
        ));
    }
}

#[test]
fn what_was_written_without_the_admission_policies_never_counts() {
    let world = check(
        "alice asks for 30m              -> Pending
         bob approves                    -> Active, 4 parts
         the admission policies are gone -> Active, 4 parts
         tick 1m                         -> Active, 4 parts
         the admission policies are back -> Revoked Evidence",
    );
    assert!(world.grant.unwrap().end_message.contains("ask again"));
    check(
        "the admission policies are gone -> no request, no end, 0 parts
         alice asks for 30m              -> no request, no end, 0 parts
         bob approves                    -> no request, no end, 0 parts
         the admission policies are back -> Denied Unguarded",
    );
    check(
        "tick 1m                         -> no request, no end, 0 parts
         the admission policies are back -> no request, no end, 0 parts
         tick 1s                         -> no request, no end, 0 parts
         alice asks for 30m              -> Pending
         bob approves                    -> Active, 4 parts",
    );
}

#[test]
fn an_end_is_confirmed_only_when_all_is_gone_and_everybody_has_said_so() {
    check(
        "alice asks for 30m         -> Pending
         bob approves               -> Active, 4 parts
         somebody holds the binding -> Active, 4 parts
         carol revokes              -> Revoking, 1 parts
         tick 1d                    -> Revoking, 1 parts
         somebody lets go of it     -> Revoked Revoked",
    );
    let mut world = check(
        "alice asks for 30m         -> Pending
         bob approves               -> Active, 4 parts
         the gateway hangs          -> Active, 4 parts
         carol revokes              -> Revoking",
    );
    let waiting = world.settle();
    assert_eq!(waiting.waits_for, Some(Wait::Acknowledgement));
    assert_eq!(waiting.wake_at, Some(world.now + SignedDuration::from_secs(35)), "until the replica counts as dead");
    world.gateway_hangs = false;
    world.settle();
    assert_eq!(world.told(), "Revoked Revoked");
}

#[test]
fn a_shared_identity_stays_for_the_others() {
    check(
        "alice asks for 30m                -> Pending
         bob approves                      -> Active, 4 parts
         another grant shares the identity -> Active, 4 parts
         carol revokes                     -> Revoked Revoked, 4 parts",
    );
}

#[test]
fn a_name_is_not_used_twice_at_once() {
    check(
        "a grant of that name is kept -> no request, no end, 0 parts
         alice asks for 30m           -> Denied NameTaken",
    );
}

#[test]
fn an_approval_of_another_namespace_of_that_name_counts_for_nothing() {
    check(
        "alice asks for 30m               -> Pending
         nothing can be read              -> Pending
         bob approves                     -> Pending
         tick 1m                          -> Pending
         role or namespace are made again -> Pending
         all can be read                  -> Pending
         bob approves                     -> Active, 4 parts",
    );
}

/// Everything that can happen, in any order.
fn events() -> impl Strategy<Value = Vec<&'static str>> {
    let all = [
        "tick 1m",
        "tick 20m",
        "tick 1d",
        "alice asks for 30m",
        "alice asks for 1h from 10:30:00",
        "alice approves",
        "bob approves",
        "bob approves another digest",
        "bob denies",
        "bob says much",
        "carol says much",
        "bob narrows to 10m",
        "carol narrows to 5m",
        "alice withdraws",
        "carol revokes",
        "alice revokes",
        "the request is deleted",
        "the approval is deleted",
        "the binding is gone",
        "the binding is changed",
        "a binding is removed by hand",
        "the role is deleted",
        "the role is narrowed",
        "the role is widened",
        "role or namespace are made again",
        "the namespace is deleted",
        "nothing can be read",
        "all can be read",
        "the gateway hangs",
        "the gateway acknowledges",
        "somebody holds the binding",
        "the admission policies are gone",
        "the admission policies are back",
    ];
    prop::collection::vec(prop::sample::select(all.to_vec()), 1..24)
}

proptest! {
    #[test]
    fn no_order_of_events_gives_access_after_an_end(events in events()) {
        let mut world = World::new();
        let mut end = None;
        for event in events {
            if event.starts_with("alice asks") && world.made > 0 {
                continue;
            }
            if event != "a binding is removed by hand" {
                happen(&mut world, event);
            }
            let before = world.gave.len();
            let window = world.grant.as_ref().map(|seen| seen.grant.window);
            world.settle();
            for (step, now) in &world.gave[before..] {
                let asked = world.request.as_ref().map(|request| request.created_at);
                prop_assert!(world.trusted_since < asked && world.trusted_since.is_some(), "{step:?} unguarded");
                prop_assert!(end.is_none(), "{step:?} after the end");
                if let Step::CreateGrant(new) = step {
                    prop_assert!(new.window.not_before >= lives::at("10:00:00") && *now < new.window.not_after);
                } else {
                    prop_assert!(window.or(world.grant.as_ref().map(|s| s.grant.window)).unwrap().contains(*now));
                }
            }
            if let (Some(before), Some(seen)) = (window, &world.grant) {
                prop_assert_eq!(before, seen.grant.window, "a window moves");
            }
            let complete = world.written.as_ref().and_then(|status| status.complete_since());
            let over = world.grant.as_ref().and_then(|seen| seen.grant.ended.as_ref().map(|ended| ended.at));
            end = end.or(complete).or(over);
        }
    }
}
