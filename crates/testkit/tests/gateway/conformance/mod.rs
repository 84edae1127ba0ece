//! The same exchanges directly and through a grant, at both doors: status,
//! headers that mean something, bodies and exit codes are the same.
//!
//! Directly they are made as the grant's own identity, with a token as the
//! gateway mints it, so that all ways have the same rights. Each way has a
//! namespace of its own; what cannot be equal (names of namespaces, uids, times)
//! is blotted out before comparing.

mod kubectl;
mod raw;

use brevet_testkit::{Cluster, Part};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};

use crate::{
    granted,
    made::{Ask, Made},
    through,
};

/// What an exchange came to, by its name.
type Came = (String, String);

/// A way to kube-apiserver, and the namespace it is tried in.
struct Lane {
    what: &'static str,
    namespace: String,
    way: Way,
}

#[derive(Clone)]
enum Way {
    /// Straight, as the identity with this token.
    Straight(String),
    /// Through the grant, at kube-apiserver.
    Aggregated(Made),
    /// Through the grant, at the gateway.
    Direct(Made),
}

/// Everything that the exchanges do, in each of these namespaces.
fn ask(namespaces: Vec<String>) -> Ask {
    // What the catalogue has: nothing more can be bound.
    let all = vec!["get", "list", "watch", "create", "update", "patch", "delete"];
    let read = vec!["get", "list", "watch"];
    let rules = vec![
        ("", vec!["configmaps", "services"], all.clone(), vec![]),
        ("", vec!["pods", "events"], read.clone(), vec![]),
        ("", vec!["pods/log"], vec!["get"], vec![]),
        ("", vec!["pods/exec"], vec!["get", "create"], vec![]),
        ("apps", vec!["deployments"], all, vec![]),
        ("apps", vec!["replicasets"], read, vec![]),
        ("apps", vec!["deployments/scale"], vec!["get", "update", "patch"], vec![]),
    ];
    Ask { role: "deploy", namespaces, rules, ..Ask::logs("", 600) }
}

/// Three ways with equal rights, each in a namespace with one running pod.
async fn lanes(cluster: &Cluster) -> [Lane; 3] {
    let mut namespaces = Vec::new();
    for _ in 0..3 {
        namespaces.push(cluster.namespace().await.unwrap());
    }
    let made = granted(cluster, &ask(namespaces.clone())).await;
    futures::future::join_all(namespaces.iter().map(|namespace| cluster.pod(namespace, "runs"))).await;
    let token = token(cluster, &made).await;
    let [one, two, three] = <[String; 3]>::try_from(namespaces).unwrap();
    [
        Lane { what: "directly", namespace: one, way: Way::Straight(token) },
        Lane { what: "at the aggregated door", namespace: two, way: Way::Aggregated(made.clone()) },
        Lane { what: "at the direct door", namespace: three, way: Way::Direct(made) },
    ]
}

/// A token of the grant's identity, as the gateway mints it.
async fn token(cluster: &Cluster, made: &Made) -> String {
    let accounts: Api<ServiceAccount> =
        Api::namespaced(cluster.user("gateway").client().await.unwrap(), "brevet-elevations");
    let anchor = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Secret".to_owned()),
        name: Some(made.identity.clone()),
        uid: None,
    };
    let spec =
        TokenRequestSpec { audiences: Vec::new(), bound_object_ref: Some(anchor), expiration_seconds: Some(600) };
    let request = TokenRequest { spec, status: None, ..TokenRequest::default() };
    accounts.create_token_request(&made.identity, &PostParams::default(), &request).await.unwrap().status.unwrap().token
}

impl Lane {
    /// Server and path before every path.
    fn server(&self, cluster: &Cluster) -> (String, String) {
        match &self.way {
            Way::Straight(_) => (cluster.url().to_owned(), String::new()),
            Way::Aggregated(made) => (cluster.url().to_owned(), through(made, "")),
            Way::Direct(made) => {
                let address = cluster.brevet().unwrap().replica(Part::Gateway).direct().unwrap();
                (format!("https://{address}"), format!("/grants/{}", made.name))
            }
        }
    }

    /// `text` without what is this lane's alone.
    fn blot(&self, text: &str) -> String {
        text.replace(&self.namespace, "NAMESPACE")
    }
}

/// Compares what came of each lane with the first.
fn check(lanes: &[Lane], came: &[Vec<Came>], at_least: usize) {
    let (first, others) = came.split_first().unwrap();
    assert!(first.len() >= at_least, "only {} exchanges", first.len());
    let mut faults = Vec::new();
    for (lane, other) in lanes[1..].iter().zip(others) {
        assert_eq!(first.len(), other.len());
        for ((name, straight), (_, theirs)) in first.iter().zip(other) {
            if straight != theirs {
                faults.push(format!("{name}, {}:\n{}", lane.what, difference(straight, theirs)));
            }
        }
    }
    println!("{} exchanges, each {} ways", first.len(), lanes.len());
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
}

/// The lines in which two texts differ.
fn difference(one: &str, other: &str) -> String {
    let only = |of: &str, not: &str, sign: &str| {
        let lines = of.lines().filter(|line| !not.lines().any(|known| known == *line)).take(8);
        lines.map(|line| format!("  {sign} {}\n", line.chars().take(300).collect::<String>())).collect::<String>()
    };
    format!("{}{}", only(one, other, "directly"), only(other, one, "through "))
}
