//! I1, I3, I4: the deadline holds, whoever is dead and whatever people try.

use std::time::Duration;

use brevet_api::{Phase, Verdict};
use brevet_testkit::{Cluster, Options, Part};

use crate::scene::{
    OpenLog, PATIENCE, TORN, call, deadline, identity, left, logs, now, pods, refused, settled, somebody,
};

/// From the deadline to its refusal, on a loaded machine: one call and its answer.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn i3_a_deadline_holds_with_every_controller_dead() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let alice = cluster.user("alice").client().await.unwrap();
    let grant = cluster.approved("alice", "bob", logs("shop", "8s")).await.unwrap();
    cluster.brevet().unwrap().kill(Part::Controller).unwrap();
    cluster.kill("kube-controller-manager").unwrap();
    let not_after = deadline(&grant).await;
    let log = OpenLog::open(&grant.holder().unwrap(), "shop", "web-1").await;

    let mut admitted = 0;
    let (heard, refusal) = loop {
        let answer = call(&alice, &grant, &pods("shop")).await;
        match answer.said {
            Ok(_) => assert!(answer.sent < not_after, "admitted at {}, over at {not_after}", answer.sent),
            // An answer that was on its way at the deadline is cut there.
            Err(torn) if torn.code == TORN => assert!(answer.heard >= not_after, "torn at {}", answer.heard),
            Err(refusal) => break (answer.heard, refusal),
        }
        admitted += 1;
    };
    assert!(admitted > 0, "nothing was admitted");
    assert!(refusal.message.contains("xpired"), "{}", refusal.message);
    let noticed = Duration::try_from(heard.duration_since(not_after)).expect("not before its time");
    assert!(noticed < NOTICED_WITHIN, "refused only {noticed:?} after the deadline");
    for _ in 0..5 {
        assert!(call(&alice, &grant, &pods("shop")).await.said.is_err());
    }

    assert!(!log.ended().await.success(), "a torn log must not look whole");

    // Nobody has taken it away yet; the controller, once back, does.
    assert_eq!(grant.grant().await.unwrap().status.unwrap().phase, Some(Phase::Active));
    assert!(!left(&cluster, None).await.is_empty());
    cluster.brevet().unwrap().restart(Part::Controller).await.unwrap();
    grant.phase(Phase::Expired).await.unwrap();
    assert_eq!(left(&cluster, None).await, Vec::<String>::new());
}

#[tokio::test]
async fn i3_a_deadline_holds_when_the_gateway_comes_back_after_it() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let brevet = cluster.brevet().unwrap();
    let alice = cluster.user("alice").client().await.unwrap();

    // The gateway alone: the controller takes everything away, and says so only when nobody can hold it open.
    let one = cluster.approved("alice", "bob", logs("shop", "6s")).await.unwrap();
    assert!(call(&alice, &one, &pods("shop")).await.said.is_ok());
    brevet.kill(Part::Gateway).unwrap();
    let carried_by = identity(&one).await;
    cluster
        .eventually("everything of the grant to be gone", PATIENCE, async || {
            left(&cluster, Some(&carried_by)).await.is_empty().then_some(())
        })
        .await;
    one.phase(Phase::Revoking).await.unwrap();
    brevet.restart(Part::Gateway).await.unwrap();
    assert!(refused(&cluster, &alice, &one, &pods("shop")).await.contains("expired at"));

    // Both: nobody has written that it is over, and it is.
    let both = cluster.approved("alice", "bob", logs("shop", "10s")).await.unwrap();
    assert!(call(&alice, &both, &pods("shop")).await.said.is_ok());
    brevet.kill(Part::Controller).unwrap();
    brevet.kill(Part::Gateway).unwrap();
    let not_after = deadline(&both).await;
    cluster.eventually("the deadline", PATIENCE, async || (now() >= not_after).then_some(())).await;
    brevet.restart(Part::Gateway).await.unwrap();
    assert!(refused(&cluster, &alice, &both, &pods("shop")).await.contains("expired at"));
    assert_eq!(both.grant().await.unwrap().status.unwrap().phase, Some(Phase::Active));
    assert!(!left(&cluster, Some(&identity(&both).await)).await.is_empty());
}

#[tokio::test]
async fn i4_nothing_the_holder_or_requester_does_moves_the_deadline() {
    let cluster = Cluster::shared().await;
    let (who, client) = {
        let who = somebody(cluster);
        let client = cluster.user(&who).client().await.unwrap();
        (who, client)
    };
    let grant = cluster.approved(&who, "carol", logs("shop", "15s")).await.unwrap();
    let before = grant.grant().await.unwrap().spec;
    let name = grant.name();
    let later = r#"{"spec":{"notAfter":"2099-01-01T00:00:00Z"}}"#;
    let longer = r#"{"spec":{"duration":"30d"}}"#;
    let active = r#"{"status":{"phase":"Active","conditions":[],"endedAt":null}}"#;
    let attempts: [&[&str]; 7] = [
        &["patch", "accessgrant", name, "--type=merge", "-p", later],
        &["patch", "accessgrant", name, "--type=merge", "--subresource=status", "-p", active],
        &["patch", "accessrequest", name, "--type=merge", "-p", longer],
        &["patch", "accessrequest", name, "--type=merge", "--subresource=status", "-p", active],
        &["patch", "grants.sessions.brevet.dev", name, "--type=merge", "-p", later],
        &["delete", "accessrequest", name],
        &["delete", "accessgrant", name],
    ];
    for user in [cluster.user(&who), grant.holder().unwrap()] {
        for args in attempts {
            let output = user.kubectl(args).await.unwrap();
            assert_ne!(output.status, 0, "kubectl {args:?}: {}", output.stdout);
        }
    }
    // Another approval, and one more by the same person.
    for approver in ["bob", "carol"] {
        grant.decide(approver, Verdict::Approve).await.unwrap();
    }
    grant.phase(Phase::Expired).await.unwrap();
    assert!(now() >= before.not_after.0);

    // Approved again after its end.
    grant.decide("carol", Verdict::Approve).await.unwrap();
    settled(cluster).await;
    assert_eq!(grant.grant().await.unwrap().spec, before);
    grant.phase(Phase::Expired).await.unwrap();
    assert!(refused(cluster, &client, &grant, &pods("shop")).await.contains("expired at"));
}
