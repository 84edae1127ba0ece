//! I16: what one person says for nothing does not pile up, and what counts stays.

use std::time::Duration;

use brevet_api::{AccessDecision, AccessRequest, Phase, Verdict};
use brevet_core::audit::Event;
use brevet_testkit::{Cluster, Options, Part};
use futures::future::try_join_all;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::{PATIENCE, logs, reason};

/// Decisions of one person about one request that stay, beside those that count.
const KEPT: usize = 20;
/// How long decisions about nothing may be seen, on a loaded machine.
const STRAYS_GONE_WITHIN: Duration = Duration::from_secs(180);

/// Somebody who decides, and what they decide.
struct Decider {
    name: String,
    groups: Vec<String>,
    client: Client,
    admin: Client,
}

impl Decider {
    async fn new(cluster: &Cluster, name: &str, group: &str) -> Self {
        cluster.add_user(name, &[group]).unwrap();
        let (client, admin) = (cluster.user(name).client().await.unwrap(), cluster.admin().await.unwrap());
        let groups = vec![group.to_owned(), "system:authenticated".to_owned()];
        Self { name: name.to_owned(), groups, client, admin }
    }

    /// One who may approve everywhere.
    async fn approver(cluster: &Cluster, name: &str) -> Self {
        let this = Self::new(cluster, name, "secops").await;
        let binding = ["create", "clusterrolebinding", name, "--clusterrole=brevet-approver", "--user", name];
        assert_eq!(cluster.user("admin").kubectl(&binding).await.unwrap().status, 0);
        let may = ["auth", "can-i", "approve", "accessroles.brevet.dev/view-logs", "-n", "shop"];
        let is_known = async || (cluster.user(name).kubectl(&may).await.ok()?.status == 0).then_some(());
        cluster.eventually("the right to approve", PATIENCE, is_known).await;
        this
    }

    /// Decides `count` times at once.
    async fn decides(&self, count: usize, verdict: &str, request: impl Fn(usize) -> Value, terms: Value) {
        let (api, how) = (Api::<AccessDecision>::all(self.client.clone()), PostParams::default());
        let all = (0..count).map(|number| {
            serde_json::from_value(json!({
                "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessDecision",
                "metadata": { "generateName": "much-" },
                "spec": {
                    "verdict": verdict, "request": request(number), "terms": terms,
                    "approver": { "username": self.name, "groups": self.groups }, "comment": "x".repeat(900),
                },
            }))
            .unwrap()
        });
        let all: Vec<AccessDecision> = all.collect();
        try_join_all(all.iter().map(|decision| api.create(&how, decision))).await.unwrap();
    }

    /// Decisions of theirs that are stored.
    async fn kept(&self) -> Vec<AccessDecision> {
        let mut all = Api::<AccessDecision>::all(self.admin.clone()).list(&ListParams::default()).await.unwrap().items;
        all.retain(|decision| decision.spec.approver.username == self.name);
        all
    }

    /// Waits until no more than that are left.
    async fn shrinks_to(&self, cluster: &Cluster, count: usize, within: Duration) {
        let what = format!("{} decisions of {} to be left", count, self.name);
        cluster.eventually(&what, within, async || (self.kept().await.len() <= count).then_some(())).await;
        // Of one second, one that counts may be among those kept, or beside them.
        assert!(self.kept().await.len() + 1 >= count);
    }
}

fn claims(requester: &str, digest: Option<&str>) -> Value {
    let mut terms = json!({ "role": "view-logs", "namespaces": ["shop"], "requester": requester });
    digest.iter().for_each(|digest| terms["digest"] = json!(digest));
    terms
}

#[tokio::test]
async fn i16_decisions_about_nothing_are_gone_in_a_minute() {
    let cluster = Cluster::shared().await;
    let many = Decider::new(cluster, "stray-many", "developers").await;
    let one = Decider::new(cluster, "stray-one", "developers").await;
    let invented = |number: usize| json!({ "name": format!("none-{number}"), "uid": format!("none-{number}") });
    many.decides(60, "Withdraw", invented, claims("stray-many", None)).await;
    one.decides(60, "Revoke", |_| json!({ "name": "none", "uid": "none" }), claims("stray-one", None)).await;
    // More than is kept of one person about one uid does not even wait.
    one.shrinks_to(cluster, KEPT, PATIENCE).await;
    one.shrinks_to(cluster, 0, STRAYS_GONE_WITHIN).await;
    let first = many.kept().await.first().and_then(ResourceExt::uid);
    many.shrinks_to(cluster, 0, STRAYS_GONE_WITHIN).await;
    let records = cluster.brevet().unwrap().replica(Part::Controller).records().unwrap();
    let removed = records.iter().filter_map(|record| match &record.event {
        Event::DeletionBegun(begun) => Some(begun.object.uid.as_str()),
        _ => None,
    });
    let removed: Vec<&str> = removed.collect();
    assert!(removed.len() >= 120 && first.is_none_or(|uid| removed.contains(&&*uid)), "removed {}", removed.len());
}

