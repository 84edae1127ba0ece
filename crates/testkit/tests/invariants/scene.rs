//! What the stories here share: people, calls through a grant, an open log, and
//! what is left in the cluster.

use std::process::ExitStatus;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brevet_api::Phase;
use brevet_testkit::{Cluster, Elevation, User};
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

/// Longer than any step here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough that nobody waits for it.
pub(crate) const LONG: &str = "10m";

/// The clock of the tests.
#[allow(clippy::disallowed_methods, reason = "a test is an edge: it compares with what the server did")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Somebody new who may ask and decide like every developer.
pub(crate) fn somebody(cluster: &Cluster) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let name = format!("developer-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    cluster.add_user(&name, &["developers"]).unwrap();
    name
}

/// An ask for the pods of a namespace and their logs.
pub(crate) fn logs(namespace: &str, duration: &str) -> Value {
    json!({ "role": "view-logs", "namespaces": [namespace], "duration": duration })
}

/// The path of a namespace's pods.
pub(crate) fn pods(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// No status at all: the connection was cut while the answer was on its way.
pub(crate) const TORN: u16 = 0;

/// One call: when it began, when it was answered, and what the answer was.
pub(crate) struct Answer {
    pub(crate) sent: Timestamp,
    pub(crate) heard: Timestamp,
    pub(crate) said: Result<String, Refused>,
}

/// An answer that is not 2xx.
#[derive(Debug)]
pub(crate) struct Refused {
    /// HTTP status; [`TORN`] where the answer ended before its end.
    pub(crate) code: u16,
    pub(crate) message: String,
}

/// A GET through a grant.
pub(crate) async fn call(client: &Client, grant: &Elevation<'_>, path: &str) -> Answer {
    get(client, &grant.path(path)).await
}

/// A GET.
pub(crate) async fn get(client: &Client, path: &str) -> Answer {
    let sent = now();
    let said = client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await;
    let said = said.map_err(|error| match error {
        kube::Error::Api(status) => Refused { code: status.code, message: status.message.clone() },
        kube::Error::Service(torn) => Refused { code: TORN, message: torn.to_string() },
        other => panic!("GET {path}: {other}"),
    });
    Answer { sent, heard: now(), said }
}

/// What kube-apiserver says for a gateway that is not there yet.
const NOBODY_THERE: u16 = 503;

/// Waits until calls through the grant are refused; returns the words.
pub(crate) async fn refused(cluster: &Cluster, client: &Client, grant: &Elevation<'_>, path: &str) -> String {
    let refused = cluster.eventually("calls to be refused", PATIENCE, async || {
        call(client, grant, path).await.said.err().filter(|refused| ![TORN, NOBODY_THERE].contains(&refused.code))
    });
    let refused = refused.await;
    assert_eq!(refused.code, 403, "{}", refused.message);
    refused.message
}

/// When the grant ends.
pub(crate) async fn deadline(grant: &Elevation<'_>) -> Timestamp {
    grant.grant().await.unwrap().spec.not_after.0
}

/// The identity that carries the grant.
pub(crate) async fn identity(grant: &Elevation<'_>) -> String {
    grant.grant().await.unwrap().status.unwrap().identity.unwrap().name
}

/// Why the grant ended, once it has.
pub(crate) async fn cause(grant: &Elevation<'_>) -> String {
    let status = grant.grant().await.unwrap().status.unwrap();
    status.conditions.into_iter().find(|condition| condition.type_ == "Ended").unwrap().reason
}

/// Everything in the cluster that carries an identity: this one, or any.
pub(crate) async fn left(cluster: &Cluster, identity: Option<&str>) -> Vec<String> {
    let kinds = "serviceaccounts,secrets,roles,rolebindings,clusterroles,clusterrolebindings";
    let label = identity.map_or("brevet.dev/identity".to_owned(), |name| format!("brevet.dev/identity={name}"));
    let found = cluster.user("admin").kubectl(&["get", kinds, "-A", "-l", &label, "-o", "name"]).await.unwrap();
    assert_eq!(found.status, 0, "{}", found.stderr);
    found.stdout.lines().map(ToOwned::to_owned).collect()
}

/// Returns when the controller has dealt with what was written before.
pub(crate) async fn settled(cluster: &Cluster) {
    let other = cluster.approved(&somebody(cluster), "carol", logs("shop", LONG)).await.unwrap();
    other.phase(Phase::Active).await.unwrap();
}

/// kubectl following a log.
pub(crate) struct OpenLog {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl OpenLog {
    /// Opens it; returns when the first line has come.
    pub(crate) async fn open(user: &User, namespace: &str, pod: &str) -> Self {
        let mut child = user.kubectl_command(&["-n", namespace, "logs", "-f", pod]).unwrap().spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = Self { child, lines };
        log.next_line().await;
        log
    }

    /// The next line; there must be one.
    pub(crate) async fn next_line(&mut self) -> String {
        timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time").unwrap().expect("the log goes on")
    }

    /// Reads to the end of the log, which must come.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let rest = async { while let Ok(Some(_)) = self.lines.next_line().await {} };
        timeout(PATIENCE, rest).await.expect("the log ends");
        timeout(PATIENCE, self.child.wait()).await.expect("kubectl ends").unwrap()
    }
}
