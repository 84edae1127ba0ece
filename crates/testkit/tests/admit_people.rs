//! Admission as people meet it, on a server that stamps nothing: who asks, who decides, what a request
//! may say and carry, who touches grants and the catalogue.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod admit;

use std::time::Duration;

use admit::{
    Attempt, Caller, DECISIONS, GRANTS, IMPERSONATION_MINOR_MIN, RBAC, REQUESTS, account, decision, grant, minor,
    named, person, request, role_binding, with,
};
use brevet_testkit::{Cluster, Options};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";

/// One cluster for all tests of this file, with Brevet's policies but the stamping ones.
async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async {
            let cluster = Cluster::start(Options { no_server: true, ..Options::default() }).await.unwrap();
            let admin = Caller::user(&cluster, "admin").await;
            if minor(&cluster).await >= IMPERSONATION_MINOR_MIN {
                for stamp in ["stamp-requests.brevet.dev", "stamp-decisions.brevet.dev"] {
                    admin.accepts(Attempt::delete(format!("{MUTATING}/{stamp}")).really()).await;
                }
            }
            let bare = request(json!({"username": "system:nobody"}));
            cluster
                .eventually("stamping to end", Duration::from_secs(30), async || {
                    admin.tries(&Attempt::create(REQUESTS, bare.clone())).await.err()
                })
                .await;
            cluster
        })
        .await
}

fn asks(patch: Value) -> Attempt {
    Attempt::create(REQUESTS, with(request(person("alice", "developers")), patch))
}

fn decides(verdict: &str, who: (&str, &str), namespaces: &[&str]) -> Attempt {
    Attempt::create(DECISIONS, decision(verdict, person(who.0, who.1), namespaces))
}

const BOB: (&str, &str) = ("bob", "shop-owners");
const CAROL: (&str, &str) = ("carol", "secops");
const ALICE: (&str, &str) = ("alice", "developers");
const MALLORY: (&str, &str) = ("mallory", "developers");

#[tokio::test]
async fn a_request_says_truly_who_asks() {
    let alice = Caller::user(cluster().await, "alice").await;
    alice.accepts(asks(json!({}))).await;
    let groups = |all: &[&str]| asks(json!({"spec": {"requester": {"groups": all}}}));
    alice.accepts(groups(&["system:authenticated", "developers", "developers"])).await;
    alice.rejects(groups(&["developers"]), "spec.requester.groups must be [developers, system:authenticated]").await;
    alice.rejects(groups(&["developers", "system:authenticated", "admins"]), "spec.requester.groups must be").await;
    alice.rejects(groups(&[]), "spec.requester.groups must be").await;
    for other in ["bob", "Alice", "alice ", "ａlice", "system:admin"] {
        let lie = asks(json!({"spec": {"requester": {"username": other}}}));
        alice.rejects(lie, "spec.requester.username must be alice").await;
    }
    alice.rejects(asks(json!({"spec": {"requester": {"uid": "7"}}})), "spec.requester.uid must be").await;
    alice.rejects(asks(json!({"spec": {"requester": null}})), "spec.requester: Required value").await;
}

#[tokio::test]
async fn a_service_account_says_its_uid() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let groups = ["developers", "system:serviceaccounts", "system:authenticated"];
    let robot = admin.acting_as("system:serviceaccount:shop:robot", "u-1", &groups);
    let who = json!({"username": "system:serviceaccount:shop:robot", "uid": "u-1", "groups": groups});
    robot.accepts(Attempt::create(REQUESTS, request(who.clone()))).await;
    for uid in [json!(""), json!("u-2")] {
        let lie = request(with(who.clone(), json!({ "uid": uid })));
        robot.rejects(Attempt::create(REQUESTS, lie), "spec.requester.uid must be \"u-1\"").await;
    }
}

#[tokio::test]
async fn who_is_impersonated_is_who_asks() {
    let admin = Caller::user(cluster().await, "admin").await;
    let alice = admin.acting_as("alice", "", &["developers"]);
    alice.accepts(asks(json!({}))).await;
    admin.rejects(asks(json!({})), "spec.requester.username must be admin").await;
}

