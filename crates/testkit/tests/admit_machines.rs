//! Admission as machines meet it: a stolen controller token, a stolen gateway token, an elevation
//! identity, and whoever reaches for what belongs to them.
//!
//! Promises: where RBAC would refuse anyway, the same is tried by somebody who is in system:masters
//! besides, so that what refuses is the policy and not a missing right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod admit;
#[path = "admit/under_grant.rs"]
mod under_grant;

use std::time::Duration;

use admit::{
    Attempt, Caller, DECISIONS, GRANTS, IMPERSONATION_MINOR_MIN, RBAC, REQUESTS, account, decision, grant, minor,
    named, person, request, role_binding, with,
};
use brevet_testkit::{Cluster, Options};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const CONTROLLER: &str = "system:serviceaccount:brevet-system:controller";
const GATEWAY: &str = "system:serviceaccount:brevet-system:gateway";
const IDENTITY: &str = "e-abcdefghijklmnop-0123456789";
const ELEVATIONS: &str = "/api/v1/namespaces/brevet-elevations";
const SYSTEM: &str = "/api/v1/namespaces/brevet-system";
const SHOP: &str = "/api/v1/namespaces/shop";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/brevet-system/leases";
const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// One cluster for all tests of this file; no server runs, so that its credentials are ours to steal.
async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async { Cluster::start(Options { no_server: true, ..Options::default() }).await.unwrap() })
        .await
}

/// The controller's credential, acting as the holder of the catalogue where that is somebody else.
async fn binder() -> Caller {
    let controller = Caller::user(cluster().await, "controller").await;
    if minor(cluster().await).await >= IMPERSONATION_MINOR_MIN {
        controller.acting_as("brevet:binder", "", &[])
    } else {
        controller
    }
}

fn roles_of(namespace: &str) -> String {
    format!("{RBAC}/namespaces/{namespace}/roles")
}

fn bindings_of(namespace: &str) -> String {
    format!("{RBAC}/namespaces/{namespace}/rolebindings")
}

fn ours(identity: &str) -> Value {
    json!({"name": format!("brevet:{identity}"), "labels": {"brevet.dev/identity": identity}})
}

/// A generated role for one pod.
fn role(identity: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": ours(identity),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["web-1"]}],
    })
}

/// The binding of that role.
fn binding(identity: &str) -> Value {
    let name = format!("brevet:{identity}");
    with(role_binding(&name, &name, account("brevet-elevations", identity)), json!({ "metadata": ours(identity) }))
}

fn plain(kind: &str, identity: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": identity, "labels": {"brevet.dev/identity": identity}}})
}

fn anchor(identity: &str) -> Value {
    with(plain("Secret", identity), json!({"type": "Opaque"}))
}

fn token(patch: Value) -> Value {
    let bound = json!({"apiVersion": "v1", "kind": "Secret", "name": IDENTITY});
    let base = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": [], "expirationSeconds": 600, "boundObjectRef": bound},
    });
    with(base, json!({ "spec": patch }))
}

fn mint(namespace: &str, name: &str, patch: Value) -> Attempt {
    Attempt::create(format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"), token(patch))
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn pod(patch: Value) -> Value {
    let base = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    });
    with(base, json!({ "spec": patch }))
}

/// What pod security lets into Brevet's own namespaces.
fn restricted() -> Value {
    let security = json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    json!({"containers": [{"name": "c", "image": "none", "securityContext": security}]})
}

fn deployment(name: &str, template: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod(template)["spec"]},
        },
    })
}

#[tokio::test]
async fn the_controller_can_do_its_work() {
    let controller = Caller::user(cluster().await, "controller").await;
    controller
        .accepts(Attempt::create(format!("{ELEVATIONS}/serviceaccounts"), plain("ServiceAccount", IDENTITY)))
        .await;
    controller.accepts(Attempt::create(format!("{ELEVATIONS}/secrets"), anchor(IDENTITY))).await;
    controller.accepts(Attempt::create(GRANTS, grant("made"))).await;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "controller"}});
    controller.accepts(Attempt::create(LEASES, lease)).await;
    let binder = binder().await;
    binder.accepts(Attempt::create(roles_of("shop"), role(IDENTITY)).really()).await;
    binder.accepts(Attempt::create(bindings_of("shop"), binding(IDENTITY)).really()).await;
    controller.accepts(Attempt::delete(format!("{}/brevet:{IDENTITY}", bindings_of("shop"))).really()).await;
    controller.accepts(Attempt::delete(format!("{}/brevet:{IDENTITY}", roles_of("shop"))).really()).await;
}

