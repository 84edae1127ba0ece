//! The durable store of the audit log: append-only segments with group commit.
//!
//! A role hands an [`Event`] to its [`Recorder`] and waits for the strength of
//! proof that its act needs: [`Written`] (in the kernel: survives our death) or
//! [`Synced`] (`fdatasync`: survives a power cut). One thread owns the chain and
//! writes; another syncs what is written, over and over, for all who wait.
//!
//! Promises (I10): whoever holds a receipt has an entry; no acknowledged entry is
//! lost to what its strength names; while the disk takes nothing, every entry is
//! refused, and once it does the chain goes on without a gap. A folder belongs to
//! one process. Bounded: callers beyond the queue's limit are refused at once.
//!
//! What a folder holds: `lock`; `synced`, the mark of what was promised; the
//! segments, which are the truth; the signing `key` with `key.pub`, and the
//! `checkpoints` it signed. Whatever else is kept about the log can be made
//! again from them ([`Cursor`]).
//!
//! Left out on purpose: letting an act pass without its entry.

mod cursor;
mod disk;
mod export;
mod gauges;
mod limits;
mod mark;
mod queue;
mod receipt;
mod recover;
mod segment;
mod signing;
mod tail;
mod writer;

use std::{
    fs::File,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use brevet_core::audit::{
    ChainId, Event,
    event::{Gap, GapCause, Mode, Role, Start, Stop},
    key::Signer as _,
};
use tokio::sync::watch;

pub use self::{
    cursor::{Cursor, Place, Stored},
    disk::{Disk, DiskFile, RealDisk},
    export::export,
    limits::Limits,
    receipt::{Pending, Refused, Synced, Written},
    recover::OpenError,
};
use self::{
    gauges::Gauges,
    mark::{Mark, MarkFile},
    queue::Queue,
    signing::{Checkpoints, Key},
    tail::Tail,
    writer::{CHECK, Ground, Writer},
};
use crate::{probes::Health, telemetry::Metrics};

/// Where and how a log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; made if it is not there. One process's.
    pub folder: PathBuf,
    /// What the process does.
    pub role: Role,
    /// What the replica is called.
    pub replica: String,
    /// The command line.
    pub arguments: Vec<String>,
    /// When segments are closed.
    pub limits: Limits,
    /// What it is written to.
    pub disk: Arc<dyn Disk>,
}

/// A log that is open for writing.
#[derive(Debug)]
pub struct Log {
    recorder: Recorder,
    folder: PathBuf,
    head: watch::Receiver<Mark>,
    threads: Vec<JoinHandle<()>>,
    has_ended: watch::Receiver<bool>,
    _lock: File,
}

/// Hands in entries. Clones share one log.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: Arc<Queue>,
    gauges: Gauges,
}

impl Recorder {
    /// Hands in an entry; it is on its way, and proves nothing until it is waited for.
    ///
    /// # Errors
    /// The log takes nothing now. Whatever needs the entry must not happen.
    pub fn append(&self, event: Event) -> Result<Pending, Refused> {
        self.queue.push(event).inspect_err(|why| self.gauges.refused(why, 1))
    }
}

