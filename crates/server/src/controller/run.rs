//! The work of a leader: watches, workers, and what runs beside them.
//!
//! Promises: past-due work comes first at the start; nothing is planned before
//! every watch has seen everything; a key that fails or waits is looked at again
//! with growing pauses. If any of the tasks ends, so does the work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use brevet_core::lifecycle::{self, Step, Wait};
use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc, watch as signal},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Options,
    act::{ActError, Actor, Writer},
    gather::Gatherer,
    identities::Identities,
    index::{Index, Tables},
    lead::Term,
    metrics::Metrics,
    orphans,
    queue::{Key, Queue},
    record, roles, silence, watch,
};
use crate::{
    call, clock, ground,
    guard::{self, Guard},
    shared::Shared,
};

/// Keys looked at at once. Most of the time of each is waiting for the API server.
const WORKERS: usize = 16;
/// Looks at one key in a row, before others have their turn.
const ROUNDS_MAX: usize = 8;
/// The first pause after a failure, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// However far ahead the next deadline is, the wall clock may be moved meanwhile.
const NAP_MAX: Duration = Duration::from_secs(300);

/// What every worker has.
struct Work {
    gatherer: Arc<Gatherer>,
    actor: Actor,
    queue: Arc<Queue>,
    term: Term,
    failures: Mutex<HashMap<Key, u32>>,
    metrics: Metrics,
}

/// Works until `wind_up`.
pub(super) async fn work(
    options: Options,
    shared: Shared,
    binder: kube::Client,
    metrics: Metrics,
    term: Term,
    wind_up: CancellationToken,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let (index, queue) = (Arc::new(Index::new(options.bounds())), Arc::new(Queue::default()));
    let identities = Arc::new(Identities::default());
    let roles_changed = Arc::new(Notify::new());
    let (synced, mut all_synced) = mpsc::channel(watch::WATCHES);
    let feed = watch::Feed { index: index.clone(), queue: queue.clone(), roles_changed: roles_changed.clone(), synced };
    watch::start(&mut tasks, &watching_client(&shared)?, &feed);
    drop(feed);
    for _ in 0..watch::WATCHES {
        tokio::select! {
            _ = all_synced.recv() => {}
            ended = tasks.join_next() => return ended.context("no watch was started")?.context("a watch panicked")?,
            () = wind_up.cancelled() => return end(tasks).await,
        }
    }
    let writer = Writer::new(shared.client.clone(), binder, term.clone(), shared.guard.clone());
    let gatherer = Arc::new(Gatherer {
        client: shared.client.clone(),
        index: index.clone(),
        identities: identities.clone(),
        ground: ground::Reader::new(shared.client.clone()),
        limits: options.limits(),
        guard: shared.guard.clone(),
    });
    seed(&index.read(), &queue, clock::now());
    shared.health.holds("controller");
    let actor = Actor {
        recorder: shared.recorder.clone(),
        writer: writer.clone(),
        index: index.clone(),
        gatherer: gatherer.clone(),
        metrics: metrics.clone(),
    };
    let work = Arc::new(Work {
        gatherer,
        actor,
        queue: queue.clone(),
        term,
        failures: Mutex::default(),
        metrics: metrics.clone(),
    });
    for _ in 0..WORKERS {
        tasks.spawn(worker(work.clone()));
    }
    tasks.spawn(orphans::sweep(shared.recorder.clone(), writer.clone(), identities, metrics.clone(), options.lease()));
    tasks.spawn(roles::judge(index.clone(), roles_changed, writer.clone()));
    tasks.spawn(record::keep(shared.guard.clone(), writer.clone()));
    tasks.spawn(heed(shared.guard.clone(), index.clone(), queue.clone()));
    tasks.spawn(silence::watch(index, queue, writer, metrics));
    tokio::select! {
        ended = tasks.join_next() => ended.context("no task was started")?.context("a task panicked")?,
        () = wind_up.cancelled() => end(tasks).await,
    }
}

/// A client whose connections are not believed for ever.
fn watching_client(shared: &Shared) -> anyhow::Result<kube::Client> {
    let mut config = shared.config.clone();
    config.read_timeout = Some(watch::SILENCE_MAX);
    kube::Client::try_from(config).context("cannot make a client for watching")
}

async fn end(mut tasks: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    tasks.shutdown().await;
    Ok(())
}

/// Asks for everything to be looked at: first what is past due, in order of its deadline.
fn seed(tables: &Tables, queue: &Queue, now: Timestamp) {
    let start = Instant::now();
    let mut overdue: Vec<(Timestamp, &Key)> = Vec::new();
    for (key, all) in &tables.grants {
        let due = all.values().filter_map(|seen| seen.read.as_ref().ok()).filter(|grant| {
            !grant.is_end_confirmed && (grant.ended.is_some() || grant.is_deleting || grant.window.is_over(now))
        });
        overdue.extend(due.map(|grant| (grant.window.not_after, key)));
    }
    overdue.sort();
    // The queue hands out in order of time; these microseconds are long over when it begins.
    for ((_, key), order) in overdue.iter().zip(0..) {
        queue.add((*key).clone(), start + Duration::from_micros(order));
    }
    let after = start + Duration::from_micros(u64::try_from(overdue.len()).unwrap_or(u64::MAX).min(1_000_000));
    tables.keys().into_iter().for_each(|key| queue.add(key, after));
}

