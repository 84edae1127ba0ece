//! From what the cluster says to what may pass: grants with their evidence,
//! judged again at every change of either.
//!
//! Promises: a grant that no longer stands leaves the table first, then its
//! exchanges are ended, then its token is forgotten, and only then is the
//! resourceVersion acknowledged (I8). An object that cannot be read is as good
//! as absent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use brevet_api::{AccessDecision, AccessGrant, AccessPolicy, AccessRequest, AccessRole, AccessSwitch, border};
use brevet_core::{
    decision::Decision,
    grant::{Evidence, Grant},
    policy::Policy,
    reason::Reason,
    request::Request,
    role::StreamLimits,
};
use jiff::Timestamp;
use kube::core::DynamicObject;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    contact::{Contact, Way},
    route::View,
    streams::Streams,
    table::Table,
    token::Tokens,
    views::shelf::Shelf,
};
use crate::{
    clock,
    feed::{Change, News},
    guard::{self, Guard},
    policies::{self, Book},
    switches::{CLUSTER, Switchboard},
};

/// Everything that is known, by uid.
pub(super) struct Index {
    grants: BTreeMap<String, Grant>,
    /// Uids of grants by name.
    named: BTreeMap<String, String>,
    requests: BTreeMap<String, Request>,
    decisions: BTreeMap<String, Decision>,
    /// Uids of decisions by the uid of their request.
    decided: BTreeMap<String, BTreeSet<String>>,
    /// Uids of grants by the uid of their request.
    granted: BTreeMap<String, BTreeSet<String>>,
    /// Since when the admission policies stand, as all grants in the table were judged.
    trusted_since: Option<Timestamp>,
    parts: Parts,
}

/// What the index keeps in step.
pub(super) struct Parts {
    pub(super) contact: Arc<Contact>,
    pub(super) table: Arc<Table>,
    pub(super) streams: Arc<Streams>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) book: Arc<Book>,
    pub(super) switches: Arc<Switchboard>,
    /// Up to which resourceVersion of grants everything has been closed.
    pub(super) acknowledged: watch::Sender<Acknowledged>,
    pub(super) guard: watch::Receiver<Guard>,
}

/// How far the gateway has got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The resourceVersion of grants.
    pub(super) version: String,
    /// How many ends were carried out so far; each is worth telling at once.
    pub(super) ends: u64,
}

