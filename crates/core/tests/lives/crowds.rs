//! What one person says for nothing, among what counts.

use brevet_core::{
    decision::Verdict,
    digest::Digest,
    grant::Approval,
    lifecycle::{KEPT_PER_PERSON, STRAY_SECONDS, SURPLUS_AT_ONCE, UnreadRequest, plan},
    reason::{Reason, Refusal},
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::{check, events, happen, lives::World};

/// More than is kept, most of which counts for nothing.
pub(crate) fn says_much(world: &mut World, who: &str) {
    for _ in 0..KEPT_PER_PERSON {
        world.decide(who, Verdict::Approve, Some(Digest::of(b"other")));
    }
    for _ in 0..3 {
        world.decide(who, Verdict::Withdraw, None);
        world.decide(who, Verdict::Approve, world.digest());
    }
}

/// How many decisions of that person there are.
fn kept(world: &World, who: &str) -> usize {
    world.decisions.iter().filter(|decision| decision.approver.username == who).count()
}

#[test]
fn what_counts_for_nothing_is_bounded_and_what_counts_stays() {
    let mut world = check(
        "alice asks for 30m -> Pending
         mallory says much  -> Active, 4 parts",
    );
    // Those that are kept, and the one that counts.
    assert_eq!(kept(&world, "mallory"), KEPT_PER_PERSON + 1);
    let approvals = world.grant.as_ref().unwrap().grant.approvals.clone();
    let is_there = |world: &World, approval: &Approval| world.decisions.iter().any(|d| d.uid == approval.decision_uid);
    assert!(approvals.len() == 1 && is_there(&world, &approvals[0]));

    world.now += SignedDuration::from_mins(1);
    for who in ["bob", "alice"] {
        happen(&mut world, &format!("{who} says much"));
        world.settle();
        assert_eq!(world.told(), "Active, 4 parts");
    }
    // Bob's first true approval says something nobody relies on: it might have to be told from a lie.
    assert_eq!((kept(&world, "bob"), kept(&world, "alice")), (KEPT_PER_PERSON + 1, KEPT_PER_PERSON + 1));
    assert!(is_there(&world, &approvals[0]));

    // Others are heard although somebody says much.
    happen(&mut world, "carol revokes");
    world.settle();
    assert_eq!(world.told(), "Revoked Revoked");
}

#[test]
fn who_has_decided_much_elsewhere_is_still_heard() {
    let mut world = check("alice asks for 30m -> Pending");
    for (uid, digest) in [("d0000", Some(Digest::of(b"other"))), ("d0001", world.digest())] {
        world.decide("bob", Verdict::Approve, digest);
        world.beyond.insert(uid.to_owned());
    }
    world.settle();
    assert_eq!(world.told(), "Active, 4 parts");
    assert_eq!(world.decisions.iter().map(|d| d.uid.as_str()).collect::<Vec<_>>(), ["d0001"]);
}

#[test]
fn decisions_about_nothing_leave_each_in_its_time() {
    let mut world = World::new();
    let grace = SignedDuration::from_secs(STRAY_SECONDS);
    world.decide("mallory", Verdict::Withdraw, None);
    let first = world.now;
    world.now += SignedDuration::from_secs(30);
    world.decide("mallory", Verdict::Withdraw, None);
    assert_eq!(world.settle().wake_at, Some(first + grace));
    assert_eq!(world.decisions.len(), 2);
    world.now = first + grace;
    // A new one does not keep the others.
    world.decide("mallory", Verdict::Revoke, None);
    assert_eq!(world.settle().wake_at, Some(first + SignedDuration::from_secs(30) + grace));
    assert_eq!(world.decisions.len(), 2);
    world.now += grace;
    assert_eq!((world.settle().wake_at, world.decisions.len()), (None, 0));

    // Too many do not wait.
    for _ in 0..KEPT_PER_PERSON + SURPLUS_AT_ONCE + 5 {
        world.decide("mallory", Verdict::Withdraw, None);
    }
    assert_eq!(plan(&world.observe(), world.now).surplus.len(), SURPLUS_AT_ONCE);
    world.settle();
    assert_eq!(world.decisions.len(), KEPT_PER_PERSON);
    world.beyond = world.decisions.iter().skip(2).map(|decision| decision.uid.clone()).collect();
    world.settle();
    assert_eq!(world.decisions.len(), 2);
}

#[test]
fn what_came_to_no_grant_may_be_crowded_out_and_a_grant_may_not() {
    let story = "alice asks for 30m -> Pending
                 bob denies         -> Denied DeniedByPerson";
    let mut world = check(story);
    world.is_crowded_out = true;
    world.settle();
    assert!(world.request.is_none() && world.decisions.is_empty());
    let mut world = check(
        "alice asks for 30m -> Pending
         bob approves       -> Active, 4 parts
         carol revokes      -> Revoked Revoked",
    );
    world.is_crowded_out = true;
    world.settle();
    assert_eq!(world.told(), "Revoked Revoked");
}

#[test]
fn a_request_that_cannot_be_read_is_refused_and_leaves_in_its_time() {
    let mut world = World::new();
    let why = Refusal::new(Reason::Unreadable, "spec.duration", "too long");
    world.unread = Some(UnreadRequest { why, is_deleting: false });
    world.decide("bob", Verdict::Withdraw, None);
    world.settle();
    assert_eq!(world.told(), "Denied Unreadable");
    world.now += SignedDuration::from_hours(7 * 24 - 1);
    world.settle();
    assert_eq!((world.told().as_str(), world.decisions.len()), ("Denied Unreadable", 1));
    world.now += SignedDuration::from_hours(1);
    world.settle();
    assert!(world.unread.is_none() && world.decisions.is_empty());
}

proptest! {
    /// The same life with and without removing what counts for nothing.
    #[test]
    fn nobody_is_heard_less_for_what_others_say(events in events(), beyond in prop::collection::btree_set(0_usize..80, 0..40)) {
        let (mut tidy, mut full) = (World::new(), World { keeps_surplus: true, ..World::new() });
        tidy.beyond = beyond.iter().map(|number| format!("d{number:04}")).collect();
        for event in events {
            let is_first = tidy.made == 0;
            // Nobody knows the uid of a request before there is one.
            if event == "a binding is removed by hand" || event.starts_with("alice asks") != is_first {
                continue;
            }
            for world in [&mut tidy, &mut full] {
                happen(world, event);
                world.settle();
            }
            prop_assert_eq!(tidy.told(), full.told(), "after {}", event);
            prop_assert_eq!(tidy.grant.as_ref().map(|seen| &seen.grant), full.grant.as_ref().map(|seen| &seen.grant));
            for who in ["bob", "carol"] {
                // Beside those that are kept at most one of each verdict, and one that counted.
                prop_assert!(!tidy.is_readable || kept(&tidy, who) <= KEPT_PER_PERSON + 5, "{who}: {}", kept(&tidy, who));
            }
        }
    }
}
