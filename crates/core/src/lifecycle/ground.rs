//! What a grant stands on besides its evidence: its role and its namespaces.
//!
//! Promises: a role or namespace younger than the approval is another one under
//! the same name (I9); one that could not be read is no fault.

use jiff::Timestamp;

use crate::{
    lifecycle::observed::Grounded,
    request::{NamespaceState, RoleState},
    role::{Role, Scope},
    terms::Terms,
};

/// What is wrong with the ground of `terms`, approved at `approved_at`; `None`: nothing.
pub(super) fn fault(
    grounded: &Grounded,
    terms: &Terms,
    sealed: Option<&str>,
    approved_at: Timestamp,
) -> Option<String> {
    let role = match &grounded.ground.role {
        RoleState::Found(role) => role,
        RoleState::Missing => return Some(format!("the role `{}` was deleted", terms.role)),
        RoleState::Unknown => return None,
        RoleState::Unsound(why) => return Some(format!("the role `{}` cannot be used any more: {why}", terms.role)),
    };
    if let Some(fault) = role_fault(role, terms) {
        return Some(fault);
    }
    for name in &terms.namespaces {
        match grounded.ground.namespaces.get(name) {
            Some(NamespaceState::Missing) => return Some(format!("the namespace `{name}` was deleted")),
            Some(NamespaceState::Terminating) => return Some(format!("the namespace `{name}` is being deleted")),
            Some(NamespaceState::Active | NamespaceState::Unknown) | None => {}
        }
    }
    // Before there was a grant only the wire's seconds tell; since then the seal does.
    let is_another = matches!((sealed, &grounded.seal), (Some(then), Some(now)) if then != now);
    (is_another || grounded.youngest > approved_at)
        .then(|| "its role or a namespace was deleted and made again".to_owned())
}

fn role_fault(role: &Role, terms: &Terms) -> Option<String> {
    let is_cluster = role.scope == Scope::Cluster;
    if is_cluster != terms.namespaces.is_empty() {
        return Some(format!("the role `{}` has another scope now", role.name));
    }
    let covers = role.ceiling.covers(&terms.rules) && role.companions.covers(&terms.companions);
    (!covers).then(|| format!("the role `{}` does not cover what was approved any more", role.name))
}
