//! I6, I9: what is in force is what was approved and made, by uid; otherwise it
//! ends, and is not made again.

use brevet_api::{AccessRole, Phase};
use brevet_testkit::{Cluster, Elevation};
use k8s_openapi::api::{
    core::v1::{Namespace, Secret, ServiceAccount},
    rbac::v1::{ClusterRole, Role, RoleBinding},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use crate::{ended, identity, logs};

/// The controller's own credential: nobody else may touch what it made.
async fn thief(cluster: &Cluster) -> Client {
    cluster.user("controller").client().await.unwrap()
}

async fn binder(cluster: &Cluster) -> Client {
    let read = Kubeconfig::read_from(cluster.user("controller").kubeconfig_path()).unwrap();
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = Some("brevet:binder".to_owned());
    Client::try_from(config).unwrap()
}

async fn in_force<'c>(cluster: &'c Cluster, namespace: &str) -> (Elevation<'c>, String, String) {
    let elevation = cluster.approved("alice", "carol", logs(namespace, "1h")).await.unwrap();
    let name = identity(&elevation).await.name;
    let rbac = format!("brevet:{name}");
    (elevation, name, rbac)
}

#[tokio::test]
async fn each_part_that_goes_ends_the_grant() {
    let cluster = Cluster::shared().await;
    let now = DeleteParams::default();
    for what in ["role", "binding", "account", "anchor"] {
        let namespace = cluster.namespace().await.unwrap();
        let (elevation, name, rbac) = in_force(cluster, &namespace).await;
        let thief = thief(cluster).await;
        match what {
            "role" => drop(Api::<Role>::namespaced(thief, &namespace).delete(&rbac, &now).await.unwrap()),
            "binding" => drop(Api::<RoleBinding>::namespaced(thief, &namespace).delete(&rbac, &now).await.unwrap()),
            "account" => {
                drop(Api::<ServiceAccount>::namespaced(thief, "brevet-elevations").delete(&name, &now).await.unwrap());
            }
            _ => drop(Api::<Secret>::namespaced(thief, "brevet-elevations").delete(&name, &now).await.unwrap()),
        }
        ended(cluster, &elevation, Phase::Revoked, "Drift").await;
    }
}

#[tokio::test]
async fn a_binding_made_again_alike_ends_the_grant() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let (elevation, _, rbac) = in_force(cluster, &namespace).await;
    let bindings = Api::<RoleBinding>::namespaced(thief(cluster).await, &namespace);
    let old = bindings.get(&rbac).await.unwrap();
    bindings.delete(&rbac, &DeleteParams::default()).await.unwrap();
    let metadata = ObjectMeta { name: Some(rbac), labels: old.metadata.labels.clone(), ..ObjectMeta::default() };
    let again = RoleBinding { metadata, ..old };
    let made = Api::namespaced(binder(cluster).await, &namespace).create(&PostParams::default(), &again).await;
    drop(made.unwrap());
    ended(cluster, &elevation, Phase::Revoked, "Drift").await;
}

#[tokio::test]
async fn a_binding_too_many_ends_the_grant_and_goes_with_it() {
    let cluster = Cluster::shared().await;
    let (namespace, elsewhere) = (cluster.namespace().await.unwrap(), cluster.namespace().await.unwrap());
    let (elevation, _, rbac) = in_force(cluster, &namespace).await;
    let binding = Api::<RoleBinding>::namespaced(thief(cluster).await, &namespace).get(&rbac).await.unwrap();
    let metadata = ObjectMeta { name: Some(rbac), labels: binding.metadata.labels.clone(), ..ObjectMeta::default() };
    let more = RoleBinding { metadata, ..binding };
    let made = Api::namespaced(binder(cluster).await, &elsewhere).create(&PostParams::default(), &more).await;
    // RBAC refuses a binding to a role that is not there; with the role there, it stands.
    if made.is_err() {
        let role = Api::<Role>::namespaced(thief(cluster).await, &namespace).get(&more.role_ref.name).await.unwrap();
        let metadata = more.metadata.clone();
        let role = Role { metadata, rules: role.rules };
        Api::namespaced(binder(cluster).await, &elsewhere).create(&PostParams::default(), &role).await.unwrap();
    }
    ended(cluster, &elevation, Phase::Revoked, "Drift").await;
}

