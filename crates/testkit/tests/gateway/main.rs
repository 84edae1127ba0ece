//! The gateway on a real API server, by invariant.
//!
//! Everything here works with the controller dead: grants are made by hand, with
//! exactly the window a test needs, and what passes is the gateway's doing alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "everything here is a test")]
#![allow(clippy::indexing_slicing, reason = "everything here is a test")]

mod knock;
mod made;

mod asking;
mod conformance;
mod contact;
mod direct;
mod direct_keys;
mod doors;
mod hostile;
mod kubectl;
mod reading;
mod records;
mod replica;
mod rights;
mod stream_limits;
mod streams;
mod tunnels;
mod upstream;
mod views;

use std::time::Duration;

use brevet_testkit::{Cluster, Options, Part};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::OnceCell;

use crate::made::{Ask, Hands, Made};

/// Longer than anything here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Design I2: no byte flows later than this after the deadline.
pub(crate) const CUT_LATENCY_MAX: Duration = Duration::from_millis(250).saturating_add(BUSY);
/// What a machine that runs all tests side by side may be late in reading and writing what the gateway did on time.
const BUSY: Duration = Duration::from_secs(2);

/// A cluster whose controller is dead. The tests of this binary share it.
pub(crate) async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| start(Options { issuer: true, ..Options::default() })).await
}

/// A cluster of its own.
pub(crate) async fn start(options: Options) -> Cluster {
    let cluster = Cluster::start(options).await.unwrap();
    cluster.brevet().unwrap().kill(Part::Controller).unwrap();
    cluster
}

/// Alice holds, bob approves.
pub(crate) async fn hands(cluster: &Cluster) -> Hands {
    hands_of(cluster, "alice").await
}

/// `holder` holds; carol, who approves everywhere, approves.
pub(crate) async fn hands_of(cluster: &Cluster, holder: &str) -> Hands {
    Hands {
        holder: cluster.user(holder).client().await.unwrap(),
        approver: cluster.user("carol").client().await.unwrap(),
        controller: cluster.user("controller").client().await.unwrap(),
        binder: binder(cluster).await,
    }
}

async fn binder(cluster: &Cluster) -> Client {
    let read = Kubeconfig::read_from(cluster.user("controller").kubeconfig_path()).unwrap();
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    // Below 1.36 nothing constrains impersonation, and the controller binds as itself.
    if std::env::var("KUBERNETES").is_ok_and(|version| !version.is_empty()) {
        return Client::try_from(config).unwrap();
    }
    config.auth_info.impersonate = Some("brevet:binder".to_owned());
    Client::try_from(config).unwrap()
}

/// Alice's grant for `ask`, known to the gateway.
pub(crate) async fn granted(cluster: &Cluster, ask: &Ask) -> Made {
    granted_to(cluster, "alice", ask).await
}

/// The grant of `holder` for `ask`, known to the gateway.
pub(crate) async fn granted_to(cluster: &Cluster, holder: &str, ask: &Ask) -> Made {
    let made = made::grant(&hands_of(cluster, holder).await, ask).await.unwrap();
    let path = through(&made, "/version");
    let client = cluster.user(holder).client().await.unwrap();
    cluster
        .eventually("the gateway to know the grant", PATIENCE, async || {
            client.request_text(http::Request::get(&path).body(Vec::new()).unwrap()).await.ok()
        })
        .await;
    made
}

/// The path of a call through a grant.
pub(crate) fn through(made: &Made, path: &str) -> String {
    format!("/apis/sessions.brevet.dev/v1alpha1/grants/{}/proxy{path}", made.name)
}

/// The server that kubectl is told for a grant.
pub(crate) fn server(cluster: &Cluster, made: &Made) -> String {
    format!("--server={}{}", cluster.url(), through(made, ""))
}
