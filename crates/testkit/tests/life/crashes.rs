//! F1, F3, I3: the controller is killed at every write of an activation and of
//! a revocation. Afterwards there is one grant, with its first deadline and one
//! whole identity; or nothing.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use brevet_api::{AccessGrant, AccessRequest, Phase, Verdict};
use brevet_testkit::{Cluster, Options, Part};
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::DeleteParams,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard, Notify, OnceCell};

use crate::{ended, grants, identity, logs, nothing_left, parts, reason};

/// Clusters in which things go wrong; most of a test there is waiting.
const AILING: usize = 3;

/// A cluster in which things go wrong, for one test at a time.
pub(crate) async fn ailing() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTERS: [(OnceCell<Cluster>, Mutex<()>); AILING] =
        [const { (OnceCell::const_new(), Mutex::const_new(())) }; AILING];
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    let (cluster, lock) = CLUSTERS.iter().cycle().nth(turn % AILING).unwrap();
    let mine = lock.lock().await;
    let start = || async {
        let controller_args = vec!["--lease-seconds=3".to_owned()];
        Cluster::start(Options { faults: true, controller_args, ..Options::default() }).await.unwrap()
    };
    (cluster.get_or_init(start).await, mine)
}

/// Kills the controller as soon as `is_it` is seen; says `looking` before.
async fn kill_when<K>(cluster: &Cluster, looking: &Notify, api: Api<K>, is_it: impl Fn(&Event<K>) -> bool)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let events = kube::runtime::watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let Ok(event) = event else { continue };
        if matches!(event, Event::InitDone) {
            looking.notify_one();
        }
        if is_it(&event) {
            cluster.brevet().unwrap().kill(Part::Controller).unwrap();
            return;
        }
    }
    panic!("the watch ended");
}

/// A part that appears.
fn appears<K: ResourceExt>(event: &Event<K>) -> bool {
    matches!(event, Event::Apply(object) if object.labels().contains_key("brevet.dev/identity"))
}

/// A part that vanishes.
fn vanishes<K: ResourceExt>(event: &Event<K>) -> bool {
    matches!(event, Event::Delete(object) if object.labels().contains_key("brevet.dev/identity"))
}

fn has_phase(event: &Event<AccessGrant>, wanted: Phase) -> bool {
    let Event::Apply(grant) = event else { return false };
    grant.status.as_ref().is_some_and(|status| status.phase == Some(wanted))
}

async fn kill_in_beginning(cluster: &Cluster, looking: &Notify, client: Client, moment: &str) {
    let elevations = "brevet-elevations";
    match moment {
        "terms" => {
            let has_terms = |event: &Event<AccessRequest>| match event {
                Event::Apply(request) => request.status.as_ref().is_some_and(|status| status.terms.is_some()),
                _ => false,
            };
            kill_when(cluster, looking, Api::all(client), has_terms).await;
        }
        "grant" => {
            let made = |event: &Event<AccessGrant>| matches!(event, Event::Apply(_));
            kill_when(cluster, looking, Api::all(client), made).await;
        }
        "account" => kill_when(cluster, looking, Api::<ServiceAccount>::namespaced(client, elevations), appears).await,
        "role" => kill_when(cluster, looking, Api::<Role>::namespaced(client, "shop"), appears).await,
        "binding" => kill_when(cluster, looking, Api::<RoleBinding>::namespaced(client, "shop"), appears).await,
        "anchor" => kill_when(cluster, looking, Api::<Secret>::namespaced(client, elevations), appears).await,
        _ => kill_when(cluster, looking, Api::all(client), |event| has_phase(event, Phase::Active)).await,
    }
}

async fn kill_in_ending(cluster: &Cluster, looking: &Notify, client: Client, moment: &str) {
    let elevations = "brevet-elevations";
    match moment {
        "terms" | "grant" => {
            kill_when(cluster, looking, Api::all(client), |event| has_phase(event, Phase::Revoking)).await
        }
        "account" => kill_when(cluster, looking, Api::<ServiceAccount>::namespaced(client, elevations), vanishes).await,
        "role" => kill_when(cluster, looking, Api::<Role>::namespaced(client, "shop"), vanishes).await,
        "binding" => kill_when(cluster, looking, Api::<RoleBinding>::namespaced(client, "shop"), vanishes).await,
        "anchor" => kill_when(cluster, looking, Api::<Secret>::namespaced(client, elevations), vanishes).await,
        _ => kill_when(cluster, looking, Api::all(client), |event| has_phase(event, Phase::Revoked)).await,
    }
}

#[tokio::test]
async fn a_controller_killed_while_it_asks_and_makes_leaves_one_grant_or_nothing() {
    killed_at(&["terms", "grant", "account"]).await;
}

#[tokio::test]
async fn a_controller_killed_while_it_binds_and_activates_leaves_one_grant_or_nothing() {
    killed_at(&["role", "binding", "anchor", "ready"]).await;
}

