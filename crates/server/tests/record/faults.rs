//! What a disk can do to a log.

use std::{fs, io::Write as _, sync::atomic::Ordering};

use brevet_core::audit::{Event, event::GapCause};
use brevet_server::record::{OpenError, Refused};
use tokio::sync::mpsc;

use super::{
    disk::{EIO, ENOSPC, EROFS, FINE, Faults},
    scene::{Scene, agent, entries_between, event, put, put_once_mended, segments},
};

fn agents(scene: &Scene) -> Vec<String> {
    entries_between(scene.path()).iter().map(|record| agent(record).to_owned()).collect()
}

/// Whether `/readyz` is content with the log.
fn is_ready(scene: &Scene) -> bool {
    scene.health.report().0
}

#[tokio::test]
async fn a_full_disk_refuses_until_there_is_room() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    put(&log, "before").await.unwrap();
    assert!(is_ready(&scene));
    // Some of the entry still fits.
    scene.faults.written_before.store(100, Ordering::SeqCst);
    scene.set(|faults| &faults.write, ENOSPC);
    for _ in 0..20 {
        let refused = put(&log, "lost").await.unwrap_err();
        assert!(matches!(refused, Refused::Failing(_)));
        assert!(refused.to_string().contains("No space left on device"), "{refused}");
    }
    assert!(!is_ready(&scene));
    assert!(scene.health.report().1.contains("[-] audit failed: "), "{:?}", scene.health.report());
    assert_eq!(scene.metric("refused_total"), ["brevet_audit_refused_total{reason=\"Failing\"} 20"]);

    scene.set(|faults| &faults.write, FINE);
    assert_eq!(put_once_mended(&log, "after").await.seq(), 2);
    assert!(is_ready(&scene));
    log.close("test").await;
    assert_eq!(agents(&scene), ["before", "after"]);
}

#[tokio::test]
async fn a_disk_that_became_read_only_refuses_until_it_is_not() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    let all: [fn(&Faults) -> &std::sync::atomic::AtomicI32; 3] =
        [|faults| &faults.write, |faults| &faults.create, |faults| &faults.cut];
    for fault in all {
        scene.set(fault, EROFS);
    }
    assert!(put(&log, "lost").await.unwrap_err().to_string().contains("Read-only"));
    for fault in all {
        scene.set(fault, FINE);
    }
    put_once_mended(&log, "after").await;
    log.close("test").await;
    assert_eq!(agents(&scene), ["after"]);
}

#[tokio::test]
async fn what_could_not_be_synced_is_written_again_elsewhere() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    put(&log, "synced").await.unwrap();
    scene.set(|faults| &faults.sync, EIO);
    let written = log.recorder().append(event("written")).unwrap().written().await.unwrap();
    assert_eq!(written.seq(), 2);
    assert!(written.synced().await.unwrap_err().to_string().contains("Input/output error"));
    assert!(put(&log, "lost").await.is_err());
    assert!(!is_ready(&scene));

    scene.set(|faults| &faults.sync, FINE);
    assert_eq!(put_once_mended(&log, "after").await.seq(), 3);
    log.close("test").await;
    assert_eq!(agents(&scene), ["synced", "written", "after"]);
    assert_eq!(segments(scene.path()).len(), 2, "the doubtful end of the first segment was given up");
}

#[tokio::test]
async fn a_death_over_the_copy_loses_nothing() {
    // The copy is whole, and the original was not cut any more.
    let scene = Scene::new();
    let log = scene.open().unwrap();
    put(&log, "synced").await.unwrap();
    scene.set(|faults| &faults.sync, EIO);
    let written = log.recorder().append(event("written")).unwrap().written().await.unwrap();
    written.synced().await.unwrap_err();
    scene.set(|faults| &faults.cut, EIO);
    scene.set(|faults| &faults.sync, FINE);
    let is_copied = || {
        let copy = segments(scene.path()).into_iter().nth(1);
        copy.is_some_and(|copy| fs::read_to_string(copy).unwrap().contains("\"userAgent\":\"written\""))
    };
    while !is_copied() {
        tokio::task::yield_now().await;
    }
    log.close("test").await;
    scene.set(|faults| &faults.cut, FINE);
    let log = scene.open().unwrap();
    put(&log, "after").await.unwrap();
    log.close("test").await;
    assert_eq!(agents(&scene), ["synced", "written", "after"]);
}

