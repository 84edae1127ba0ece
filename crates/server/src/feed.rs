//! A list and a watch of one kind, for ever, that show life every three seconds.
//!
//! kube's own watcher tells nothing while nothing changes. Here a watch is a row
//! of short legs: each begins with an answer of kube-apiserver, and most bring a
//! bookmark before they end.
//!
//! Promises: every change is handed on in order; a list that must be repeated
//! replaces everything at once; objects that cannot be read are handed on by
//! name, never swallowed.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api,
    api::{ListParams, WatchParams},
    core::{DynamicObject, WatchEvent},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// One leg of a watch. Most legs bring a bookmark on their way, and each begins with an
/// answer, so every watch shows life at least that often: well within the 5 s of I11.
const LEG_SECONDS: u32 = 3;
/// Nothing may be heard on a leg for at most this; then it is dead.
const LEG_TIMEOUT: Duration = Duration::from_secs(6);
/// Between two attempts to watch again.
const RETRY: Duration = Duration::from_millis(500);
/// Legs that may fail in a row before everything is listed again.
const FAILURES_MAX: u32 = 3;
/// Objects per page of a list.
const LIST_PAGE: u32 = 500;

/// What happened to objects of one kind.
#[derive(Debug)]
pub(crate) enum Change {
    /// These are all, as of this resourceVersion.
    All(Vec<DynamicObject>, String),
    /// This one is new or different.
    Put(DynamicObject),
    /// This one is gone.
    Gone(DynamicObject),
    /// Nothing more up to this resourceVersion.
    Seen(String),
    /// A leg has begun: nothing is missing from here on.
    Alive,
}

/// A change, and where it comes from.
#[derive(Debug)]
pub(crate) struct News<W> {
    /// On which way.
    pub(crate) way: W,
    /// It is no older than this: once it is taken in, life has shown on that way.
    pub(crate) since: Instant,
    /// What happened.
    pub(crate) change: Change,
}

/// What is followed, and how.
pub(crate) struct Feed<W> {
    /// Where the objects are.
    pub(crate) api: Api<DynamicObject>,
    /// What it is called in its news.
    pub(crate) way: W,
    /// Only the object of this name; `None`: all.
    pub(crate) name: Option<&'static str>,
    /// Everything is listed again this long after the last list, however well the watch goes;
    /// `None`: only when it must be.
    pub(crate) list_every: Option<Duration>,
}

/// Why a leg ended.
enum LegEnd {
    /// It was over; the next begins here.
    Over,
    /// The resourceVersion is too old: list again.
    TooOld,
    /// Nobody takes changes any more.
    Stopped,
}

/// Follows until `stop`, handing every change to `sender`.
pub(crate) async fn follow<W: Copy + fmt::Debug + Send + Sync + 'static>(
    feed: Feed<W>,
    sender: mpsc::Sender<News<W>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let following = Following { feed, sender };
    tokio::select! {
        () = following.for_ever() => Ok(()),
        () = stop.cancelled() => Ok(()),
    }
}

struct Following<W> {
    feed: Feed<W>,
    sender: mpsc::Sender<News<W>>,
}

impl<W: Copy + fmt::Debug + Send + Sync + 'static> Following<W> {
    async fn for_ever(&self) {
        loop {
            let listed = Instant::now();
            let mut version = match self.list().await {
                Ok(version) => version,
                Err(error) => {
                    tracing::warn!(way = ?self.feed.way, error = format!("{error:#}"), "listing failed");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            let mut failures = 0;
            let is_due = || self.feed.list_every.is_some_and(|every| listed.elapsed() >= every);
            // A resourceVersion that the server has never reached (a restored etcd) fails for ever.
            while failures < FAILURES_MAX && !is_due() {
                let begun = Instant::now();
                match self.leg(&mut version).await {
                    Ok(LegEnd::Over) => failures = 0,
                    Ok(LegEnd::TooOld) => break,
                    Ok(LegEnd::Stopped) => return,
                    Err(error) => {
                        failures += 1;
                        tracing::warn!(way = ?self.feed.way, error = format!("{error:#}"), "watching failed");
                    }
                }
                // Legs that fail or end at once must not become a hot loop.
                let left = RETRY.saturating_sub(begun.elapsed());
                tokio::time::sleep(left).await;
            }
        }
    }

    async fn list(&self) -> anyhow::Result<String> {
        let asked = Instant::now();
        let (mut objects, mut params) = (Vec::new(), ListParams::default().limit(LIST_PAGE));
        params.field_selector = self.selector();
        let version = loop {
            let page = tokio::time::timeout(LEG_TIMEOUT, self.feed.api.list(&params)).await??;
            objects.extend(page.items);
            match page.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => break page.metadata.resource_version.unwrap_or_default(),
            }
        };
        self.tell(asked, Change::All(objects, version.clone())).await?;
        Ok(version)
    }

    async fn leg(&self, version: &mut String) -> anyhow::Result<LegEnd> {
        let asked = Instant::now();
        let params = WatchParams { field_selector: self.selector(), ..WatchParams::default().timeout(LEG_SECONDS) };
        let watching = tokio::time::timeout(LEG_TIMEOUT, self.feed.api.watch(&params, version)).await?;
        let mut events = match watching {
            Ok(events) => events.boxed(),
            Err(kube::Error::Api(status)) if status.code == 410 => return Ok(LegEnd::TooOld),
            Err(error) => return Err(error.into()),
        };
        self.tell(asked, Change::Alive).await?;
        loop {
            let event = tokio::time::timeout(LEG_TIMEOUT, events.try_next()).await??;
            let Some(event) = event else { return Ok(LegEnd::Over) };
            let heard = Instant::now();
            let change = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => Change::Put(object),
                WatchEvent::Deleted(object) => Change::Gone(object),
                WatchEvent::Bookmark(bookmark) => Change::Seen(bookmark.metadata.resource_version),
                WatchEvent::Error(status) if status.code == 410 => return Ok(LegEnd::TooOld),
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
            };
            let reached = match &change {
                Change::Put(object) | Change::Gone(object) => object.metadata.resource_version.clone(),
                Change::Seen(version) => Some(version.clone()),
                Change::All(..) | Change::Alive => None,
            };
            if let Some(reached) = reached {
                *version = reached;
            }
            if self.tell(heard, change).await.is_err() {
                return Ok(LegEnd::Stopped);
            }
        }
    }

    fn selector(&self) -> Option<String> {
        self.feed.name.map(|name| format!("metadata.name={name}"))
    }

    async fn tell(&self, since: Instant, change: Change) -> anyhow::Result<()> {
        self.sender.send(News { way: self.feed.way, since, change }).await.context("nobody takes changes any more")
    }
}
