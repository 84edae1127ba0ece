//! I10: nothing is given, ended or removed that is not on record before.

use std::collections::BTreeMap;

use brevet_api::Phase;
use brevet_core::audit::{
    Event, Record,
    event::{Completion, Place},
};
use brevet_testkit::{Cluster, Part};

use crate::{ended, logs};

fn records(cluster: &Cluster) -> Vec<Record> {
    cluster.brevet().unwrap().replica(Part::Controller).records().unwrap()
}

/// The entries that name one of the uids, and those that complete them.
fn about(records: &[Record], uids: &[&str]) -> Vec<Record> {
    let mut acts = BTreeMap::new();
    let mut found = Vec::new();
    for record in records {
        let completes = match record.event.place() {
            Place::Completes(completion, intent) => acts.get(&intent).map(|act| (completion, *act)),
            _ => None,
        };
        if let Some((completion, act)) = completes {
            assert!(Completion::fits(completion, act), "{record:?}");
        }
        let text = format!("{:?}", record.event);
        if completes.is_some() || uids.iter().any(|uid| text.contains(uid)) {
            if let Place::Begins(act) = record.event.place() {
                acts.insert(record.seq, act);
            }
            found.push(record.clone());
        }
    }
    found
}

#[tokio::test]
async fn i10_each_step_of_a_grant_is_on_record_before_it_is_done() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let elevation = cluster.approved("alice", "carol", logs(&namespace, "4s")).await.unwrap();
    let grant = elevation.grant().await.unwrap();
    let grant_uid = grant.metadata.uid.clone().unwrap();
    ended(cluster, &elevation, Phase::Expired, "Expired").await;

    let story = cluster
        .eventually("the end to be on record", crate::PATIENCE, async || {
            let story = about(&records(cluster), &[elevation.uid(), &grant_uid]);
            let confirmed = story.iter().find(|record| matches!(record.event, Event::EndConfirmed(_)))?.seq;
            let is_done =
                |record: &Record| matches!(record.event.place(), Place::Completes(_, act) if act == confirmed);
            story.iter().any(is_done).then_some(story)
        })
        .await;
    // A step that met a conflict is there twice; what counts is the order in which each was first begun.
    let mut kinds: Vec<&str> = Vec::new();
    for kind in story.iter().map(|record| record.event.kind()).filter(|kind| !kind.starts_with("Act")) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let steps = ["RequestSeen", "TermsSet", "GrantBegun", "GrantMade", "GrantEnded", "RemovalBegun", "EndConfirmed"];
    assert_eq!(kinds, steps);
    for begun in story.iter().filter(|record| matches!(record.event.place(), Place::Begins(_))) {
        let completes = |record: &&Record| matches!(record.event.place(), Place::Completes(_, act) if act == begun.seq);
        assert_eq!(story.iter().filter(completes).count(), 1, "{begun:?}");
    }
    let activated = story.iter().find_map(|record| match &record.event {
        Event::Activated(activated) => Some(activated),
        _ => None,
    });
    let activated = activated.expect("it came into force");
    let identity = grant.status.unwrap().identity.unwrap();
    assert_eq!((activated.identity.name.as_str(), activated.identity.uid.as_str()), (&*identity.name, &*identity.uid));
    assert_eq!(activated.objects.items().len(), 4, "account, anchor, role and binding");
    // kube-apiserver stamps what it makes in whole seconds.
    let made_at = grant.metadata.creation_timestamp.unwrap().0;
    let begun = story.iter().find(|record| matches!(record.event, Event::GrantBegun(_))).unwrap();
    assert!(jiff::Timestamp::from(begun.time) < made_at + jiff::SignedDuration::from_secs(1));
}
