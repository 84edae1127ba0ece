//! Exchanges as any client may make them, byte by byte.

use brevet_testkit::Cluster;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Came, Lane, Way, check, lanes};
use crate::{
    cluster,
    direct::ca,
    knock::{self, Connection, Protocol, Shown},
};

/// What an answer means besides its status and body. Not Cache-Control: at the aggregated door
/// kube-apiserver sets its own on every answer.
const HEADERS: [&str; 7] =
    ["content-type", "content-encoding", "warning", "vary", "retry-after", "x-content-type-options", "location"];

/// Fields that no two objects share.
const OWN: [&str; 15] = [
    "manager",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "time",
    "managedFields",
    "continue",
    "clusterIP",
    "clusterIPs",
    "deletionTimestamp",
    "authentication.kubernetes.io/credential-id",
    "startTime",
    "lastTransitionTime",
    "podIP",
    "lastUpdateTime",
];

const JSON: (&str, &str) = ("content-type", "application/json");
const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
const STRATEGIC: (&str, &str) = ("content-type", "application/strategic-merge-patch+json");
const PATCHES: (&str, &str) = ("content-type", "application/json-patch+json");
const APPLY: (&str, &str) = ("content-type", "application/apply-patch+yaml");
const TABLE: (&str, &str) = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");

/// One request: method, path below the lane (`NS` is its namespace), headers, body.
type Exchange = (&'static str, &'static str, &'static [(&'static str, &'static str)], Value);

/// Discovery, and questions about oneself.
fn questions() -> Vec<Exchange> {
    let review = |kind: &str, group: &str| json!({"kind": kind, "apiVersion": format!("{group}.k8s.io/v1")});
    let mut access = review("SelfSubjectAccessReview", "authorization");
    access["spec"] = json!({"resourceAttributes": {"namespace": "kube-system", "verb": "get", "resource": "secrets"}});
    let discovery = ("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    vec![
        ("GET", "/version", &[], json!(null)),
        ("GET", "/api", &[], json!(null)),
        ("GET", "/apis", &[], json!(null)),
        ("GET", "/api", Box::leak(Box::new([discovery])), json!(null)),
        ("GET", "/api/v1", &[], json!(null)),
        ("GET", "/apis/apps", &[], json!(null)),
        ("GET", "/apis/apps/v1", &[], json!(null)),
        ("GET", "/openapi/v3", &[], json!(null)),
        ("GET", "/openapi/v3/apis/batch/v1", &[], json!(null)),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            &[JSON],
            review("SelfSubjectReview", "authentication"),
        ),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &[JSON], access),
    ]
}

fn map(name: &str, more: Value) -> Value {
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}});
    map.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    map
}

/// Objects that come, change and go, and every way in which that fails.
fn writes() -> Vec<Exchange> {
    const MAPS: &str = "/api/v1/namespaces/NS/configmaps";
    const ONE: &str = "/api/v1/namespaces/NS/configmaps/one";
    let labelled = map("two", json!({"metadata": {"name": "two", "labels": {"app": "x"}}}));
    let stale = map("one", json!({"metadata": {"name": "one", "resourceVersion": "1"}}));
    vec![
        ("POST", MAPS, &[JSON], map("one", json!({}))),
        ("POST", MAPS, &[JSON], map("one", json!({}))),
        ("POST", MAPS, &[JSON], labelled),
        ("POST", "/api/v1/namespaces/NS/configmaps?dryRun=All", &[JSON], map("dry", json!({}))),
        ("POST", MAPS, &[JSON], map("Not A Name", json!({}))),
        ("POST", MAPS, &[JSON], json!("not an object")),
        ("POST", MAPS, &[JSON], map("elsewhere", json!({"metadata": {"name": "e", "namespace": "shop"}}))),
        ("POST", MAPS, &[("content-type", "text/nonsense")], map("x", json!({}))),
        ("POST", "/api/v1/namespaces/NS/configmaps?fieldValidation=Strict", &[JSON], map("strict", json!({"dta": {}}))),
        ("POST", "/api/v1/namespaces/NS/configmaps?fieldValidation=Warn", &[JSON], map("warned", json!({"dta": {}}))),
        ("GET", ONE, &[], json!(null)),
        ("HEAD", ONE, &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps/none", &[], json!(null)),
        ("PUT", ONE, &[JSON], map("one", json!({"data": {"a": "c"}}))),
        ("PUT", ONE, &[JSON], stale),
        ("PUT", ONE, &[JSON], map("another", json!({}))),
        ("PATCH", ONE, &[MERGE], json!({"data": {"m": "1"}})),
        ("PATCH", ONE, &[STRATEGIC], json!({"data": {"s": "1"}})),
        ("PATCH", ONE, &[PATCHES], json!([{"op": "add", "path": "/data/j", "value": "1"}])),
        ("PATCH", ONE, &[PATCHES], json!([{"op": "test", "path": "/data/j", "value": "2"}])),
        ("PATCH", ONE, &[JSON], json!({"data": {}})),
        (
            "PATCH",
            "/api/v1/namespaces/NS/configmaps/one?fieldManager=m1",
            &[APPLY],
            map("one", json!({"data": {"z": "1"}})),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/NS/configmaps/one?fieldManager=m2",
            &[APPLY],
            map("one", json!({"data": {"z": "2"}})),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/NS/configmaps/one?fieldManager=m2&force=true",
            &[APPLY],
            map("one", json!({"data": {"z": "2"}})),
        ),
        ("PATCH", "/api/v1/namespaces/NS/configmaps/one", &[APPLY], map("one", json!({}))),
        ("DELETE", ONE, &[JSON], json!({"preconditions": {"uid": "another"}})),
        ("DELETE", "/api/v1/namespaces/NS/configmaps/one?dryRun=All", &[], json!(null)),
        (
            "DELETE",
            ONE,
            &[JSON],
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}),
        ),
        ("DELETE", ONE, &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?fieldSelector=metadata.name%3Dwarned", &[], json!(null)),
    ]
}