#[tokio::test]
async fn a_stolen_controller_token_binds_nobody_else() {
    const IDENTITY: &str = "e-cdefghijklmnopqr-0123456789";
    let binder = binder().await;
    binder.accepts(Attempt::create(roles_of("shop"), role(IDENTITY)).really()).await;
    let creates = |body: Value| Attempt::create(bindings_of("shop"), body);
    binder.accepts(creates(binding(IDENTITY))).await;
    for subject in [named("User", "mallory"), named("Group", "system:authenticated"), account("shop", "default")] {
        let body = with(binding(IDENTITY), json!({"subjects": [subject]}));
        binder.rejects(creates(body), "the only subject is the elevation identity").await;
    }
    let another = json!([account("brevet-elevations", "e-ponmlkjihgfedcba-0123456789")]);
    binder.rejects(creates(with(binding(IDENTITY), json!({"subjects": another}))), "the only subject").await;
    let two = json!([account("brevet-elevations", IDENTITY), named("User", "mallory")]);
    binder.rejects(creates(with(binding(IDENTITY), json!({"subjects": two}))), "the only subject").await;
    for (kind, name) in [("ClusterRole", "brevet-catalogue"), ("ClusterRole", "cluster-admin")] {
        let body = with(binding(IDENTITY), json!({"roleRef": {"kind": kind, "name": name}}));
        binder.rejects(creates(body), "forbidden").await;
    }
    let nameless = with(binding(IDENTITY), json!({"metadata": {"name": "mine", "labels": null}}));
    binder.rejects(creates(nameless), "name and label must be those of one elevation identity").await;
}