impl Log {
    /// Opens the log in a folder, or begins one there; the first thing it says is that a process
    /// starts. Blocks on the disk.
    ///
    /// # Errors
    /// Another process has it; acknowledged entries are missing; the system says no.
    pub fn open(options: Options, metrics: &Metrics, health: &Health) -> Result<Self, OpenError> {
        let Options { folder, role, replica, arguments, limits, disk } = options;
        let lock = recover::lock(&folder)?;
        let recovered = recover::recover(&folder, &*disk, new_chain(role)?)?;
        let key = Key::open(&folder).map_err(recover::failed("open the key in", &folder))?;
        let start = Start {
            role,
            replica: replica.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            arguments: arguments.into_iter().collect(),
            mode: Mode::Strict,
            key: key.key().clone(),
        };
        let checkpoints =
            Checkpoints::open(&folder, key).map_err(recover::failed("open the checkpoints in", &folder))?;
        let mark = MarkFile::open(&*disk, &folder).map_err(recover::failed("open the mark in", &folder))?;
        disk.sync_folder(&folder).map_err(recover::failed("sync", &folder))?;
        let (queue, tail) = (Arc::new(Queue::new()), Arc::new(Tail::new(recovered.segment.clone())));
        let gauges = Gauges::new(metrics);
        let head = tail.head();
        let (ended, has_ended) = watch::channel(false);
        let ground = Ground {
            folder: folder.clone(),
            disk,
            limits,
            queue: queue.clone(),
            tail: tail.clone(),
            gauges: gauges.clone(),
            health: health.clone(),
        };
        let writer = Writer::new(ground, &recovered.segment);
        let syncing = {
            let (tail, queue, gauges) = (tail.clone(), queue.clone(), gauges.clone());
            move || tail.keep_synced(&mark, checkpoints, &queue, &gauges)
        };
        let guard = |queue: Arc<Queue>, tail: Arc<Tail>| Guard { queue, tail, ended: ended.clone() };
        let threads = [
            spawn("audit-writer", guard(queue.clone(), tail.clone()), move || writer.run()),
            spawn("audit-sync", guard(queue.clone(), tail.clone()), syncing),
        ];
        let threads =
            threads.into_iter().collect::<Result<_, _>>().map_err(recover::failed("start a thread for", &folder))?;
        health.holds(CHECK);
        let log = Self { recorder: Recorder { queue, gauges }, folder, head, threads, has_ended, _lock: lock };
        log.tell(start.into());
        if let Some((bytes, digest)) = recovered.cut {
            log.tell_of_cut(bytes, &digest);
        }
        Ok(log)
    }

    /// Hands in an entry about the log itself. Nothing waits for it: whatever comes later is
    /// written later, and if the disk fails so does that.
    fn tell(&self, event: Event) {
        drop(self.recorder.append(event));
    }

    /// What a log says whose end was cut.
    fn tell_of_cut(&self, bytes: u64, digest: &brevet_core::digest::Digest) {
        tracing::warn!(bytes, digest = %digest, "the torn end of the audit log was cut off; nobody had been told of it");
        let message = format!("{bytes} bytes that were no whole entry were cut off, {digest}");
        self.tell(Gap { cause: GapCause::LostTail, count: None, since: None, message: message.into() }.into());
    }

    /// Hands in entries.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Reads from the entry at this place in the chain on.
    #[must_use]
    pub fn cursor(&self, seq: u64) -> Cursor {
        Cursor::new(self.folder.clone(), self.head.clone(), seq)
    }

    /// Returns when the log has ended by itself, which it should not.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut has_ended = self.has_ended.clone();
        // An error says the same.
        async move { drop(has_ended.wait_for(|has_ended| *has_ended).await) }
    }

    /// Takes a last entry that says why and no more, and returns when all are synced that were taken.
    pub async fn close(mut self, why: &str) {
        self.tell(Stop { message: why.into() }.into());
        self.recorder.queue.close();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
        if !joined.unwrap_or(false) {
            tracing::error!("a thread of the audit log panicked");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.recorder.queue.close();
    }
}

/// Whichever thread ends, nothing more is taken.
struct Guard {
    queue: Arc<Queue>,
    tail: Arc<Tail>,
    ended: watch::Sender<bool>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.queue.close();
        self.tail.close();
        self.ended.send_replace(true);
    }
}

fn spawn(name: &str, guard: Guard, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = guard;
        run();
    })
}

/// A name that no other chain has.
fn new_chain(role: Role) -> Result<ChainId, OpenError> {
    let front = match role {
        Role::Controller => "controller",
        Role::Gateway => "gateway",
        Role::Serve => "serve",
    };
    let name = format!("{front}-{}", uuid::Uuid::now_v7().simple());
    ChainId::parse(&name).ok_or(OpenError::Name(name))
}