#[tokio::test]
async fn many_groups_fit_and_too_many_do_not() {
    let admin = Caller::user(cluster().await, "admin").await;
    let groups =
        |count: usize, length: usize| -> Vec<String> { (0..count).map(|i| format!("g{i:0length$}")).collect() };
    for (count, length, why) in
        [(250, 60, ""), (257, 8, "must have at most 256 items"), (250, 80, "more than 16384 characters")]
    {
        let mut all = groups(count, length);
        all.push("developers".into());
        let member = admin.acting_as("zoe", "", &all.iter().map(String::as_str).collect::<Vec<_>>());
        all.push("system:authenticated".into());
        let ask = Attempt::create(REQUESTS, request(json!({"username": "zoe", "groups": all})));
        if why.is_empty() {
            member.accepts(ask).await;
        } else {
            member.rejects(ask, why).await;
        }
    }
}

#[tokio::test]
async fn a_request_stays_within_its_bounds() {
    let alice = Caller::user(cluster().await, "alice").await;
    let spec = |patch: Value| asks(json!({ "spec": patch }));
    let names = |count: usize, length: usize| -> Vec<String> { (0..count).map(|i| format!("p{i:0length$}")).collect() };
    let pods = |names: Vec<String>| json!({"apiGroup": "", "resource": "pods", "names": names});

    for duration in ["1s", "30d", "1h30m", "90m"] {
        alice.accepts(spec(json!({ "duration": duration }))).await;
    }
    for duration in ["", "0s", "0d0h", "-5m", "NaN", "1e9h", "1ms", "5", "1m1h", "1.5h", " 1h", "1H"] {
        alice.rejects(spec(json!({ "duration": duration })), "spec.duration").await;
    }
    alice.accepts(spec(json!({"startAt": "2030-12-01T09:00:00+01:00"}))).await;
    for start in ["tomorrow", "2030-13-01T00:00:00Z", "2030-12-01"] {
        alice.rejects(spec(json!({ "startAt": start })), "spec.startAt").await;
    }
    alice.rejects(spec(json!({"justification": ""})), "spec.justification").await;
    alice.rejects(spec(json!({"justification": null})), "spec.justification: Required value").await;
    alice.rejects(spec(json!({"justification": "x".repeat(1025)})), "spec.justification").await;
    alice.rejects(spec(json!({"role": null})), "spec.role: Required value").await;
    alice.rejects(spec(json!({"urgency": "urgent"})), "spec.urgency").await;
    alice.rejects(spec(json!({"delivery": "Mail"})), "spec.delivery").await;
    alice.accepts(spec(json!({"namespaces": names(16, 4)}))).await;
    alice.rejects(spec(json!({"namespaces": names(17, 4)})), "must have at most 16 items").await;
    alice.rejects(spec(json!({"namespaces": ["shop", "shop"]})), "Duplicate value").await;
    alice.rejects(spec(json!({"namespaces": [""]})), "spec.namespaces[0]").await;
    alice.rejects(spec(json!({"namespaces": ["*"]})), "spec.namespaces[0]").await;

    alice.accepts(spec(json!({"resources": [pods(names(32, 8)), pods(names(32, 8))]}))).await;
    alice.rejects(spec(json!({"resources": [pods(names(33, 8)), pods(names(32, 8))]})), "more than 64 objects").await;
    alice.rejects(spec(json!({"resources": [pods(names(64, 200))]})), "more than 8192 characters").await;
    for bad in ["", "../x", "a/b", "a%2fb", "*", "naïve", "a b"] {
        let ask = spec(json!({"resources": [{"apiGroup": "", "resource": "pods", "names": [bad]}]}));
        alice.rejects(ask, "spec.resources[0].names[0]").await;
    }
    for bad in ["*", "pods/*", "*/log", "Pods", "pods/log/x", ""] {
        alice.rejects(spec(json!({"resources": [{"resource": bad}]})), "spec.resources[0].resource").await;
    }
    alice
        .rejects(spec(json!({"resources": [{"apiGroup": "*", "resource": "pods"}]})), "spec.resources[0].apiGroup")
        .await;
    alice
        .rejects(spec(json!({"resources": [{"resource": "pods", "verbs": ["*"]}]})), "spec.resources[0].verbs[0]")
        .await;
}

