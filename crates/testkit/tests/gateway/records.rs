//! I10: every call is on record before it is forwarded, and once it is over.

use brevet_core::audit::{
    Event, Record,
    event::{CallBegun, CallDone, CallOutcome},
};
use brevet_testkit::{Cluster, Options, Part};

use crate::{
    PATIENCE, cluster, granted,
    made::{Ask, Made},
    server, start, through,
};

fn records(cluster: &Cluster) -> Vec<Record> {
    cluster.brevet().unwrap().replica(Part::Gateway).records().unwrap()
}

/// The entries that begin a call under the grant, with their places.
fn begun(records: &[Record], made: &Made) -> Vec<(u64, CallBegun)> {
    let calls = records.iter().filter_map(|record| match &record.event {
        Event::CallBegun(call) if call.grant.uid.as_str() == made.uid => Some((record.seq, call.clone())),
        _ => None,
    });
    calls.collect()
}

/// The entry that completes the call that was begun there.
fn done(records: &[Record], place: u64) -> Option<CallDone> {
    records.iter().find_map(|record| match &record.event {
        Event::CallDone(call) if call.intent == place => Some(call.clone()),
        _ => None,
    })
}

/// The call on this path once it is over.
async fn over(cluster: &Cluster, made: &Made, path: &str) -> (CallBegun, CallDone) {
    cluster
        .eventually("the call to be over on record", PATIENCE, async || {
            let records = records(cluster);
            let (place, call) = begun(&records, made).into_iter().find(|(_, call)| call.call.path.as_str() == path)?;
            Some((call, done(&records, place)?))
        })
        .await
}

#[tokio::test]
async fn i10_a_call_is_on_record_with_both_keys() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let path = "/api/v1/namespaces/shop/pods/web-1";
    let request = http::Request::get(through(&made, path)).body(Vec::new()).unwrap();
    let text = alice.request_text(request).await.unwrap();

    let (call, done) = over(cluster, &made, path).await;
    assert_eq!((call.caller.username.as_str(), call.grant.name.as_str()), ("alice", made.name.as_str()));
    assert_eq!(
        (call.call.verb.as_str(), call.call.resource.as_str(), call.call.name.as_str()),
        ("get", "pods", "web-1")
    );
    assert!(!call.is_stream);
    assert_eq!((done.outcome, done.status), (CallOutcome::Answered, 200));
    assert_eq!(done.bytes_down, text.len() as u64);
    // kube-apiserver's own log joins by the id of the inner call, and by the token's.
    let inner = cluster
        .eventually("the inner event", PATIENCE, async || {
            let events = cluster.audit_events().unwrap();
            events.into_iter().find(|event| event.audit_id == call.audit_id.as_str())
        })
        .await;
    let credential = &inner.user["extra"]["authentication.kubernetes.io/credential-id"][0];
    let minted = records(cluster).into_iter().find_map(|record| match record.event {
        Event::TokenMinted(minted) if minted.grant_uid.as_str() == made.uid => Some(minted),
        _ => None,
    });
    assert_eq!(credential.as_str().unwrap(), format!("JTI={}", minted.unwrap().token_id));
}

#[tokio::test]
async fn i10_a_refused_call_is_on_record() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let mallory = cluster.user("mallory").client().await.unwrap();
    let path = "/api/v1/namespaces/shop/secrets/refused-and-recorded";
    let request = http::Request::get(through(&made, path)).body(Vec::new()).unwrap();
    mallory.request_text(request).await.unwrap_err();
    let refused = records(cluster).into_iter().find_map(|record| match record.event {
        Event::CallRefused(refused) if refused.call.path.as_str() == path => Some(refused),
        _ => None,
    });
    let refused = refused.expect("the refusal is on record before it is told");
    assert_eq!(refused.caller.username.as_str(), "mallory");
    assert_eq!(refused.grant.as_str(), made.name);
    assert_eq!(refused.refusal.reason.as_str(), "NoSuchGrant");
    assert!(begun(&records(cluster), &made).iter().all(|(_, call)| call.call.path.as_str() != path));
}