#[tokio::test]
async fn a_stolen_controller_token_makes_no_other_role() {
    let binder = binder().await;
    let creates = |patch: Value| Attempt::create(roles_of("shop"), with(role(IDENTITY), patch));
    let rule = |groups: Value, resources: Value, verbs: Value| json!({"rules": [{"apiGroups": groups, "resources": resources, "verbs": verbs}]});
    // Beyond the catalogue: Kubernetes itself.
    let beyond = rule(json!(["apps"]), json!(["controllerrevisions"]), json!(["delete"]));
    binder.rejects(creates(beyond), "not currently held").await;
    // By someone whom RBAC would let: the policy.
    let mighty = Caller::mighty(cluster().await, "brevet:binder").await;
    for bad in [
        rule(json!(["*"]), json!(["pods"]), json!(["get"])),
        rule(json!([""]), json!(["*"]), json!(["get"])),
        rule(json!([""]), json!(["pods/*"]), json!(["get"])),
        rule(json!([""]), json!(["pods"]), json!(["*"])),
        rule(json!([""]), json!(["users"]), json!(["impersonate"])),
        rule(json!(["rbac.authorization.k8s.io"]), json!(["roles"]), json!(["bind"])),
        rule(json!(["rbac.authorization.k8s.io"]), json!(["roles"]), json!(["create"])),
        rule(json!(["brevet.dev"]), json!(["accessroles"]), json!(["approve"])),
        rule(json!(["brevet.dev"]), json!(["accessrequests"]), json!(["get"])),
        rule(json!(["certificates.k8s.io"]), json!(["certificatesigningrequests"]), json!(["create"])),
        rule(json!([""]), json!(["serviceaccounts/token"]), json!(["create"])),
        rule(json!([""]), json!(["nodes/proxy"]), json!(["get"])),
    ] {
        mighty.rejects(creates(bad), "this rule may never be part of an elevation").await;
    }
    for (patch, why) in [
        (json!({"metadata": {"annotations": {"a": "b"}}}), "no annotations, finalizers or owners"),
        (json!({"metadata": {"finalizers": ["a.example/b"]}}), "no annotations, finalizers or owners"),
        (json!({"metadata": {"labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}}), "no other label"),
        (json!({"metadata": {"name": "brevet:e-other"}}), "name and label must be those"),
    ] {
        mighty.rejects(creates(patch), why).await;
    }
    for (namespace, why) in
        [("brevet-system", "never a target"), ("brevet-elevations", "never a target | may not CREATE roles")]
    {
        mighty.rejects(Attempt::create(roles_of(namespace), role(IDENTITY)), why).await;
    }
    let aggregate = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": ours(IDENTITY),
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    });
    mighty.rejects(Attempt::create(format!("{RBAC}/clusterroles"), aggregate), "never an aggregation").await;
}

#[tokio::test]
async fn the_binder_is_good_for_creating_and_nothing_else() {
    let cluster = cluster().await;
    if minor(cluster).await < IMPERSONATION_MINOR_MIN {
        return; // There the controller holds the catalogue itself.
    }
    let (controller, binder) = (Caller::user(cluster, "controller").await, binder().await);
    for path in [format!("{SHOP}/pods"), format!("{SHOP}/secrets"), roles_of("shop")] {
        binder.rejects(Attempt::read(path), "forbidden").await;
    }
    for path in [format!("{SHOP}/secrets"), format!("{SHOP}/secrets/db"), format!("{SHOP}/pods/web-1/log")] {
        controller.rejects(Attempt::read(path), "forbidden").await;
    }
    let own = || Attempt::create(roles_of("shop"), role("e-aaaaaaaaaaaaaaaa-0000000000"));
    controller.rejects(own(), "forbidden").await;
    for (name, groups) in [("brevet:binder", &["system:masters"][..]), ("mallory", &[]), ("admin", &[])] {
        controller.acting_as(name, "", groups).rejects(own(), "cannot impersonate").await;
    }
    let delete = Attempt::delete(format!("{}/brevet:{IDENTITY}", roles_of("shop")));
    binder.rejects(delete, "forbidden").await;
}

#[tokio::test]
async fn a_stolen_controller_token_writes_nothing_beside_its_work() {
    let controller = Caller::mighty(cluster().await, CONTROLLER).await;
    let reach = "the controller may not";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "gateway-x"}});
    for attempt in [
        Attempt::create(format!("{SHOP}/pods"), pod(json!({}))),
        Attempt::create(format!("{SHOP}/configmaps"), config_map("c")),
        Attempt::patch(format!("{SHOP}/secrets/db"), json!({"metadata": {"labels": {"a": "b"}}})),
        Attempt::delete(format!("{SHOP}/pods/web-1")),
        Attempt::patch("/api/v1/nodes/node-1", json!({"spec": {"unschedulable": true}})),
        Attempt::create(format!("{SYSTEM}/secrets"), anchor(IDENTITY)),
        Attempt::create(format!("{SYSTEM}/configmaps"), config_map("c")),
        Attempt::create(LEASES, lease),
        Attempt::delete(format!("{API_SERVICES}/v1.apps")),
        Attempt::create(REQUESTS, request(person(CONTROLLER, "system:masters"))),
        Attempt::create(
            format!("{SHOP}/pods/web-1/eviction"),
            json!({
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-1", "namespace": "shop"},
            }),
        ),
    ] {
        controller.rejects(attempt, reach).await;
    }
    let foreign = format!("{RBAC}/clusterrolebindings/brevet-catalogue-readers");
    controller
        .rejects(Attempt::delete(format!("{RBAC}/clusterrolebindings/cluster-admin")), "name and label must be")
        .await;
    controller.rejects(Attempt::delete(foreign), "not found").await;
    controller.rejects(mint("brevet-elevations", IDENTITY, json!({})), "not found").await;
}

#[tokio::test]
async fn the_record_of_the_policies_is_the_controllers_and_firm() {
    let (cluster, records) = (cluster().await, format!("{SYSTEM}/configmaps"));
    let record = |immutable: bool| with(config_map("admission-record"), json!({"immutable": immutable}));
    let controller = Caller::user(cluster, "controller").await;
    let only = "alone puts on record";
    Caller::user(cluster, "admin").await.rejects(Attempt::create(records.clone(), record(true)), only).await;
    controller.rejects(Attempt::create(records.clone(), record(false)), "the record is immutable").await;
    controller
        .rejects(Attempt::create(records.clone(), config_map("admission-record")), "the record is immutable")
        .await;
    controller.accepts(Attempt::create(records.clone(), record(true)).really()).await;
    let path = format!("{records}/admission-record");
    controller.rejects(Attempt::patch(path.clone(), json!({"data": {"standing": "x"}})), "forbidden").await;
    let admin = Caller::user(cluster, "admin").await;
    admin.rejects(Attempt::patch(path.clone(), json!({"data": {"standing": "x"}})), "immutable").await;
    controller.accepts(Attempt::delete(path).really()).await;
}

