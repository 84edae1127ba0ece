//! What requests are checked against, read from the cluster: roles with their
//! ClusterRoles, namespaces, the resource types it serves.
//!
//! Promises: what could not be read is `Unknown`, never `Missing`. Nothing here
//! looks at the objects a request names.
//!
//! Left out on purpose: keeping any of it up to date. [`Reader`] asks the API
//! server itself each time (but for types, see [`Types`]); the controller feeds
//! [`assemble`] from its watches.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use brevet_api::{AccessRole, border};
use brevet_core::{
    lifecycle::{Grounded, identity},
    policy::Labels,
    request::{Ground, NamespaceState, RoleState, TypeScope, Types},
    rules::Rules,
};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::{core::v1::Namespace, rbac::v1::ClusterRole};
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;

use crate::call::{self, CallError};

/// Resource types are asked for again when older than this.
const TYPES_AGE_MAX: Duration = Duration::from_secs(60);
/// Even a caller who needs them fresh takes them at this age: one discovery answers for all.
const TYPES_AGE_MIN: Duration = Duration::from_secs(2);
/// How long discovery may take.
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads ground from the API server.
#[derive(Clone)]
pub(crate) struct Reader {
    client: Client,
    types: Arc<Mutex<Option<(Instant, Types)>>>,
}

impl Reader {
    /// Through `client`, which may read roles, ClusterRoles and namespaces.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, types: Arc::default() }
    }

    /// The ground of a request for `role` in `namespaces`, as etcd has it now.
    pub(crate) async fn ground(&self, role: &str, namespaces: &[String]) -> Grounded {
        let all = join_all(namespaces.iter().map(|name| self.namespace(name)));
        let (role, namespaces, types) = tokio::join!(self.role(role), all, self.types(TYPES_AGE_MIN));
        join(role, namespaces, types)
    }

    /// The resource types, not older than `age`.
    pub(crate) async fn types(&self, age: Duration) -> Types {
        let mut known = self.types.lock().await;
        if let Some((at, types)) = known.as_ref()
            && at.elapsed() < age
        {
            return types.clone();
        }
        match discover(&self.client).await {
            Ok(types) => {
                *known = Some((Instant::now(), types.clone()));
                types
            }
            Err(error) => {
                tracing::warn!(error = call::told(&error), "the resource types could not be read");
                Types::unseen()
            }
        }
    }

    /// The resource types as they were a moment ago.
    pub(crate) async fn recent_types(&self) -> Types {
        self.types(TYPES_AGE_MAX).await
    }

    async fn role(&self, name: &str) -> (RoleState, Born) {
        let Ok(role) = call::read(&Api::<AccessRole>::all(self.client.clone()), name).await else {
            return (RoleState::Unknown, Born::default());
        };
        let Some(role) = role else { return (RoleState::Missing, Born::default()) };
        let mut found = BTreeMap::new();
        let api = Api::<ClusterRole>::all(self.client.clone());
        for name in cluster_roles(&role) {
            match call::read(&api, name).await {
                Ok(cluster_role) => found.insert(name.clone(), cluster_role),
                Err(_) => return (RoleState::Unknown, Born::default()),
            };
        }
        assemble(&role, |name| found.get(name).cloned().flatten().map(|role| allowed(&role)))
    }

    async fn namespace(&self, name: &str) -> Place {
        let found = call::read(&Api::<Namespace>::all(self.client.clone()), name).await;
        let name = name.to_owned();
        match found {
            Ok(Some(namespace)) => Place::of(name, &namespace),
            Ok(None) => Place { name, state: NamespaceState::Missing, born: Born::default(), labels: None },
            Err(_) => Place { name, state: NamespaceState::Unknown, born: Born::default(), labels: None },
        }
    }
}

/// What tells an object from another of its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Born {
    uid: Option<String>,
    at: Option<Timestamp>,
}

impl Born {
    /// Of an object.
    pub(crate) fn of(object: &impl ResourceExt) -> Self {
        Self { uid: object.uid(), at: object.creation_timestamp().map(|time| time.0) }
    }

