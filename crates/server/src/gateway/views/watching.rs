//! A watch of a view.
//!
//! Promises: it goes on from the version of a list without a gap, or says 410;
//! each event asks again whether the watcher may see the object.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Shape, Views, kind,
    shelf::{Event, Kind, Shown},
    table, whole,
};
use crate::{
    clock,
    gateway::{
        door::Visitor,
        limits, query,
        reply::{self, Body},
        route::View,
    },
};

/// One watch.
struct Watching {
    views: Arc<Views>,
    visitor: Visitor,
    view: View,
    shape: Shape,
    name: Option<String>,
    /// The last event that was taken in.
    number: u64,
    told: tokio::sync::watch::Receiver<u64>,
    until: Instant,
    /// When the next bookmark is due; never without being asked for.
    bookmark_at: Option<Instant>,
    waiting: VecDeque<Bytes>,
    is_first: bool,
    is_over: bool,
}

/// The answer to a watch.
pub(super) fn answer(
    views: Arc<Views>,
    visitor: Visitor,
    view: View,
    shape: Shape,
    name: Option<String>,
    query: &str,
) -> Response<Body> {
    let asked = query::first(query, "timeoutSeconds").and_then(|seconds| seconds.parse().ok());
    let lasts = asked.map_or(limits::VIEW_WATCH_MAX, Duration::from_secs).min(limits::VIEW_WATCH_MAX);
    let from = query::first(query, "resourceVersion").filter(|version| version != "0");
    let told = views.shelf.told(view);
    let (initial, number) = match from.map(|version| version.parse::<u64>()) {
        Some(Err(_)) => return reply::status(StatusCode::BAD_REQUEST, None, "the resourceVersion is not a number"),
        Some(Ok(version)) => match views.shelf.number_at(view, version) {
            Some(number) => (Vec::new(), number),
            None => return reply::status(StatusCode::GONE, None, "the resourceVersion is too old; list again"),
        },
        None => {
            let snapshot = views.shelf.snapshot(view);
            (snapshot.shown, snapshot.number)
        }
    };
    let wants_bookmarks = query::is_true(query, "allowWatchBookmarks") && shape == Shape::Objects;
    let watching = Watching {
        view,
        shape,
        name,
        number,
        told,
        until: Instant::now() + lasts,
        bookmark_at: wants_bookmarks.then(|| Instant::now() + limits::VIEW_BOOKMARK_INTERVAL),
        waiting: VecDeque::new(),
        is_first: true,
        is_over: false,
        views,
        visitor,
    };
    let wants_initial_end = wants_bookmarks && query::is_true(query, "sendInitialEvents");
    let events = stream::once(async move {
        let mut watching = watching;
        watching.begin(initial, wants_initial_end).await;
        watching
    })
    .flat_map(|watching| {
        stream::unfold(watching, |mut watching| async move { watching.next().await.map(|bytes| (bytes, watching)) })
    });
    let mut response = Response::new(StreamBody::new(events.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Watching {
    async fn begin(&mut self, initial: Vec<Arc<Shown>>, wants_end: bool) {
        for shown in initial {
            self.take_in(Kind::Added, &shown).await;
        }
        if wants_end {
            let annotations = json!({"k8s.io/initial-events-end": "true"});
            self.bookmark(Some(annotations));
        }
    }

    /// The next bytes; `None` at the end of the watch.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.waiting.pop_front() {
                return Some(bytes);
            }
            if self.is_over || Instant::now() >= self.until {
                return None;
            }
            // Before looking: what comes after the look must wake us.
            self.told.borrow_and_update();
            match self.views.shelf.events_after(self.view, self.number) {
                None => {
                    self.is_over = true;
                    let status = reply::status_object(StatusCode::GONE, None, "events were missed; list again");
                    self.waiting.push_back(line("ERROR", &status));
                }
                Some(events) if events.is_empty() => self.wait().await,
                Some(events) => {
                    for Event { number, kind, shown, .. } in events {
                        self.take_in(kind, &shown).await;
                        self.number = number;
                    }
                }
            }
        }
    }

    async fn take_in(&mut self, kind: Kind, shown: &Shown) {
        if self.is_over || self.name.as_ref().is_some_and(|name| *name != shown.name) {
            return;
        }
        match self.views.sight.sees(&self.visitor, shown).await {
            Ok(false) => {}
            // Rights could not be had: the client watches again.
            Err(_) => self.is_over = true,
            Ok(true) => {
                let object = match self.shape {
                    Shape::Objects => whole(shown),
                    Shape::Table(include) => {
                        let version = shown.version.to_string();
                        let is_first = std::mem::take(&mut self.is_first);
                        table::table(self.view, &[shown], include, &version, is_first, clock::now())
                    }
                };
                let word = match kind {
                    Kind::Added => "ADDED",
                    Kind::Modified => "MODIFIED",
                    Kind::Deleted => "DELETED",
                };
                self.waiting.push_back(line(word, &object));
            }
        }
    }

    async fn wait(&mut self) {
        let wake_at = self.bookmark_at.map_or(self.until, |at| at.min(self.until));
        tokio::select! {
            changed = self.told.changed() => {
                // The shelf lives as long as the process.
                self.is_over |= changed.is_err();
            }
            () = tokio::time::sleep_until(wake_at) => {
                if self.bookmark_at.is_some_and(|at| Instant::now() >= at) {
                    self.bookmark_at = Some(Instant::now() + limits::VIEW_BOOKMARK_INTERVAL);
                    self.bookmark(None);
                }
            }
        }
    }

    fn bookmark(&mut self, annotations: Option<Value>) {
        let version = self.views.shelf.version(self.view).to_string();
        let mut metadata = json!({"resourceVersion": version});
        if let (Some(annotations), Some(fields)) = (annotations, metadata.as_object_mut()) {
            fields.insert("annotations".to_owned(), annotations);
        }
        let object = json!({
            "kind": kind(self.view),
            "apiVersion": brevet_api::sessions::API_VERSION,
            "metadata": metadata,
        });
        self.waiting.push_back(line("BOOKMARK", &object));
    }
}

fn line(word: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": word, "object": object})))
}
