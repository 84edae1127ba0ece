//! Tasks that change what runs: `restart-workload`, `scale-workload`, `roll-back`.

use serde_json::{Value, json};

use crate::task::{Task, admin, named, namespace_with_workloads, whole};

const STATUS: [&str; 3] = ["rollout", "status", "--timeout=60s"];

/// Deployment `web` alone.
fn only_web() -> Value {
    json!([{"apiGroup": "apps", "resource": "deployments", "names": ["web"]}])
}

async fn settled(task: &Task<'_>, workload: &str) {
    task.works(&[&STATUS[..], &[workload]].concat()).await;
}

#[tokio::test]
async fn restart_workload_restarts_and_watches() {
    let namespace = namespace_with_workloads().await;
    let task = whole("restart-workload", &namespace).await;
    for workload in ["deployment/web", "statefulset/db"] {
        assert!(task.works(&["rollout", "restart", workload]).await.contains("restarted"));
        settled(&task, workload).await;
    }
    assert!(task.works(&["get", "deployments"]).await.contains("other"));
    task.refuses_all(&[
        &["scale", "deployment/web", "--replicas=3"][..],
        &["delete", "deployment", "web"],
        &["get", "pods"],
        &["rollout", "history", "deployment/web"],
    ])
    .await;
    let words = "under a grant a workload runs as ServiceAccount default, or as it ran before";
    task.forbids(&["set", "serviceaccount", "deployment/web", "builder"], words).await;
}

#[tokio::test]
async fn restart_workload_of_one_deployment_is_of_that_alone() {
    let namespace = namespace_with_workloads().await;
    let task = named("restart-workload", &namespace, only_web()).await;
    assert!(task.works(&["rollout", "restart", "deployment/web"]).await.contains("restarted"));
    settled(&task, "deployment/web").await;
    task.refuses_all(&[
        &["rollout", "restart", "deployment/other"][..],
        &["rollout", "restart", "statefulset/db"],
        &["rollout", "status", "deployment/other"],
        &["get", "deployments"],
    ])
    .await;
}

#[tokio::test]
async fn scale_workload_changes_the_number_and_nothing_else() {
    let namespace = namespace_with_workloads().await;
    let all = whole("scale-workload", &namespace).await;
    for workload in ["deployment/web", "statefulset/db"] {
        assert!(all.works(&["scale", workload, "--replicas=2"]).await.contains("scaled"));
        settled(&all, workload).await;
    }
    let one = named("scale-workload", &namespace, only_web()).await;
    assert!(one.works(&["scale", "deployment/web", "--replicas=3", "--current-replicas=2"]).await.contains("scaled"));
    settled(&one, "deployment/web").await;
    one.refuses_all(&[
        &["scale", "deployment/other", "--replicas=2"][..],
        &["scale", "statefulset/db", "--replicas=1"],
    ])
    .await;
    for task in [&all, &one] {
        task.refuses_all(&[
            &["rollout", "restart", "deployment/web"][..],
            &["set", "image", "deployment/web", "app=example.com/web:2"],
            &["delete", "deployment", "web"],
            &["get", "pods"],
        ])
        .await;
    }
}

/// A second revision of everything.
async fn second_revision(namespace: &str) {
    for workload in ["deployment/web", "statefulset/db"] {
        let name = workload.split('/').next_back().unwrap();
        let image = format!("app=example.com/{name}:2");
        admin(&["-n", namespace, "set", "image", workload, &image]).await;
        admin(&[&["-n", namespace], &STATUS[..], &[workload]].concat()).await;
    }
}

const IMAGE: &str = "jsonpath={.spec.template.spec.containers[0].image}";

#[tokio::test]
async fn roll_back_shows_revisions_and_goes_back() {
    let namespace = namespace_with_workloads().await;
    second_revision(&namespace).await;
    let task = whole("roll-back", &namespace).await;
    for (workload, first) in [("deployment/web", "example.com/web:1"), ("statefulset/db", "example.com/db:1")] {
        let history = task.works(&["rollout", "history", workload]).await;
        assert_eq!(history.lines().filter(|line| line.starts_with(['1', '2'])).count(), 2, "{history}");
        assert!(task.works(&["rollout", "history", workload, "--revision=1"]).await.contains(first));
        assert!(task.works(&["rollout", "undo", workload]).await.contains("rolled back"));
        settled(&task, workload).await;
        assert_eq!(task.works(&["get", workload, "-o", IMAGE]).await, first);
    }
    task.refuses_all(&[
        &["delete", "deployment", "web"][..],
        &["scale", "deployment/web", "--replicas=0"],
        &["get", "pods"],
    ])
    .await;
}

#[tokio::test]
async fn roll_back_of_one_deployment_is_of_that_alone() {
    let namespace = namespace_with_workloads().await;
    second_revision(&namespace).await;
    let task = named("roll-back", &namespace, only_web()).await;
    assert!(task.works(&["rollout", "history", "deployment/web"]).await.contains("REVISION"));
    assert!(task.works(&["rollout", "undo", "deployment/web", "--to-revision=1"]).await.contains("rolled back"));
    settled(&task, "deployment/web").await;
    assert_eq!(task.works(&["get", "deployment/web", "-o", IMAGE]).await, "example.com/web:1");
    task.refuses_all(&[
        &["rollout", "undo", "statefulset/db"][..],
        &["rollout", "history", "deployment/other"],
        &["rollout", "restart", "deployment/other"],
    ])
    .await;
}
