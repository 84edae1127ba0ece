//! What the watches have told, joined by uid.
//!
//! A plain table, fed by `put` and `drop`: each says whose plan it may change.
//! An older copy of an object never replaces a newer one, so what this process
//! has just written can be put here before the watch tells of it.
//!
//! Left out on purpose: judging, and everything that asks the API server.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use brevet_api::{AccessGrant, AccessPolicy, AccessRequest, AccessRole};
use brevet_core::{
    decision::Decision,
    grant::Grant,
    lifecycle::{RequestStatus, identity::PartKind},
    reason::Refusal,
    request::{NamespaceState, Request},
    role::Scope,
    rules::identity_digest,
};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::ResourceExt;
use tokio::time::Instant;

use super::{
    authors::Authors,
    bounds::{self, Bounds},
    parts::Found,
    queue::Key,
    wire,
};
use crate::{ground::Born, policies::Book, switches::Switchboard};

/// Uids remembered as removed. An answer is under way for seconds at most.
const GONE_MAX: usize = 10_000;

/// A request as watched.
#[derive(Clone, Debug)]
pub(super) struct SeenRequest {
    /// The object, for writing its status.
    pub(super) object: Arc<AccessRequest>,
    /// What it asks; or why that cannot be read.
    pub(super) read: Result<Request, Refusal>,
    /// What its status says.
    pub(super) written: Option<RequestStatus>,
}

impl SeenRequest {
    /// The object's uid.
    pub(super) fn uid(&self) -> Option<String> {
        self.object.uid()
    }

    /// Whether something may still come of it.
    pub(super) fn is_open(&self) -> bool {
        self.written.as_ref().is_none_or(|written| written.complete_since().is_none())
    }
}

/// A grant as watched.
#[derive(Clone, Debug)]
pub(super) struct SeenGrant {
    /// The object, for writing its status.
    pub(super) object: Arc<AccessGrant>,
    /// What it gives; or why that cannot be read.
    pub(super) read: Result<Grant, Refusal>,
    /// The digest by which grants share an identity.
    pub(super) rules: String,
}

impl SeenGrant {
    /// The grant, if it is in force as far as its own object says.
    pub(super) fn live(&self) -> Option<&Grant> {
        let grant = self.read.as_ref().ok()?;
        (grant.ended.is_none() && !grant.is_deleting && grant.is_ready).then_some(grant)
    }
}

/// A gateway replica's Lease.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    pub(super) uid: String,
    /// What tells one renewal from the next.
    pub(super) resource_version: String,
    /// Since when it has been seen as it is.
    pub(super) since: Instant,
    /// Up to which resourceVersion of grants it has acted.
    pub(super) acknowledged: Option<u64>,
}

/// A namespace.
#[derive(Clone, Debug)]
pub(super) struct SeenNamespace {
    pub(super) state: NamespaceState,
    pub(super) born: Born,
    pub(super) labels: BTreeMap<String, String>,
}

/// Everything watched.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) requests: HashMap<Key, SeenRequest>,
    decisions: HashMap<Key, BTreeMap<String, Decision>>,
    /// By request uid; more than one only if somebody wrote grants past our policies.
    pub(super) grants: HashMap<Key, BTreeMap<String, SeenGrant>>,
    pub(super) parts: HashMap<String, BTreeMap<(PartKind, String, String), Found>>,
    pub(super) roles: HashMap<String, Arc<AccessRole>>,
    /// By name, for writing their status.
    pub(super) policies: HashMap<String, Arc<AccessPolicy>>,
    pub(super) book: Arc<Book>,
    pub(super) switches: Arc<Switchboard>,
    pub(super) cluster_roles: HashMap<String, Arc<ClusterRole>>,
    pub(super) namespaces: HashMap<String, SeenNamespace>,
    pub(super) gateways: HashMap<String, Gateway>,
    pub(super) bounds: Bounds,
    authors: Authors,
    /// Grants by the digest of what an identity for them carries.
    sharing: HashMap<String, BTreeSet<Key>>,
    /// Grants by their identity's name.
    carried: HashMap<String, BTreeSet<Key>>,
    /// Requests by requester.
    by_requester: HashMap<String, BTreeSet<Key>>,
    /// Uids that were removed: an answer that was under way meanwhile brings nothing back.
    gone: HashSet<String>,
}