#[tokio::test]
async fn a_request_carries_a_name_and_nothing_else() {
    let cluster = cluster().await;
    let (alice, admin) = (Caller::user(cluster, "alice").await, Caller::user(cluster, "admin").await);
    let meta = |patch: Value| asks(json!({ "metadata": patch }));
    let owner = json!([{"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "u"}]);
    alice.accepts(meta(json!({"name": "my-own-name", "generateName": null}))).await;
    alice.rejects(meta(json!({"labels": {"a": "b"}})), "leave out metadata.labels").await;
    alice.rejects(meta(json!({"annotations": {"a": "b"}})), "leave out metadata.annotations").await;
    alice.rejects(meta(json!({"finalizers": ["a.example/b"]})), "leave out metadata.finalizers").await;
    alice.rejects(meta(json!({"ownerReferences": owner})), "leave out metadata.ownerReferences").await;
    alice.rejects(meta(json!({"name": "n".repeat(64)})), "longer than 63 characters").await;

    let stored = alice.accepts(asks(json!({"status": {"phase": "Approved"}})).really()).await;
    assert_eq!(stored.get("status"), None, "status on create is dropped");
    let path = format!("{REQUESTS}/{}", stored["metadata"]["name"].as_str().unwrap());
    for patch in [
        json!({"labels": {"a": "b"}}),
        json!({"annotations": {"a": "b"}}),
        json!({"finalizers": ["a.example/b"]}),
        json!({"ownerReferences": owner}),
    ] {
        admin.rejects(Attempt::patch(&path, json!({ "metadata": patch })), "leave out metadata.").await;
    }
    for (method, attempt) in [
        ("get", Attempt::read(&path)),
        ("list", Attempt::read(REQUESTS)),
        ("patch", Attempt::patch(&path, json!({"metadata": {"labels": {"a": "b"}}}))),
        ("delete", Attempt::delete(&path)),
    ] {
        alice.rejects(attempt, &format!("cannot {method} resource \"accessrequests\"")).await;
    }
}

#[tokio::test]
async fn a_request_deleted_in_the_foreground_goes() {
    let cluster = cluster().await;
    let (alice, admin) = (Caller::user(cluster, "alice").await, Caller::user(cluster, "admin").await);
    let stored = alice.accepts(asks(json!({})).really()).await;
    let path = format!("{REQUESTS}/{}", stored["metadata"]["name"].as_str().unwrap());
    admin.accepts(Attempt::delete(format!("{path}?propagationPolicy=Foreground")).really()).await;
    cluster
        .eventually("the request to be collected", Duration::from_secs(30), async || {
            admin.tries(&Attempt::read(&path)).await.err()
        })
        .await;
}

#[tokio::test]
async fn what_was_asked_never_changes() {
    let cluster = cluster().await;
    let (alice, admin) = (Caller::user(cluster, "alice").await, Caller::user(cluster, "admin").await);
    let stored = alice.accepts(asks(json!({})).really()).await;
    let path = format!("{REQUESTS}/{}", stored["metadata"]["name"].as_str().unwrap());
    for change in [
        json!({"duration": "8h"}),
        json!({"ticket": "INC-1"}),
        json!({"duration": null}),
        json!({"resources": null}),
        json!({"namespaces": ["shop", "web"]}),
        json!({"requester": {"username": "mallory"}}),
    ] {
        let why = "spec of an AccessRequest cannot change; withdraw this request and ask again";
        admin.rejects(Attempt::patch(&path, json!({ "spec": change })), why).await;
    }
    admin.rejects(Attempt::patch(&path, json!({"spec": null})), "spec: Required value").await;
}

#[tokio::test]
async fn a_decision_says_truly_who_decides() {
    let bob = Caller::user(cluster().await, "bob").await;
    bob.accepts(decides("Approve", BOB, &["shop"])).await;
    bob.rejects(decides("Approve", CAROL, &["shop"]), "spec.approver.username must be bob").await;
    bob.rejects(decides("Approve", ("bob", "secops"), &["shop"]), "spec.approver.groups must be").await;
    let uid =
        with(decision("Approve", person("bob", "shop-owners"), &["shop"]), json!({"spec": {"approver": {"uid": "1"}}}));
    bob.rejects(Attempt::create(DECISIONS, uid), "spec.approver.uid must be").await;
    let none = with(decision("Approve", Value::Null, &["shop"]), json!({"spec": {"approver": null}}));
    bob.rejects(Attempt::create(DECISIONS, none), "spec.approver: Required value").await;
}

#[tokio::test]
async fn an_approver_needs_the_right_in_every_namespace() {
    let cluster = cluster().await;
    let (bob, carol) = (Caller::user(cluster, "bob").await, Caller::user(cluster, "carol").await);
    let mallory = Caller::user(cluster, "mallory").await;
    for verdict in ["Approve", "Deny"] {
        bob.accepts(decides(verdict, BOB, &["shop"])).await;
        let why = "bob does not hold approve on accessroles/view-logs in namespace web";
        bob.rejects(decides(verdict, BOB, &["shop", "web"]), why).await;
        bob.rejects(decides(verdict, BOB, &["web", "shop"]), why).await;
        bob.rejects(decides(verdict, BOB, &["web"]), why).await;
        let whole = "does not hold approve on accessroles/view-logs for the whole cluster";
        bob.rejects(decides(verdict, BOB, &[]), whole).await;
        mallory.rejects(decides(verdict, MALLORY, &[]), whole).await;
        mallory.rejects(decides(verdict, MALLORY, &["shop"]), "does not hold approve").await;
        carol.accepts(decides(verdict, CAROL, &[])).await;
        carol.accepts(decides(verdict, CAROL, &["shop", "web"])).await;
    }
    let absent =
        with(decision("Approve", person("bob", "shop-owners"), &[]), json!({"spec": {"terms": {"namespaces": null}}}));
    bob.rejects(Attempt::create(DECISIONS, absent), "for the whole cluster").await;
    carol.rejects(decides("Approve", CAROL, &[""]), "spec.terms.namespaces[0]").await;
    carol.rejects(decides("Approve", CAROL, &["shop", "shop"]), "Duplicate value").await;
}

#[tokio::test]
async fn sixteen_namespaces_are_judged_one_by_one() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let all: Vec<String> = (0..17).map(|i| format!("many-{i}")).collect();
    for (i, name) in all.iter().enumerate() {
        admin.accepts(Attempt::create("/api/v1/namespaces", json!({"metadata": {"name": name}})).really()).await;
        if i != 15 {
            let binding = role_binding("bob-approves", "", named("User", "bob"));
            let binding = with(binding, json!({"roleRef": {"kind": "ClusterRole", "name": "brevet-approver"}}));
            admin.accepts(Attempt::create(format!("{RBAC}/namespaces/{name}/rolebindings"), binding).really()).await;
        }
    }
    let (bob, carol) = (Caller::user(cluster, "bob").await, Caller::user(cluster, "carol").await);
    let first = |count: usize| all.iter().take(count).map(String::as_str).collect::<Vec<_>>();
    for count in [1, 2, 3, 8, 15] {
        bob.accepts(decides("Approve", BOB, &first(count))).await;
    }
    bob.rejects(
        decides("Approve", BOB, &first(16)),
        "does not hold approve on accessroles/view-logs in namespace many-15",
    )
    .await;
    for count in [3, 16] {
        carol.accepts(decides("Approve", CAROL, &first(count))).await;
        carol.accepts(decides("Revoke", CAROL, &first(count))).await;
    }
    carol.rejects(decides("Approve", CAROL, &first(17)), "must have at most 16 items").await;
    let mut others = first(15);
    others.push("many-16");
    bob.accepts(decides("Approve", BOB, &others)).await;
}

#[tokio::test]
async fn nobody_approves_their_own_request() {
    let cluster = cluster().await;
    let carol = Caller::user(cluster, "carol").await;
    let own = with(
        decision("Approve", person("carol", "secops"), &["shop"]),
        json!({"spec": {"terms": {"requester": "carol"}}}),
    );
    carol.rejects(Attempt::create(DECISIONS, own), "nobody approves their own request").await;
    let alice = Caller::user(cluster, "alice").await;
    alice.rejects(decides("Approve", ALICE, &["shop"]), "nobody approves their own request").await;
}

#[tokio::test]
async fn each_takes_back_their_own_alone() {
    let cluster = cluster().await;
    let (alice, bob, mallory) = (
        Caller::user(cluster, "alice").await,
        Caller::user(cluster, "bob").await,
        Caller::user(cluster, "mallory").await,
    );
    let plain = |verdict: &str, who: (&str, &str), namespaces: &[&str]| {
        let without = json!({"spec": {"terms": {"digest": null}}});
        Attempt::create(DECISIONS, with(decision(verdict, person(who.0, who.1), namespaces), without))
    };
    alice.accepts(plain("Withdraw", ALICE, &["shop"])).await;
    alice.accepts(plain("Withdraw", ALICE, &[])).await;
    alice.accepts(plain("Revoke", ALICE, &["shop", "web"])).await;
    mallory.rejects(plain("Withdraw", MALLORY, &["shop"]), "only the requester withdraws").await;
    bob.rejects(plain("Withdraw", BOB, &["shop"]), "only the requester withdraws").await;
    mallory.rejects(plain("Revoke", MALLORY, &["shop"]), "mallory does not hold revoke").await;
    bob.accepts(plain("Revoke", BOB, &["shop"])).await;
    bob.rejects(
        plain("Revoke", BOB, &["shop", "web"]),
        "does not hold revoke on accessroles/view-logs in namespace web",
    )
    .await;
    bob.rejects(plain("Revoke", BOB, &[]), "does not hold revoke on accessroles/view-logs for the whole cluster").await;
    bob.rejects(plain("Approve", BOB, &["shop"]), "terms.digest is required to Approve, Deny or Review").await;
    bob.rejects(plain("Deny", BOB, &["shop"]), "terms.digest is required to Approve, Deny or Review").await;
    bob.accepts(decides("Review", BOB, &["shop"])).await;
    bob.rejects(decides("Review", BOB, &["shop", "web"]), "does not hold approve on accessroles/view-logs").await;
    mallory.rejects(decides("Review", MALLORY, &["shop"]), "mallory does not hold approve").await;
    alice.rejects(decides("Review", ALICE, &["shop"]), "nobody reviews their own access").await;
    bob.rejects(plain("Review", BOB, &["shop"]), "terms.digest is required to Approve, Deny or Review").await;
    bob.rejects(decides("approve", BOB, &["shop"]), "spec.verdict").await;
}

#[tokio::test]
async fn an_approval_may_leave_less_and_nothing_else_may() {
    let bob = Caller::user(cluster().await, "bob").await;
    let narrows = |verdict: &str, narrow: Value| {
        let decision = decision(verdict, person(BOB.0, BOB.1), &["shop"]);
        Attempt::create(DECISIONS, with(decision, json!({"spec": {"narrow": narrow}})))
    };
    let pods =
        |count: usize| json!([{"resource": "pods", "names": (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>()}]);
    bob.accepts(narrows(
        "Approve",
        json!({"duration": "10m", "namespaces": ["shop"], "startAt": "2026-12-01T08:00:00Z", "resources": pods(64)}),
    ))
    .await;
    for (narrow, why) in [
        (json!({}), "narrow names what is left"),
        (json!({"namespaces": ["web"]}), "narrow.namespaces are some of terms.namespaces"),
        (json!({"namespaces": []}), "spec.narrow.namespaces"),
        (json!({"duration": "ten minutes"}), "spec.narrow.duration"),
        (json!({"startAt": "soon"}), "spec.narrow.startAt"),
        (json!({"resources": pods(65)}), "spec.narrow.resources[0].names"),
        (json!({"resources": [pods(40)[0], pods(40)[0]]}), "more than 64 objects"),
        (json!({"resources": [{"resource": "*"}]}), "spec.narrow.resources[0].resource"),
    ] {
        bob.rejects(narrows("Approve", narrow), why).await;
    }
    for verdict in ["Deny", "Revoke"] {
        bob.rejects(narrows(verdict, json!({"duration": "10m"})), "only Approve narrows the terms").await;
    }
}

#[tokio::test]
async fn an_account_made_again_gives_back_nothing_of_its_forerunners() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let (name, groups) = ("system:serviceaccount:shop:robot", ["developers", "system:authenticated"]);
    let revokes = |own: &str, claimed: &str| {
        let who = json!({"username": name, "uid": own, "groups": groups});
        let terms = json!({"digest": null, "requester": name, "requesterUid": claimed});
        Attempt::create(DECISIONS, with(decision("Revoke", who, &["shop"]), json!({"spec": {"terms": terms}})))
    };
    let (first, second) = (admin.acting_as(name, "u-1", &groups[..1]), admin.acting_as(name, "u-2", &groups[..1]));
    first.accepts(revokes("u-1", "u-1")).await;
    for claimed in ["u-1", ""] {
        second.rejects(revokes("u-2", claimed), "does not hold revoke on accessroles/view-logs").await;
    }
    // It may say that it gives back its own: the controller compares that with the request.
    second.accepts(revokes("u-2", "u-2")).await;
}

#[tokio::test]
async fn a_decision_is_plain_and_final() {
    let cluster = cluster().await;
    let (bob, admin) = (Caller::user(cluster, "bob").await, Caller::user(cluster, "admin").await);
    let body = decision("Approve", person("bob", "shop-owners"), &["shop"]);
    let meta = |patch: Value| Attempt::create(DECISIONS, with(body.clone(), json!({ "metadata": patch })));
    bob.rejects(meta(json!({"labels": {"a": "b"}})), "leave out metadata.labels").await;
    bob.rejects(meta(json!({"finalizers": ["a.example/b"]})), "leave out metadata.finalizers").await;
    let digest = with(body.clone(), json!({"spec": {"terms": {"digest": "sha256:ABC"}}}));
    bob.rejects(Attempt::create(DECISIONS, digest), "spec.terms.digest").await;
    let long = with(body.clone(), json!({"spec": {"comment": "x".repeat(1025)}}));
    bob.rejects(Attempt::create(DECISIONS, long), "spec.comment").await;

    let stored = bob.accepts(Attempt::create(DECISIONS, body).really()).await;
    let path = format!("{DECISIONS}/{}", stored["metadata"]["name"].as_str().unwrap());
    for change in [json!({"verdict": "Deny"}), json!({"terms": {"namespaces": ["web"]}}), json!({"comment": "late"})] {
        admin
            .rejects(Attempt::patch(&path, json!({ "spec": change })), "spec of an AccessDecision cannot change")
            .await;
    }
    bob.rejects(Attempt::delete(&path), "cannot delete resource").await;
}

#[tokio::test]
async fn nobody_writes_grants_or_status_by_hand() {
    let cluster = cluster().await;
    let (alice, admin) = (Caller::user(cluster, "alice").await, Caller::user(cluster, "admin").await);
    let dave = Caller::user(cluster, "dave").await;
    alice.rejects(Attempt::create(GRANTS, grant("forged")), "cannot create resource \"accessgrants\"").await;
    admin.rejects(Attempt::create(GRANTS, grant("forged")), "only Brevet's controller writes grants").await;

    let stored = alice.accepts(asks(json!({})).really()).await;
    let path = format!("{REQUESTS}/{}/status", stored["metadata"]["name"].as_str().unwrap());
    let status = json!({"status": {"phase": "Approved"}});
    admin.rejects(Attempt::patch(path, status), "only Brevet's controller writes status of accessrequests").await;
    let path = "/apis/brevet.dev/v1alpha1/accessroles/view-logs/status";
    let status = json!({"status": {"conditions": []}});
    admin.rejects(Attempt::patch(path, status), "only Brevet's controller writes status of accessroles").await;

    let controller = Caller::user(cluster, "controller").await;
    controller.accepts(Attempt::create(GRANTS, grant("theirs")).really()).await;
    let path = format!("{GRANTS}/theirs");
    for patch in [json!({"metadata": {"finalizers": ["a.example/b"]}}), json!({"metadata": {"labels": {"a": "b"}}})] {
        admin.rejects(Attempt::patch(&path, patch), "only Brevet's controller writes grants").await;
    }
    let status = json!({"status": {"phase": "Active"}});
    admin.rejects(Attempt::patch(format!("{path}/status"), status), "only Brevet's controller writes status").await;
    dave.accepts(Attempt::read(&path)).await;
    dave.rejects(Attempt::delete(&path), "cannot delete resource").await;
    alice.rejects(Attempt::read(&path), "cannot get resource").await;
    admin.accepts(Attempt::delete(format!("{path}?propagationPolicy=Foreground")).really()).await;
    // Held until the controller has seen its end, and then gone at once.
    let held = controller.accepts(Attempt::read(&path)).await;
    let others = held["metadata"]["finalizers"].as_array().unwrap().iter().filter(|f| *f != "brevet.dev/end");
    let let_go = with(held.clone(), json!({"metadata": {"finalizers": others.collect::<Vec<_>>()}}));
    controller.accepts(Attempt::replace(&path, let_go).really()).await;
    cluster
        .eventually("the grant to go", Duration::from_secs(30), async || admin.tries(&Attempt::read(&path)).await.err())
        .await;
}

#[tokio::test]
async fn the_catalogue_takes_what_its_keepers_put_there() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let path = format!("{RBAC}/clusterroles");
    let labelled = |rules: Value| {
        let labels = json!({"rbac.brevet.dev/aggregate-to-catalogue": "true"});
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "task", "labels": labels}, "rules": rules})
    };
    let rule = |group: &str, resource: &str, verb: &str| json!([{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]);
    admin.accepts(Attempt::create(&path, labelled(rule("", "pods", "get")))).await;
    admin.accepts(Attempt::create(&path, labelled(rule("rbac.authorization.k8s.io", "roles", "get")))).await;
    for bad in [
        rule("*", "pods", "get"),
        rule("", "*", "get"),
        rule("", "pods/*", "get"),
        rule("", "pods", "*"),
        rule("", "serviceaccounts", "impersonate"),
        rule("authentication.k8s.io", "users", "impersonate:user-info"),
        rule("rbac.authorization.k8s.io", "roles", "bind"),
        rule("rbac.authorization.k8s.io", "rolebindings", "create"),
        rule("certificates.k8s.io", "certificatesigningrequests", "create"),
        rule("admissionregistration.k8s.io", "validatingadmissionpolicies", "delete"),
        rule("apiregistration.k8s.io", "apiservices", "patch"),
        rule("", "serviceaccounts/token", "create"),
        rule("", "nodes/proxy", "get"),
        rule("brevet.dev", "accessgrants", "get"),
        rule("sessions.brevet.dev", "grants/proxy", "get"),
        json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]),
    ] {
        admin.rejects(Attempt::create(&path, labelled(bad)), "the catalogue takes no wildcards").await;
    }
    let selector = json!([{"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}]);
    let fills_later = with(labelled(json!([])), json!({"aggregationRule": {"clusterRoleSelectors": selector}}));
    admin.rejects(Attempt::create(&path, fills_later), "leave out aggregationRule").await;
    let relabel = json!({"metadata": {"labels": {"rbac.brevet.dev/aggregate-to-catalogue": "true"}}});
    admin.rejects(Attempt::patch(format!("{path}/cluster-admin"), relabel), "the catalogue takes no wildcards").await;
    let widen = json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    admin.rejects(Attempt::patch(format!("{path}/brevet-catalogue"), widen), "and nothing else").await;
}

#[tokio::test]
async fn the_catalogue_is_closed_to_others() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let path = format!("{RBAC}/clusterroles");
    let verbs = json!(["get", "create", "update", "patch", "escalate"]);
    let rules = json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "role-writer"},
        "rules": rules});
    admin.accepts(Attempt::create(&path, role).really()).await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "role-writer"}, "subjects": [named("User", "ruth")],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "role-writer"}});
    admin.accepts(Attempt::create(format!("{RBAC}/clusterrolebindings"), binding).really()).await;
    let ruth = admin.acting_as("ruth", "", &[]);
    let role = |labels: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "mine", "labels": labels},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})
    };
    cluster
        .eventually("ruth's rights", Duration::from_secs(30), async || {
            ruth.tries(&Attempt::create(&path, role(json!({})))).await.ok()
        })
        .await;
    let why = "must hold create on accessroles";
    ruth.rejects(Attempt::create(&path, role(json!({"rbac.brevet.dev/aggregate-to-catalogue": "true"}))), why).await;
    let task = format!("{path}/brevet-task-view-logs");
    let widen = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}]});
    ruth.rejects(Attempt::patch(&task, widen), why).await;
    let unlabel = json!({"metadata": {"labels": {"rbac.brevet.dev/aggregate-to-catalogue": null}}});
    ruth.rejects(Attempt::patch(&task, unlabel), why).await;
}