    /// Whether it is the object of that uid.
    pub(crate) fn is(&self, uid: Option<&String>) -> bool {
        self.uid.as_ref() == uid
    }
}

/// A namespace that a request names.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) state: NamespaceState,
    pub(crate) born: Born,
    /// `None`: they could not be seen.
    pub(crate) labels: Labels,
}

impl Place {
    /// Of one that is there.
    pub(crate) fn of(name: String, namespace: &Namespace) -> Self {
        let labels = Some(namespace.labels().clone());
        Self { name, state: namespace_state(namespace), born: Born::of(namespace), labels }
    }
}

/// Puts the pieces together.
pub(crate) fn join(role: (RoleState, Born), namespaces: Vec<Place>, types: Types) -> Grounded {
    let (role, role_born) = role;
    let all = || namespaces.iter().map(|place| &place.born).chain([&role_born]);
    let youngest = all().filter_map(|born| born.at).max().unwrap_or(Timestamp::MIN);
    let uids: Option<Vec<&str>> = all().map(|born| born.uid.as_deref()).collect();
    let seal = uids.map(|uids| identity::seal(uids).base32());
    let labels = namespaces.iter().map(|place| (place.name.clone(), place.labels.clone())).collect();
    let namespaces = namespaces.into_iter().map(|place| (place.name, place.state)).collect();
    Grounded { ground: Ground { role, namespaces, types }, youngest, labels, seal }
}

/// Every ClusterRole the role speaks of.
pub(crate) fn cluster_roles(role: &AccessRole) -> impl Iterator<Item = &String> {
    role.spec.cluster_roles.iter().chain(&role.spec.companions)
}

/// The role with its ClusterRoles, of which `lookup` knows the rules; and when it was made.
pub(crate) fn assemble(role: &AccessRole, lookup: impl Fn(&str) -> Option<Rules>) -> (RoleState, Born) {
    let born = Born::of(role);
    if role.metadata.deletion_timestamp.is_some() {
        return (RoleState::Missing, born);
    }
    let union = |names: &[String]| {
        let mut all = Rules::default();
        for name in names {
            match lookup(name) {
                Some(rules) => all = all.union(&rules),
                None => return Err(format!("there is no ClusterRole `{name}`")),
            }
        }
        Ok(all)
    };
    let read = union(&role.spec.cluster_roles).and_then(|ceiling| {
        let companions = union(&role.spec.companions)?;
        border::role(role, ceiling, companions).map_err(|refusal| refusal.to_string())
    });
    match read {
        Ok(role) => (RoleState::Found(Box::new(role)), born),
        Err(why) => (RoleState::Unsound(why), born),
    }
}

/// What a ClusterRole allows on resources.
pub(crate) fn allowed(role: &ClusterRole) -> Rules {
    border::rules(role.rules.as_deref().unwrap_or_default())
}

/// Whether a namespace can be a target.
pub(crate) fn namespace_state(namespace: &Namespace) -> NamespaceState {
    if namespace.metadata.deletion_timestamp.is_some() { NamespaceState::Terminating } else { NamespaceState::Active }
}

/// Reads every type the cluster serves.
async fn discover(client: &Client) -> Result<Types, CallError> {
    let core = call::within(DISCOVERY_TIMEOUT, client.list_core_api_versions_aggregated()).await?;
    let groups = call::within(DISCOVERY_TIMEOUT, client.list_api_groups_aggregated()).await?;
    let mut types = Types::default();
    for group in core.items.iter().chain(&groups.items) {
        let name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default();
        for version in &group.versions {
            if version.freshness.as_deref() == Some("Stale") {
                types.insert_unseen(&name);
            }
            for resource in &version.resources {
                let Some(plural) = resource.resource.as_deref() else { continue };
                let scope = match resource.scope.as_deref() {
                    Some("Namespaced") => TypeScope::Namespaced,
                    Some("Cluster") => TypeScope::Cluster,
                    _ => TypeScope::Unknown,
                };
                types.insert(&name, plural, scope);
            }
        }
    }
    Ok(types)
}