impl Index {
    /// Nothing known yet.
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            grants: BTreeMap::new(),
            named: BTreeMap::new(),
            requests: BTreeMap::new(),
            decisions: BTreeMap::new(),
            decided: BTreeMap::new(),
            granted: BTreeMap::new(),
            trusted_since: None,
            parts,
        }
    }

    /// Takes in changes until `stop`.
    pub(super) async fn run(
        mut self,
        mut news: mpsc::Receiver<News<Way>>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut guard = self.parts.guard.clone();
        self.take_in_guard(guard.borrow_and_update().trusted_since());
        loop {
            tokio::select! {
                Some(news) = news.recv() => {
                    self.take_in(news.way, &news.change);
                    // Only now: what is on its way is not known yet.
                    self.parts.contact.heard(news.way, news.since);
                }
                () = guard::changed(&mut guard) => {
                    let trusted_since = guard.borrow_and_update().trusted_since();
                    self.take_in_guard(trusted_since);
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Judges everything anew by when the admission policies came to stand; only then the table is believed.
    fn take_in_guard(&mut self, trusted_since: Option<Timestamp>) {
        if self.trusted_since != trusted_since {
            self.trusted_since = trusted_since;
            let ends = self.judge_all();
            self.parts.acknowledged.send_if_modified(|acknowledged| {
                acknowledged.ends += ends;
                ends > 0
            });
        }
        self.parts.table.judged_under(trusted_since);
    }

    fn take_in(&mut self, way: Way, change: &Change) {
        let ends = match way {
            Way::Grants => self.take_in_grants(change),
            Way::Requests => self.take_in_requests(change),
            Way::Decisions => self.take_in_decisions(change),
            Way::Policies => self.take_in_policies(change),
            Way::Roles => self.take_in_roles(change),
            Way::Switches => self.take_in_switches(change),
            Way::Lease => 0,
        };
        let version = match (way, change) {
            (Way::Grants, Change::All(_, version) | Change::Seen(version)) => Some(version.clone()),
            (Way::Grants, Change::Put(object) | Change::Gone(object)) => object.metadata.resource_version.clone(),
            _ => None,
        };
        self.parts.acknowledged.send_if_modified(|acknowledged| {
            acknowledged.ends += ends;
            let is_new = version.as_ref().is_some_and(|version| *version != acknowledged.version);
            if let Some(version) = version {
                acknowledged.version = version;
            }
            is_new || ends > 0
        });
    }

    fn take_in_grants(&mut self, change: &Change) -> u64 {
        match change {
            Change::All(objects, version) => {
                let kept: BTreeSet<String> = objects.iter().filter_map(uid).collect();
                let gone: Vec<Grant> = self.grants.values().filter(|g| !kept.contains(&g.uid)).cloned().collect();
                let gone = gone.into_iter().map(|grant| self.grant_is_gone(&grant.name, &grant.uid)).sum::<u64>();
                self.parts.shelf.replace(View::Grants, objects, version);
                gone + objects.iter().map(|object| self.put_grant(object)).sum::<u64>()
            }
            Change::Put(object) => {
                self.parts.shelf.put(View::Grants, object);
                self.put_grant(object)
            }
            Change::Gone(object) => {
                self.parts.shelf.remove(View::Grants, object);
                let (name, uid) = (object.metadata.name.clone().unwrap_or_default(), uid(object).unwrap_or_default());
                self.grant_is_gone(&name, &uid)
            }
            Change::Seen(version) => {
                self.parts.shelf.seen(View::Grants, version);
                0
            }
            Change::Alive => 0,
        }
    }

    fn put_grant(&mut self, object: &DynamicObject) -> u64 {
        let (name, uid) = (object.metadata.name.clone().unwrap_or_default(), uid(object).unwrap_or_default());
        // Another grant of that name was deleted, and its event has not come or never will.
        let stranger = self.named.get(&name).filter(|known| **known != uid).cloned();
        let mut ends = stranger.map_or(0, |stranger| self.grant_is_gone(&name, &stranger));
        match read::<AccessGrant, Grant>(object) {
            Some(grant) => {
                self.granted.entry(grant.request_uid.clone()).or_default().insert(uid.clone());
                self.named.insert(name, uid.clone());
                self.grants.insert(uid.clone(), grant);
                ends += self.judge(&uid);
            }
            None => ends += self.grant_is_gone(&name, &uid),
        }
        ends
    }

    fn grant_is_gone(&mut self, name: &str, uid: &str) -> u64 {
        self.parts.table.remove(name, uid);
        self.parts.streams.end_grant(uid, Reason::Deleted, clock::now());
        self.parts.tokens.remove(uid);
        let Some(grant) = self.grants.remove(uid) else { return 0 };
        if self.named.get(name).is_some_and(|known| known == uid) {
            self.named.remove(name);
        }
        if let Some(granted) = self.granted.get_mut(&grant.request_uid) {
            granted.remove(uid);
            if granted.is_empty() {
                self.granted.remove(&grant.request_uid);
            }
        }
        1
    }

    fn take_in_requests(&mut self, change: &Change) -> u64 {
        match change {
            Change::All(objects, version) => {
                self.parts.shelf.replace(View::Requests, objects, version);
                self.requests =
                    objects.iter().filter_map(|object| Some((uid(object)?, read_request(object)?))).collect();
                self.judge_all()
            }
            Change::Put(object) => {
                self.parts.shelf.put(View::Requests, object);
                let uid = uid(object).unwrap_or_default();
                match read_request(object) {
                    Some(request) => self.requests.insert(uid.clone(), request),
                    None => self.requests.remove(&uid),
                };
                self.judge_request(&uid)
            }
            Change::Gone(object) => {
                self.parts.shelf.remove(View::Requests, object);
                let uid = uid(object).unwrap_or_default();
                self.requests.remove(&uid);
                self.judge_request(&uid)
            }
            Change::Seen(version) => {
                self.parts.shelf.seen(View::Requests, version);
                0
            }
            Change::Alive => 0,
        }
    }

    fn take_in_decisions(&mut self, change: &Change) -> u64 {
        match change {
            Change::All(objects, _) => {
                (self.decisions, self.decided) = (BTreeMap::new(), BTreeMap::new());
                objects.iter().for_each(|object| drop(self.put_decision(object)));
                self.judge_all()
            }
            Change::Put(object) => self.put_decision(object).map_or(0, |request| self.judge_request(&request)),
            Change::Gone(object) => {
                let Some(decision) = uid(object).and_then(|uid| self.decisions.remove(&uid)) else { return 0 };
                if let Some(decided) = self.decided.get_mut(&decision.request_uid) {
                    decided.remove(&decision.uid);
                    if decided.is_empty() {
                        self.decided.remove(&decision.request_uid);
                    }
                }
                self.judge_request(&decision.request_uid)
            }
            Change::Seen(_) | Change::Alive => 0,
        }
    }

    fn take_in_policies(&mut self, change: &Change) -> u64 {
        let book = Arc::clone(&self.parts.book);
        match change {
            Change::All(objects, _) => book.replace(objects.iter().map(|object| read_policy(&book, object)).collect()),
            Change::Put(object) => book.put(read_policy(&book, object)),
            Change::Gone(object) => book.remove(&uid(object).unwrap_or_default()),
            Change::Seen(_) | Change::Alive => return 0,
        }
        self.judge_all()
    }

    fn take_in_roles(&mut self, change: &Change) -> u64 {
        let switches = Arc::clone(&self.parts.switches);
        let before = switches.switches();
        let put = |object: &DynamicObject| match object.clone().try_parse::<AccessRole>() {
            Ok(role) => switches.put_role(&role),
            Err(error) => unreadable(object, &error),
        };
        self.take_in_limits(change);
        match change {
            Change::All(objects, _) => {
                switches.forget_roles();
                objects.iter().for_each(put);
            }
            Change::Put(object) => put(object),
            Change::Gone(object) => switches.remove_role(object.metadata.name.as_deref().unwrap_or_default()),
            Change::Seen(_) | Change::Alive => return 0,
        }
        if *before == *switches.switches() { 0 } else { self.judge_all() }
    }

    fn take_in_limits(&self, change: &Change) {
        let table = &self.parts.table;
        match change {
            Change::All(objects, _) => table.limit_all(objects.iter().filter_map(read_limits).collect()),
            Change::Put(object) => match read_limits(object) {
                Some((role, limits)) => table.limit(role, limits),
                None => table.unlimit(object.metadata.name.as_deref().unwrap_or_default()),
            },
            Change::Gone(object) => table.unlimit(object.metadata.name.as_deref().unwrap_or_default()),
            Change::Seen(_) | Change::Alive => {}
        }
    }

    fn take_in_switches(&mut self, change: &Change) -> u64 {
        let switches = Arc::clone(&self.parts.switches);
        let is_it = |object: &&DynamicObject| object.metadata.name.as_deref() == Some(CLUSTER);
        let put = |object: &DynamicObject| match object.clone().try_parse::<AccessSwitch>() {
            Ok(switch) => switches.set_cluster(Some(&switch)),
            Err(error) => {
                unreadable(object, &error);
                switches.cluster_is_unreadable();
            }
        };
        match change {
            Change::All(objects, _) => match objects.iter().find(is_it) {
                Some(object) => put(object),
                None => switches.set_cluster(None),
            },
            Change::Put(object) if is_it(&object) => put(object),
            Change::Gone(object) if is_it(&object) => switches.set_cluster(None),
            Change::Put(_) | Change::Gone(_) | Change::Seen(_) | Change::Alive => return 0,
        }
        self.judge_all()
    }

    /// The uid of the request it is about.
    fn put_decision(&mut self, object: &DynamicObject) -> Option<String> {
        // One that cannot be read counts for nothing, and its spec cannot have been different before.
        let decision = read::<AccessDecision, Decision>(object)?;
        let request = decision.request_uid.clone();
        self.decided.entry(request.clone()).or_default().insert(decision.uid.clone());
        self.decisions.insert(decision.uid.clone(), decision);
        Some(request)
    }

    fn judge_request(&mut self, request_uid: &str) -> u64 {
        let grants: Vec<String> = self.granted.get(request_uid).into_iter().flatten().cloned().collect();
        grants.iter().map(|uid| self.judge(uid)).sum()
    }

    fn judge_all(&mut self) -> u64 {
        let grants: Vec<String> = self.grants.keys().cloned().collect();
        grants.iter().map(|uid| self.judge(uid)).sum()
    }

    /// Judges one grant from its evidence. Returns how many ends were carried out.
    fn judge(&self, uid: &str) -> u64 {
        let Some(grant) = self.grants.get(uid) else { return 0 };
        let decided = self.decided.get(&grant.request_uid).into_iter().flatten();
        let evidence = Evidence {
            request: self.requests.get(&grant.request_uid).cloned(),
            decisions: decided.filter_map(|uid| self.decisions.get(uid).cloned()).collect(),
            policies: self.parts.book.policies(),
            switches: self.parts.switches.switches(),
            trusted_since: self.trusted_since,
        };
        match self.parts.table.apply(grant.clone(), &evidence, clock::now()) {
            Ok(()) => 0,
            Err(ended) => {
                self.parts.streams.end_grant(uid, ended.cause, ended.at);
                self.parts.tokens.remove(uid);
                1
            }
        }
    }
}

fn uid(object: &DynamicObject) -> Option<String> {
    object.metadata.uid.clone()
}

fn unreadable(object: &DynamicObject, error: &impl std::fmt::Display) {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    tracing::error!(name, error = %error, "an object cannot be read; it counts for nothing");
}

/// One that cannot be read is not absent: it lets nobody have anything.
fn read_policy(book: &Book, object: &DynamicObject) -> Policy {
    match object.clone().try_parse::<AccessPolicy>() {
        Ok(typed) => book.read(&typed),
        Err(error) => {
            let name = object.metadata.name.clone().unwrap_or_default();
            tracing::error!(name, error = %error, "a policy cannot be read; it lets nobody have anything");
            policies::unreadable(name, uid(object).unwrap_or_default(), &error.to_string())
        }
    }
}

/// The role's name, and how its grants may use streams. One that cannot be read has the usual limits.
fn read_limits(object: &DynamicObject) -> Option<(String, StreamLimits)> {
    let name = object.metadata.name.clone()?;
    let typed: AccessRole = object.clone().try_parse().ok()?;
    match border::stream_limits(&typed) {
        Ok(limits) => Some((name, limits)),
        Err(refusal) => {
            tracing::error!(name, reason = %refusal, "the limits of a role cannot be read");
            None
        }
    }
}

fn read_request(object: &DynamicObject) -> Option<Request> {
    read::<AccessRequest, Request>(object)
}

/// Reads an object into core's value; `None`, told, where it cannot be read.
fn read<K, V>(object: &DynamicObject) -> Option<V>
where
    K: kube::Resource + serde::de::DeserializeOwned,
    V: for<'a> TryFrom<&'a K, Error = brevet_core::reason::Refusal>,
{
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let typed: K = match object.clone().try_parse() {
        Ok(typed) => typed,
        Err(error) => {
            unreadable(object, &error);
            return None;
        }
    };
    match V::try_from(&typed) {
        Ok(value) => Some(value),
        Err(refusal) => {
            tracing::error!(name, reason = %refusal, "an object cannot be read; it counts for nothing");
            None
        }
    }
}
