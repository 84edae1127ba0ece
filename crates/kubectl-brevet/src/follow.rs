//! Waiting on one request.
//!
//! Promises: the view is read, then watched, then read again, so no change is missed and nothing is
//! polled faster than [`PAUSE`]; a wait with a deadline ends at it; the same name with another UID is
//! not the same request.
//!
//! Left out on purpose: deciding what to wait for, which is each verb's.

use std::time::Duration;

use brevet_api::Phase;
use brevet_api::sessions::Request;
use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use kube::api::{WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::{Cluster, no_such_request};
use crate::entry::phase;
use crate::problem::Problem;

/// Between two reads, whatever happens.
const PAUSE: Duration = Duration::from_millis(300);

/// One watch lasts this long before the view is read again, seconds.
const WATCH_SECONDS: u32 = 20;

/// A request just made may not have reached the views for this long.
const NEWS_TIME_MAX: Duration = Duration::from_secs(10);

/// The request whose end of waiting is awaited.
pub(crate) struct Awaited<'a> {
    pub(crate) name: &'a str,
    /// Absent: whichever request has the name now.
    pub(crate) uid: Option<String>,
    /// Absent: for ever.
    pub(crate) deadline: Option<Instant>,
    /// What a terminal says meanwhile; absent: how far the request is.
    pub(crate) saying: Option<&'a str>,
}

/// Waits until `is_done`; `None` when the deadline came first.
pub(crate) async fn until(
    cluster: &Cluster,
    awaited: &Awaited<'_>,
    mut is_done: impl FnMut(&Request) -> bool,
) -> Result<Option<Request>, Problem> {
    let progress = Progress::new(awaited.name, awaited.saying);
    let news_end = Instant::now() + if awaited.uid.is_some() { NEWS_TIME_MAX } else { Duration::ZERO };
    let mut uid = awaited.uid.clone();
    let work = async {
        loop {
            match cluster.find_request(awaited.name).await? {
                Some(request) if uid.is_none() || uid == request.metadata.uid => {
                    uid.clone_from(&request.metadata.uid);
                    progress.show(phase(&request));
                    if is_done(&request) {
                        return Ok(request);
                    }
                    next_change(cluster, awaited.name, &request).await;
                }
                _ if Instant::now() >= news_end && awaited.uid.is_none() => return Err(no_such_request(awaited.name)),
                _ if Instant::now() >= news_end => return Err(not_shown(awaited.name)),
                _ => {}
            }
            sleep(PAUSE).await;
        }
    };
    match awaited.deadline {
        None => work.await.map(Some),
        Some(deadline) => timeout_at(deadline, work).await.map_or(Ok(None), |done| done.map(Some)),
    }
}

/// It was there, and is not shown: Brevet lags, or the request was deleted.
fn not_shown(name: &str) -> Problem {
    Problem::failed(format!("`{name}` is recorded, but Brevet does not show it"))
        .why("the gateway lags, or the request was deleted because too many are open")
        .next(format!("look again: kubectl brevet wait {name}"))
}

/// Returns at the first event about the request, or when the watch ends for any reason: the view is
/// read again either way.
async fn next_change(cluster: &Cluster, name: &str, seen: &Request) {
    let requests = cluster.requests();
    let only_this = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS);
    let version = seen.metadata.resource_version.clone().unwrap_or_default();
    let watch = async {
        let Ok(events) = requests.watch(&only_this, &version).await else { return };
        let mut events = std::pin::pin!(events);
        while let Ok(Some(event)) = events.try_next().await {
            match event {
                WatchEvent::Added(request) | WatchEvent::Modified(request) | WatchEvent::Deleted(request) => {
                    if request.metadata.name.as_deref() == Some(name)
                        && request.metadata.resource_version != seen.metadata.resource_version
                    {
                        return;
                    }
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(_) => return,
            }
        }
    };
    // A server that forgets the timeout it was asked for must not hold us.
    let _ = tokio::time::timeout(Duration::from_secs(u64::from(WATCH_SECONDS)) + PAUSE, watch).await;
}

/// A line on standard error that says what is awaited; only a terminal sees it.
struct Progress {
    bar: ProgressBar,
    name: String,
    saying: Option<String>,
}

impl Progress {
    fn new(name: &str, saying: Option<&str>) -> Self {
        // indicatif draws on standard error, and nothing at all where that is no terminal.
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        Self { bar, name: name.to_owned(), saying: saying.map(str::to_owned) }
    }

    fn show(&self, phase: Phase) {
        let name = &self.name;
        self.bar.enable_steady_tick(Duration::from_millis(120));
        self.bar.set_message(match (&self.saying, phase) {
            (Some(saying), _) => saying.clone(),
            (None, Phase::Pending) => format!("{name} waits for an approver; Ctrl-C leaves it waiting"),
            (None, Phase::Approved) => format!("{name} is approved, not yet in force"),
            (None, Phase::Revoking) => format!("{name} is over; its end is being confirmed"),
            (None, phase) => format!("{name} is {}", phase.as_str().to_ascii_lowercase()),
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
