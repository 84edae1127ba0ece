//! Tasks that bring something new: `deploy`, `run-job`.

use brevet_testkit::Cluster;
use serde_json::json;

use crate::task::{admin_applies, named, namespace_with_workloads, whole};

/// An application as people apply it.
fn application(image: &str, greeting: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{greeting: {greeting}}}
---
apiVersion: v1
kind: Service
metadata: {{name: app}}
spec: {{selector: {{app: app}}, ports: [{{port: 80}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers: [{{name: app, image: "{image}"}}]
"#
    )
}

const IMAGE: &str = "jsonpath={.spec.template.spec.containers[0].image}";

#[tokio::test]
async fn deploy_installs_changes_and_removes_an_application() {
    let namespace = Cluster::shared().await.namespace().await.unwrap();
    let task = whole("deploy", &namespace).await;
    let apply = ["apply", "-f", "-"];
    let first = task.works_with(&apply, &application("example.com/app:1", "hello")).await;
    assert_eq!(first.matches("created").count(), 3, "{first}");
    let again = task.works_with(&apply, &application("example.com/app:2", "hello")).await;
    assert_eq!((again.matches("unchanged").count(), again.matches("configured").count()), (2, 1), "{again}");
    task.works(&["rollout", "status", "deployment/app", "--timeout=60s"]).await;
    assert_eq!(task.works(&["get", "deployment/app", "-o", IMAGE]).await, "example.com/app:2");
    assert!(task.works(&["set", "image", "deployment/app", "app=example.com/app:3"]).await.contains("updated"));
    assert!(task.works(&["rollout", "undo", "deployment/app"]).await.contains("rolled back"));
    assert!(!task.works_with(&["diff", "-f", "-"], &application("example.com/app:2", "hello")).await.contains("hello"));
    assert!(task.works(&["get", "pods,replicasets,events"]).await.contains("pod/app-"));
    let deleted = task.works_with(&["delete", "-f", "-"], &application("example.com/app:2", "hello")).await;
    assert_eq!(deleted.matches("deleted").count(), 3, "{deleted}");
}

#[tokio::test]
async fn deploy_applies_on_the_servers_side() {
    let namespace = Cluster::shared().await.namespace().await.unwrap();
    let task = whole("deploy", &namespace).await;
    let apply = ["apply", "--server-side", "-f", "-"];
    let first = task.works_with(&apply, &application("example.com/app:1", "hello")).await;
    assert_eq!(first.matches("serverside-applied").count(), 3, "{first}");
    task.works_with(&apply, &application("example.com/app:1", "good-day")).await;
    let greeting = task.works(&["get", "configmap", "settings", "-o", "jsonpath={.data.greeting}"]).await;
    assert_eq!(greeting, "good-day");
    let autoscale = ["autoscale", "deployment/app", "--min=1", "--max=2", "--cpu=80%"];
    assert!(task.works(&autoscale).await.contains("autoscaled"));
    assert!(task.works(&["create", "pdb", "app", "--selector=app=app", "--min-available=1"]).await.contains("created"));
    assert!(task.works(&["create", "ingress", "app", "--rule=a.example.com/*=app:80"]).await.contains("created"));
}

#[tokio::test]
async fn deploy_makes_no_authority_and_reads_no_secret() {
    let namespace = Cluster::shared().await.namespace().await.unwrap();
    let task = whole("deploy", &namespace).await;
    task.refuses_all(&[
        &["create", "secret", "generic", "one", "--from-literal=a=b"][..],
        &["get", "secrets"],
        &["create", "serviceaccount", "builder"],
        &["create", "token", "default"],
        &["create", "role", "reader", "--verb=get", "--resource=secrets"],
        &["create", "rolebinding", "mine", "--clusterrole=view", "--user=mallory"],
        &["run", "one", "--image=example.com/app:1"],
        &["create", "namespace", "mine"],
    ])
    .await;
    let as_another = application("example.com/app:1", "hello")
        .replace("containers:", "serviceAccountName: builder\n      containers:");
    let output = task.fails(&["apply", "-f", "-"], &as_another).await;
    assert!(output.stderr.contains("under a grant a workload runs as ServiceAccount default"), "{}", output.stderr);
}

#[tokio::test]
async fn deploy_of_one_deployment_changes_that_alone() {
    let namespace = namespace_with_workloads().await;
    let only = json!([{"apiGroup": "apps", "resource": "deployments", "names": ["web"]}]);
    let task = named("deploy", &namespace, only).await;
    assert!(task.works(&["set", "image", "deployment/web", "app=example.com/web:2"]).await.contains("updated"));
    task.works(&["rollout", "status", "deployment/web", "--timeout=60s"]).await;
    assert!(task.works(&["annotate", "deployment", "web", "a=b"]).await.contains("annotated"));
    task.refuses_all(&[
        &["set", "image", "deployment/other", "app=example.com/other:2"][..],
        &["delete", "deployment", "other"],
    ])
    .await;
    // Creating has no name to RBAC, so a named grant creates nothing.
    task.refuses(&["create", "deployment", "web-2", "--image=example.com/web:1"]).await;
    assert!(task.works(&["delete", "deployment", "web"]).await.contains("deleted"));
}

const CRON_JOBS: &str = r#"
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: "example.com/job:1"}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: weekly}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: "example.com/job:1"}]}}}
"#;

