//! One task in somebody's hands: what works through its grant, and what does not.

use std::sync::atomic::{AtomicUsize, Ordering};

use brevet_testkit::{Cluster, Elevation, Output, User};
use futures::future::join_all;
use serde_json::{Value, json};

/// A Deployment `web`, a StatefulSet `db` and a Deployment `other` that nobody asks for.
const WORKLOADS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: app, image: "example.com/web:1"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec:
      containers: [{name: app, image: "example.com/other:1"}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: app, image: "example.com/db:1"}]
"#;

/// A grant, and its holder who goes through it.
pub(crate) struct Task<'c> {
    elevation: Elevation<'c>,
    holder: User,
    namespace: Option<String>,
}

/// A namespace of one test, with workloads that run.
pub(crate) async fn namespace_with_workloads() -> String {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    admin_applies(&namespace, WORKLOADS).await;
    for workload in ["deployment/web", "deployment/other", "statefulset/db"] {
        admin(&["-n", &namespace, "rollout", "status", "--timeout=60s", workload]).await;
    }
    namespace
}

/// kubectl of the administrator, past every grant.
pub(crate) async fn admin(args: &[&str]) -> String {
    succeeded(args, Cluster::shared().await.user("admin").kubectl(args).await.unwrap())
}

/// The administrator puts `yaml` into a namespace.
pub(crate) async fn admin_applies(namespace: &str, yaml: &str) {
    let args = ["-n", namespace, "apply", "-f", "-"];
    let admin = Cluster::shared().await.user("admin");
    succeeded(&args, admin.kubectl_reading(&args, yaml.as_bytes()).await.unwrap());
}

/// Somebody new, so that no test fills another's number of open requests.
pub(crate) fn somebody(cluster: &Cluster) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let name = format!("developer-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    cluster.add_user(&name, &["developers"]).unwrap();
    name
}

/// The whole role in a namespace, approved.
pub(crate) async fn whole(role: &str, namespace: &str) -> Task<'static> {
    granted(json!({ "role": role, "namespaces": [namespace] })).await
}

/// A role in a namespace on some objects, approved.
pub(crate) async fn named(role: &str, namespace: &str, resources: Value) -> Task<'static> {
    granted(json!({ "role": role, "namespaces": [namespace], "resources": resources })).await
}

/// What `spec` asks for, approved. Nothing here waits for its end, so its length is the role's own.
pub(crate) async fn granted(spec: Value) -> Task<'static> {
    let cluster = Cluster::shared().await;
    let namespace = spec.pointer("/namespaces/0").and_then(Value::as_str).map(ToOwned::to_owned);
    let elevation = cluster.approved(&somebody(cluster), "carol", spec).await.unwrap();
    let holder = elevation.holder().unwrap();
    Task { elevation, holder, namespace }
}

impl Task<'_> {
    /// Runs kubectl through the grant; it must succeed. Returns what it prints.
    pub(crate) async fn works(&self, args: &[&str]) -> String {
        let args = self.placed(args);
        succeeded(&args, self.holder.kubectl(&args).await.unwrap())
    }

    /// As [`Task::works`], with something to read.
    pub(crate) async fn works_with(&self, args: &[&str], input: &str) -> String {
        let args = self.placed(args);
        succeeded(&args, self.holder.kubectl_reading(&args, input.as_bytes()).await.unwrap())
    }

    /// Runs kubectl through the grant; the gateway must refuse it because the grant does not allow it.
    pub(crate) async fn refuses(&self, args: &[&str]) {
        let output = self.fails(args, "").await;
        let words = format!("grant `{}` does not allow", self.elevation.name());
        assert!(output.stderr.contains(&words), "kubectl {args:?}: {}", output.stderr);
    }

    /// As [`Task::refuses`], for each of them at once.
    pub(crate) async fn refuses_all(&self, all: &[&[&str]]) {
        join_all(all.iter().map(|args| self.refuses(args))).await;
    }

    /// Runs kubectl through the grant; admission must refuse what the grant's rules allow, with these words.
    pub(crate) async fn forbids(&self, args: &[&str], words: &str) {
        let output = self.fails(args, "").await;
        assert!(output.stderr.contains(words), "kubectl {args:?}: {}", output.stderr);
    }

    /// Runs kubectl through the grant, whatever comes of it; returns what it complains about.
    pub(crate) async fn says(&self, args: &[&str]) -> String {
        self.holder.kubectl(&self.placed(args)).await.unwrap().stderr
    }

    /// Runs kubectl through the grant; it must fail.
    pub(crate) async fn fails(&self, args: &[&str], input: &str) -> Output {
        let args = self.placed(args);
        let output = self.holder.kubectl_reading(&args, input.as_bytes()).await.unwrap();
        assert_ne!(output.status, 0, "kubectl {args:?} must not work: {}", output.stdout);
        output
    }

    fn placed<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        let place = self.namespace.iter().flat_map(|namespace| ["-n", namespace.as_str()]);
        place.chain(args.iter().copied()).collect()
    }
}

fn succeeded(args: &[&str], output: Output) -> String {
    assert_eq!(output.status, 0, "kubectl {args:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}
