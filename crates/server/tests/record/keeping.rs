//! What is kept, where nothing goes wrong.

use std::{collections::BTreeSet, fs, time::Duration};

use brevet_server::record::{Limits, OpenError};

use super::scene::{Scene, agent, entries, entries_between, event, put, segments};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn entries_of_many_are_one_chain() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let recorder = log.recorder();
        tasks.spawn(async move {
            let mut places = Vec::new();
            for number in 0..50 {
                let pending = recorder.append(event(&format!("{writer}-{number}"))).unwrap();
                let written = pending.written().await.unwrap();
                let seq = written.seq();
                assert_eq!(written.synced().await.unwrap().seq(), seq);
                places.push((seq, format!("{writer}-{number}")));
            }
            assert!(places.is_sorted(), "one caller's entries keep their order");
            places
        });
    }
    let told: BTreeSet<(u64, String)> = tasks.join_all().await.into_iter().flatten().collect();
    log.close("test").await;

    let kept: BTreeSet<(u64, String)> =
        entries_between(scene.path()).iter().map(|record| (record.seq, agent(record).to_owned())).collect();
    assert_eq!(told.len(), 400);
    assert_eq!(told, kept);
    assert_eq!(scene.metric("entries_total"), ["brevet_audit_entries_total 402"]);
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended() {
    let scene = Scene::new();
    for number in 0..5 {
        let log = scene.open().unwrap();
        assert_eq!(put(&log, &number.to_string()).await.unwrap().seq(), 3 * number + 1);
        log.close("test").await;
    }
    let kept = entries(scene.path());
    let kinds: Vec<&str> = kept.iter().map(|record| record.event.kind()).collect();
    assert_eq!(kinds, ["Start", "CallBegun", "Stop"].repeat(5));
    assert!(kept.iter().all(|record| record.chain == kept[0].chain));
    assert!(kept[0].chain.as_str().starts_with("gateway-"));
}

#[tokio::test]
async fn what_was_taken_is_synced_before_it_closes() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    let pending: Vec<_> = (0..100).map(|number| log.recorder().append(event(&number.to_string())).unwrap()).collect();
    let recorder = log.recorder();
    log.close("test").await;
    for (number, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.synced().await.unwrap().seq(), number as u64 + 1);
    }
    assert_eq!(recorder.append(event("late")).unwrap_err().to_string(), "the audit log is closed");
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    let refused = scene.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::Locked(_)));
    assert!(refused.to_string().starts_with("another process writes the audit log in `"), "{refused}");
    put(&log, "1").await.unwrap();
    log.close("test").await;
    scene.open().unwrap().close("test").await;
}

#[tokio::test]
async fn segments_are_sealed_by_size_and_age() {
    let mut scene = Scene::new();
    scene.limits = Limits { segment_bytes_max: 20_000, ..Limits::default() };
    let log = scene.open().unwrap();
    for number in 0..100 {
        put(&log, &number.to_string()).await.unwrap();
    }
    log.close("test").await;
    let by_size = segments(scene.path()).len();
    assert!(by_size > 2, "{by_size} segments");

    scene.limits = Limits { segment_age_max: Duration::from_millis(1), ..Limits::default() };
    let log = scene.open().unwrap();
    put(&log, "100").await.unwrap();
    let mut files = segments(scene.path());
    while files.len() == by_size {
        tokio::task::yield_now().await;
        files = segments(scene.path());
    }
    log.close("test").await;
    for sealed in files.iter().rev().skip(1) {
        assert!(fs::metadata(sealed).unwrap().permissions().readonly(), "{}", sealed.display());
    }
    assert_eq!(entries_between(scene.path()).len(), 101);
}

#[tokio::test]
async fn a_cursor_reads_each_entry_once_from_anywhere() {
    let mut scene = Scene::new();
    scene.limits = Limits { segment_bytes_max: 5_000, ..Limits::default() };
    let log = scene.open().unwrap();
    let mut following = log.cursor(0);
    let mut followed = Vec::new();
    for number in 0..60 {
        put(&log, &number.to_string()).await.unwrap();
        assert!(following.has_more().await);
        followed.extend(following.read(1).unwrap());
    }
    while following.next() < following.end() {
        followed.extend(following.read(100_000).unwrap());
    }
    assert_eq!(followed.iter().map(|stored| stored.seq).collect::<Vec<_>>(), (0..61).collect::<Vec<_>>());
    for from in 0..=61 {
        let mut cursor = log.cursor(from);
        let mut rest = Vec::new();
        while cursor.next() < cursor.end() {
            rest.extend(cursor.read(10_000).unwrap());
        }
        assert_eq!(rest, followed[usize::try_from(from).unwrap()..]);
    }
    log.close("test").await;
    assert!(following.has_more().await);
    assert_eq!(following.read(1).unwrap().len(), 1, "that it stopped");
    assert!(!following.has_more().await, "the log is closed and read to its end");
}
