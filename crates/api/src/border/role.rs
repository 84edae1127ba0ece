//! An AccessRole, with what its ClusterRoles allow, becomes a role.

use super::length;
use crate::role::AccessRole;
use brevet_core::reason::{Reason, Refusal};
use brevet_core::role::Role;
use brevet_core::rules::Rules;

/// The role, whose ClusterRoles allow `ceiling` and whose companions allow `companions`.
///
/// # Errors
/// With the path of the field that cannot be read or contradicts another.
pub fn role(object: &AccessRole, ceiling: Rules, companions: Rules) -> Result<Role, Refusal> {
    let missing = |field| Refusal::new(Reason::RoleNotAccepted, field, "is missing");
    let spec = &object.spec;
    let default_duration = length("spec.defaultDuration", &spec.default_duration)?;
    let max_duration = length("spec.maxDuration", &spec.max_duration)?;
    if default_duration > max_duration {
        return Err(Refusal::new(
            Reason::RoleNotAccepted,
            "spec.defaultDuration",
            format!("`{}` is longer than spec.maxDuration `{}`", spec.default_duration, spec.max_duration),
        ));
    }
    Ok(Role {
        name: object.metadata.name.clone().ok_or_else(|| missing("metadata.name"))?,
        uid: object.metadata.uid.clone().ok_or_else(|| missing("metadata.uid"))?,
        ceiling,
        companions,
        scope: spec.scope.into(),
        risk: spec.risk.into(),
        default_duration,
        max_duration,
        names: spec.names.into(),
        deliveries: spec.deliveries.iter().copied().map(Into::into).collect(),
    })
}
