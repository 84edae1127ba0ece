//! A log in a folder of its own, and what a stranger reads there.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use brevet_core::audit::{
    Chain, Event, Record,
    event::{CallBegun, CallTarget, Caller, ObjectRef, Role},
};
use brevet_server::{
    probes::Health,
    record::{Limits, Log, OpenError, Options, Refused, Synced},
    telemetry::Metrics,
};

use super::disk::{Faults, FaultyDisk};

/// From the fork of a child to its own program, on a loaded machine.
const UNLOCKED_WITHIN: Duration = Duration::from_secs(10);

/// A log is mended every 200 ms; much longer means never.
pub(crate) const MENDED_WITHIN: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    pub(crate) faults: Arc<Faults>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            faults: Arc::default(),
            health: Health::default(),
            metrics: Metrics::default(),
            limits: Limits::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the log. A child that another test is starting holds every descriptor of this process,
    /// the lock of what was just closed too, until it runs its own program.
    pub(crate) fn open(&self) -> Result<Log, OpenError> {
        let start = Instant::now();
        loop {
            match self.try_open() {
                Err(OpenError::Locked(_)) if start.elapsed() < UNLOCKED_WITHIN => std::thread::yield_now(),
                opened => return opened,
            }
        }
    }

    /// Opens the log, if nobody has it.
    pub(crate) fn try_open(&self) -> Result<Log, OpenError> {
        open(self.path(), self.limits, &self.faults, &self.health, &self.metrics)
    }

    /// The lines of every metric of the log with this name.
    pub(crate) fn metric(&self, name: &str) -> Vec<String> {
        let text = self.metrics.text().unwrap();
        text.lines().filter(|line| line.starts_with(&format!("brevet_audit_{name}"))).map(str::to_owned).collect()
    }

    pub(crate) fn set(&self, fault: impl Fn(&Faults) -> &std::sync::atomic::AtomicI32, error: i32) {
        fault(&self.faults).store(error, Ordering::SeqCst);
    }
}

pub(crate) fn open(
    folder: &Path,
    limits: Limits,
    faults: &Arc<Faults>,
    health: &Health,
    metrics: &Metrics,
) -> Result<Log, OpenError> {
    let disk = Arc::new(FaultyDisk { faults: faults.clone() });
    let options = Options {
        folder: folder.to_owned(),
        role: Role::Gateway,
        replica: "gateway-0".to_owned(),
        arguments: Vec::new(),
        limits,
        disk,
    };
    Log::open(options, metrics, health)
}

/// A call, told apart by what the client says it is.
pub(crate) fn event(agent: &str) -> Event {
    Event::CallBegun(CallBegun {
        caller: Caller { username: "alice".into(), uid: None },
        grant: ObjectRef::new("view-logs-x7k2p", "5f1e6f0e-7a39-4f7c-9a53-0c8f2f1f9b11"),
        call: CallTarget::unread("GET", "/api/v1/namespaces/shop/pods/web-1/log"),
        is_stream: false,
        command: ["sh", "-c"].into_iter().collect(),
        user_agent: agent.into(),
        source: "10.0.0.7".into(),
        audit_id: "b9a1d7de-7d0c-4f5e-8f0c-0f8ad2ad6a55".into(),
        client_audit_id: "".into(),
    })
}

/// What tells one call of [`event`] from another.
pub(crate) fn agent(record: &Record) -> &str {
    match &record.event {
        Event::CallBegun(call) => call.user_agent.as_str(),
        other => other.kind(),
    }
}

/// Hands in a call and waits until it is synced.
pub(crate) async fn put(log: &Log, agent: &str) -> Result<Synced, Refused> {
    log.recorder().append(event(agent))?.synced().await
}

/// Hands in calls until one is taken.
pub(crate) async fn put_once_mended(log: &Log, agent: &str) -> Synced {
    let deadline = Instant::now() + MENDED_WITHIN;
    loop {
        match put(log, agent).await {
            Ok(synced) => return synced,
            Err(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        tokio::task::yield_now().await;
    }
}

/// Every entry but those of processes that start and stop.
pub(crate) fn entries_between(folder: &Path) -> Vec<Record> {
    let mut entries = entries(folder);
    entries.retain(|record| !matches!(record.event, Event::Start(_) | Event::Stop(_)));
    entries
}

/// The files of a log, in order.
pub(crate) fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "log"));
    files.sort();
    files
}

/// Every entry of a log, checked against the chain from its first on, without
/// the store's own code. What is behind the last whole entry is left out.
pub(crate) fn entries(folder: &Path) -> Vec<Record> {
    let mut found: Vec<Record> = Vec::new();
    let mut chain: Option<Chain> = None;
    let files = segments(folder);
    for (at, file) in files.iter().enumerate() {
        let bytes = fs::read(file).unwrap();
        for line in bytes.split_inclusive(|byte| *byte == b'\n').skip(1) {
            let is_last = at + 1 == files.len();
            let Some(line) = line.strip_suffix(b"\n") else {
                assert!(is_last, "{} breaks off", file.display());
                continue;
            };
            let chain = chain.get_or_insert_with(|| Chain::begin(Record::read(line).unwrap().chain));
            match chain.take_up(line) {
                Ok(record) => found.push(record),
                Err(error) => panic!("{}: entry {}: {error}", file.display(), chain.size()),
            }
        }
    }
    found
}
