//! The world that the files make: policies as the controller holds them, roles, namespaces.
//!
//! Promises: a policy that a controller would not accept is one here too, and denies what it would.

use std::collections::BTreeMap;

use brevet_api::{AccessPolicy, AccessRole, border};
use brevet_cel::Library;
use brevet_core::lifecycle::Grounded;
use brevet_core::policy::{Labels, Policies, Policy};
use brevet_core::request::{Ground, NamespaceState, Request, RoleState, TypeScope, Types};
use brevet_core::role::Risk;
use brevet_core::rules::Rules;
use brevet_core::switch::{Switch, Switches};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::case::Given;
use super::material::Material;
use crate::problem::Problem;

/// The label that every namespace bears with its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Policies and what they are asked about.
pub(crate) struct Setting {
    pub(crate) policies: Policies,
    pub(crate) library: Library,
    /// Those of the roles; that of the cluster is thrown in the cluster.
    pub(crate) switches: Switches,
    roles: BTreeMap<String, RoleState>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    types: Types,
}

impl Setting {
    /// The world of these files. A namespace that no file names is not there.
    pub(crate) fn new(material: &Material) -> Result<Self, Problem> {
        let library = Library::default();
        let policies: Result<Vec<Policy>, Problem> =
            material.policies.iter().map(|(source, object)| read(source, object, &library)).collect();
        Ok(Self {
            policies: Policies::new(policies?),
            library,
            switches: Switches { roles: material.roles.iter().map(switch).collect(), ..Switches::default() },
            roles: material.roles.iter().map(|(name, role)| (name.clone(), sound(role, material))).collect(),
            namespaces: material.namespaces.clone(),
            types: material.types.clone(),
        })
    }

    /// The risks of the roles that can be used.
    pub(crate) fn risks(&self) -> BTreeMap<String, Risk> {
        let risk = |(name, state): (&String, &RoleState)| match state {
            RoleState::Found(role) => Some((name.clone(), role.risk)),
            RoleState::Unsound(_) | RoleState::Missing | RoleState::Unknown => None,
        };
        self.roles.iter().filter_map(risk).collect()
    }

    /// What the request is checked against. `given` is that of its case; a request of the past has
    /// none, and then what it named was there, with labels that cannot be seen if no file shows them.
    pub(crate) fn grounded(&self, request: &Request, given: Option<&Given>) -> Grounded {
        let mut types = self.types.clone();
        match given {
            Some(given) => {
                for one in &given.types {
                    types.insert(&one.api_group, &one.resource, scope(one.scope));
                }
            }
            None => trust_types(request, &mut types),
        }
        let mut namespaces = BTreeMap::new();
        let mut labels: BTreeMap<String, Labels> = BTreeMap::new();
        for name in &request.namespaces {
            let mut of_case = given.iter().flat_map(|given| given.namespaces.iter().rev());
            let written = of_case.find(|one| one.name == *name).map(|one| &one.labels);
            match written.or_else(|| self.namespaces.get(name)) {
                Some(found) => {
                    let mut all = found.clone();
                    all.insert(NAME_LABEL.to_owned(), name.clone());
                    namespaces.insert(name.clone(), NamespaceState::Active);
                    labels.insert(name.clone(), Some(all));
                }
                None if given.is_none() => {
                    namespaces.insert(name.clone(), NamespaceState::Active);
                    labels.insert(name.clone(), None);
                }
                None => {
                    namespaces.insert(name.clone(), NamespaceState::Missing);
                }
            }
        }
        let role = self.roles.get(&request.role).cloned().unwrap_or(RoleState::Missing);
        let ground = Ground { role, namespaces, types };
        Grounded { ground, youngest: Timestamp::UNIX_EPOCH, labels, seal: None }
    }
}

fn read(source: &str, object: &AccessPolicy, library: &Library) -> Result<Policy, Problem> {
    let fault = |when: &str| library.fault(when).map(|fault| fault.to_string());
    border::policy(object, fault).map_err(|refusal| {
        Problem::failed(format!("cannot read policy `{}`", object.name_any())).why(format!("{source}: {refusal}"))
    })
}

fn switch((name, role): (&String, &AccessRole)) -> (String, Switch) {
    (name.clone(), Switch::of(role.spec.suspend, role.spec.end_active))
}

/// The role with its ClusterRoles, as far as they are there.
fn sound(object: &AccessRole, material: &Material) -> RoleState {
    let union = |names: &[String]| -> Result<Rules, String> {
        let mut all = Vec::new();
        for name in names {
            let role = material.cluster_roles.get(name).ok_or_else(|| format!("there is no ClusterRole `{name}`"))?;
            if role.aggregation_rule.is_some() {
                return Err(format!("ClusterRole `{name}` is aggregated by the cluster, which no file shows"));
            }
            all.extend(border::rules(role.rules.as_deref().unwrap_or_default()).0);
        }
        Ok(all.into_iter().collect())
    };
    let read = || -> Result<brevet_core::role::Role, String> {
        let (ceiling, companions) = (union(&object.spec.cluster_roles)?, union(&object.spec.companions)?);
        border::role(object, ceiling, companions).map_err(|refusal| refusal.to_string())
    };
    match read() {
        Ok(role) => RoleState::Found(Box::new(role)),
        Err(why) => RoleState::Unsound(why),
    }
}

fn scope(word: brevet_api::Scope) -> TypeScope {
    match word {
        brevet_api::Scope::Namespaced => TypeScope::Namespaced,
        brevet_api::Scope::Cluster => TypeScope::Cluster,
    }
}

/// What was asked for once was served then.
fn trust_types(request: &Request, types: &mut Types) {
    let home = if request.namespaces.is_empty() { TypeScope::Cluster } else { TypeScope::Namespaced };
    for ask in request.resources.iter().flatten() {
        let parent = ask.resource.split_once('/').map_or(ask.resource.as_str(), |(parent, _)| parent);
        if types.lookup(&ask.api_group, parent).is_none() {
            types.insert(&ask.api_group, parent, home);
        }
    }
}