#[tokio::test]
async fn a_namespace_admin_cannot_feed_an_elevation() {
    let cluster = cluster().await;
    let (admin, mallory) = (Caller::user(cluster, "admin").await, Caller::user(cluster, "mallory").await);
    let namespace = cluster.namespace().await.unwrap();
    let bindings = format!("{RBAC}/namespaces/{namespace}/rolebindings");
    let binding = role_binding("mallory-admin", "admin", named("User", "mallory"));
    let binding = with(binding, json!({"roleRef": {"kind": "ClusterRole"}}));
    admin.accepts(Attempt::create(&bindings, binding).really()).await;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    let roles = format!("{RBAC}/namespaces/{namespace}/roles");
    cluster
        .eventually("mallory's rights", Duration::from_secs(30), async || {
            mallory.tries(&Attempt::create(&roles, role.clone()).really()).await.ok()
        })
        .await;
    mallory.accepts(Attempt::create(&bindings, role_binding("fine", "r", account(&namespace, "default")))).await;

    let identity = "e-abcdefghijklmnop-0123456789";
    let why = "only Brevet's controller touches elevation roles and bindings";
    for who in [&mallory, &admin] {
        for subject in [
            account("brevet-elevations", identity),
            named("User", "system:serviceaccount:brevet-elevations:x"),
            named("Group", "system:serviceaccounts:brevet-elevations"),
            named("User", "brevet:binder"),
        ] {
            who.rejects(Attempt::create(&bindings, role_binding("b", "r", subject)), why).await;
        }
        let mine = account(&namespace, "default");
        let label = json!({"metadata": {"labels": {"brevet.dev/identity": identity}}});
        who.rejects(Attempt::create(&bindings, with(role_binding("b", "r", mine.clone()), label.clone())), why).await;
        who.rejects(Attempt::create(&bindings, role_binding(&format!("brevet:{identity}"), "r", mine)), why).await;
        who.rejects(Attempt::create(&roles, with(role.clone(), json!({"metadata": {"name": "brevet:x"}}))), why).await;
        who.rejects(Attempt::patch(format!("{roles}/r"), label), why).await;
    }
}

#[tokio::test]
async fn every_policy_is_free_of_type_errors() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let checked = cluster
        .eventually("the policies to be checked", Duration::from_secs(60), async || {
            let all = admin.tries(&Attempt::read(path)).await.ok()?["items"].as_array()?.clone();
            let ours: Vec<Value> = all
                .into_iter()
                .filter(|policy| policy["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(".brevet.dev")))
                .collect();
            ours.iter().all(|policy| policy["status"]["typeChecking"].is_object()).then_some(ours)
        })
        .await;
    assert_eq!(checked.len(), 13, "a policy came or went: say so here");
    for policy in checked {
        let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
        assert!(warnings.is_null(), "{}: {warnings}", policy["metadata"]["name"]);
        assert_eq!(policy["spec"]["failurePolicy"], "Fail", "{}", policy["metadata"]["name"]);
    }
}
