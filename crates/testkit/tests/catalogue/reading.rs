//! Tasks that read: `view-logs`, `view-secrets`, `view-config`, and what
//! `debug-pod` and `port-forward` read before they open a stream.

use brevet_api::Phase;
use brevet_testkit::Cluster;
use serde_json::json;

use crate::task::{admin, admin_applies, named, namespace_with_workloads, somebody, whole};

/// A namespace with pods `one` and `two`.
async fn namespace_with_pods() -> String {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    for pod in ["one", "two"] {
        cluster.pod(&namespace, pod).await.unwrap();
    }
    namespace
}

#[tokio::test]
async fn view_logs_reads_pods_and_their_logs_alone() {
    let namespace = namespace_with_pods().await;
    let task = whole("view-logs", &namespace).await;
    assert!(task.works(&["get", "pods"]).await.contains("two"));
    assert!(task.works(&["describe", "pod", "one"]).await.contains("node-1"));
    assert!(!task.works(&["logs", "two", "--tail=2"]).await.is_empty());
    assert!(!task.works(&["logs", "one", "--since=1h", "--timestamps"]).await.is_empty());
    task.refuses_all(&[
        &["delete", "pod", "one"][..],
        &["get", "configmaps"],
        &["get", "secrets"],
        &["label", "pod", "one", "a=b"],
        &["debug", "one", "--image=example.com/tools:1", "--attach=false", "--profile=general"],
    ])
    .await;
}

#[tokio::test]
async fn view_logs_of_one_pod_is_of_that_pod_alone() {
    let namespace = namespace_with_pods().await;
    let task = named("view-logs", &namespace, json!([{"apiGroup": "", "resource": "pods", "names": ["one"]}])).await;
    assert!(task.works(&["get", "pod", "one"]).await.contains("Running"));
    assert!(task.works(&["get", "pods", "--field-selector=metadata.name=one"]).await.contains("one"));
    assert!(!task.works(&["logs", "one", "--tail=2"]).await.is_empty());
    task.refuses_all(&[
        &["get", "pods"][..],
        &["get", "pod", "two"],
        &["logs", "two"],
        &["get", "pods", "--field-selector=metadata.name=two"],
    ])
    .await;
}

#[tokio::test]
async fn view_secrets_reads_the_named_secrets_alone() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    for secret in ["db", "api-key"] {
        admin(&["-n", &namespace, "create", "secret", "generic", secret, "--from-literal=password=open-sesame"]).await;
    }
    let secrets = json!([{"apiGroup": "", "resource": "secrets", "names": ["db"]}]);
    let task = named("view-secrets", &namespace, secrets).await;
    assert_eq!(task.works(&["get", "secret", "db", "-o", "jsonpath={.data.password}"]).await, "b3Blbi1zZXNhbWU=");
    assert!(task.works(&["describe", "secret", "db"]).await.contains("11 bytes"));
    task.refuses_all(&[
        &["get", "secret", "api-key"][..],
        &["get", "secrets"],
        &["get", "secrets", "--field-selector=metadata.name=db"],
        &["delete", "secret", "db"],
        &["label", "secret", "db", "a=b"],
    ])
    .await;
}

#[tokio::test]
async fn view_secrets_without_names_is_refused_before_anybody_sees_it() {
    let cluster = Cluster::shared().await;
    let who = somebody(cluster);
    for resources in [json!(null), json!([{"apiGroup": "", "resource": "secrets"}])] {
        let mut spec = json!({"role": "view-secrets", "namespaces": ["shop"]});
        if !resources.is_null() {
            spec["resources"] = resources;
        }
        let asked = cluster.ask(&who, spec).await.unwrap();
        let request = asked.phase(Phase::Denied).await.unwrap();
        let conditions = request.status.unwrap().conditions;
        assert!(conditions.iter().any(|condition| condition.reason == "NamesRequired"), "{conditions:?}");
    }
}

/// One of everything that an application is set up with.
const SETUP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: hello}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: others}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}, minAvailable: 1}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 1
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: "example.com/job:1"}]}}}
"#;