#[tokio::test]
async fn a_copy_that_is_not_whole_does_not_count() {
    for left in [0, 20, 400] {
        let scene = Scene::new();
        let log = scene.open().unwrap();
        put(&log, "synced").await.unwrap();
        log.recorder().append(event("written")).unwrap().written().await.unwrap().synced().await.unwrap();
        log.close("test").await;
        // As if the process had died over copying the second entry.
        let original = segments(scene.path()).pop().unwrap();
        let copy = original.with_file_name("00000001-00000000000000000001.log");
        fs::write(&copy, &fs::read(&original).unwrap()[..left]).unwrap();
        let log = scene.open().unwrap();
        put(&log, "after").await.unwrap();
        log.close("test").await;
        assert_eq!(agents(&scene), ["synced", "written", "after"]);
    }
}

#[tokio::test]
async fn a_slow_sync_holds_up_only_who_waits_for_it() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    scene.faults.hold_syncs(true);
    let first = log.recorder().append(event("1")).unwrap().written().await.unwrap();
    for number in 2..50 {
        drop(log.recorder().append(event(&number.to_string())).unwrap().written().await.unwrap());
    }
    let (told, mut hears) = mpsc::channel(1);
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(async move {
        first.synced().await.unwrap();
        told.send(()).await.unwrap();
    });
    tokio::task::yield_now().await;
    assert!(hears.try_recv().is_err(), "nothing is synced yet");
    scene.faults.hold_syncs(false);
    hears.recv().await.unwrap();
    waiting.join_all().await;
    log.close("test").await;
    assert_eq!(agents(&scene).len(), 49);
}

#[tokio::test]
async fn beyond_the_queue_callers_are_refused_at_once() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    scene.faults.hold_writes(true);
    let mut pending = Vec::new();
    let refused = loop {
        match log.recorder().append(event(&pending.len().to_string())) {
            Ok(taken) => pending.push(taken),
            Err(why) => break why,
        }
    };
    assert_eq!(refused, Refused::Full);
    assert!(refused.to_string().contains("4096 entries are waiting"), "{refused}");
    assert!((4096..=8192).contains(&pending.len()), "{} were taken", pending.len());
    assert_eq!(scene.metric("refused_total"), ["brevet_audit_refused_total{reason=\"Full\"} 1"]);
    scene.faults.hold_writes(false);
    let taken = pending.len();
    for pending in pending {
        pending.synced().await.unwrap();
    }
    put(&log, "after").await.unwrap();
    log.close("test").await;
    assert_eq!(agents(&scene).len(), taken + 1);
}

#[tokio::test]
async fn a_torn_end_is_cut_and_told() {
    for torn in [&b"{\"v\":1,\"chain\":\"gate"[..], b"\0\0\0\0\0\0\0\0", b"\n", b"{}\n{}\n"] {
        let scene = Scene::new();
        let log = scene.open().unwrap();
        put(&log, "before").await.unwrap();
        log.close("test").await;
        let last = segments(scene.path()).pop().unwrap();
        fs::OpenOptions::new().append(true).open(&last).unwrap().write_all(torn).unwrap();
        let log = scene.open().unwrap();
        put(&log, "after").await.unwrap();
        log.close("test").await;
        let kept = entries_between(scene.path());
        assert_eq!(agents(&scene), ["before", "Gap", "after"]);
        let Event::Gap(gap) = &kept[1].event else { panic!("no gap was told of") };
        assert_eq!(gap.cause, GapCause::LostTail);
        assert!(gap.message.as_str().starts_with(&format!("{} bytes", torn.len())), "{}", gap.message);
    }
}

#[tokio::test]
async fn damage_to_what_was_promised_is_named_and_left_alone() {
    let scene = Scene::new();
    let log = scene.open().unwrap();
    for number in 0..3 {
        put(&log, &number.to_string()).await.unwrap();
    }
    log.close("test").await;
    let file = segments(scene.path()).pop().unwrap();
    let whole = fs::read(&file).unwrap();
    let third = whole.len() - whole.split_inclusive(|byte| *byte == b'\n').next_back().unwrap().len();
    let mut flipped = whole.clone();
    flipped[third + 30] ^= 1;
    for damaged in [&flipped, &whole[..whole.len() - 1], &whole[..third], &whole[..10], &[]] {
        fs::write(&file, damaged).unwrap();
        let error = scene.open().unwrap_err();
        assert!(matches!(error, OpenError::Lost { count: 5, .. }), "{error}");
        assert!(error.to_string().contains("has lost acknowledged entries: 5 were synced"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), damaged);
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(scene.open().unwrap_err(), OpenError::Lost { .. }));
    fs::write(&file, &whole).unwrap();
    scene.open().unwrap().close("test").await;
}
