//! What the gateway takes a request for, and what kube-apiserver's own audit log
//! says that it was: thousands of generated requests, no difference.
//!
//! They are sent to kube-apiserver as they are, by somebody who may do nothing:
//! it reads and records them all the same. Requests that the gateway does not
//! read at all are refused there, and make no difference.

use std::collections::HashMap;

use brevet_core::call::Call;
use brevet_testkit::Cluster;
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::{
    PATIENCE, cluster,
    direct::ca,
    knock::{self, Protocol, Shown},
};

/// How many are generated; as many as cases of a property in a soak.
fn count() -> usize {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(0);
    cases.max(5_000)
}

/// Connections that send them.
const LANES: usize = 16;

/// Numbers that look random and come again with the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX generator; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn any<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }
}

const RESOURCES: &[&str] = &[
    "pods",
    "configmaps",
    "secrets",
    "services",
    "nodes",
    "namespaces",
    "deployments",
    "serviceaccounts",
    "events",
    "persistentvolumeclaims",
    "accessgrants",
    "nonsense",
    "bindings",
    "Pods",
    "proxy",
    "watch",
    "status",
];
const SUBRESOURCES: &[&str] = &[
    "log",
    "exec",
    "attach",
    "portforward",
    "proxy",
    "status",
    "scale",
    "eviction",
    "binding",
    "token",
    "ephemeralcontainers",
    "finalize",
    "approval",
    "nonsense",
    "Log",
    "namespaces",
];
const NAMES: &[&str] = &[
    "web-1",
    "a",
    "default",
    "kube-system",
    "x.y.z",
    "system:node",
    "a%2db",
    "web%2D1",
    "a%20b",
    "a%2Fb",
    "..",
    ".",
    "%2e%2e",
    "A",
    "",
    "name;x=y",
    "a+b",
    "a@b",
    "watch",
    "proxy",
    "namespaces",
    "status",
    "~",
    "a,b",
    "%61",
    "a=b",
];
const GROUPS: &[&str] = &[
    "api/v1",
    "apis/apps/v1",
    "apis/batch/v1",
    "apis/brevet.dev/v1alpha1",
    "apis/none.example/v1",
    "api/v2",
    "apis",
    "api",
    "apis/apps",
    "apis/rbac.authorization.k8s.io/v1",
    "API/v1",
    "apis//v1",
    "api/v1/watch",
    "api/v1/proxy",
    "apis/apps/v1/watch",
    "apis/authorization.k8s.io/v1",
    "apis/apps/v1beta9",
];
const OTHERS: &[&str] = &[
    "/version",
    "/healthz",
    "/livez/ping",
    "/readyz",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3/apis/apps/v1",
    "/",
    "/logs/",
    "/debug/pprof",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
    "/api",
    "/apis",
    "/api/",
    "/apis/apps",
    "/apis/apps/v1",
    "/api/v1",
    "/nonsense/x/y",
    "/version/",
    "/apix/v1/pods",
    "/api/v1/",
];
const PARAMETERS: &[&str] = &[
    "watch=1",
    "watch=true",
    "watch=T",
    "watch=0",
    "watch=false",
    "watch=False",
    "watch=junk",
    "watch=",
    "watch",
    "Watch=1",
    "wat%63h=1",
    "watch=%31",
    "follow=true",
    "follow=0",
    "limit=5",
    "limit=x",
    "timeoutSeconds=1",
    "timeoutSeconds=-1",
    "fieldSelector=metadata.name%3Dweb-1",
    "fieldSelector=metadata.name=a",
    "fieldSelector=metadata.name==a",
    "fieldSelector=metadata.name!=a",
    "fieldSelector=metadata.name%3Da,status.x%3Db",
    "fieldSelector=metadata.name%3Da,metadata.name%3Db",
    "fieldSelector=status.phase%3DRunning",
    "fieldSelector=",
    "fieldSelector=metadata.name%3D",
    "fieldSelector=%zz",
    "fieldSelector=metadata.name%3Da%5C%2Cb",
    "labelSelector=a%3Db",
    "labelSelector=%21%21",
    "resourceVersion=0",
    "resourceVersionMatch=x",
    "command=sh",
    "container=c&stdin=1",
    "dryRun=All",
    "pretty",
    "a=b;c=d",
    "x=%00",
    "sendInitialEvents=true",
    "allowWatchBookmarks=maybe",
    "continue=x",
    "gracePeriodSeconds=x",
    "a&&b",
    "=",
    "path=/x",
    "fieldManager=me",
];