#[tokio::test]
async fn an_identity_is_made_in_one_shape() {
    let controller = Caller::user(cluster().await, "controller").await;
    let account = |patch: Value| {
        Attempt::create(format!("{ELEVATIONS}/serviceaccounts"), with(plain("ServiceAccount", IDENTITY), patch))
    };
    let secret = |patch: Value| Attempt::create(format!("{ELEVATIONS}/secrets"), with(anchor(IDENTITY), patch));
    let shape = "an identity and its anchor carry one name";
    controller.rejects(account(json!({"metadata": {"name": "mine"}})), shape).await;
    controller.rejects(account(json!({"metadata": {"labels": null}})), shape).await;
    controller.rejects(account(json!({"metadata": {"finalizers": ["a.example/b"]}})), shape).await;
    controller.rejects(secret(json!({"data": {"a": "Yg=="}})), "an anchor Secret is of type Opaque and empty").await;
    let endless = json!({
        "type": "kubernetes.io/service-account-token",
        "metadata": {"annotations": {"kubernetes.io/service-account.name": IDENTITY}},
    });
    controller.rejects(secret(endless), "an anchor Secret").await;
}

#[tokio::test]
async fn the_gateway_mints_short_bound_tokens_and_no_others() {
    let cluster = cluster().await;
    let name = "e-qrstuvwxyz234567-0123456789";
    let controller = Caller::user(cluster, "controller").await;
    controller
        .accepts(Attempt::create(format!("{ELEVATIONS}/serviceaccounts"), plain("ServiceAccount", name)).really())
        .await;
    controller.accepts(Attempt::create(format!("{ELEVATIONS}/secrets"), anchor(name)).really()).await;
    let gateway = Caller::user(cluster, "gateway").await;
    let bound = |name: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": name}});
    let minted = |patch: Value| mint("brevet-elevations", name, with(bound(name), patch)).really();
    gateway.accepts(minted(json!({}))).await;
    for bad in [
        json!({"boundObjectRef": null}),
        json!({"expirationSeconds": 7200}),
        json!({"expirationSeconds": 60}),
        json!({"audiences": ["https://elsewhere.example"]}),
        bound("another"),
    ] {
        assert!(gateway.tries(&minted(bad.clone())).await.is_err(), "minted with {bad}");
    }
    gateway.rejects(mint("brevet-elevations", "default", bound("default")).really(), "forbidden").await;
    for namespace in ["brevet-system", "shop", "kube-system"] {
        gateway.rejects(mint(namespace, "default", bound("default")).really(), "forbidden").await;
    }
    for who in [Caller::user(cluster, "admin").await, Caller::mighty(cluster, CONTROLLER).await] {
        who.rejects(minted(json!({})), "serviceaccounts/token in brevet-elevations").await;
    }
}

#[tokio::test]
async fn a_stolen_gateway_token_writes_nothing_beside_its_work() {
    let gateway = Caller::mighty(cluster().await, GATEWAY).await;
    let reach = "the gateway may not";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "controller"}});
    for attempt in [
        Attempt::create(roles_of("shop"), with(role(IDENTITY), json!({"metadata": {"name": "r", "labels": null}}))),
        Attempt::create(format!("{SHOP}/pods"), pod(json!({}))),
        Attempt::create(format!("{SYSTEM}/secrets"), with(anchor(IDENTITY), json!({"metadata": {"name": "other"}}))),
        Attempt::create(LEASES, lease),
        Attempt::delete(format!("{API_SERVICES}/v1.apps")),
        Attempt::create(REQUESTS, request(person(GATEWAY, "system:masters"))),
        Attempt::patch("/api/v1/nodes/node-1", json!({"spec": {"unschedulable": true}})),
    ] {
        gateway.rejects(attempt, reach).await;
    }
    gateway.rejects(Attempt::create(GRANTS, grant("forged")), "forbidden").await;
}