/// A role of its own for one test.
async fn own_role(client: &Client, name: &str, verbs: &[&str]) {
    let force = PatchParams::apply("test").force();
    let ceiling = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": name, "labels": { "rbac.brevet.dev/aggregate-to-catalogue": "true" } },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": verbs }],
    });
    Api::<ClusterRole>::all(client.clone()).patch(name, &force, &Patch::Apply(&ceiling)).await.unwrap();
    let role = json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRole", "metadata": { "name": name },
        "spec": {
            "description": "A test's own.", "clusterRoles": [name], "scope": "Namespaced", "risk": "Medium",
            "defaultDuration": "30m", "maxDuration": "4h", "names": "Optional", "deliveries": ["Gateway"],
        },
    });
    Api::<AccessRole>::all(client.clone()).patch(name, &force, &Patch::Apply(&role)).await.unwrap();
}

async fn with_role<'c>(cluster: &'c Cluster, name: &str) -> Elevation<'c> {
    let client = cluster.admin().await.unwrap();
    own_role(&client, name, &["get", "list"]).await;
    cluster
        .eventually("the role to be accepted", crate::PATIENCE, async || {
            let role = Api::<AccessRole>::all(client.clone()).get(name).await.ok()?;
            role.status?.conditions.iter().any(|c| c.type_ == "Accepted" && c.status == "True").then_some(())
        })
        .await;
    let ask = json!({ "role": name, "namespaces": ["shop"], "duration": "1h" });
    cluster.approved("alice", "carol", ask).await.unwrap()
}

#[tokio::test]
async fn a_ceiling_narrowed_ends_the_grant_and_one_widened_does_not() {
    let cluster = Cluster::shared().await;
    let client = cluster.admin().await.unwrap();
    let elevation = with_role(cluster, "test-narrowed").await;
    let before = elevation.grant().await.unwrap().spec.terms;
    own_role(&client, "test-narrowed", &["get", "list", "watch"]).await;
    let wider = cluster.ask("alice", json!({ "role": "test-narrowed", "namespaces": ["shop"] })).await.unwrap();
    wider.phase(Phase::Pending).await.unwrap();
    assert_eq!(elevation.request().await.unwrap().status.unwrap().phase, Some(Phase::Active));
    assert_eq!(elevation.grant().await.unwrap().spec.terms, before);
    own_role(&client, "test-narrowed", &["get"]).await;
    ended(cluster, &elevation, Phase::Revoked, "Drift").await;
}

#[tokio::test]
async fn a_role_deleted_and_made_again_ends_the_grant() {
    let cluster = Cluster::shared().await;
    let client = cluster.admin().await.unwrap();
    let elevation = with_role(cluster, "test-again").await;
    Api::<AccessRole>::all(client.clone()).delete("test-again", &DeleteParams::default()).await.unwrap();
    own_role(&client, "test-again", &["get", "list"]).await;
    ended(cluster, &elevation, Phase::Revoked, "Drift").await;
}

#[tokio::test]
async fn a_namespace_deleted_and_made_again_gives_nothing_back() {
    let cluster = Cluster::shared().await;
    let client = cluster.admin().await.unwrap();
    let namespace = cluster.namespace().await.unwrap();
    let (elevation, _, _) = in_force(cluster, &namespace).await;
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces.delete(&namespace, &DeleteParams::default()).await.unwrap();
    ended(cluster, &elevation, Phase::Revoked, "Drift").await;
    let again = Namespace {
        metadata: ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    cluster
        .eventually("the namespace to be made again", crate::PATIENCE, async || {
            namespaces.create(&PostParams::default(), &again).await.ok()
        })
        .await;
    let pods = elevation.holder().unwrap().kubectl(&["get", "pods", "-n", &namespace]).await.unwrap();
    assert!(!pods.success());
    assert_eq!(elevation.request().await.unwrap().status.unwrap().phase, Some(Phase::Revoked));
}
