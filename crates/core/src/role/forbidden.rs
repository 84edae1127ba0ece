//! Rules that may never be part of an elevation, whoever approves.
//!
//! Promises: equal in meaning to the admission policies `controller-rbac` and
//! `catalogue` (`deploy/admission/`), so what passes here can be written and
//! what can be written has passed here.
//!
//! Left out on purpose: rules that are only dangerous; the linter
//! ([`super::lint`]) asks their role to say so.

use crate::rules::{Rule, Rules};

/// Verbs by which authority is made or borrowed; so is every verb that holds a
/// `*` or begins with [`VERB_PREFIX`] (constrained impersonation).
pub const VERBS: [&str; 5] = ["bind", "escalate", "approve", "sign", "attest"];

/// How the verbs of impersonation begin.
pub const VERB_PREFIX: &str = "impersonate";

/// Brevet's own groups: no elevation asks, decides or sees who did.
pub const OWN_GROUPS: [&str; 2] = ["brevet.dev", "sessions.brevet.dev"];

/// Groups whose objects are authority or guard it, or outlive their maker as
/// such: they may be read, never written.
pub const READ_ONLY_GROUPS: [&str; 5] = [
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "apiextensions.k8s.io",
];

/// The verbs that only read.
pub const READING_VERBS: [&str; 3] = ["get", "list", "watch"];

/// Resources that hand out credentials or every pod of a node, in any group; so
/// does every resource that holds a `*`.
pub const RESOURCES: [&str; 2] = ["serviceaccounts/token", "nodes/proxy"];

/// Why the rule may never be granted, in words; `None` when it may.
#[must_use]
pub fn why(rule: &Rule) -> Option<String> {
    let words = || [&rule.api_groups, &rule.resources, &rule.verbs].into_iter().flatten();
    if let Some(word) = words().find(|word| word.contains('*')) {
        return Some(format!("`{word}` allows what nobody can read before approving it"));
    }
    let makes_authority = |verb: &&String| VERBS.contains(&verb.as_str()) || verb.starts_with(VERB_PREFIX);
    if let Some(verb) = rule.verbs.iter().find(makes_authority) {
        return Some(format!("verb `{verb}` makes or borrows authority"));
    }
    if let Some(resource) = rule.resources.iter().find(|resource| RESOURCES.contains(&resource.as_str())) {
        return Some(format!("`{resource}` hands out credentials or every pod of a node"));
    }
    if let Some(group) = rule.api_groups.iter().find(|group| OWN_GROUPS.contains(&group.as_str())) {
        return Some(format!("group `{group}` is Brevet's own"));
    }
    let writes = rule.verbs.iter().any(|verb| !READING_VERBS.contains(&verb.as_str()));
    let group = rule.api_groups.iter().find(|group| writes && READ_ONLY_GROUPS.contains(&group.as_str()))?;
    Some(format!("what is written in group `{group}` is authority, or guards it, and outlives the grant"))
}

/// The first forbidden rule of a union, and why.
#[must_use]
pub fn first(rules: &Rules) -> Option<String> {
    rules.0.iter().find_map(why)
}
