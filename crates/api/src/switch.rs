//! AccessSwitch: the one switch that stops everything. There is one object at most, named `cluster`.

#![allow(clippy::duplicated_attributes, reason = "columns share their attribute names")]

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Whether anything is granted at all. No object: it is.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "brevet.dev",
    version = "v1alpha1",
    kind = "AccessSwitch",
    plural = "accessswitches",
    doc = "Stops everything, in the whole cluster. One object, named cluster.",
    shortname = "aswitch",
    category = "brevet",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Ends active", type_ = "boolean", json_path = ".spec.endActive"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "!(has(self.endActive) && self.endActive) || (has(self.suspend) && self.suspend)",
    "message": "endActive goes with suspend",
    "fieldPath": ".endActive",
}])))]
pub struct AccessSwitchSpec {
    /// Nobody is given anything while set.
    pub suspend: bool,
    /// With `suspend`: every grant ends, too.
    #[serde(default)]
    pub end_active: bool,
    /// Why, for whoever is refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub reason: String,
}