#[tokio::test]
async fn view_config_reads_how_everything_is_set_up_but_no_secrets() {
    let namespace = namespace_with_workloads().await;
    admin_applies(&namespace, SETUP).await;
    let task = whole("view-config", &namespace).await;
    let all = task.works(&["get", "all"]).await;
    for object in ["deployment.apps/web", "statefulset.apps/db", "service/web", "cronjob.batch/nightly", "pod/web-"] {
        assert!(all.contains(object), "{object} in {all}");
    }
    assert!(task.works(&["get", "configmap", "settings", "-o", "yaml"]).await.contains("hello"));
    for object in [
        "deployment/web",
        "statefulset/db",
        "service/web",
        "ingress/web",
        "pvc/disk",
        "networkpolicy/closed",
        "pdb/web",
        "hpa/web",
        "cronjob/nightly",
    ] {
        task.works(&["describe", object]).await;
    }
    for kind in ["endpoints", "endpointslices", "events", "resourcequotas", "limitranges", "controllerrevisions"] {
        task.works(&["get", kind]).await;
    }
    task.refuses_all(&[
        &["get", "secrets"][..],
        &["get", "serviceaccounts"],
        &["get", "rolebindings"],
        &["logs", "deployment/web"],
        &["annotate", "configmap", "settings", "a=b"],
        &["scale", "deployment/web", "--replicas=0"],
    ])
    .await;
}

#[tokio::test]
async fn view_config_of_named_objects_is_of_those_alone() {
    let namespace = namespace_with_workloads().await;
    admin_applies(&namespace, SETUP).await;
    let asked = json!([
        {"apiGroup": "", "resource": "configmaps", "names": ["settings"]},
        {"apiGroup": "apps", "resource": "deployments", "names": ["web"]},
        // kubectl describes no ConfigMap without its events.
        {"apiGroup": "", "resource": "events"},
    ]);
    let task = named("view-config", &namespace, asked).await;
    assert!(task.works(&["get", "configmap/settings", "deployment/web"]).await.contains("deployment.apps/web"));
    assert!(task.works(&["describe", "configmap", "settings"]).await.contains("hello"));
    task.refuses_all(&[
        &["get", "configmap", "others"][..],
        &["get", "configmaps"],
        &["get", "deployment", "other"],
        &["get", "statefulset", "db"],
    ])
    .await;
}

#[tokio::test]
async fn debug_pod_adds_a_debug_container_where_it_was_asked_for() {
    let namespace = namespace_with_pods().await;
    let debug =
        |pod: &'static str| ["debug", pod, "--image=example.com/tools:1", "--attach=false", "--profile=general"];
    let all = whole("debug-pod", &namespace).await;
    let one = named("debug-pod", &namespace, json!([{"apiGroup": "", "resource": "pods", "names": ["one"]}])).await;
    for (task, pod) in [(&all, "two"), (&one, "one")] {
        task.works(&debug(pod)).await;
        let containers = task.works(&["get", "pod", pod, "-o", "jsonpath={.spec.ephemeralContainers[*].image}"]).await;
        assert_eq!(containers, "example.com/tools:1");
        assert!(!task.works(&["logs", pod, "-c", "app", "--tail=1"]).await.is_empty());
        task.refuses_all(&[&["delete", "pod", pod][..], &["get", "secrets"]]).await;
    }
    one.refuses(&debug("two")).await;
    // A copy is another pod.
    all.refuses(&["debug", "one", "--copy-to=copy", "--image=example.com/tools:1", "--attach=false"]).await;
}

#[tokio::test]
async fn port_forward_finds_pods_and_services_and_reads_no_more() {
    let namespace = namespace_with_pods().await;
    admin(&["-n", &namespace, "create", "service", "clusterip", "web", "--tcp=80:8080"]).await;
    let task = whole("port-forward", &namespace).await;
    assert!(task.works(&["get", "pods"]).await.contains("one"));
    assert!(task.works(&["get", "service", "web"]).await.contains("80/TCP"));
    task.refuses_all(&[&["logs", "one"][..], &["get", "services"], &["delete", "pod", "one"], &["get", "secrets"]])
        .await;
}