/// The tables, shared.
#[derive(Debug, Default)]
pub(super) struct Index(RwLock<Tables>);

impl Index {
    /// Nothing yet; what is put later is looked at by these limits.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self(RwLock::new(Tables { bounds, ..Tables::default() }))
    }

    /// For reading.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For feeding.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Puts a request, unless a newer copy is known.
    pub(super) fn put_request(&mut self, object: &AccessRequest) -> Vec<Key> {
        let Some(uid) = object.uid().filter(|uid| !self.gone.contains(uid)) else { return Vec::new() };
        if self.requests.get(&uid).is_some_and(|known| is_newer(known.object.as_ref(), object)) {
            return Vec::new();
        }
        let seen = SeenRequest {
            object: Arc::new(object.clone()),
            read: Request::try_from(object),
            written: wire::read_status(object),
        };
        let of_requester = self.by_requester.entry(object.spec.requester.username.clone()).or_default();
        // One more may make another one too many.
        let mut touched =
            if of_requester.insert(uid.clone()) { of_requester.iter().cloned().collect() } else { Vec::new() };
        let is_open = seen.is_open();
        self.requests.insert(uid.clone(), seen);
        touched.retain(|key| *key != uid && self.requests.get(key).is_some_and(SeenRequest::is_open));
        // At each closed one, not only as it closes: that may have been put here by the writer of its
        // status, who asks for nobody else to be looked at.
        if !is_open {
            touched.extend(bounds::crowded_out(self, &object.spec.requester.username));
        }
        touched.push(uid);
        touched
    }

    /// Removes a request.
    pub(super) fn drop_request(&mut self, object: &AccessRequest) -> Vec<Key> {
        let Some(uid) = object.uid() else { return Vec::new() };
        self.requests.remove(&uid);
        self.bury(&uid);
        forget(&mut self.by_requester, &object.spec.requester.username, &uid);
        vec![uid]
    }

    /// Puts a decision.
    pub(super) fn put_decision(&mut self, decision: Decision) -> Vec<Key> {
        let key = decision.request_uid.clone();
        let crossing = self.authors.put(&decision, self.bounds.decisions_max).filter(|other| *other != key);
        self.decisions.entry(key.clone()).or_default().insert(decision.uid.clone(), decision);
        std::iter::once(key).chain(crossing).collect()
    }

    /// Removes a decision.
    pub(super) fn drop_decision(&mut self, request_uid: &str, uid: &str) -> Vec<Key> {
        if let Some(all) = self.decisions.get_mut(request_uid) {
            all.remove(uid).iter().for_each(|gone| self.authors.remove(gone));
            if all.is_empty() {
                self.decisions.remove(request_uid);
            }
        }
        vec![request_uid.to_owned()]
    }

    /// The decisions about one request.
    pub(super) fn decisions_about(&self, key: &str) -> impl Iterator<Item = &Decision> {
        self.decisions.get(key).into_iter().flat_map(BTreeMap::values)
    }

    /// Which of them their authors had made too many before.
    pub(super) fn beyond(&self, key: &str) -> BTreeSet<String> {
        self.authors.beyond(self.decisions_about(key), self.bounds.decisions_max)
    }

    /// Puts a grant, unless a newer copy is known.
    pub(super) fn put_grant(&mut self, object: &AccessGrant) -> Vec<Key> {
        let Some(uid) = object.uid().filter(|uid| !self.gone.contains(uid)) else { return Vec::new() };
        let key = object.spec.request.uid.clone();
        let known = self.grants.get(&key).and_then(|all| all.get(&uid));
        if known.is_some_and(|known| is_newer(known.object.as_ref(), object)) {
            return Vec::new();
        }
        let read = Grant::try_from(object);
        let rules = match (known, &read) {
            (Some(known), _) => known.rules.clone(),
            (None, Ok(grant)) => sharing_digest(grant),
            (None, Err(_)) => String::new(),
        };
        let mut touched = vec![key.clone()];
        if let Ok(grant) = &read {
            self.sharing.entry(rules.clone()).or_default().insert(key.clone());
            if let Some(identity) = &grant.identity {
                let carried = self.carried.entry(identity.name.clone()).or_default();
                carried.insert(key.clone());
                // Whether the identity is still shared is the others' question, too.
                touched.extend(carried.iter().filter(|other| **other != key).cloned());
            }
        }
        let seen = SeenGrant { object: Arc::new(object.clone()), read, rules };
        self.grants.entry(key).or_default().insert(uid, seen);
        touched
    }

    /// Removes a grant.
    pub(super) fn drop_grant(&mut self, object: &AccessGrant) -> Vec<Key> {
        let (Some(uid), key) = (object.uid(), object.spec.request.uid.clone()) else { return Vec::new() };
        self.bury(&uid);
        let Some(all) = self.grants.get_mut(&key) else { return vec![key] };
        let gone = all.remove(&uid);
        if all.is_empty() {
            self.grants.remove(&key);
        }
        let mut touched = vec![key.clone()];
        if let Some(gone) = gone {
            forget(&mut self.sharing, &gone.rules, &key);
            if let Some(identity) = gone.read.ok().and_then(|grant| grant.identity) {
                forget(&mut self.carried, &identity.name, &key);
                touched.extend(self.carried.get(&identity.name).into_iter().flatten().cloned());
            }
        }
        touched
    }

    fn bury(&mut self, uid: &str) {
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
        }
        self.gone.insert(uid.to_owned());
    }

    /// Puts a part of an identity.
    pub(super) fn put_part(&mut self, found: Found) -> Vec<Key> {
        let identity = found.identity.clone();
        self.parts.entry(identity.clone()).or_default().insert(found.place(), found);
        self.carried_by(&identity)
    }

    /// Removes a part, unless another object has taken its place.
    pub(super) fn drop_part(&mut self, found: &Found) -> Vec<Key> {
        if let Some(all) = self.parts.get_mut(&found.identity) {
            if all.get(&found.place()).is_some_and(|known| known.uid == found.uid) {
                all.remove(&found.place());
            }
            if all.is_empty() {
                self.parts.remove(&found.identity);
            }
        }
        self.carried_by(&found.identity)
    }

    /// The requests whose grants are carried by that identity.
    pub(super) fn carried_by(&self, identity: &str) -> Vec<Key> {
        self.carried.get(identity).into_iter().flatten().cloned().collect()
    }

    /// The grants whose identity would be equal to one with that digest.
    pub(super) fn sharing(&self, rules: &str) -> impl Iterator<Item = &SeenGrant> {
        let keys = self.sharing.get(rules).into_iter().flatten();
        keys.filter_map(|key| self.grants.get(key)).flat_map(BTreeMap::values).filter(move |seen| seen.rules == rules)
    }

    /// The grants carried by the identity of that name.
    pub(super) fn carried(&self, identity: &str) -> impl Iterator<Item = &SeenGrant> {
        let keys = self.carried.get(identity).into_iter().flatten();
        keys.filter_map(|key| self.grants.get(key)).flat_map(BTreeMap::values)
    }

    /// The names of the grants that may be carried by an identity made for that of the request `key`, but
    /// for those that are over.
    pub(super) fn may_carry(&self, key: &str, identity: &str) -> BTreeSet<String> {
        let rules = self.grants.get(key).into_iter().flat_map(BTreeMap::values).map(|seen| seen.rules.as_str());
        let equal = rules.flat_map(|rules| self.sharing(rules));
        let is_over = |grant: &Grant| grant.ended.is_some() || grant.is_deleting;
        let others = equal.chain(self.carried(identity)).filter_map(|seen| seen.read.as_ref().ok());
        others.filter(|other| !is_over(other)).map(|other| other.name.clone()).collect()
    }

    /// The requests of one person.
    pub(super) fn requests_of(&self, username: &str) -> impl Iterator<Item = &SeenRequest> {
        self.by_requester.get(username).into_iter().flatten().filter_map(|key| self.requests.get(key))
    }

    /// Every key there is.
    pub(super) fn keys(&self) -> BTreeSet<Key> {
        self.requests.keys().chain(self.decisions.keys()).chain(self.grants.keys()).cloned().collect()
    }

    /// The keys of what asks for, or was given, a role of which `is_meant`.
    pub(super) fn keys_of_roles(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Key> {
        let requests = self.requests.iter().filter(|(_, seen)| is_meant(&seen.object.spec.role)).map(|(key, _)| key);
        let has = |all: &BTreeMap<String, SeenGrant>| all.values().any(|seen| is_meant(&seen.object.spec.role));
        let grants = self.grants.iter().filter(|(_, all)| has(all)).map(|(key, _)| key);
        requests.chain(grants).cloned().collect()
    }

    /// The keys of what concerns a namespace.
    pub(super) fn keys_of_namespace(&self, name: &str) -> Vec<Key> {
        let names = |all: &[String]| all.iter().any(|other| other == name);
        let requests = self.requests.iter().filter(|(_, s)| names(&s.object.spec.namespaces)).map(|(key, _)| key);
        let has = |all: &BTreeMap<String, SeenGrant>| all.values().any(|s| names(&s.object.spec.terms.namespaces));
        let grants = self.grants.iter().filter(|(_, all)| has(all)).map(|(key, _)| key);
        requests.chain(grants).cloned().collect()
    }

    /// The keys of grants that are over and not confirmed.
    pub(super) fn keys_revoking(&self) -> Vec<Key> {
        let is_revoking = |seen: &SeenGrant| seen.read.as_ref().is_ok_and(|g| g.ended.is_some() && !g.is_end_confirmed);
        self.grants.iter().filter(|(_, all)| all.values().any(is_revoking)).map(|(key, _)| key.clone()).collect()
    }
}

