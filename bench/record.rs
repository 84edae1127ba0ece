//! How many entries a second the audit log takes, what one costs, and how long a caller waits.
//!
//! Promises: one run, the ways taking turns. The peers are the plainest programs
//! that keep the same bytes as safe: a loop that writes one record and syncs, and
//! one that syncs as many at once as the log did.
//!
//! Left out on purpose: assertions. Figures are read, not judged, here.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use brevet_core::audit::{
    Chain, ChainId, Event,
    event::{CallBegun, CallTarget, Caller, ObjectRef, Role},
};
use brevet_server::{
    probes::Health,
    record::{Limits, Log, Options, RealDisk, Refused},
    telemetry::Metrics,
};
use tokio::task::JoinSet;

/// Rounds of every way.
const ROUNDS: usize = 5;
/// How long one way of one round takes.
const ROUND: Duration = Duration::from_secs(1);
/// Callers that wait for their entry, each before it hands in the next.
const CALLERS: usize = 2048;
/// Entries handed in one by one, for how long a single caller waits.
const SINGLES: usize = 500;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let log = runtime.block_on(many(&folder.path().join(format!("many-{round}"))))?;
        let alone = raw(folder.path(), 1)?;
        let together = raw(folder.path(), log.per_sync.max(1))?;
        rounds.push((log, alone, together));
    }
    let bytes = line().len();
    println!("records of {bytes} bytes, {CALLERS} callers, medians of {ROUNDS} rounds");
    println!("  the log, synced          {:>9.0} a second", median(rounds.iter().map(|r| r.0.rate)));
    println!("    CPU each               {:>9.2} µs", median(rounds.iter().map(|r| r.0.cpu_micros)));
    println!("    for each sync          {:>9.0} records", median(rounds.iter().map(|r| r.0.per_sync as f64)));
    println!("  raw, one for each sync   {:>9.0} a second", median(rounds.iter().map(|r| r.1)));
    println!("  raw, as many as the log  {:>9.0} a second", median(rounds.iter().map(|r| r.2)));
    println!("  log / raw one            {:>9.1}", median(rounds.iter().map(|r| r.0.rate / r.1)));
    println!("  log / raw as many        {:>9.2}", median(rounds.iter().map(|r| r.0.rate / r.2)));
    println!("one caller, µs");
    let (written, synced) = runtime.block_on(one(&folder.path().join("one")))?;
    println!("  until written            {}", told(written));
    println!("  until synced             {}", told(synced));
    println!("  raw write and sync       {}", told(syncs(folder.path())?));
    Ok(())
}

/// What many callers got.
struct Many {
    rate: f64,
    cpu_micros: f64,
    per_sync: usize,
}

fn open(folder: &Path, metrics: &Metrics) -> Result<Log> {
    let options = Options {
        folder: folder.to_owned(),
        role: Role::Gateway,
        replica: "bench".to_owned(),
        arguments: Vec::new(),
        limits: Limits::default(),
        disk: Arc::new(RealDisk),
    };
    Ok(Log::open(options, metrics, &Health::default())?)
}

/// A call as the gateway records it.
fn event() -> Event {
    Event::CallBegun(CallBegun {
        caller: Caller { username: "alice@example.com".into(), uid: None },
        grant: ObjectRef::new("view-logs-x7k2p", "5f1e6f0e-7a39-4f7c-9a53-0c8f2f1f9b11"),
        call: CallTarget::unread("GET", "/api/v1/namespaces/shop/pods/web-7d4b9c6f5-x2x7q/log"),
        is_stream: false,
        command: Default::default(),
        user_agent: "kubectl/v1.36.3 (linux/amd64) kubernetes/d9b7c6e".into(),
        source: "10.42.17.3".into(),
        audit_id: "0198f3a2-7d0c-7f5e-8f0c-0f8ad2ad6a55".into(),
        client_audit_id: "b9a1d7de-7d0c-4f5e-8f0c-0f8ad2ad6a55".into(),
    })
}

/// The bytes of one record.
fn line() -> Vec<u8> {
    let chain = ChainId::parse("bench-0198f3a27d0c7f5e8f0c0f8ad2ad6a55").map(Chain::begin);
    let entry = chain.map(|mut chain| chain.append(&event(), brevet_server::clock::now()));
    entry.map(|entry| [entry.line.as_slice(), b"\n"].concat()).unwrap_or_default()
}

/// Callers that each wait until their entry is synced.
async fn many(folder: &Path) -> Result<Many> {
    let metrics = Metrics::default();
    let log = open(folder, &metrics)?;
    let (begun, cpu) = (Instant::now(), cpu_micros()?);
    let mut callers: JoinSet<Result<u64, Refused>> = JoinSet::new();
    for _ in 0..CALLERS {
        let recorder = log.recorder();
        callers.spawn(async move {
            let mut entries = 0;
            while begun.elapsed() < ROUND {
                recorder.append(event())?.synced().await?;
                entries += 1;
            }
            Ok(entries)
        });
    }
    let mut entries = 0;
    while let Some(caller) = callers.join_next().await {
        entries += caller??;
    }
    let (took, cpu) = (begun.elapsed(), cpu_micros()? - cpu);
    log.close("done").await;
    let text = metrics.text()?;
    let syncs = text.lines().find_map(|line| line.strip_prefix("brevet_audit_sync_seconds_count "));
    let syncs: usize = syncs.context("no metric of syncs")?.parse()?;
    let all = entries as f64;
    Ok(Many {
        rate: all / took.as_secs_f64(),
        cpu_micros: cpu / all,
        per_sync: usize::try_from(entries)? / syncs.max(1),
    })
}

/// Records a second of a loop that writes so many and syncs.
fn raw(folder: &Path, per_sync: usize) -> Result<f64> {
    let mut file = File::create(folder.join("raw"))?;
    let bytes = line().repeat(per_sync);
    let (begun, mut records) = (Instant::now(), 0);
    while begun.elapsed() < ROUND {
        file.write_all(&bytes)?;
        file.sync_data()?;
        records += per_sync;
    }
    Ok(records as f64 / begun.elapsed().as_secs_f64())
}

/// How long a single caller waits for either strength, each entry on its own.
async fn one(folder: &Path) -> Result<(Vec<f64>, Vec<f64>)> {
    let log = open(folder, &Metrics::default())?;
    let (mut written, mut synced) = (Vec::new(), Vec::new());
    for _ in 0..SINGLES {
        let begun = Instant::now();
        let proof = log.recorder().append(event())?.written().await?;
        written.push(micros(begun));
        proof.synced().await?;
        synced.push(micros(begun));
    }
    log.close("done").await;
    Ok((written, synced))
}

/// The same of a loop without a log.
fn syncs(folder: &Path) -> Result<Vec<f64>> {
    let (mut file, bytes) = (File::create(folder.join("raw"))?, line());
    let mut spans = Vec::new();
    for _ in 0..SINGLES {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        spans.push(micros(begun));
    }
    Ok(spans)
}

/// User and system time of this process, in steps of ten milliseconds.
fn cpu_micros() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("no process")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("no times");
    Ok((ticks(11)? + ticks(12)?) * 10_000.0)
}

fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn told(mut spans: Vec<f64>) -> String {
    spans.sort_by(f64::total_cmp);
    let at = |share: f64| spans.get(((spans.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
    format!("p50 {:>8.1}   p99 {:>8.1}", at(0.5), at(0.99))
}
