//! Everything the files hold, sorted by kind.
//!
//! Promises: nothing is there twice; what is wrong is told all at once, with file and path. The tasks
//! that ship are there unless a file holds one of the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use brevet_api::{AccessPolicy, AccessRequest, AccessRole};
use brevet_core::request::{TypeScope, Types};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::ResourceExt as _;

use super::case::PolicyTest;
use super::document::{self, Document};
use super::kinds::{Known, know};
use super::{shipped, types};
use crate::problem::Problem;

/// What the files hold.
pub(crate) struct Material {
    /// With the place where each stood.
    pub(crate) policies: Vec<(String, AccessPolicy)>,
    pub(crate) roles: BTreeMap<String, AccessRole>,
    pub(crate) cluster_roles: BTreeMap<String, ClusterRole>,
    /// Labels by name.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) types: Types,
    pub(crate) requests: Vec<AccessRequest>,
    /// With the place where each stood.
    pub(crate) tests: Vec<(String, PolicyTest)>,
}

impl Material {
    /// Reads files and folders.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Problem> {
        Self::of(document::read(paths)?, Vec::new())
    }

    /// Reads policies, and what else is there from `context`: all but policies, unless the first have it.
    pub(crate) fn read_among(paths: &[PathBuf], context: &[PathBuf]) -> Result<Self, Problem> {
        Self::of(document::read(paths)?, document::read(context)?)
    }

    pub(super) fn of(documents: Vec<Document>, context: Vec<Document>) -> Result<Self, Problem> {
        let mut material = Self {
            policies: Vec::new(),
            roles: BTreeMap::new(),
            cluster_roles: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            types: types::built_in(),
            requests: Vec::new(),
            tests: Vec::new(),
        };
        for (name, text) in shipped::CATALOGUE {
            for document in document::parse(name, text)? {
                material.take(document, &mut BTreeSet::new()).map_err(broken)?;
            }
        }
        let mut seen = BTreeSet::new();
        let mut wrong = Vec::new();
        for document in documents {
            if let Err(faults) = material.take(document, &mut seen) {
                wrong.extend(faults);
            }
        }
        for document in context {
            let name = document.value.pointer("/metadata/name").and_then(serde_json::Value::as_str).unwrap_or_default();
            let is_there = seen.contains(&(document.kind().to_owned(), name.to_owned()));
            if document.kind() == "AccessPolicy" || is_there {
                continue;
            }
            if let Err(faults) = material.take(document, &mut seen) {
                wrong.extend(faults);
            }
        }
        if wrong.is_empty() { Ok(material) } else { Err(broken(wrong)) }
    }

    fn take(&mut self, document: Document, seen: &mut BTreeSet<(String, String)>) -> Result<(), Vec<String>> {
        let source = document.source.clone();
        let kind = document.kind().to_owned();
        let known = know(&document).map_err(|faults| {
            let line = |fault: &super::shape::Fault| match fault.path.as_str() {
                "" => format!("{source}: {kind}: {}", fault.message),
                path => format!("{source}: {kind}: {path} {}", fault.message),
            };
            faults.iter().map(line).collect::<Vec<_>>()
        })?;
        let mut once = |name: &str| {
            let is_new = seen.insert((kind.clone(), name.to_owned()));
            if is_new { Ok(()) } else { Err(vec![format!("{source}: there are two {kind} `{name}`; remove one")]) }
        };
        match known {
            Known::Policy(policy) => {
                once(&policy.name_any())?;
                self.policies.push((source, *policy));
            }
            Known::Role(role) => {
                once(&role.name_any())?;
                self.roles.insert(role.name_any(), *role);
            }
            Known::ClusterRole(role) => {
                once(&role.name_any())?;
                self.cluster_roles.insert(role.name_any(), *role);
            }
            Known::Namespace(namespace) => {
                once(&namespace.name_any())?;
                self.namespaces.insert(namespace.name_any(), namespace.labels().clone());
            }
            Known::Definition(definition) => {
                let scope = match definition.spec.scope.as_str() {
                    "Namespaced" => TypeScope::Namespaced,
                    _ => TypeScope::Cluster,
                };
                self.types.insert(&definition.spec.group, &definition.spec.names.plural, scope);
            }
            Known::Request(request) => self.requests.push(*request),
            Known::Test(test) => self.tests.push((source, *test)),
            Known::Other => {}
        }
        Ok(())
    }
}

fn broken(lines: Vec<String>) -> Problem {
    Problem::failed("the files cannot be used").why(lines.join("\n"))
}
