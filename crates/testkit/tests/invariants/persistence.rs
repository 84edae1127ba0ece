//! I13: nothing made under a grant outlives it as authority.
//!
//! Twice guarded: the tasks that ship have no such rules, and where a role of
//! one's own has them, admission refuses all the same.

use brevet_testkit::{Cluster, Output, User};
use serde_json::{Value, json};

use crate::scene::{LONG, somebody};

/// What would be authority after the end.
fn footholds() -> [(&'static str, Value); 6] {
    let rbac = "rbac.authorization.k8s.io";
    let me = json!([{"apiGroup": rbac, "kind": "User", "name": "mallory"}]);
    let webhook = json!([{
        "name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://a.example.com"},
    }]);
    [
        (
            "rolebindings",
            object(
                "RoleBinding",
                &format!("{rbac}/v1"),
                &json!({
                    "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"}, "subjects": me,
                }),
            ),
        ),
        (
            "clusterrolebindings",
            object(
                "ClusterRoleBinding",
                &format!("{rbac}/v1"),
                &json!({
                    "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"}, "subjects": me,
                }),
            ),
        ),
        ("serviceaccounts", object("ServiceAccount", "v1", &json!({}))),
        ("secrets", token_secret()),
        (
            "certificatesigningrequests",
            object(
                "CertificateSigningRequest",
                "certificates.k8s.io/v1",
                &json!({
                    "spec": {"request": "bm9uZQ==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
                }),
            ),
        ),
        (
            "validatingwebhookconfigurations",
            object("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", &json!({"webhooks": webhook})),
        ),
    ]
}

fn object(kind: &str, version: &str, more: &Value) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "foothold"}});
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn token_secret() -> Value {
    let mut secret = object("Secret", "v1", &json!({"type": "kubernetes.io/service-account-token"}));
    secret["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "default"});
    secret
}

/// Pods in every wrapping, as another ServiceAccount.
fn workloads(account: &str) -> Vec<Value> {
    let pod = json!({
        "serviceAccountName": account, "restartPolicy": "Never",
        "containers": [{"name": "app", "image": "example.com/app:1"}],
    });
    let mut lasting = pod.clone();
    lasting["restartPolicy"] = json!("Always");
    let template = json!({"metadata": {"labels": {"app": "foothold"}}, "spec": lasting});
    let selector = json!({"matchLabels": {"app": "foothold"}});
    vec![
        object("Job", "batch/v1", &json!({"spec": {"template": {"spec": pod}}})),
        object(
            "CronJob",
            "batch/v1",
            &json!({
                "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
            }),
        ),
        object("Deployment", "apps/v1", &json!({"spec": {"selector": selector, "template": template}})),
        object("DaemonSet", "apps/v1", &json!({"spec": {"selector": selector, "template": template}})),
        object(
            "StatefulSet",
            "apps/v1",
            &json!({
                "spec": {"serviceName": "a", "selector": selector, "template": template},
            }),
        ),
        object("Pod", "v1", &json!({"spec": pod})),
    ]
}

async fn create(user: &User, namespace: &str, object: &Value) -> Output {
    user.kubectl_reading(&["-n", namespace, "create", "-f", "-"], object.to_string().as_bytes()).await.unwrap()
}

const ANOTHER_ACCOUNT: &str = "under a grant a workload runs as ServiceAccount default";

#[tokio::test]
async fn i13_the_tasks_that_create_leave_no_authority_behind() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    for (role, kinds) in
        [("deploy", &["Job", "CronJob", "Deployment", "DaemonSet", "StatefulSet"][..]), ("run-job", &["Job"])]
    {
        let spec = json!({"role": role, "namespaces": [namespace], "duration": LONG});
        let grant = cluster.approved(&somebody(cluster), "carol", spec).await.unwrap();
        let holder = grant.holder().unwrap();
        let words = format!("grant `{}` does not allow", grant.name());
        for (resource, foothold) in footholds() {
            let output = create(&holder, &namespace, &foothold).await;
            assert!(output.status != 0 && output.stderr.contains(&words), "{role} {resource}: {}", output.stderr);
        }
        let token = holder.kubectl(&["-n", &namespace, "create", "token", "default"]).await.unwrap();
        assert!(token.status != 0 && token.stderr.contains(&words), "{}{}", token.stdout, token.stderr);
        for workload in workloads("builder") {
            let kind = workload["kind"].as_str().unwrap();
            let output = create(&holder, &namespace, &workload).await;
            let words = if kinds.contains(&kind) { ANOTHER_ACCOUNT } else { &words };
            assert!(output.status != 0 && output.stderr.contains(words), "{role} {kind}: {}", output.stderr);
        }
    }
}

/// A role of somebody's own, as wide as the catalogue lets it be.
const TINKER: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tinker, labels: {rbac.brevet.dev/aggregate-to-catalogue: "true"}}
rules:
- {apiGroups: [""], resources: [pods, secrets, serviceaccounts], verbs: [get, create, patch, delete]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, create, patch]}
---
apiVersion: brevet.dev/v1alpha1
kind: AccessRole
metadata: {name: tinker}
spec:
  description: Whatever a careless administrator puts together.
  clusterRoles: [tinker]
  scope: Namespaced
  risk: Critical
  defaultDuration: 10m
  maxDuration: 1h
  names: Optional
  deliveries: [Gateway]
"#;

#[tokio::test]
async fn i13_admission_refuses_authority_that_a_careless_role_allows() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let admin = cluster.user("admin");
    let applied = admin.kubectl_reading(&["apply", "-f", "-"], TINKER.as_bytes()).await.unwrap();
    assert_eq!(applied.status, 0, "{}", applied.stderr);
    let account = admin.kubectl(&["-n", &namespace, "create", "serviceaccount", "builder"]).await.unwrap();
    assert_eq!(account.status, 0, "{}", account.stderr);
    let spec = json!({"role": "tinker", "namespaces": [namespace]});
    let grant = cluster.approved(&somebody(cluster), "carol", spec).await.unwrap();
    let holder = grant.holder().unwrap();

    for (object, words) in [
        (object("ServiceAccount", "v1", &json!({})), "under a grant nobody writes serviceaccounts"),
        (token_secret(), "a token Secret would outlive the grant"),
    ] {
        let output = create(&holder, &namespace, &object).await;
        assert!(output.status != 0 && output.stderr.contains(words), "{}{}", output.stdout, output.stderr);
    }
    for workload in workloads("builder") {
        if ["Pod", "Deployment"].contains(&workload["kind"].as_str().unwrap()) {
            let output = create(&holder, &namespace, &workload).await;
            assert!(output.status != 0 && output.stderr.contains(ANOTHER_ACCOUNT), "{}", output.stderr);
        }
    }
    // What is no authority passes, and stays what it is: editing it does not make it more.
    let secret = object("Secret", "v1", &json!({"stringData": {"a": "b"}}));
    for harmless in [secret].into_iter().chain(workloads("default").into_iter().filter(|o| o["kind"] == "Deployment")) {
        let output = create(&holder, &namespace, &harmless).await;
        assert_eq!(output.status, 0, "{}", output.stderr);
    }
    let args = ["-n", &namespace, "set", "serviceaccount", "deployment/foothold", "builder"];
    let output = holder.kubectl(&args).await.unwrap();
    assert!(output.status != 0 && output.stderr.contains(ANOTHER_ACCOUNT), "{}", output.stderr);
}
