//! The objects that views are made of, and what has lately happened to them.
//!
//! Promises: a view has the spec and status of the object behind it, and of its
//! metadata only what concerns a reader; versions are those of kube-apiserver,
//! so that a watch can go on from a list.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, PoisonError, RwLock},
};

use brevet_api::{
    AccessGrant, AccessRequest,
    sessions::{self, API_VERSION},
};
use brevet_core::subject::Subject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use tokio::sync::watch;

use crate::gateway::{limits, route::View};

/// An object as a view shows it.
#[derive(Debug)]
pub(in crate::gateway) struct Shown {
    pub(super) name: String,
    pub(super) version: u64,
    /// Requester or holder.
    pub(super) owner: Subject,
    pub(super) role: String,
    pub(super) namespaces: Vec<String>,
    pub(super) object: Object,
}

/// The object itself.
#[derive(Debug)]
pub(super) enum Object {
    Request(Box<sessions::Request>),
    Grant(Box<sessions::Grant>),
}

/// What happened to one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Added,
    Modified,
    Deleted,
}

/// One event of a view's history.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Position in the history.
    pub(super) number: u64,
    pub(super) kind: Kind,
    /// At which version.
    pub(super) version: u64,
    pub(super) shown: Arc<Shown>,
}

/// Both views.
#[derive(Debug)]
pub(in crate::gateway) struct Shelf {
    requests: Rack,
    grants: Rack,
}

#[derive(Debug)]
struct Rack {
    state: RwLock<State>,
    /// The number of the last event.
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    by_name: BTreeMap<String, Arc<Shown>>,
    /// Known up to here.
    version: u64,
    /// The history is whole after this version; none before the first list.
    whole_after: Option<u64>,
    events: VecDeque<Event>,
    number: u64,
}

/// What a reader gets at once, and where its watch goes on.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) shown: Vec<Arc<Shown>>,
    pub(super) version: u64,
    /// The number of the last event before it.
    pub(super) number: u64,
}

impl Shelf {
    pub(in crate::gateway) fn new() -> Self {
        let rack = || Rack { state: RwLock::default(), told: watch::Sender::new(0) };
        Self { requests: rack(), grants: rack() }
    }

    /// These are all, as of `version`.
    pub(in crate::gateway) fn replace(&self, view: View, objects: &[DynamicObject], version: &str) {
        self.rack(view).change(|state| {
            let all = objects.iter().filter_map(|object| show(view, object)).map(Arc::new);
            state.replace(all.map(|shown| (shown.name.clone(), shown)).collect(), number(version));
        });
    }

    /// This one is new or different.
    pub(in crate::gateway) fn put(&self, view: View, object: &DynamicObject) {
        let Some(shown) = show(view, object) else { return self.remove(view, object) };
        self.rack(view).change(|state| state.put(Arc::new(shown)));
    }

    /// This one is gone.
    pub(in crate::gateway) fn remove(&self, view: View, object: &DynamicObject) {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let version = number(object.metadata.resource_version.as_deref().unwrap_or_default());
        self.rack(view).change(|state| state.remove(name, version));
    }

    /// Nothing more up to `version`.
    pub(in crate::gateway) fn seen(&self, view: View, version: &str) {
        let mut state = self.rack(view).write();
        state.version = state.version.max(number(version));
    }

    /// All objects of this moment.
    pub(super) fn snapshot(&self, view: View) -> Snapshot {
        let state = self.rack(view).read();
        Snapshot { shown: state.by_name.values().cloned().collect(), version: state.version, number: state.number }
    }

    /// One object of this moment.
    pub(super) fn get(&self, view: View, name: &str) -> Option<Arc<Shown>> {
        self.rack(view).read().by_name.get(name).cloned()
    }

    /// The number of the last event up to `version`; `None` where the history does not reach back.
    pub(super) fn number_at(&self, view: View, version: u64) -> Option<u64> {
        let state = self.rack(view).read();
        if state.whole_after.is_none_or(|whole_after| version < whole_after) {
            return None;
        }
        let before = state.events.iter().take_while(|event| event.version <= version).last();
        let first = state.events.front().map_or(state.number, |event| event.number.saturating_sub(1));
        Some(before.map_or(first, |event| event.number))
    }

    /// The events after `number`; `None` where some are forgotten.
    pub(super) fn events_after(&self, view: View, number: u64) -> Option<Vec<Event>> {
        let state = self.rack(view).read();
        let first = state.events.front().map_or(state.number + 1, |event| event.number);
        if number + 1 < first {
            return None;
        }
        Some(state.events.iter().filter(|event| event.number > number).cloned().collect())
    }

    /// The version everything is known up to.
    pub(super) fn version(&self, view: View) -> u64 {
        self.rack(view).read().version
    }

    /// Tells the number of the last event, whenever it changes.
    pub(super) fn told(&self, view: View) -> watch::Receiver<u64> {
        self.rack(view).told.subscribe()
    }

    fn rack(&self, view: View) -> &Rack {
        match view {
            View::Requests => &self.requests,
            View::Grants => &self.grants,
        }
    }
}

impl Rack {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.write();
        change(&mut state);
        let number = state.number;
        drop(state);
        self.told.send_replace(number);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn replace(&mut self, all: BTreeMap<String, Arc<Shown>>, version: u64) {
        if self.whole_after.is_none() {
            (self.by_name, self.version, self.whole_after) = (all, version, Some(version));
            return;
        }
        let gone: Vec<String> = self.by_name.keys().filter(|name| !all.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| self.remove(name, version));
        for shown in all.into_values() {
            if self.by_name.get(&shown.name).is_none_or(|known| known.version != shown.version) {
                self.put(shown);
            }
        }
        self.version = self.version.max(version);
    }