#[tokio::test]
async fn i16_an_approval_among_many_that_count_for_nothing_stays_and_works() {
    let cluster = Cluster::shared().await;
    let talker = Decider::approver(cluster, "talker").await;
    let elevation = cluster.ask("alice", logs("shop", "10m")).await.unwrap();
    elevation.phase(Phase::Pending).await.unwrap();
    let about = |_| json!({ "name": elevation.name(), "uid": elevation.uid() });
    let lapsed = format!("sha256:{}", "0".repeat(64));
    let idle = claims("alice", Some(&lapsed));
    talker.decides(40, "Approve", about, idle.clone()).await;
    talker.shrinks_to(cluster, KEPT, PATIENCE).await;
    elevation.decide("talker", Verdict::Approve).await.unwrap();
    elevation.phase(Phase::Active).await.unwrap();
    // Now that it is in force: lies, the approval once more, and lapsed ones.
    talker.decides(20, "Approve", about, claims("mallory", Some(&lapsed))).await;
    talker.decides(20, "Deny", about, idle).await;
    elevation.decide("talker", Verdict::Approve).await.unwrap();
    talker.shrinks_to(cluster, KEPT + 1, PATIENCE).await;

    let grant = elevation.grant().await.unwrap();
    let rests_on = &grant.spec.approvals[0].decision.uid;
    assert!(talker.kept().await.iter().any(|decision| decision.uid().as_ref() == Some(rests_on)));
    let pods = elevation.holder().unwrap().kubectl(&["get", "pods", "-n", "shop"]).await.unwrap();
    assert_eq!(pods.status, 0, "{}", pods.stderr);
    elevation.phase(Phase::Active).await.unwrap();
    // And who says much is still heard.
    elevation.decide("talker", Verdict::Revoke).await.unwrap();
    assert_eq!(reason(&elevation.phase(Phase::Revoked).await.unwrap()), "Revoked");
}

#[tokio::test]
async fn i16_one_persons_decisions_and_refused_requests_have_a_limit_over_all() {
    let controller_args = ["--decisions-max=5", "--refused-requests-max=3", "--retention-seconds=100000"];
    let controller_args = controller_args.map(str::to_owned).to_vec();
    let cluster = Cluster::start(Options { controller_args, ..Options::default() }).await.unwrap();
    let client = cluster.admin().await.unwrap();

    // Refused at once, so never open; one cannot be read at all.
    let refused = [json!({ "role": "nope", "namespaces": ["shop"] }), logs("shop", "31d")];
    try_join_all(refused.iter().cycle().take(8).map(|spec| cluster.ask("mallory", spec.clone()))).await.unwrap();
    let requests = Api::<AccessRequest>::all(client);
    let left = async |count: usize| {
        let left = cluster.eventually("the refused to leave", PATIENCE, async || {
            let mut all = requests.list(&ListParams::default()).await.ok()?.items;
            all.retain(|request| request.spec.requester.username == "mallory");
            let is_over = |request: &AccessRequest| reason(request) != "not complete";
            (all.len() == count && all.iter().all(|r| r.status.is_some() && is_over(r))).then_some(())
        });
        left.await;
    };
    left(3).await;
    let granted = cluster.approved("mallory", "bob", logs("shop", "10m")).await.unwrap();
    granted.decide("mallory", Verdict::Revoke).await.unwrap();
    granted.phase(Phase::Revoked).await.unwrap();
    left(4).await;
    // What came to a grant is not crowded out.
    granted.phase(Phase::Revoked).await.unwrap();

    // About as many requests as there are decisions; those that count come when too much was said already.
    let talker = Decider::approver(&cluster, "talker").await;
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.push(cluster.ask("alice", logs("shop", "10m")).await.unwrap());
    }
    let idle = claims("alice", Some(&format!("sha256:{}", "0".repeat(64))));
    let about = |number: usize| json!({ "name": asked[number].name(), "uid": asked[number].uid() });
    talker.decides(asked.len(), "Approve", about, idle).await;
    talker.shrinks_to(&cluster, 5, PATIENCE).await;
    let mut counted = Vec::new();
    for elevation in &asked[..3] {
        counted.push(elevation.decide("talker", Verdict::Approve).await.unwrap().uid());
        elevation.phase(Phase::Active).await.unwrap();
    }
    counted.push(asked[3].decide("talker", Verdict::Deny).await.unwrap().uid());
    asked[3].phase(Phase::Denied).await.unwrap();
    let kept: Vec<_> = talker.kept().await.iter().map(ResourceExt::uid).collect();
    assert!(counted.iter().all(|uid| kept.contains(uid)) && kept.len() <= 5 + counted.len(), "{counted:?} {kept:?}");
    for elevation in &asked[..3] {
        elevation.phase(Phase::Active).await.unwrap();
    }
}