/// The digest by which grants share one identity.
pub(super) fn sharing_digest(grant: &Grant) -> String {
    let terms = &grant.terms;
    let scope = if terms.namespaces.is_empty() { Scope::Cluster } else { Scope::Namespaced };
    identity_digest(&terms.rules, &terms.companions, scope, &terms.namespaces).base32()
}

fn forget(map: &mut HashMap<String, BTreeSet<Key>>, at: &str, key: &str) {
    if let Some(keys) = map.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}

/// Whether `known` is strictly newer than `other`. Versions that are no numbers cannot be compared:
/// then the later news wins.
fn is_newer(known: &impl ResourceExt, other: &impl ResourceExt) -> bool {
    let version = |object: Option<String>| object.and_then(|text| text.parse::<u64>().ok());
    match (version(known.resource_version()), version(other.resource_version())) {
        (Some(known), Some(other)) => known > other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uid: &str, resource_version: &str, requester: &str) -> AccessRequest {
        let object = serde_json::json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest",
            "metadata": {
                "name": uid, "uid": uid, "resourceVersion": resource_version,
                "creationTimestamp": "2026-12-01T10:00:00Z",
            },
            "spec": {
                "requester": { "username": requester }, "role": "view-logs", "namespaces": ["shop"],
                "justification": "checkout errors",
            },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_older_copy_never_replaces_a_newer_one() {
        let mut tables = Tables::default();
        assert_eq!(tables.put_request(&request("a", "10", "alice")), ["a"]);
        assert!(tables.put_request(&request("a", "9", "alice")).is_empty());
        assert_eq!(tables.requests["a"].object.resource_version().unwrap(), "10");
    }

    #[test]
    fn an_answer_that_was_under_way_brings_nothing_back() {
        let mut tables = Tables::default();
        tables.put_request(&request("a", "10", "alice"));
        tables.drop_request(&request("a", "11", "alice"));
        assert!(tables.put_request(&request("a", "10", "alice")).is_empty());
        assert!(tables.requests.is_empty() && tables.keys().is_empty());
    }

    #[test]
    fn one_more_request_has_all_of_its_author_looked_at() {
        let mut tables = Tables::default();
        tables.put_request(&request("a", "10", "alice"));
        tables.put_request(&request("b", "11", "bob"));
        let touched: BTreeSet<Key> = tables.put_request(&request("c", "12", "alice")).into_iter().collect();
        assert_eq!(touched, BTreeSet::from(["a".to_owned(), "c".to_owned()]));
    }
}