#[tokio::test]
async fn i10_a_stream_is_on_record_as_it_opens_and_is_cut() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 6)).await;
    let server = server(cluster, &made);
    let output = cluster.user("alice").kubectl(&[&server, "get", "pods", "-n", "shop", "--watch"]).await.unwrap();
    assert!(output.stdout.contains("web-1"), "{output:?}");
    let (opened, cut, done) = cluster
        .eventually("the watch to be over on record", PATIENCE, async || {
            let records = records(cluster);
            let (place, _) = begun(&records, &made).into_iter().find(|(_, call)| call.is_stream)?;
            let opened = records
                .iter()
                .position(|record| matches!(&record.event, Event::StreamOpened(opened) if opened.intent == place))?;
            let cut = records.iter().find_map(|record| match &record.event {
                Event::StreamCut(cut) if cut.intent == place => Some((record.seq, cut.clone())),
                _ => None,
            })?;
            Some((opened as u64, cut, done(&records, place)?))
        })
        .await;
    assert!(opened < cut.0);
    assert_eq!((cut.1.cause.as_str(), done.outcome), ("Expired", CallOutcome::Broken));
    assert!(cut.1.late_micros < 2_250_000, "{} µs late", cut.1.late_micros);
}

#[tokio::test]
async fn i10_what_was_forwarded_stays_on_record_when_the_gateway_is_killed() {
    let cluster = start(Options::default()).await;
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let path = "/api/v1/namespaces/shop/pods/web-1";
    for _ in 0..20 {
        alice.request_text(http::Request::get(through(&made, path)).body(Vec::new()).unwrap()).await.unwrap();
    }
    cluster.brevet().unwrap().kill(Part::Gateway).unwrap();
    let kept = begun(&records(&cluster), &made).into_iter().filter(|(_, call)| call.call.path.as_str() == path);
    assert_eq!(kept.count(), 20);
    cluster.brevet().unwrap().restart(Part::Gateway).await.unwrap();
    assert!(records(&cluster).len() >= 20, "the log goes on");
}

/// `brevet-verify` on an export: exit code, and what it says.
fn verified(export: &std::path::Path) -> (Option<i32>, String) {
    let verify = brevet_testkit::program("brevet-verify").unwrap();
    let output = std::process::Command::new(verify).arg(export).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn i10_a_stranger_finds_one_changed_byte_in_an_export() {
    let cluster = start(Options::default()).await;
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let path = "/api/v1/namespaces/shop/pods/web-1";
    alice.request_text(http::Request::get(through(&made, path)).body(Vec::new()).unwrap()).await.unwrap();
    let (begun, _) = over(&cluster, &made, path).await;
    // It signs how far it has come when it stops.
    cluster.brevet().unwrap().stop(Part::Gateway).unwrap();
    let (log, export) = (cluster.brevet().unwrap().replica(Part::Gateway).audit_dir(), cluster.dir().join("export"));
    let copied = std::process::Command::new(brevet_testkit::program("brevet").unwrap())
        .args(["export", &format!("--audit-dir={}", log.display()), &format!("--output={}", export.display())])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&export).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "people's reasons are for its owner alone");
    let (code, verdict) = verified(&export);
    assert_eq!(code, Some(0), "{verdict}");

    let place =
        records(&cluster).into_iter().find(|record| record.event == Event::CallBegun(begun.clone())).unwrap().seq;
    let entries = std::fs::read_dir(export.join("chains")).unwrap().next().unwrap().unwrap().path().join("entries");
    let file = std::fs::read_dir(entries).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replacen("\"username\":\"alice\"", "\"username\":\"alicf\"", 1);
    let first = text.lines().zip(changed.lines()).position(|(before, after)| before != after).unwrap();
    assert!(first as u64 <= place);
    std::fs::write(&file, changed).unwrap();
    let (code, verdict) = verified(&export);
    assert_eq!(code, Some(1), "{verdict}");
    assert!(verdict.contains(&format!("{first}")), "{verdict}");
    cluster.brevet().unwrap().restart(Part::Gateway).await.unwrap();
}