/// Lists, watches and what else is read.
fn reads() -> Vec<Exchange> {
    const MAPS: &str = "/api/v1/namespaces/NS/configmaps";
    let replicas = json!({"spec": {"replicas": 0}});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    });
    vec![
        ("GET", MAPS, &[], json!(null)),
        ("GET", MAPS, &[TABLE], json!(null)),
        ("GET", MAPS, &[("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")], json!(null)),
        ("GET", MAPS, &[("accept", "text/nonsense")], json!(null)),
        ("GET", MAPS, &[("accept", "application/yaml")], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?limit=1", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?continue=nonsense", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?labelSelector=%21%21", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?fieldSelector=spec.x%3Dy", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?resourceVersion=0", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?resourceVersionMatch=Exact", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?watch=1&resourceVersion=0&timeoutSeconds=1", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?watch=1&resourceVersion=0&timeoutSeconds=1", &[TABLE], json!(null)),
        ("GET", "/api/v1/namespaces/NS/configmaps?watch=1&resourceVersion=nonsense", &[], json!(null)),
        ("GET", "/api/v1/watch/namespaces/NS/configmaps?timeoutSeconds=1&resourceVersion=0", &[], json!(null)),
        ("POST", "/apis/apps/v1/namespaces/NS/deployments", &[JSON], deployment),
        ("GET", "/apis/apps/v1/namespaces/NS/deployments/web/scale", &[], json!(null)),
        ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web/scale", &[MERGE], replicas),
        ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web/scale", &[MERGE], json!({"spec": {"replicas": -1}})),
        ("GET", "/apis/apps/v1/namespaces/NS/deployments?labelSelector=none", &[], json!(null)),
        ("DELETE", "/apis/apps/v1/namespaces/NS/deployments/web", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/pods/runs/log?tailLines=nonsense", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/pods/none/log", &[], json!(null)),
        ("GET", "/api/v1/namespaces/NS/pods/runs/log?container=none", &[], json!(null)),
        ("POST", "/api/v1/namespaces/NS/pods/runs/exec?command=true", &[], json!(null)),
    ]
}

async fn connect(cluster: &Cluster, lane: &Lane) -> Connection {
    let (server, _) = lane.server(cluster);
    let address = server.strip_prefix("https://").unwrap().parse().unwrap();
    let shown = match lane.way {
        Way::Straight(_) => None,
        Way::Aggregated(_) | Way::Direct(_) => knock::certificate(cluster, &Shown::User("alice")).unwrap(),
    };
    let stream = knock::tls_to(address, "localhost", &ca(cluster), shown, Protocol::Http2).await.unwrap();
    knock::over(stream, Protocol::Http2).await.unwrap()
}

async fn all(cluster: &Cluster, lane: &Lane) -> Vec<Came> {
    let mut connection = connect(cluster, lane).await;
    let mut came = Vec::new();
    for (method, path, headers, body) in [questions(), writes(), reads()].concat() {
        let (server, before) = lane.server(cluster);
        let uri = format!("{server}{before}{}", path.replace("NS", &lane.namespace));
        let mut builder = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri);
        if let Way::Straight(token) = &lane.way {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let answer = connection.send(builder.body(Full::new(bytes)).unwrap()).await.unwrap();
        let number = came.len();
        came.push((format!("{number}: {method} {path} {headers:?}"), told(lane, method, answer).await));
    }
    came
}

/// Everything of an answer that two of them may be compared by.
async fn told(lane: &Lane, method: &str, answer: Response<Incoming>) -> String {
    let mut text = format!("{}\n", answer.status());
    for name in HEADERS {
        for value in answer.headers().get_all(name) {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
    }
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(method != "HEAD" || bytes.is_empty());
    let body = String::from_utf8_lossy(&bytes).into_owned();
    for line in body.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(mut value) => {
                blot(&mut value);
                text.push_str(&lane.blot(&serde_json::to_string_pretty(&value).unwrap()));
            }
            // YAML, and text.
            Err(_) if OWN.iter().any(|own| line.trim_start().trim_start_matches("- ").starts_with(own)) => {}
            Err(_) => text.push_str(&lane.blot(line)),
        }
        text.push('\n');
    }
    without_uids(&text)
}

/// Uids stand in messages, too.
fn without_uids(text: &str) -> String {
    let is_inside = |c: char| c.is_ascii_hexdigit() || c == '-';
    let words = text.split_inclusive(|c| !is_inside(c)).map(|word| {
        let bare = word.trim_end_matches(|c| !is_inside(c));
        if uuid::Uuid::parse_str(bare).is_ok() { word.replace(bare, "UID") } else { word.to_owned() }
    });
    words.collect()
}

/// Blots out what no two objects share.
fn blot(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match OWN.contains(&name.as_str()) {
                    true => *field = Value::Null,
                    false => blot(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blot),
        Value::String(text) => {
            // An age, or a time.
            let is_time = text.ends_with('Z') && text.len() == 20 && text.contains('T');
            let is_age = text.len() < 6 && text.ends_with(['s', 'm']) && text.starts_with(|c: char| c.is_ascii_digit());
            if is_time || is_age {
                *text = "then".to_owned();
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn raw_exchanges_are_the_same_on_every_way() {
    let cluster = cluster().await;
    let lanes = lanes(cluster).await;
    let came = futures::future::join_all(lanes.iter().map(|lane| all(cluster, lane))).await;
    check(&lanes, &came, 60);
}