/// Has everything looked at again when the admission policies fall, and when they stand again.
async fn heed(mut guard: signal::Receiver<Guard>, index: Arc<Index>, queue: Arc<Queue>) -> anyhow::Result<()> {
    let mut trusted_since = guard.borrow_and_update().trusted_since();
    loop {
        guard::changed(&mut guard).await;
        let now_since = guard.borrow_and_update().trusted_since();
        if std::mem::replace(&mut trusted_since, now_since) != now_since {
            let (keys, now) = (index.read().keys(), Instant::now());
            keys.into_iter().for_each(|key| queue.add(key, now));
        }
    }
}

async fn worker(work: Arc<Work>) -> anyhow::Result<()> {
    loop {
        let key = work.queue.next().await;
        let pause = if work.term.holds() { work.look(&key).await } else { Some(PAUSE_MIN) };
        work.queue.done(&key, pause.map(|pause| Instant::now() + pause));
    }
}

impl Work {
    /// Looks at one key until nothing is left to do now; returns when to look again.
    async fn look(&self, key: &str) -> Option<Duration> {
        for _ in 0..ROUNDS_MAX {
            match self.round(key).await {
                Ok(Round::Acted) => self.succeeded(key),
                Ok(Round::Rests(at)) => {
                    self.succeeded(key);
                    self.metrics.reconciled("done");
                    return at;
                }
                Ok(Round::Waits(wait, at)) => {
                    self.metrics.reconciled("waits");
                    let pause = self.failed(key);
                    tracing::debug!(request.uid = key, ?wait, "a request waits");
                    return Some(at.map_or(pause, |at| at.min(pause)));
                }
                Err(error) => {
                    let pause = self.failed(key);
                    if error.downcast_ref::<ActError>().is_some_and(ActError::is_outdated) {
                        self.metrics.reconciled("outdated");
                        tracing::debug!(request.uid = key, error = call::told(error.as_ref()), "looking again");
                        return Some(pause);
                    }
                    self.metrics.reconciled("failed");
                    tracing::warn!(
                        request.uid = key,
                        error = call::told(error.as_ref()),
                        "a request is looked at again"
                    );
                    return Some(pause);
                }
            }
        }
        Some(PAUSE_MIN)
    }

    /// Gathers, decides, acts, once.
    async fn round(&self, key: &str) -> anyhow::Result<Round> {
        let now = clock::now();
        let mut case = self.gatherer.by_watches(key, now).await?;
        let mut plan = lifecycle::plan(&case.observed, now);
        if plan.must_confirm {
            case = self.gatherer.by_source(key, now).await?;
            plan = lifecycle::plan(&case.observed, now);
        }
        let mut failure = None;
        for step in &plan.steps {
            if failure.is_some() && !matches!(step, Step::WriteRequest(_)) {
                continue;
            }
            tracing::debug!(request.uid = key, step = name(step), "a step");
            match self.actor.perform(&case, step, now).await {
                // What follows was planned for an older copy; the next round plans it anew.
                Ok(()) if changes_object(step) => return Ok(Round::Acted),
                Ok(()) => {}
                // People are told where the request is also while what comes next does not succeed.
                Err(error) if matches!(step, Step::Activate { .. } | Step::Unmake { .. }) => failure = Some(error),
                Err(error) => return Err(failure.unwrap_or(error).into()),
            }
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        if !plan.surplus.is_empty() {
            self.actor.remove_surplus(key, &case, &plan.surplus, now).await?;
            return Ok(Round::Acted);
        }
        let left = plan.wake_at.map(|at| Duration::try_from(at.duration_since(clock::now())).unwrap_or(Duration::ZERO));
        let nap = left.map(|left| left.min(NAP_MAX));
        Ok(match plan.waits_for {
            Some(wait) => Round::Waits(wait, nap),
            None if !plan.steps.is_empty() => Round::Acted,
            None => Round::Rests(nap),
        })
    }

    fn succeeded(&self, key: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Counts a failure; returns the pause it earns.
    fn failed(&self, key: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.to_owned()).or_default();
        let pause = PAUSE_MIN.saturating_mul(2u32.saturating_pow(*count)).min(PAUSE_MAX);
        *count = count.saturating_add(1);
        pause
    }
}

/// What came of one round.
enum Round {
    /// Something was done; look again at once.
    Acted,
    /// Nothing is left to do before then.
    Rests(Option<Duration>),
    /// Something outside must happen first.
    Waits(Wait, Option<Duration>),
}

/// Whether the object that later steps would write has changed by this one.
fn changes_object(step: &Step) -> bool {
    !matches!(step, Step::WriteRequest(_) | Step::DeleteDecision(_) | Step::DeleteGrant)
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::WriteRequest(_) => "write request",
        Step::CreateGrant(_) => "create grant",
        Step::Announce => "announce",
        Step::Activate { .. } => "activate",
        Step::End { .. } => "end",
        Step::Unmake { .. } => "unmake",
        Step::ConfirmEnd => "confirm end",
        Step::ReleaseGrant => "release grant",
        Step::DeleteGrant => "delete grant",
        Step::DeleteDecision(_) => "delete decision",
        Step::DeleteRequest => "delete request",
    }
}
