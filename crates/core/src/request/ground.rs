//! What of the cluster a request is checked against, as far as it could be seen.
//!
//! Promises: "could not tell" is a value of its own everywhere, and never reads
//! as "there is none".

use std::collections::{BTreeMap, BTreeSet};

use crate::role::Role;

/// Gathered by the server, judged by [`super::check`].
#[derive(Clone, Debug)]
pub struct Ground {
    /// The role asked for.
    pub role: RoleState,
    /// One entry for every namespace of the request; a missing entry could not be seen.
    pub namespaces: BTreeMap<String, NamespaceState>,
    /// What the cluster serves.
    pub types: Types,
}

/// The role asked for.
#[derive(Clone, Debug)]
pub enum RoleState {
    /// There, and all its ClusterRoles are.
    Found(Box<Role>),
    /// There, and not to be used: a ClusterRole is missing or cannot be read; why.
    Unsound(String),
    /// No AccessRole of that name.
    Missing,
    /// Could not be seen.
    Unknown,
}

/// One namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceState {
    /// There.
    Active,
    /// Being deleted.
    Terminating,
    /// Not there.
    Missing,
    /// Could not be seen.
    Unknown,
}

/// Where objects of a type live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeScope {
    /// In a namespace.
    Namespaced,
    /// In the cluster.
    Cluster,
    /// Its group could not be seen.
    Unknown,
}

/// The resource types that the cluster serves, from discovery.
#[derive(Clone, Debug, Default)]
pub struct Types {
    known: BTreeMap<String, BTreeMap<String, TypeScope>>,
    unseen: BTreeSet<String>,
    is_unseen: bool,
}

impl Types {
    /// Nothing could be seen at all.
    #[must_use]
    pub fn unseen() -> Self {
        Self { is_unseen: true, ..Self::default() }
    }

    /// A type that is served; `resource` without subresource.
    pub fn insert(&mut self, group: &str, resource: &str, scope: TypeScope) {
        self.known.entry(group.to_owned()).or_default().insert(resource.to_owned(), scope);
    }

    /// A group whose discovery failed.
    pub fn insert_unseen(&mut self, group: &str) {
        self.unseen.insert(group.to_owned());
    }

    /// The scope of a type (or of the type a subresource belongs to); `None`
    /// when the cluster does not serve it.
    #[must_use]
    pub fn lookup(&self, group: &str, resource: &str) -> Option<TypeScope> {
        let parent = resource.split_once('/').map_or(resource, |(parent, _)| parent);
        let known = self.known.get(group).and_then(|types| types.get(parent)).copied();
        known.or_else(|| (self.is_unseen || self.unseen.contains(group)).then_some(TypeScope::Unknown))
    }
}
