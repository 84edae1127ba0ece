//! How long from an approval to the first allowed call, and how many grants a second.
//!
//! Promises: one run on one real control plane whose etcd syncs its writes; the
//! three ways to get access take turns, so that a slow moment of the machine
//! hits all of them. The peer is what everybody else does: an administrator
//! writes a RoleBinding.
//!
//! Left out on purpose: assertions. Figures are read, not judged, here.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use brevet_api::{AccessDecision, AccessRequest, Phase};
use brevet_testkit::{Cluster, Options};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

/// Rounds of the three ways.
const ROUNDS: usize = 30;
/// Requests that are approved as fast as they can be.
const FLOOD: usize = 100;
/// Approvals under way at once in the flood.
const FLOOD_AT_ONCE: usize = 16;
/// A step that takes longer has failed.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks; well below what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(2);

struct Bench {
    admin: Client,
    alice: Client,
    bob: Client,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options {
        durable: true,
        controller_args: vec![format!("--open-requests-max={}", 2 * (ROUNDS + FLOOD))],
        ..Options::default()
    };
    eprintln!("starting a control plane; {ROUNDS} rounds, then {FLOOD} grants at once");
    let cluster = Cluster::start(options).await?;
    let bench = Bench {
        admin: cluster.admin().await?,
        alice: cluster.user("alice").client().await?,
        bob: cluster.user("bob").client().await?,
    };
    let (mut peer, mut new, mut shared) = (Vec::new(), Vec::new(), Vec::new());
    bench.access(&["web-1"]).await?; // stays live: the identity that `shared` joins
    for round in 0..ROUNDS {
        let (by_binding, by_new) =
            (bench.binding(round).await?, bench.access(&["web-1", &format!("only-{round}")]).await?);
        let by_shared = bench.access(&["web-1"]).await?;
        eprintln!("round {round:>2}: binding {by_binding:>6.1}   new {by_new:>6.1}   shared {by_shared:>6.1} ms");
        peer.push(by_binding);
        new.push(by_new);
        shared.push(by_shared);
    }
    eprintln!("{FLOOD} requests, approved {FLOOD_AT_ONCE} at a time");
    let flood = bench.flood().await?;
    println!("approval sent -> first allowed call, ms");
    for (way, spans) in [("RoleBinding by an administrator", peer), ("new identity", new), ("shared identity", shared)]
    {
        println!("  {way:<32} {}", told(spans));
    }
    println!("grants: {FLOOD} approved at once, all in force after {flood:.2} s, {:.0} a second", FLOOD as f64 / flood);
    Ok(())
}

impl Bench {
    /// Milliseconds from sending the approval to alice's first allowed call.
    async fn access(&self, pods: &[&str]) -> Result<f64> {
        let request = self.ask(pods).await?;
        let name = request.metadata.name.clone().context("a request without a name")?;
        let start = Instant::now();
        self.approve(&request).await?;
        let path = format!("/apis/sessions.brevet.dev/v1alpha1/grants/{name}/proxy/api/v1/namespaces/shop/pods/web-1");
        self.until_allowed(&path).await?;
        Ok(millis(start))
    }

    /// The same for a RoleBinding, which is taken away again.
    async fn binding(&self, round: usize) -> Result<f64> {
        let bindings: Api<RoleBinding> = Api::namespaced(self.admin.clone(), "shop");
        let name = format!("bench-{round}");
        let binding = serde_json::from_value(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "brevet-task-view-logs" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice" }],
        }))?;
        let start = Instant::now();
        bindings.create(&PostParams::default(), &binding).await?;
        self.until_allowed("/api/v1/namespaces/shop/pods/web-1").await?;
        let taken = millis(start);
        bindings.delete(&name, &DeleteParams::default()).await?;
        Ok(taken)
    }

    /// Seconds until all of many grants, approved at once, are in force.
    async fn flood(&self) -> Result<f64> {
        let asked = stream::iter(0..FLOOD).map(|_| self.ask(&["web-1", "web-2"])).buffered(FLOOD_AT_ONCE);
        let requests: Vec<AccessRequest> = asked.try_collect().await?;
        let start = Instant::now();
        let approved = stream::iter(&requests).map(|request| self.approve(request)).buffer_unordered(FLOOD_AT_ONCE);
        approved.try_collect::<Vec<()>>().await?;
        let is_active =
            |request: &AccessRequest| request.status.as_ref().is_some_and(|s| s.phase == Some(Phase::Active));
        stream::iter(&requests)
            .map(|request| self.request_once(request, "in force", is_active))
            .buffer_unordered(FLOOD_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// A request of alice's that waits for its approval.
    async fn ask(&self, pods: &[&str]) -> Result<AccessRequest> {
        let me = json!({ "username": "alice", "groups": ["developers", "system:authenticated"] });
        let request = serde_json::from_value(json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest", "metadata": { "generateName": "bench-" },
            "spec": {
                "requester": me, "role": "view-logs", "namespaces": ["shop"], "duration": "10m", "justification": "bench",
                "resources": [{ "apiGroup": "", "resource": "pods", "names": pods }],
            },
        }))?;
        let created = Api::<AccessRequest>::all(self.alice.clone()).create(&PostParams::default(), &request).await?;
        let has_terms = |request: &AccessRequest| request.status.as_ref().is_some_and(|s| s.terms.is_some());
        self.request_once(&created, "checked", has_terms).await
    }

    async fn approve(&self, request: &AccessRequest) -> Result<()> {
        let terms = request.status.as_ref().and_then(|status| status.terms.as_ref()).context("no terms yet")?;
        let me = json!({ "username": "bob", "groups": ["shop-owners", "system:authenticated"] });
        let decision = serde_json::from_value(json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessDecision", "metadata": { "generateName": "bench-" },
            "spec": {
                "verdict": "Approve", "approver": me,
                "request": { "name": request.metadata.name, "uid": request.metadata.uid },
                "terms": { "digest": terms.digest, "role": "view-logs", "namespaces": ["shop"], "requester": "alice" },
            },
        }))?;
        Api::<AccessDecision>::all(self.bob.clone()).create(&PostParams::default(), &decision).await?;
        Ok(())
    }

    /// The request, once `holds` says so.
    async fn request_once(
        &self,
        request: &AccessRequest,
        what: &str,
        holds: impl Fn(&AccessRequest) -> bool,
    ) -> Result<AccessRequest> {
        let requests: Api<AccessRequest> = Api::all(self.admin.clone());
        let name = request.metadata.name.as_deref().context("a request without a name")?;
        let start = Instant::now();
        while start.elapsed() < STEP_TIMEOUT {
            let now = requests.get(name).await?;
            if holds(&now) {
                return Ok(now);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("request `{name}` was not {what} within {STEP_TIMEOUT:?}")
    }

    /// Returns at alice's first 200.
    async fn until_allowed(&self, path: &str) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < STEP_TIMEOUT {
            let call = http::Request::get(path).body(Vec::new())?;
            if self.alice.request_text(call).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("`{path}` was not allowed within {STEP_TIMEOUT:?}")
    }
}

fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// Median and spread.
fn told(mut spans: Vec<f64>) -> String {
    spans.sort_by(f64::total_cmp);
    let at = |share: f64| spans.get(((spans.len() - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    format!(
        "p50 {:>6.1}   min {:>6.1}   p95 {:>6.1}   max {:>6.1}   n {}",
        at(0.5),
        at(0.0),
        at(0.95),
        at(1.0),
        spans.len()
    )
}
