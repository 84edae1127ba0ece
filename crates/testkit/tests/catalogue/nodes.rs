//! Tasks on nodes: `inspect-node`, `cordon-node`, `drain-node`.

use std::time::Duration;

use brevet_api::Phase;
use brevet_testkit::Cluster;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use serde_json::{Value, json};

use crate::task::{Task, admin_applies, granted, somebody};

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node of one test, so that no other loses its pods; it takes no pods but those that name it.
async fn node(name: &str) {
    let yaml = format!("{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}, spec: {{unschedulable: true}}}}");
    admin_applies("default", &yaml).await;
    let cluster = Cluster::shared().await;
    let nodes: Api<Node> = Api::all(cluster.admin().await.unwrap());
    let answers = |node: &Node| node.status.as_ref().is_some_and(|status| status.daemon_endpoints.is_some());
    cluster.eventually("the node to answer", PATIENCE, async || nodes.get(name).await.ok().filter(answers)).await;
}

async fn named(role: &str, node: &str) -> Task<'static> {
    granted(json!({"role": role, "resources": [{"apiGroup": "", "resource": "nodes", "names": [node]}]})).await
}

/// kubectl's `cordon` exits with 0 even where it is refused, so its words and the node are looked at.
async fn stays_open(task: &Task<'_>) {
    assert!(task.says(&["cordon", "node-1"]).await.contains("does not allow `patch nodes node-1`"));
    assert_eq!(task.works(&["get", "node", "node-1", "-o", "jsonpath={.spec.unschedulable}"]).await, "");
}

#[tokio::test]
async fn inspect_node_reads_nodes_and_the_pods_on_them() {
    let task = granted(json!({"role": "inspect-node"})).await;
    assert!(task.works(&["get", "nodes"]).await.contains("node-2"));
    assert!(task.works(&["describe", "node", "node-1"]).await.contains("web-1"));
    assert!(task.works(&["get", "pods", "-A", "--field-selector=spec.nodeName=node-1"]).await.contains("web-1"));
    stays_open(&task).await;
    task.refuses_all(&[
        &["label", "node", "node-1", "a=b"][..],
        &["delete", "node", "node-1"],
        &["get", "--raw", "/api/v1/nodes/node-1/proxy/pods"],
        &["-n", "shop", "get", "secrets"],
        &["-n", "shop", "logs", "web-1"],
    ])
    .await;
}

#[tokio::test]
async fn inspect_node_of_one_node_is_of_that_alone() {
    let task = named("inspect-node", "node-1").await;
    assert!(task.works(&["get", "node", "node-1"]).await.contains("node-1"));
    assert!(task.works(&["describe", "node", "node-1"]).await.contains("web-1"));
    task.refuses_all(&[&["get", "nodes"][..], &["describe", "node", "node-2"]]).await;
    stays_open(&task).await;
}

#[tokio::test]
async fn cordon_node_closes_one_node_and_opens_it_again() {
    for name in ["cordoned", "not-cordoned"] {
        node(name).await;
    }
    let task = named("cordon-node", "cordoned").await;
    assert!(task.works(&["uncordon", "cordoned"]).await.contains("uncordoned"));
    assert!(task.works(&["cordon", "cordoned"]).await.contains("cordoned"));
    let closed = task.works(&["get", "node", "cordoned", "-o", "jsonpath={.spec.unschedulable}"]).await;
    assert_eq!(closed, "true");
    task.refuses_all(&[
        &["uncordon", "not-cordoned"][..],
        &["get", "nodes"],
        &["delete", "node", "cordoned"],
        &["get", "pods", "-A"],
    ])
    .await;
}

#[tokio::test]
async fn a_task_that_changes_nodes_names_them() {
    let cluster = Cluster::shared().await;
    let who = somebody(cluster);
    for role in ["cordon-node", "drain-node"] {
        let asked = cluster.ask(&who, json!({ "role": role })).await.unwrap();
        let request = asked.phase(Phase::Denied).await.unwrap();
        let conditions = request.status.unwrap().conditions;
        assert!(conditions.iter().any(|condition| condition.reason == "NamesRequired"), "{conditions:?}");
    }
}

/// A pod, a Deployment's pod and a pod on another node.
fn tenants(node: &str) -> Value {
    let containers = json!([{"name": "app", "image": "example.com/app:1"}]);
    let on = |name: &str, node: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
               "spec": {"nodeName": node, "containers": containers}})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [on("alone", node), on("elsewhere", "node-1")]})
}

#[tokio::test]
async fn drain_node_empties_one_node() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    for name in ["drained", "not-drained"] {
        node(name).await;
    }
    admin_applies(&namespace, &tenants("drained").to_string()).await;
    let pods: Api<Pod> = Api::namespaced(cluster.admin().await.unwrap(), &namespace);
    let runs = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    for pod in ["alone", "elsewhere"] {
        cluster.eventually("the pods to run", PATIENCE, async || pods.get(pod).await.ok().filter(runs)).await;
    }
    let task = named("drain-node", "drained").await;
    let drained = task.works(&["drain", "drained", "--ignore-daemonsets", "--force", "--timeout=60s"]).await;
    assert!(drained.contains("evicted") && drained.contains("node/drained drained"), "{drained}");
    assert!(pods.get_opt("alone").await.unwrap().is_none());
    assert!(pods.get_opt("elsewhere").await.unwrap().is_some());
    task.refuses_all(&[
        &["cordon", "not-drained"][..],
        &["get", "nodes"],
        &["delete", "node", "drained"],
        &["-n", &namespace, "delete", "pod", "elsewhere"],
        &["-n", &namespace, "logs", "elsewhere"],
    ])
    .await;
}
