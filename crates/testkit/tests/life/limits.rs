//! I16: nobody can fill etcd.

use std::time::Duration;

use brevet_api::{AccessDecision, AccessGrant, AccessRequest, Phase, Verdict};
use brevet_testkit::{Cluster, Options};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{PATIENCE, logs, nothing_left, reason};

#[tokio::test]
async fn what_is_finished_leaves_and_what_is_too_much_is_removed() {
    let controller_args = ["--retention-seconds=6", "--approval-seconds=20", "--open-requests-max=3"];
    let controller_args = controller_args.map(str::to_owned).to_vec();
    let cluster = Cluster::start(Options { controller_args, ..Options::default() }).await.unwrap();
    let client = cluster.admin().await.unwrap();
    let requests = Api::<AccessRequest>::all(client.clone());

    // The newest beyond three are removed; another person's stay.
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(cluster.ask("alice", logs("shop", "1m")).await.unwrap());
    }
    let other = cluster.ask("mallory", logs("shop", "1m")).await.unwrap();
    other.phase(Phase::Pending).await.unwrap();
    let left = async || {
        let all = requests.list(&ListParams::default()).await.unwrap();
        let mut mine: Vec<_> =
            all.iter().filter(|r| r.spec.requester.username == "alice").map(|r| r.name_any()).collect();
        mine.sort();
        mine
    };
    cluster.eventually("the excess to be removed", PATIENCE, async || (left().await.len() == 3).then_some(())).await;

    // Nobody decides in time.
    let undecided = requests.get(&left().await[0]).await.unwrap();
    let is_it = |request: &AccessRequest| request.uid() == undecided.uid();
    let of = open.iter().find(|elevation| elevation.name() == undecided.name_any()).unwrap();
    let expired =
        of.until("to time out", PATIENCE, |r| is_it(r) && r.status.as_ref().unwrap().phase == Some(Phase::Expired));
    assert_eq!(reason(&expired.await.unwrap()), "ApprovalTimeout");

    // Request, decisions and grant leave together.
    let finished = cluster.approved("alice", "bob", logs("shop", "1h")).await.unwrap();
    finished.decide("alice", Verdict::Revoke).await.unwrap();
    finished.phase(Phase::Revoked).await.unwrap();
    let all_gone = async || {
        let requests = requests.list(&ListParams::default()).await.unwrap().items.len();
        let decisions =
            Api::<AccessDecision>::all(client.clone()).list(&ListParams::default()).await.unwrap().items.len();
        let grants = Api::<AccessGrant>::all(client.clone()).list(&ListParams::default()).await.unwrap().items.len();
        (requests + decisions + grants == 0).then_some(())
    };
    cluster.eventually("everything to be gone", Duration::from_secs(90), all_gone).await;
    nothing_left(&client).await;
}
