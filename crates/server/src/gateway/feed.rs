//! A list and a watch of one kind, for ever, that show life every three seconds.
//!
//! kube's own watcher tells nothing while nothing changes. Here a watch is a row
//! of short legs: each begins with an answer of kube-apiserver, and most bring a
//! bookmark before they end.
//!
//! Promises: every change is handed on in order; a list that must be repeated
//! replaces everything at once; objects that cannot be read are handed on by
//! name, never swallowed.

use std::time::Instant;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::{
    Api,
    api::{ListParams, WatchParams},
    core::{DynamicObject, WatchEvent},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{contact::Way, limits};

/// What happened to objects of one kind.
#[derive(Debug)]
pub(super) enum Change {
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
pub(super) struct News {
    /// On which way.
    pub(super) way: Way,
    /// It is no older than this. Whoever has taken it in says so to the contact.
    pub(super) since: Instant,
    /// What happened.
    pub(super) change: Change,
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

/// Follows `api` until `stop`, handing every change to `sender`.
pub(super) async fn follow(
    api: Api<DynamicObject>,
    way: Way,
    sender: mpsc::Sender<News>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let feed = Feed { api, way, sender };
    tokio::select! {
        () = feed.for_ever() => Ok(()),
        () = stop.cancelled() => Ok(()),
    }
}

struct Feed {
    api: Api<DynamicObject>,
    way: Way,
    sender: mpsc::Sender<News>,
}

impl Feed {
    async fn for_ever(&self) {
        loop {
            let mut version = match self.list().await {
                Ok(version) => version,
                Err(error) => {
                    tracing::warn!(way = ?self.way, error = format!("{error:#}"), "listing failed");
                    tokio::time::sleep(limits::WATCH_RETRY).await;
                    continue;
                }
            };
            let mut failures = 0;
            // A resourceVersion that the server has never reached (a restored etcd) fails for ever.
            while failures < limits::WATCH_FAILURES_MAX {
                let begun = Instant::now();
                match self.leg(&mut version).await {
                    Ok(LegEnd::Over) => failures = 0,
                    Ok(LegEnd::TooOld) => break,
                    Ok(LegEnd::Stopped) => return,
                    Err(error) => {
                        failures += 1;
                        tracing::warn!(way = ?self.way, error = format!("{error:#}"), "watching failed");
                    }
                }
                // Legs that fail or end at once must not become a hot loop.
                let left = limits::WATCH_RETRY.saturating_sub(begun.elapsed());
                tokio::time::sleep(left).await;
            }
        }
    }

    async fn list(&self) -> anyhow::Result<String> {
        let asked = Instant::now();
        let (mut objects, mut params) = (Vec::new(), ListParams::default().limit(limits::LIST_PAGE));
        let version = loop {
            let page = tokio::time::timeout(limits::WATCH_LEG_TIMEOUT, self.api.list(&params)).await??;
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
        let params = WatchParams::default().timeout(limits::WATCH_LEG_SECONDS);
        let watching = tokio::time::timeout(limits::WATCH_LEG_TIMEOUT, self.api.watch(&params, version)).await?;
        let mut events = match watching {
            Ok(events) => events.boxed(),
            Err(kube::Error::Api(status)) if status.code == 410 => return Ok(LegEnd::TooOld),
            Err(error) => return Err(error.into()),
        };
        self.tell(asked, Change::Alive).await?;
        loop {
            let event = tokio::time::timeout(limits::WATCH_LEG_TIMEOUT, events.try_next()).await??;
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

    async fn tell(&self, since: Instant, change: Change) -> anyhow::Result<()> {
        self.sender.send(News { way: self.way, since, change }).await.context("nobody takes changes any more")
    }
}
