//! `roles`: the tasks that can be asked for.

use brevet_api::AccessRole;
use kube::api::ListParams;
use serde::Serialize;

use super::{Code, DONE};
use crate::cli::{Format, RolesArgs};
use crate::cluster::{Cluster, call};
use crate::plain::plain;
use crate::print;

/// A role for programs: the object, with what they ask for first beside it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    risk: &'a str,
    max: &'a str,
    #[serde(flatten)]
    role: &'a AccessRole,
}

pub(super) async fn run(cluster: &Cluster, args: &RolesArgs) -> anyhow::Result<Code> {
    let mut roles = call("list the roles", cluster.roles().list(&ListParams::default())).await?.items;
    for role in &mut roles {
        role.metadata.managed_fields = None;
    }
    roles.sort_by_key(|role| (role.spec.risk, role.metadata.name.clone()));
    let format = args.output.format();
    let listed = roles.iter().map(listed).collect::<Vec<_>>();
    match format {
        Format::Json => print::result(&print::json(&listed)?)?,
        Format::Yaml => print::result(&print::yaml(&listed)?)?,
        Format::Name => {
            for role in &listed {
                print::result(&format!("accessrole.brevet.dev/{}", plain(role.name)))?;
            }
        }
        Format::Table | Format::Wide if roles.is_empty() => print::say("there are no roles yet"),
        Format::Table => print::result(&print::table(
            &["NAME", "RISK", "MAX", "SCOPE", "DESCRIPTION"],
            &roles.iter().map(row).collect::<Vec<_>>(),
        ))?,
        Format::Wide => print::result(&print::table(
            &["NAME", "RISK", "MAX", "SCOPE", "DEFAULT", "NAMES", "DELIVERIES", "CEILING", "DESCRIPTION"],
            &roles.iter().map(wide_row).collect::<Vec<_>>(),
        ))?,
    }
    Ok(DONE)
}

fn listed(role: &AccessRole) -> Listed<'_> {
    Listed {
        name: role.metadata.name.as_deref().unwrap_or_default(),
        risk: role.spec.risk.as_str(),
        max: &role.spec.max_duration,
        role,
    }
}

fn row(role: &AccessRole) -> Vec<String> {
    let spec = &role.spec;
    vec![
        plain(role.metadata.name.as_deref().unwrap_or_default()),
        spec.risk.to_string(),
        plain(&spec.max_duration),
        spec.scope.to_string(),
        plain(&spec.description),
    ]
}

fn wide_row(role: &AccessRole) -> Vec<String> {
    let spec = &role.spec;
    let deliveries = spec.deliveries.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut row = row(role);
    let description = row.pop().unwrap_or_default();
    row.extend([
        plain(&spec.default_duration),
        spec.names.to_string(),
        deliveries,
        plain(&spec.cluster_roles.join(",")),
        description,
    ]);
    row
}
