//! AccessRole: a pre-defined task, and the most that may be granted for it.

#![allow(clippy::duplicated_attributes, reason = "columns share their attribute names")]

use crate::words::{Delivery, Naming, Risk, Scope};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the task is, its ceiling, and the limits of asking for it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "brevet.dev",
    version = "v1alpha1",
    kind = "AccessRole",
    doc = "A pre-defined task: the ClusterRoles that are its ceiling, and the limits of asking for it.",
    shortname = "arole",
    category = "brevet",
    status = "AccessRoleStatus",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Risk", type_ = "string", json_path = ".spec.risk"),
    printcolumn(name = "Scope", type_ = "string", json_path = ".spec.scope"),
    printcolumn(name = "Names", type_ = "string", json_path = ".spec.names"),
    printcolumn(name = "Default", type_ = "string", json_path = ".spec.defaultDuration"),
    printcolumn(name = "Max", type_ = "string", json_path = ".spec.maxDuration"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "!(has(self.endActive) && self.endActive) || (has(self.suspend) && self.suspend)",
    "message": "endActive goes with suspend",
    "fieldPath": ".endActive",
}])))]
pub struct AccessRoleSpec {
    /// What the task is, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// The ceiling: the union of the rules of these ClusterRoles.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub cluster_roles: Vec<String>,
    /// ClusterRoles granted whole beside named objects, shown to the approver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub companions: Vec<String>,
    /// Where the rules apply.
    pub scope: Scope,
    /// How much harm the task can do. Ceilings that allow escalation or persistence must be Critical.
    pub risk: Risk,
    /// The duration of a request that says none.
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub default_duration: String,
    /// The longest duration. More is refused, never cut short silently.
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub max_duration: String,
    /// Whether a request must name its objects.
    pub names: Naming,
    /// Nobody is given the task while set.
    #[serde(default)]
    pub suspend: bool,
    /// With `suspend`: whoever has it loses it, too.
    #[serde(default)]
    pub end_active: bool,
    /// How access may be delivered; the first is the default.
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "atomic"))]
    pub deliveries: Vec<Delivery>,
    /// How a grant may use what stays open: shells, port-forwards, followed logs, watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamsBlock>,
}

/// Limits on what stays open under one grant. A change counts for streams that are opened later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamsBlock {
    /// Open at once, at each gateway; 1000 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max: Option<u32>,
    /// A stream on which neither side says anything for this long is cut; never where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub idle_timeout: Option<String>,
}

/// What the controller found out about the role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessRoleStatus {
    /// `Accepted`: the linter found nothing that the role does not own up to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::blocks::conditions")]
    pub conditions: Vec<Condition>,
}