/// Method, path and query.
fn generated(dice: &mut Dice) -> (Method, String) {
    let methods =
        [Method::GET, Method::GET, Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let method = methods[dice.roll(methods.len())].clone();
    let mut path = if dice.once_in(8) {
        dice.any(OTHERS).to_owned()
    } else {
        let mut path = format!("/{}", dice.any(GROUPS));
        if dice.once_in(2) {
            path.push_str(&format!("/namespaces/{}", dice.any(NAMES)));
        }
        if !dice.once_in(8) {
            path.push_str(&format!("/{}", dice.any(RESOURCES)));
            if dice.once_in(2) {
                path.push_str(&format!("/{}", dice.any(NAMES)));
                if dice.once_in(2) {
                    path.push_str(&format!("/{}", dice.any(SUBRESOURCES)));
                    if dice.once_in(4) {
                        path.push_str(&format!("/{}/{}", dice.any(NAMES), dice.any(NAMES)));
                    }
                }
            }
        }
        path
    };
    for (times, end) in [(20, "/"), (40, "//"), (60, "/."), (60, "/../x")] {
        if dice.once_in(times) {
            path.push_str(end);
        }
    }
    let parameters: Vec<&str> = (0..dice.roll(4)).map(|_| dice.any(PARAMETERS)).collect();
    if parameters.is_empty() { (method, path) } else { (method, format!("{path}?{}", parameters.join("&"))) }
}

/// Sends every request under its number as audit id. What has been answered with 400 before it was read is told.
async fn send(cluster: &Cluster, requests: &[(usize, Method, Uri)]) {
    let address = cluster.url().strip_prefix("https://").unwrap().parse().unwrap();
    let shown = knock::certificate(cluster, &Shown::User("mallory")).unwrap();
    let connect = async || {
        let stream = knock::tls_to(address, "localhost", &ca(cluster), shown.clone(), Protocol::Http1).await.unwrap();
        knock::over(stream, Protocol::Http1).await.unwrap()
    };
    let mut connection = connect().await;
    for (number, method, uri) in requests {
        let request = || {
            let builder = Request::builder().method(method).uri(uri).header("host", "localhost");
            builder.header("audit-id", format!("reading-{number}")).body(Full::<Bytes>::default()).unwrap()
        };
        // kube-apiserver closes a connection after some of its refusals.
        let answer = match connection.send(request()).await {
            Ok(answer) => answer,
            Err(_) => {
                connection = connect().await;
                connection.send(request()).await.unwrap()
            }
        };
        // Nothing may last: whoever may do nothing opens no watch.
        tokio::time::timeout(PATIENCE, answer.into_body().collect()).await.expect("an answer that ends").ok();
    }
}

/// Verb, group, resource, subresource, namespace and name.
type Meaning = [String; 6];

fn of_gateway(call: &Call) -> Meaning {
    match call {
        Call::NonResource { verb, .. } => [verb.as_str(), "", "", "", "", ""].map(str::to_owned),
        Call::Resource(call) => {
            [&call.verb, &call.group, &call.resource, &call.subresource, &call.namespace, &call.name].map(Clone::clone)
        }
    }
}

fn of_audit(verb: &str, object: &Value) -> Meaning {
    let field = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let [group, resource, subresource, namespace, name] =
        ["apiGroup", "resource", "subresource", "namespace", "name"].map(field);
    [verb.to_owned(), group, resource, subresource, namespace, name]
}

/// Whether both took it for the same. A name that only the audit log knows came from a selector
/// that the gateway is not sure of: it then asks for the wider right.
fn is_same(ours: &Meaning, theirs: &Meaning, uri: &Uri) -> bool {
    let is_wider = ours[5].is_empty() && ours[..5] == theirs[..5];
    let has_selector = uri.query().is_some_and(|query| query.contains("fieldSelector"));
    ours == theirs || (is_wider && has_selector && matches!(ours[0].as_str(), "list" | "watch" | "deletecollection"))
}

#[tokio::test]
async fn a_request_means_what_the_audit_log_says() {
    let cluster = cluster().await;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2_026);
    let mut dice = Dice(seed);
    let (mut read, mut refused) = (HashMap::new(), 0);
    while read.len() < count() {
        let (method, text) = generated(&mut dice);
        let Ok(uri) = text.parse::<Uri>() else { continue };
        match Call::read(method.as_str(), uri.path(), uri.query().unwrap_or_default()) {
            Ok(call) => drop(read.insert(read.len(), (method, uri, of_gateway(&call)))),
            Err(_) => refused += 1,
        }
    }
    let mut lanes = vec![Vec::new(); LANES];
    for (number, (method, uri, _)) in &read {
        lanes[number % LANES].push((*number, method.clone(), uri.clone()));
    }
    futures::future::join_all(lanes.iter().map(|lane| send(cluster, lane))).await;

    let (mut same, mut faults) = (0, Vec::new());
    let mut recorded: HashMap<usize, Meaning> = HashMap::new();
    for event in cluster.audit_events().unwrap() {
        if let Some(number) = event.audit_id.strip_prefix("reading-").and_then(|number| number.parse().ok()) {
            recorded.insert(number, of_audit(&event.verb, &event.object_ref));
        }
    }
    for (number, (method, uri, ours)) in &read {
        match recorded.get(number) {
            Some(theirs) if is_same(ours, theirs, uri) => same += 1,
            Some(theirs) => faults.push(format!("{method} {uri}\n  gateway {ours:?}\n  audit   {theirs:?}")),
            None => faults.push(format!("{method} {uri}\n  gateway {ours:?}\n  audit   nothing")),
        }
    }
    println!("{same} requests mean the same to both; {refused} more are refused by the gateway (seed {seed})");
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults[..faults.len().min(12)].join("\n"));
    assert!(refused < 4 * same, "too little is read to say anything");
}