    fn put(&mut self, shown: Arc<Shown>) {
        let is_known = self.by_name.insert(shown.name.clone(), shown.clone()).is_some();
        let kind = if is_known { Kind::Modified } else { Kind::Added };
        self.tell(kind, shown.version, shown);
    }

    fn remove(&mut self, name: &str, version: u64) {
        if let Some(shown) = self.by_name.remove(name) {
            self.tell(Kind::Deleted, version, shown);
        }
    }

    fn tell(&mut self, kind: Kind, version: u64, shown: Arc<Shown>) {
        self.number += 1;
        self.version = self.version.max(version);
        self.events.push_back(Event { number: self.number, kind, version, shown });
        if self.events.len() > limits::VIEW_HISTORY_EVENTS
            && let Some(forgotten) = self.events.pop_front()
        {
            self.whole_after = Some(forgotten.version);
        }
    }
}

/// kube-apiserver's resourceVersions are numbers; what is none is as old as can be.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

/// `None` where the object cannot be read; the index tells.
fn show(view: View, object: &DynamicObject) -> Option<Shown> {
    let object = object.clone();
    match view {
        View::Requests => {
            let AccessRequest { metadata, spec, status } = object.try_parse().ok()?;
            Some(Shown {
                name: metadata.name.clone()?,
                version: number(metadata.resource_version.as_deref().unwrap_or_default()),
                owner: (&spec.requester).into(),
                role: spec.role.clone(),
                namespaces: spec.namespaces.clone(),
                object: Object::Request(Box::new(sessions::Request {
                    api_version: API_VERSION.to_owned(),
                    kind: "Request".to_owned(),
                    metadata: plain(metadata),
                    spec,
                    status,
                })),
            })
        }
        View::Grants => {
            let AccessGrant { metadata, spec, status } = object.try_parse().ok()?;
            Some(Shown {
                name: metadata.name.clone()?,
                version: number(metadata.resource_version.as_deref().unwrap_or_default()),
                owner: (&spec.holder).into(),
                role: spec.role.clone(),
                namespaces: spec.terms.namespaces.clone(),
                object: Object::Grant(Box::new(sessions::Grant {
                    api_version: API_VERSION.to_owned(),
                    kind: "Grant".to_owned(),
                    metadata: plain(metadata),
                    spec,
                    status,
                })),
            })
        }
    }
}

fn plain(metadata: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name,
        uid: metadata.uid,
        resource_version: metadata.resource_version,
        generation: metadata.generation,
        creation_timestamp: metadata.creation_timestamp,
        deletion_timestamp: metadata.deletion_timestamp,
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, version: u64) -> DynamicObject {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest",
            "metadata": {"name": name, "uid": name, "resourceVersion": version.to_string(), "labels": {"a": "b"}},
            "spec": {"requester": {"username": "alice"}, "role": "view-logs", "justification": "x"},
        }))
        .unwrap()
    }

    fn told(shelf: &Shelf, after: u64) -> Vec<(Kind, String)> {
        let events = shelf.events_after(View::Requests, after).unwrap();
        events.iter().map(|event| (event.kind, event.shown.name.clone())).collect()
    }

    #[test]
    fn a_watch_goes_on_from_a_list() {
        let shelf = Shelf::new();
        assert_eq!(shelf.number_at(View::Requests, 10), None);
        shelf.replace(View::Requests, &[request("a", 5)], "10");
        let list = shelf.snapshot(View::Requests);
        assert_eq!((list.shown.len(), list.version), (1, 10));
        let number = shelf.number_at(View::Requests, list.version).unwrap();
        assert_eq!(told(&shelf, number), []);

        shelf.put(View::Requests, &request("b", 11));
        shelf.put(View::Requests, &request("a", 12));
        shelf.remove(View::Requests, &request("b", 13));
        let all = [(Kind::Added, "b".to_owned()), (Kind::Modified, "a".to_owned()), (Kind::Deleted, "b".to_owned())];
        assert_eq!(told(&shelf, number), all);
        assert_eq!(told(&shelf, shelf.number_at(View::Requests, 11).unwrap()), all[1..]);
        assert_eq!(shelf.number_at(View::Requests, 9), None);
    }

    #[test]
    fn a_list_again_tells_what_was_missed() {
        let shelf = Shelf::new();
        shelf.replace(View::Requests, &[request("a", 5), request("b", 6), request("c", 7)], "10");
        shelf.replace(View::Requests, &[request("a", 5), request("b", 12), request("d", 13)], "20");
        let all = [(Kind::Deleted, "c".to_owned()), (Kind::Modified, "b".to_owned()), (Kind::Added, "d".to_owned())];
        assert_eq!(told(&shelf, 0), all);
        assert_eq!(shelf.version(View::Requests), 20);
    }

    #[test]
    fn the_history_is_bounded_and_says_so() {
        let shelf = Shelf::new();
        shelf.replace(View::Requests, &[], "1");
        for version in 2..2_000 {
            shelf.put(View::Requests, &request("a", version));
        }
        assert!(shelf.events_after(View::Requests, 1).is_none());
        assert_eq!(shelf.number_at(View::Requests, 5), None);
        assert!(shelf.number_at(View::Requests, 1_900).is_some());
    }

    #[test]
    fn a_view_shows_no_labels() {
        let shelf = Shelf::new();
        shelf.put(View::Requests, &request("a", 5));
        let shown = shelf.get(View::Requests, "a").unwrap();
        let Object::Request(request) = &shown.object else { panic!() };
        assert_eq!(request.metadata.labels, None);
        assert_eq!(request.kind, "Request");
    }
}