#[tokio::test]
async fn run_job_runs_a_job_and_cleans_up() {
    let namespace = Cluster::shared().await.namespace().await.unwrap();
    admin_applies(&namespace, CRON_JOBS).await;
    let task = whole("run-job", &namespace).await;
    assert!(task.works(&["create", "job", "once", "--image=example.com/job:1"]).await.contains("created"));
    assert!(task.works(&["create", "job", "now", "--from=cronjob/nightly"]).await.contains("created"));
    task.works(&["wait", "--for=condition=complete", "--timeout=60s", "job/once", "job/now"]).await;
    assert!(task.works(&["get", "jobs,pods"]).await.contains("job.batch/now"));
    task.works(&["logs", "job/once"]).await;
    assert!(task.works(&["delete", "job", "once"]).await.contains("deleted"));
    task.refuses_all(&[
        &["create", "cronjob", "mine", "--schedule=* * * * *", "--image=example.com/job:1"][..],
        &["create", "deployment", "mine", "--image=example.com/job:1"],
        &["delete", "cronjob", "nightly"],
        &["delete", "pods", "--all"],
        &["get", "secrets"],
    ])
    .await;
    let as_another = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"as-another"},"spec":{"template":{"spec":
        {"serviceAccountName":"builder","restartPolicy":"Never","containers":[{"name":"a","image":"example.com/job:1"}]}}}}"#;
    let output = task.fails(&["create", "-f", "-"], as_another).await;
    assert!(output.stderr.contains("under a grant a workload runs as ServiceAccount default"), "{}", output.stderr);
}

#[tokio::test]
async fn run_job_from_one_cron_job_is_from_that_alone() {
    let namespace = Cluster::shared().await.namespace().await.unwrap();
    admin_applies(&namespace, CRON_JOBS).await;
    let asked = json!([
        {"apiGroup": "batch", "resource": "jobs"},
        {"apiGroup": "batch", "resource": "cronjobs", "names": ["nightly"]},
    ]);
    let task = named("run-job", &namespace, asked).await;
    assert!(task.works(&["create", "job", "now", "--from=cronjob/nightly"]).await.contains("created"));
    task.works(&["wait", "--for=condition=complete", "--timeout=60s", "job/now"]).await;
    task.refuses_all(&[&["create", "job", "other", "--from=cronjob/weekly"][..], &["get", "cronjobs"]]).await;

    let only = json!([{"apiGroup": "batch", "resource": "jobs", "names": ["now"]}]);
    let keeper = named("run-job", &namespace, only).await;
    assert!(keeper.works(&["get", "job", "now"]).await.contains("now"));
    keeper.refuses_all(&[&["create", "job", "more", "--image=example.com/job:1"][..], &["get", "jobs"]]).await;
    assert!(keeper.works(&["delete", "job", "now"]).await.contains("deleted"));
}
