//! Feeds the index from watches, and asks for what they touch to be looked at.
//!
//! Promises: what vanished while a watch was broken is found when it lists
//! again, and counts as removed; a watch that cannot go on, or is silent for
//! longer than it may, is begun anew, with growing pauses.

use std::{collections::HashMap, pin::pin, sync::Arc};

use brevet_api::{AccessDecision, AccessGrant, AccessPolicy, AccessRequest, AccessRole, AccessSwitch};
use brevet_core::decision::Decision;
use futures::StreamExt as _;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        coordination::v1::Lease,
        core::v1::{Namespace, Secret, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use super::{
    SYSTEM_NAMESPACE,
    index::{Gateway, Index, SeenNamespace, Tables},
    parts::{self, IDENTITY_LABEL, PartObject},
    queue::{Key, Queue},
};
use crate::{call, ground, switches::CLUSTER};

/// The label of gateway Leases.
const GATEWAY_LABEL: &str = "brevet.dev/role=gateway";
/// Up to which resourceVersion of grants a gateway has acted.
const ACKNOWLEDGED: &str = "brevet.dev/acknowledged";
/// How long one watch goes on before it is resumed where it was.
const WATCH_SECONDS: u32 = 60;
/// How long a connection may be silent: a watch that is only believed to be open shows by then.
pub(super) const SILENCE_MAX: std::time::Duration = std::time::Duration::from_secs(75);
/// How many kinds are watched.
pub(super) const WATCHES: usize = 14;

/// What the watches feed.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) index: Arc<Index>,
    pub(super) queue: Arc<Queue>,
    /// Told when an AccessRole, ClusterRole or AccessPolicy changes.
    pub(super) roles_changed: Arc<Notify>,
    /// Told once by each watch that has seen everything.
    pub(super) synced: tokio::sync::mpsc::Sender<()>,
}

/// A kind with a place in the index.
trait Row: Resource + Clone {
    fn put(&self, tables: &mut Tables) -> Vec<Key>;
    fn remove(&self, tables: &mut Tables) -> Vec<Key>;
    /// Whether roles may read differently after a change.
    const IS_OF_ROLES: bool = false;
}

/// Starts every watch; each ends only with an error of its own.
pub(super) fn start(tasks: &mut JoinSet<anyhow::Result<()>>, client: &Client, feed: &Feed) {
    let all = || watcher::Config::default().timeout(WATCH_SECONDS);
    let ours = || all().labels(IDENTITY_LABEL);
    tasks.spawn(watch(Api::<AccessRequest>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<AccessDecision>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<AccessGrant>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<AccessRole>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<AccessPolicy>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<AccessSwitch>::all(client.clone()), all(), feed.clone()));
    // All of them, since any may be a ceiling; those with our label are parts, too.
    tasks.spawn(watch(Api::<ClusterRole>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<Namespace>::all(client.clone()), all(), feed.clone()));
    tasks.spawn(watch(Api::<Role>::all(client.clone()), ours(), feed.clone()));
    tasks.spawn(watch(Api::<RoleBinding>::all(client.clone()), ours(), feed.clone()));
    tasks.spawn(watch(Api::<ClusterRoleBinding>::all(client.clone()), ours(), feed.clone()));
    tasks.spawn(watch(at::<ServiceAccount>(client, parts::NAMESPACE), ours(), feed.clone()));
    tasks.spawn(watch(at::<Secret>(client, parts::NAMESPACE), ours(), feed.clone()));
    tasks.spawn(watch(at::<Lease>(client, SYSTEM_NAMESPACE), all().labels(GATEWAY_LABEL), feed.clone()));
}

fn at<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), namespace)
}

async fn watch<K>(api: Api<K>, config: watcher::Config, feed: Feed) -> anyhow::Result<()>
where
    K: Row + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
    K::DynamicType: Default,
{
    let kind = K::kind(&K::DynamicType::default()).into_owned();
    let mut events = pin!(kube::runtime::watcher(api, config).default_backoff());
    let mut known: HashMap<String, Arc<K>> = HashMap::new();
    let mut listed: HashMap<String, Arc<K>> = HashMap::new();
    let mut is_synced = false;
    while let Some(event) = events.next().await {
        let touched = match event {
            Ok(Event::Init) => {
                listed.clear();
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                let touched = object.put(&mut feed.index.write());
                listed.insert(object.uid().unwrap_or_default(), Arc::new(object));
                touched
            }
            Ok(Event::InitDone) => {
                let gone = std::mem::replace(&mut known, std::mem::take(&mut listed));
                let gone = gone.iter().filter(|(uid, _)| !known.contains_key(*uid));
                let touched = gone.flat_map(|(_, object)| object.remove(&mut feed.index.write())).collect();
                if !std::mem::replace(&mut is_synced, true) {
                    // Nobody listens any more once all have synced.
                    feed.synced.send(()).await.ok();
                }
                touched
            }
            Ok(Event::Apply(object)) => {
                let touched = object.put(&mut feed.index.write());
                known.insert(object.uid().unwrap_or_default(), Arc::new(object));
                touched
            }
            Ok(Event::Delete(object)) => {
                known.remove(&object.uid().unwrap_or_default());
                object.remove(&mut feed.index.write())
            }
            Err(error) => {
                tracing::warn!(kind, error = call::told(&error), "a watch broke; it begins anew");
                Vec::new()
            }
        };
        if K::IS_OF_ROLES {
            feed.roles_changed.notify_one();
        }
        let now = Instant::now();
        touched.into_iter().for_each(|key| feed.queue.add(key, now));
    }
    anyhow::bail!("the watch of {kind} ended")
}

impl Row for AccessRequest {
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        tables.put_request(self)
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        tables.drop_request(self)
    }
}

