//! RBAC rules as values: what a ceiling allows, what was asked, what is left.
//!
//! Promises: narrowing never yields more than the ceiling nor more than was
//! asked, and never an empty name list where names were given (an empty list
//! means *all* to RBAC). Two unions of rules that allow the same calls have one
//! canonical form and so one digest.
//!
//! Left out on purpose: non-resource URLs (an elevation never has any) and
//! where the rules apply (the terms say in which namespaces).

mod atoms;
mod narrow;

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub use narrow::{Ask, Dropped, Effective, narrow};

use crate::call::ResourceCall;
use crate::digest::{Digest, canonical_json};
use crate::reason::{Reason, Refusal};
use crate::role::Scope;

/// One RBAC rule over resources, with sets instead of lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `""` is the core group.
    pub api_groups: BTreeSet<String>,
    /// `pods`, `pods/log`.
    pub resources: BTreeSet<String>,
    /// `get`, `list`, …
    pub verbs: BTreeSet<String>,
    /// Empty means every name, as in RBAC.
    pub resource_names: BTreeSet<String>,
}

/// A union of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub BTreeSet<Rule>);

/// Bytes of canonical JSON of effective rules (design §4): what an approver can
/// still read, and far below what etcd stores.
pub const RULES_BYTES_MAX: usize = 32 * 1024;

/// Rules in one union, and entries of each list in one rule, as the schema of
/// the kinds bounds them.
const RULES_MAX: usize = 256;
const GROUPS_MAX: usize = 32;
const RESOURCES_MAX: usize = 64;
const VERBS_MAX: usize = 32;

/// Names of objects in one rule and in one request.
pub const NAMES_MAX: usize = 64;

impl Rule {
    /// Whether the rule allows the call, exactly as kube-apiserver's RBAC
    /// authorizer matches it. Allocates nothing.
    #[must_use]
    pub fn allows(&self, call: &ResourceCall) -> bool {
        self.allows_verb(&call.verb, call)
    }

    /// As [`Rule::allows`], for another verb on the same object.
    pub(crate) fn allows_verb(&self, verb: &str, call: &ResourceCall) -> bool {
        has_or_star(&self.verbs, verb)
            && has_or_star(&self.api_groups, &call.group)
            && self.resources.iter().any(|held| resource_matches(held, &call.resource, &call.subresource))
            && (self.resource_names.is_empty() || self.resource_names.contains(&call.name))
    }

    fn to_json(&self) -> Value {
        let mut object = json!({
            "apiGroups": self.api_groups,
            "resources": self.resources,
            "verbs": self.verbs,
        });
        if let (false, Some(map)) = (self.resource_names.is_empty(), object.as_object_mut()) {
            map.insert("resourceNames".to_owned(), json!(self.resource_names));
        }
        object
    }
}

impl Rules {
    /// Whether the union allows the call; where it happens is not asked here.
    #[must_use]
    pub fn allows(&self, call: &ResourceCall) -> bool {
        self.0.iter().any(|rule| rule.allows(call))
    }

    /// As [`Rules::allows`], for another verb on the same object.
    pub(crate) fn allows_verb(&self, verb: &str, call: &ResourceCall) -> bool {
        self.0.iter().any(|rule| rule.allows_verb(verb, call))
    }

    /// Whether everything `other` allows is allowed here too. Rules too large
    /// to compare are not covered.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        atoms::expand(other).is_some_and(|all| all.iter().all(|atom| self.0.iter().any(|rule| atom.is_within(rule))))
    }

    /// The one form of all unions that allow the same calls; `None` when it is
    /// too large to work out.
    #[must_use]
    pub fn canonical(&self) -> Option<Self> {
        atoms::expand(self).map(|all| atoms::regroup(&atoms::minimal(all)))
    }

    /// Everything either allows.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|rule| rule.api_groups.is_empty() || rule.resources.is_empty() || rule.verbs.is_empty())
    }

    /// Length of the canonical JSON of these rules as they are.
    #[must_use]
    pub fn json_bytes(&self) -> usize {
        canonical_json(&self.as_json()).len()
    }

    fn is_grantable_size(&self) -> bool {
        let is_small = |rule: &Rule| {
            rule.api_groups.len() <= GROUPS_MAX
                && rule.resources.len() <= RESOURCES_MAX
                && rule.verbs.len() <= VERBS_MAX
                && rule.resource_names.len() <= NAMES_MAX
        };
        self.0.len() <= RULES_MAX && self.0.iter().all(is_small) && self.json_bytes() <= RULES_BYTES_MAX
    }

    /// Canonical form as JSON; rules too large for one stand as they are, and
    /// are refused long before their digest matters.
    pub(crate) fn to_json(&self) -> Value {
        self.canonical().as_ref().unwrap_or(self).as_json()
    }

    fn as_json(&self) -> Value {
        Value::Array(self.0.iter().map(Rule::to_json).collect())
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// The digest by which live grants with equal rules in equal places share one
/// elevation identity: over everything the identity will be able to do.
#[must_use]
pub fn identity_digest(rules: &Rules, companions: &Rules, scope: Scope, namespaces: &[String]) -> Digest {
    let places: BTreeSet<&String> = namespaces.iter().collect();
    let scope = match scope {
        Scope::Namespaced => "Namespaced",
        Scope::Cluster => "Cluster",
    };
    Digest::of(&canonical_json(&json!({
        "type": "brevet.dev/identity/v1",
        "rules": rules.union(companions).to_json(),
        "scope": scope,
        "namespaces": places,
    })))
}

/// The canonical form, if it is of a size that can be granted.
pub(crate) fn fits(rules: &Rules) -> Result<Rules, Refusal> {
    rules.canonical().filter(|canonical| canonical.is_grantable_size()).ok_or_else(|| {
        Refusal::new(
            Reason::TooBroad,
            "spec.resources",
            format!(
                "the rules that would be granted are larger than {RULES_BYTES_MAX} bytes or {NAMES_MAX} names; \
                 name fewer objects or split the request"
            ),
        )
    })
}

/// RBAC's reading of one entry of `resources`.
fn resource_matches(held: &str, resource: &str, subresource: &str) -> bool {
    if held == "*" {
        return true;
    }
    match held.split_once('/') {
        None => subresource.is_empty() && held == resource,
        Some((parent, sub)) => !subresource.is_empty() && sub == subresource && (parent == "*" || parent == resource),
    }
}

fn has_or_star(held: &BTreeSet<String>, wanted: &str) -> bool {
    held.contains(wanted) || held.contains("*")
}
