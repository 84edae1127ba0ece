//! An AccessRole, with what its ClusterRoles allow, becomes a role.

use super::length;
use crate::role::AccessRole;
use brevet_core::reason::{Reason, Refusal};
use brevet_core::role::{Role, StreamLimits};
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
    stream_limits(object)?;
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

/// How grants of the role may use streams.
///
/// # Errors
/// With the path of the field that cannot be read.
pub fn stream_limits(object: &AccessRole) -> Result<StreamLimits, Refusal> {
    let usual = StreamLimits::default();
    let Some(block) = &object.spec.streams else { return Ok(usual) };
    let idle_timeout = block.idle_timeout.as_deref().map(|text| length("spec.streams.idleTimeout", text));
    Ok(StreamLimits { max: block.max.unwrap_or(usual.max), idle_timeout: idle_timeout.transpose()? })
}