/// Killed at each of `moments` of an activation, and at their likes of a revocation.
async fn killed_at(moments: &[&str]) {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    let brevet = cluster.brevet().unwrap();
    nothing_left(&client).await;
    for &moment in moments {
        let looking = Notify::new();
        let life = async {
            looking.notified().await;
            let elevation = cluster.ask("alice", logs("shop", "1h")).await.unwrap();
            if moment != "terms" {
                elevation.decide("bob", Verdict::Approve).await.unwrap();
            }
            elevation
        };
        let (elevation, ()) = tokio::join!(life, kill_in_beginning(cluster, &looking, client.clone(), moment));
        let before = elevation.grant().await.ok();
        brevet.restart(Part::Controller).await.unwrap();
        if moment == "terms" {
            elevation.decide("bob", Verdict::Approve).await.unwrap();
        }
        elevation.phase(Phase::Active).await.unwrap();
        let after = elevation.grant().await.unwrap();
        if let Some(before) = before {
            assert_eq!((before.metadata.uid, before.spec), (after.metadata.uid, after.spec), "killed at {moment}");
        }
        let own: Vec<_> = grants(&client).await.into_iter().filter(|g| g.spec.request.uid == elevation.uid()).collect();
        assert_eq!(own.len(), 1, "killed at {moment}");
        let carried = identity(&elevation).await;
        cluster
            .eventually("orphans to be gone", crate::PATIENCE, async || {
                (parts(&client, None).await.len() == 4).then_some(())
            })
            .await;
        assert_eq!(parts(&client, Some(&carried.name)).await.len(), 4, "killed at {moment}");

        let end = async {
            looking.notified().await;
            elevation.decide("alice", Verdict::Revoke).await.unwrap()
        };
        tokio::join!(end, kill_in_ending(cluster, &looking, client.clone(), moment));
        brevet.restart(Part::Controller).await.unwrap();
        ended(cluster, &elevation, Phase::Revoked, "Released").await;
        nothing_left(&client).await;
    }
}

#[tokio::test]
async fn a_deadline_passes_while_the_controller_is_dead() {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    let brevet = cluster.brevet().unwrap();
    let elevation = cluster.approved("alice", "bob", logs("shop", "5s")).await.unwrap();
    let pods = ["get", "pods", "-n", "shop"];
    let holder = elevation.holder().unwrap();
    cluster
        .eventually("the holder to be let through", crate::PATIENCE, async || {
            holder.kubectl(&pods).await.unwrap().success().then_some(())
        })
        .await;
    brevet.kill(Part::Controller).unwrap();
    let not_after = elevation.grant().await.unwrap().spec.not_after.0;
    cluster
        .eventually("the holder to be refused", crate::PATIENCE, async || {
            (!holder.kubectl(&pods).await.unwrap().success()).then_some(())
        })
        .await;
    assert!(now() >= not_after, "refused before its end");
    assert_eq!(parts(&client, None).await.len(), 4, "what it made is still there");
    brevet.restart(Part::Controller).await.unwrap();
    ended(cluster, &elevation, Phase::Expired, "Expired").await;
    assert_eq!(reason(&elevation.request().await.unwrap()), "Expired");
}

/// Another controller of the same cluster, killed when dropped.
struct Second(std::process::Child);

impl Second {
    fn start(cluster: &Cluster) -> Self {
        let kubeconfig = cluster.user("controller").kubeconfig_path().display().to_string();
        let audit = cluster.dir().join("audit/second-controller").display().to_string();
        let log = std::fs::File::create(cluster.dir().join("logs/second-controller.log")).unwrap();
        let mut command = std::process::Command::new(brevet_testkit::program("brevet").unwrap());
        let (kubeconfig, audit) = (format!("--kubeconfig={kubeconfig}"), format!("--audit-dir={audit}"));
        command.args(["controller", "--lease-seconds=3", &kubeconfig, &audit]).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn leader(client: &Client) -> Option<String> {
    let lease = Api::<Lease>::namespaced(client.clone(), "brevet-system").get("controller").await.ok()?;
    lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

#[tokio::test]
async fn two_controllers_make_one_grant_whoever_leads() {
    let (cluster, _turn) = ailing().await;
    let client = cluster.admin().await.unwrap();
    nothing_left(&client).await;
    let _second = Second::start(cluster);
    let leases = Api::<Lease>::namespaced(client.clone(), "brevet-system");
    let mut leaders = std::collections::BTreeSet::new();
    for round in 0..6 {
        leaders.insert(cluster.eventually("a leader", crate::PATIENCE, async || leader(&client).await).await);
        let elevation = cluster.ask("alice", logs("shop", "1h")).await.unwrap();
        elevation.decide("bob", Verdict::Approve).await.unwrap();
        // The lead is taken away in the middle of the work.
        leases.delete("controller", &DeleteParams::default()).await.ok();
        elevation.phase(Phase::Active).await.unwrap();
        let before = elevation.grant().await.unwrap();
        let carried = identity(&elevation).await;
        cluster
            .eventually("orphans to be gone", Duration::from_secs(90), async || {
                (parts(&client, None).await.len() == 4).then_some(())
            })
            .await;
        assert_eq!(parts(&client, Some(&carried.name)).await.len(), 4, "round {round}");
        elevation.decide("alice", Verdict::Revoke).await.unwrap();
        leases.delete("controller", &DeleteParams::default()).await.ok();
        ended(cluster, &elevation, Phase::Revoked, "Released").await;
        let after = elevation.grant().await.unwrap();
        assert_eq!((before.metadata.uid, before.spec), (after.metadata.uid, after.spec), "round {round}");
        nothing_left(&client).await;
    }
    assert!(leaders.len() > 1, "the lead never changed hands: {leaders:?}");
}

#[allow(clippy::disallowed_methods, reason = "a test compares with what the cluster's clock says")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
