//! Rules that may never be part of an elevation, whoever approves.
//!
//! Promises: equal in meaning to the admission policy on the shape of the
//! controller's RBAC objects (`deploy/admission/`), so what passes here can be
//! written and what can be written has passed here.
//!
//! Left out on purpose: rules that are only dangerous; the linter
//! ([`super::lint`]) asks their role to say so.

use crate::rules::{Rule, Rules};

/// Verbs by which authority is made or borrowed; so is every verb that begins
/// with [`VERB_PREFIX`] (constrained impersonation, Kubernetes 1.35 and later).
pub const VERBS: [&str; 7] = ["*", "bind", "escalate", "impersonate", "approve", "sign", "attest"];

/// How the verbs of impersonation begin.
pub const VERB_PREFIX: &str = "impersonate";

/// Groups whose objects are authority or guard it; reading them is refused too,
/// so that one list serves here and in the admission policy.
pub const GROUPS: [&str; 7] = [
    "*",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "brevet.dev",
    "sessions.brevet.dev",
];

/// Resources that hand out credentials or every pod of a node, in any group; so
/// does every resource that holds a `*`.
pub const RESOURCES: [&str; 2] = ["serviceaccounts/token", "nodes/proxy"];

/// Why the rule may never be granted, in words; `None` when it may.
#[must_use]
pub fn why(rule: &Rule) -> Option<String> {
    if let Some(verb) = rule.verbs.iter().find(|verb| is_forbidden_verb(verb)) {
        return Some(format!("verb `{verb}` makes or borrows authority"));
    }
    if let Some(group) = rule.api_groups.iter().find(|group| GROUPS.contains(&group.as_str())) {
        return Some(format!("group `{group}` holds authority or what guards it"));
    }
    let is_forbidden = |resource: &&String| resource.contains('*') || RESOURCES.contains(&resource.as_str());
    let resource = rule.resources.iter().find(is_forbidden)?;
    Some(format!("resource `{resource}` hands out more than can be shown to an approver"))
}

/// The first forbidden rule of a union, and why.
#[must_use]
pub fn first(rules: &Rules) -> Option<String> {
    rules.0.iter().find_map(why)
}

fn is_forbidden_verb(verb: &str) -> bool {
    VERBS.contains(&verb) || verb.starts_with(VERB_PREFIX)
}