#[tokio::test]
async fn our_api_service_leads_to_our_service_alone() {
    let cluster = cluster().await;
    let gateway = Caller::user(cluster, "gateway").await;
    let service = |patch: Value| {
        let base = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {"name": "v1alpha1.sessions.brevet.dev"},
            "spec": {
                "group": "sessions.brevet.dev", "version": "v1alpha1", "caBundle": "Y2E=",
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {"namespace": "brevet-system", "name": "brevet-gateway", "port": 443},
            },
        });
        Attempt::create(API_SERVICES, with(base, patch))
    };
    gateway.accepts(service(json!({}))).await;
    for (patch, why) in [
        (json!({"spec": {"service": {"name": "mine"}}}), "must point at Service brevet-gateway"),
        (json!({"spec": {"service": {"namespace": "shop"}}}), "must point at Service brevet-gateway"),
        (json!({"spec": {"caBundle": null, "insecureSkipTLSVerify": true}}), "must check TLS"),
        (json!({"metadata": {"finalizers": ["a.example/b"]}}), "no finalizers and no owners"),
    ] {
        gateway.rejects(service(patch), why).await;
    }
    let admin = Caller::user(cluster, "admin").await;
    admin.rejects(service(json!({})), "Brevet's gateway alone registers").await;
}

#[tokio::test]
async fn nobody_reaches_into_the_house_of_identities() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let why = "in brevet-elevations";
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"secrets": "0"}},
    });
    for attempt in [
        Attempt::create(format!("{ELEVATIONS}/pods"), pod(restricted())),
        Attempt::create(format!("{ELEVATIONS}/secrets"), anchor(IDENTITY)),
        Attempt::create(format!("{ELEVATIONS}/serviceaccounts"), plain("ServiceAccount", IDENTITY)),
        Attempt::create(format!("{ELEVATIONS}/configmaps"), config_map("c")),
        Attempt::create(format!("{ELEVATIONS}/resourcequotas"), quota),
        Attempt::patch(
            format!("{ELEVATIONS}/serviceaccounts/default"),
            json!({"metadata": {"finalizers": ["a.example/b"]}}),
        ),
        Attempt::delete(format!("{ELEVATIONS}/serviceaccounts/default")),
    ] {
        admin.rejects(attempt, why).await;
    }
    admin.rejects(Attempt::create(roles_of("brevet-elevations"), role(IDENTITY)), "forbidden").await;
}

#[tokio::test]
async fn a_namespace_with_bindings_of_ours_can_be_deleted() {
    let cluster = cluster().await;
    let namespace = cluster.namespace().await.unwrap();
    let name = "e-bcdefghijklmnopq-0123456789";
    let binder = binder().await;
    binder.accepts(Attempt::create(roles_of(&namespace), role(name)).really()).await;
    binder.accepts(Attempt::create(bindings_of(&namespace), binding(name)).really()).await;
    let admin = Caller::user(cluster, "admin").await;
    admin
        .rejects(Attempt::delete(format!("{}/brevet:{name}", bindings_of(&namespace))), "only Brevet's controller")
        .await;
    admin.accepts(Attempt::delete(format!("/api/v1/namespaces/{namespace}")).really()).await;
    cluster
        .eventually("the namespace to go", Duration::from_secs(60), async || {
            admin.tries(&Attempt::read(format!("/api/v1/namespaces/{namespace}"))).await.err()
        })
        .await;
}

