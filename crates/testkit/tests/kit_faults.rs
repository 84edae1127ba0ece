//! The doors between Brevet and kube-apiserver, and what is installed behind them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brevet_testkit::{Cluster, Fault, Options, Part};
use futures::TryStreamExt;
use http::StatusCode;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Brevet's policies and rights are in force, but nobody works by them.
async fn installed() -> &'static Cluster {
    static INSTALLED: OnceCell<Cluster> = OnceCell::const_new();
    let options = || Options { no_server: true, faults: true, ..Options::default() };
    INSTALLED.get_or_init(|| async { Cluster::start(options()).await.unwrap() }).await
}

#[tokio::test]
async fn an_answer_at_the_door_never_reaches_the_server() {
    let cluster = installed().await;
    let door = cluster.faults(Part::Controller).unwrap();
    let client = cluster.user("controller").client().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    door.set(|call| if call.writes() { Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR) } else { Fault::Pass });

    let deletion = namespaces.delete("web", &DeleteParams::default()).await;

    let kube::Error::Api(status) = deletion.unwrap_err() else { panic!("not the door's answer") };
    assert_eq!(status.code, 500);
    door.clear();
    let refused = namespaces.delete("web", &DeleteParams::default()).await;
    let kube::Error::Api(status) = refused.unwrap_err() else { panic!("not the server's answer") };
    assert_eq!(status.code, 403);
}

#[tokio::test]
async fn a_swallowed_write_takes_effect_without_an_answer_and_a_watch_is_cut() {
    let cluster = installed().await;
    let door = cluster.faults(Part::Gateway).unwrap();
    let namespace = cluster.namespace().await.unwrap();
    let through = cluster.user("gateway").client().await.unwrap();
    let admin = cluster.admin().await.unwrap();
    let leases = |client| Api::<k8s_openapi::api::coordination::v1::Lease>::namespaced(client, "brevet-system");
    let lease =
        serde_json::from_value(serde_json::json!({ "metadata": { "name": format!("gateway-{namespace}") } })).unwrap();

    let mut watch = Box::pin(leases(through.clone()).watch(&WatchParams::default(), "0").await.unwrap());
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    door.set(move |call| {
        if !call.writes() {
            return Fault::Pass;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Fault::Swallow
    });
    let answer = timeout(Duration::from_secs(2), leases(through).create(&PostParams::default(), &lease)).await;
    assert!(answer.is_err(), "an answer came: {answer:?}");
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    assert!(leases(admin).get_opt(&format!("gateway-{namespace}")).await.unwrap().is_some());

    door.cut();

    let ended =
        async { while let Ok(Some(WatchEvent::Added(_) | WatchEvent::Bookmark(_))) = watch.try_next().await {} };
    timeout(PATIENCE, ended).await.expect("the watch ends");
    door.clear();
}

#[tokio::test]
async fn a_killed_program_of_the_control_plane_works_on_after_its_restart() {
    let cluster = installed().await;
    let program = "kube-controller-manager";
    cluster.kill(program).unwrap();
    assert!(cluster.kill("no-such-program").is_err());
    cluster.restart(program).unwrap();
    // It makes every namespace's root certificate.
    let namespace = cluster.namespace().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin().await.unwrap(), &namespace);
    cluster
        .eventually("the root certificate", PATIENCE, async || maps.get_opt("kube-root-ca.crt").await.ok().flatten())
        .await;
}