impl Row for AccessDecision {
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        match Decision::try_from(self) {
            Ok(decision) => tables.put_decision(decision),
            // What cannot be read counts for nothing; it is known as one that attests nothing, to be removed
            // with the others.
            Err(refusal) => {
                tracing::info!(reason = %refusal.reason, "a decision cannot be read and counts for nothing");
                Decision::try_from(&attesting_nothing(self)).map_or_else(|_| Vec::new(), |it| tables.put_decision(it))
            }
        }
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        tables.drop_decision(&self.spec.request.uid, &self.uid().unwrap_or_default())
    }
}

/// The same decision, without what may be unreadable: an approval without a digest never counts.
fn attesting_nothing(object: &AccessDecision) -> AccessDecision {
    let mut bare = object.clone();
    (bare.spec.verdict, bare.spec.narrow, bare.spec.terms.digest) = (brevet_api::Verdict::Approve, None, None);
    bare
}

impl Row for AccessGrant {
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        tables.put_grant(self)
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        tables.drop_grant(self)
    }
}

impl Row for AccessRole {
    const IS_OF_ROLES: bool = true;
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        let name = self.name_any();
        tables.roles.insert(name.clone(), Arc::new(self.clone()));
        tables.switches.put_role(self);
        tables.keys_of_roles(|role| role == name)
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        let name = self.name_any();
        if tables.roles.get(&name).is_some_and(|known| known.uid() == self.uid()) {
            tables.roles.remove(&name);
            tables.switches.remove_role(&name);
        }
        tables.keys_of_roles(|role| role == name)
    }
}

impl Row for AccessPolicy {
    const IS_OF_ROLES: bool = true;
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        tables.book.put(tables.book.read(self));
        tables.policies.insert(self.name_any(), Arc::new(self.clone()));
        tables.keys_of_roles(|_| true)
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        tables.book.remove(&self.uid().unwrap_or_default());
        if tables.policies.get(&self.name_any()).is_some_and(|known| known.uid() == self.uid()) {
            tables.policies.remove(&self.name_any());
        }
        tables.keys_of_roles(|_| true)
    }
}

impl Row for AccessSwitch {
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        if self.name_any() != CLUSTER {
            return Vec::new();
        }
        tables.switches.set_cluster(Some(self));
        tables.keys_of_roles(|_| true)
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        if self.name_any() != CLUSTER {
            return Vec::new();
        }
        tables.switches.set_cluster(None);
        tables.keys_of_roles(|_| true)
    }
}

/// The keys of what rests on AccessRoles that name this ClusterRole.
fn resting_on(tables: &Tables, cluster_role: &str) -> Vec<Key> {
    let names = |role: &&Arc<AccessRole>| ground::cluster_roles(role).any(|name| name == cluster_role);
    let roles: Vec<String> = tables.roles.values().filter(names).map(|role| role.name_any()).collect();
    if roles.is_empty() { Vec::new() } else { tables.keys_of_roles(|role| roles.iter().any(|name| name == role)) }
}

impl Row for ClusterRole {
    const IS_OF_ROLES: bool = true;
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        let name = self.name_any();
        tables.cluster_roles.insert(name.clone(), Arc::new(self.clone()));
        let mut touched = resting_on(tables, &name);
        touched.extend(PartObject::found(self).map(|found| tables.put_part(found)).unwrap_or_default());
        touched
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        let name = self.name_any();
        if tables.cluster_roles.get(&name).is_some_and(|known| known.uid() == self.uid()) {
            tables.cluster_roles.remove(&name);
        }
        let mut touched = resting_on(tables, &name);
        touched.extend(PartObject::found(self).map(|found| tables.drop_part(&found)).unwrap_or_default());
        touched
    }
}

impl Row for Namespace {
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        let name = self.name_any();
        let (state, born) = (ground::namespace_state(self), ground::Born::of(self));
        let seen = SeenNamespace { state, born, labels: self.labels().clone() };
        tables.namespaces.insert(name.clone(), seen);
        tables.keys_of_namespace(&name)
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        let name = self.name_any();
        if tables.namespaces.get(&name).is_some_and(|known| known.born.is(self.uid().as_ref())) {
            tables.namespaces.remove(&name);
        }
        tables.keys_of_namespace(&name)
    }
}

macro_rules! part_rows {
    ($($kind:ty),+) => {$(
        impl Row for $kind {
            fn put(&self, tables: &mut Tables) -> Vec<Key> {
                PartObject::found(self).map(|found| tables.put_part(found)).unwrap_or_default()
            }
            fn remove(&self, tables: &mut Tables) -> Vec<Key> {
                PartObject::found(self).map(|found| tables.drop_part(&found)).unwrap_or_default()
            }
        }
    )+};
}

part_rows!(Role, RoleBinding, ClusterRoleBinding, ServiceAccount, Secret);

impl Row for Lease {
    fn put(&self, tables: &mut Tables) -> Vec<Key> {
        let resource_version = self.resource_version().unwrap_or_default();
        let known = tables.gateways.get(&self.name_any());
        let since = match known {
            // Listed again, not renewed.
            Some(known) if known.resource_version == resource_version => known.since,
            _ => Instant::now(),
        };
        let acknowledged = self.annotations().get(ACKNOWLEDGED).and_then(|text| text.parse().ok());
        let has_news = known.is_none_or(|known| known.acknowledged != acknowledged);
        let gateway = Gateway { uid: self.uid().unwrap_or_default(), resource_version, since, acknowledged };
        tables.gateways.insert(self.name_any(), gateway);
        if has_news { tables.keys_revoking() } else { Vec::new() }
    }
    fn remove(&self, tables: &mut Tables) -> Vec<Key> {
        tables.gateways.remove(&self.name_any());
        tables.keys_revoking()
    }
}
