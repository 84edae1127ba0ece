//! Two verbs for admission tests, `accepts` and `rejects`, and those who try.
//!
//! Promises: every attempt is one HTTP request to the real API server, as the real user, and the
//! refusal that comes back is the server's own. Attempts are dry-runs unless they say otherwise; the
//! server judges both alike.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(dead_code, unreachable_pub, reason = "each of the two binaries uses its part")]

use brevet_testkit::Cluster;
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

pub const REQUESTS: &str = "/apis/brevet.dev/v1alpha1/accessrequests";
pub const DECISIONS: &str = "/apis/brevet.dev/v1alpha1/accessdecisions";
pub const GRANTS: &str = "/apis/brevet.dev/v1alpha1/accessgrants";
pub const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
pub const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Who tries, with which credential, possibly as somebody else.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    impersonates: Vec<(&'static str, String)>,
}

/// What is tried.
#[derive(Clone)]
pub struct Attempt {
    method: Method,
    path: String,
    body: Value,
    content_type: &'static str,
    is_dry: bool,
}

impl Caller {
    pub async fn user(cluster: &Cluster, name: &str) -> Self {
        Self { client: cluster.user(name).client().await.unwrap(), impersonates: Vec::new() }
    }

    /// The administrator as somebody else, who is also in system:masters: RBAC refuses them nothing, so
    /// that what refuses them is admission.
    pub async fn mighty(cluster: &Cluster, name: &str) -> Self {
        Self::user(cluster, "admin").await.acting_as(name, "", &["system:masters"])
    }

    pub fn acting_as(&self, name: &str, uid: &str, groups: &[&str]) -> Self {
        let mut impersonates = vec![("Impersonate-User", name.to_owned())];
        if !uid.is_empty() {
            impersonates.push(("Impersonate-Uid", uid.to_owned()));
        }
        impersonates.extend(groups.iter().map(|group| ("Impersonate-Group", (*group).to_owned())));
        Self { client: self.client.clone(), impersonates }
    }

    /// What came back: the object, or the refusal's code and message.
    pub async fn tries(&self, attempt: &Attempt) -> Result<Value, (u16, String)> {
        let mark = if attempt.path.contains('?') { '&' } else { '?' };
        let dry = if attempt.is_dry { format!("{mark}dryRun=All") } else { String::new() };
        let mut request = Request::builder().method(attempt.method.clone()).uri(format!("{}{dry}", attempt.path));
        for (header, value) in &self.impersonates {
            request = request.header(*header, value);
        }
        let body = if attempt.body.is_null() { Vec::new() } else { serde_json::to_vec(&attempt.body).unwrap() };
        let request = request.header("Content-Type", attempt.content_type).body(body).unwrap();
        match self.client.request::<Value>(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => Err((status.code, status.message.clone())),
            Err(other) => panic!("{} {}: {other}", attempt.method, attempt.path),
        }
    }

    #[track_caller]
    pub fn accepts(&self, attempt: Attempt) -> impl Future<Output = Value> {
        let (this, at) = (self.clone(), std::panic::Location::caller());
        async move {
            match this.tries(&attempt).await {
                Ok(answer) => answer,
                Err((code, message)) => panic!("{at}: refused with {code}: {message}"),
            }
        }
    }

    /// Refused, and the message says `why`; where two policies refuse, ` | ` stands between what either says.
    #[track_caller]
    pub fn rejects(&self, attempt: Attempt, why: &str) -> impl Future<Output = ()> {
        let (this, at, why) = (self.clone(), std::panic::Location::caller(), why.to_owned());
        async move {
            match this.tries(&attempt).await {
                Ok(answer) => panic!("{at}: accepted: {answer}"),
                Err((code, message)) => {
                    assert!(
                        why.split(" | ").any(|why| message.contains(why)),
                        "{at}: refused, but not for `{why}`: {code} {message}"
                    );
                }
            }
        }
    }
}

impl Attempt {
    fn new(method: Method, path: impl Into<String>, body: Value) -> Self {
        let (path, content_type) = (path.into(), "application/json");
        Self { method, path, body, content_type, is_dry: true }
    }

    pub fn create(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path, body)
    }

    pub fn replace(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PUT, path, body)
    }

    /// A JSON merge patch.
    pub fn patch(path: impl Into<String>, body: Value) -> Self {
        Self { content_type: "application/merge-patch+json", ..Self::new(Method::PATCH, path, body) }
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, Value::Null)
    }

    pub fn read(path: impl Into<String>) -> Self {
        Self { is_dry: false, ..Self::new(Method::GET, path, Value::Null) }
    }

    /// Not a dry-run: it stays.
    pub fn really(self) -> Self {
        Self { is_dry: false, ..self }
    }
}

/// The minor version of the server: what is younger than it is not tried there.
pub async fn minor(cluster: &Cluster) -> u32 {
    let version = cluster.admin().await.unwrap().apiserver_version().await.unwrap();
    version.minor.trim_end_matches('+').parse().unwrap()
}

/// Where the catalogue is reached by constrained impersonation and the server stamps requests.
pub const IMPERSONATION_MINOR_MIN: u32 = 36;

/// `base` with `patch` merged over it; `null` removes.
pub fn with(mut base: Value, patch: Value) -> Value {
    merge(&mut base, patch);
    base
}

fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch,
    }
}

/// A person of the demo as SelfSubjectReview shows them.
pub fn person(name: &str, group: &str) -> Value {
    json!({"username": name, "uid": "", "groups": [group, "system:authenticated"]})
}

/// What `requester` asks; the server makes the name.
pub fn request(requester: Value) -> Value {
    json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest", "metadata": {"generateName": "view-logs-"},
        "spec": {"requester": requester, "role": "view-logs", "namespaces": ["shop"],
            "resources": [{"apiGroup": "", "resource": "pods", "names": ["web-1"]}],
            "duration": "30m", "justification": "checkout errors"},
    })
}

/// What `approver` says of a request of alice's.
pub fn decision(verdict: &str, approver: Value, namespaces: &[&str]) -> Value {
    json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessDecision", "metadata": {"generateName": "view-logs-x-"},
        "spec": {"verdict": verdict, "request": {"name": "view-logs-x", "uid": "some-uid"},
            "terms": {"digest": DIGEST, "role": "view-logs", "namespaces": namespaces, "requester": "alice"},
            "approver": approver},
    })
}

/// A grant of alice's, as the controller would write it.
pub fn grant(name: &str) -> Value {
    json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name, "finalizers": ["brevet.dev/end"]},
        "spec": {"request": {"name": name, "uid": "some-uid"}, "holder": person("alice", "developers"), "role": "view-logs",
            "terms": {"digest": DIGEST, "namespaces": ["shop"], "duration": "30m", "delivery": "Gateway",
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
            "notBefore": "2026-11-24T10:00:00Z", "notAfter": "2026-11-24T10:30:00Z", "delivery": "Gateway",
            "approvals": [{"approver": "bob", "decision": {"name": "d", "uid": "u"}, "stage": "approval"}]},
    })
}

/// A RoleBinding in any namespace.
pub fn role_binding(name: &str, role: &str, subject: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}, "subjects": [subject],
    })
}

/// A ServiceAccount as a subject.
pub fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
}

/// A user as a subject.
pub fn named(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}