#[tokio::test]
async fn a_bare_request_is_stamped_and_a_lie_overwritten() {
    let cluster = cluster().await;
    if minor(cluster).await < IMPERSONATION_MINOR_MIN {
        return; // The server does not serve MutatingAdmissionPolicy v1.
    }
    let alice = Caller::user(cluster, "alice").await;
    let bare = with(request(Value::Null), json!({"spec": {"requester": null}}));
    for ask in [bare, request(json!({"username": "mallory"})), request(person("alice", "developers"))] {
        let answer = alice.accepts(Attempt::create(REQUESTS, ask)).await;
        assert_eq!(answer["spec"]["requester"], person("alice", "developers"));
    }
    let bob = Caller::user(cluster, "bob").await;
    let bare = with(decision("Approve", Value::Null, &["shop"]), json!({"spec": {"approver": null}}));
    for decides in [bare, decision("Approve", person("carol", "secops"), &["shop"])] {
        let answer = bob.accepts(Attempt::create(DECISIONS, decides)).await;
        assert_eq!(answer["spec"]["approver"], person("bob", "shop-owners"));
    }
    let wide = decision("Approve", person("carol", "secops"), &["web"]);
    bob.rejects(Attempt::create(DECISIONS, wide), "bob does not hold approve").await;
    let groups: Vec<String> = (0..250).map(|i| format!("group-{i}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).chain(["developers"]).collect();
    let member = Caller::user(cluster, "admin").await.acting_as("zoe", "u-9", &groups);
    let answer = member.accepts(Attempt::create(REQUESTS, request(json!({"username": "x"})))).await;
    assert_eq!(answer["spec"]["requester"]["groups"].as_array().unwrap().len(), 252);
    assert_eq!(answer["spec"]["requester"]["uid"], "u-9");
}

#[tokio::test]
async fn a_live_binding_is_judged_by_what_it_was() {
    const IDENTITY: &str = "e-defghijklmnopqrs-0123456789";
    let cluster = cluster().await;
    let namespace = cluster.namespace().await.unwrap();
    let binder = binder().await;
    binder.accepts(Attempt::create(roles_of(&namespace), role(IDENTITY)).really()).await;
    binder.accepts(Attempt::create(bindings_of(&namespace), binding(IDENTITY)).really()).await;
    let path = format!("{}/brevet:{IDENTITY}", bindings_of(&namespace));
    let admin = Caller::user(cluster, "admin").await;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u"}]);
    for patch in [
        json!({"metadata": {"finalizers": ["a.example/b"]}}),
        json!({"metadata": {"ownerReferences": owner}}),
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"annotations": {"a": "b"}}}),
        json!({"subjects": [named("User", "mallory")]}),
        json!({"subjects": null}),
    ] {
        admin.rejects(Attempt::patch(&path, patch), "only Brevet's controller touches").await;
    }
    let collection = format!("{}?labelSelector=brevet.dev/identity", bindings_of(&namespace));
    admin.rejects(Attempt::delete(collection), "only Brevet's controller touches").await;
    let wider = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let role = format!("{}/brevet:{IDENTITY}", roles_of(&namespace));
    admin.rejects(Attempt::patch(&role, wider.clone()), "only Brevet's controller touches").await;
    let controller = Caller::mighty(cluster, CONTROLLER).await;
    controller.rejects(Attempt::patch(role, wider), "creates and deletes RBAC objects, it never edits them").await;
}

#[tokio::test]
async fn what_is_shipped_for_machines_stays_as_shipped() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    let house = |name: &str| format!("{}/{name}", bindings_of("brevet-elevations"));
    let thief = json!({"subjects": [named("User", "mallory")]});
    for name in ["brevet-controller", "brevet-gateway"] {
        admin.rejects(Attempt::patch(house(name), thief.clone()), "for the ServiceAccount of the same name").await;
        let role = format!("{}/{name}", roles_of("brevet-elevations"));
        let wider = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]});
        admin.rejects(Attempt::patch(role, wider), "the controller keeps identities and anchors here").await;
    }
    let both = json!({"subjects": [account("brevet-system", "controller"), account("brevet-system", "gateway")]});
    admin.rejects(Attempt::patch(house("brevet-gateway"), both), "for the ServiceAccount of the same name").await;
    if minor(cluster).await >= IMPERSONATION_MINOR_MIN {
        let path = format!("{RBAC}/clusterrolebindings/brevet-binder-catalogue");
        let more = json!({"subjects": [named("User", "brevet:binder"), named("User", "mallory")]});
        admin.rejects(Attempt::patch(path, more), "this binding is brevet:binder's alone").await;
        let more = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "wider"},
            "subjects": [named("User", "brevet:binder")],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        });
        let path = format!("{RBAC}/clusterrolebindings");
        admin.rejects(Attempt::create(path, more), "only Brevet's controller touches").await;
    }
}

#[tokio::test]
async fn kubernetes_keeps_house_among_the_identities() {
    let cluster = cluster().await;
    let admin = Caller::user(cluster, "admin").await;
    for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
        cluster
            .eventually(path, Duration::from_secs(60), async || {
                admin.tries(&Attempt::read(format!("{ELEVATIONS}/{path}"))).await.ok()
            })
            .await;
    }
}
