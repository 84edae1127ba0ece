//! The blocks that several kinds share: who, which rules, on which terms, and references by UID.
//!
//! Promises: each list and text has a bound; sets are sets to the schema, too.
//!
//! Left out on purpose: meaning. Two blocks may differ in text and agree in meaning; core compares.

use crate::words::Delivery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who: exactly what a SelfSubjectReview answers for the creator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "!has(self.groups) || self.groups.map(g, size(g)).sum() <= 16384",
    "message": "groups hold more than 16384 characters in all; people with so many groups cannot ask or decide",
}])))]
pub struct SubjectBlock {
    /// The user name.
    #[schemars(length(min = 1, max = 512))]
    pub username: String,
    /// The user's UID; empty or absent where the authenticator gives none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub uid: String,
    /// The user's groups, in any order, repetitions allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub groups: Vec<String>,
}

/// One entry of what is asked for. Entries are a union.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceAsk {
    /// The API group; empty for the core group.
    #[serde(default)]
    #[schemars(length(max = 253), regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"))]
    pub api_group: String,
    /// A resource such as `pods`, which covers its subresources, or one subresource such as `pods/log`.
    #[schemars(
        length(min = 1, max = 127),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[a-z0-9]([-a-z0-9]*[a-z0-9])?)?$")
    )]
    pub resource: String,
    /// The names of the objects; absent: all of them, where the role allows that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = r"^[-A-Za-z0-9._:@+~]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// The verbs; absent: all that the role has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 32), regex(pattern = r"^[a-z]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub verbs: Vec<String>,
}

/// A rule as RBAC writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The API groups; an empty string is the core group.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub api_groups: Vec<String>,
    /// The resources and subresources.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub resources: Vec<String>,
    /// The verbs.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(max = 64)), extend("x-kubernetes-list-type" = "atomic"))]
    pub verbs: Vec<String>,
    /// The names; absent: all objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub resource_names: Vec<String>,
}

/// The terms that are approved, by their digest. With the requester and the role of the object that
/// holds them, they suffice to compute the digest again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TermsBlock {
    /// `sha256:` and 64 hexadecimal digits.
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// The effective rules.
    #[serde(default)]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<Rule>,
    /// Rules granted whole beside named objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub companions: Vec<Rule>,
    /// The namespaces; absent: the whole cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
    /// How long, e.g. `30m`.
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub duration: String,
    /// When it starts, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub start_at: Option<String>,
    /// How it reaches its holder.
    pub delivery: Delivery,
}

/// Something that was asked for and is not part of the terms, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// The API group.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub api_group: String,
    /// The resource or subresource.
    #[schemars(length(max = 253))]
    pub resource: String,
    /// The verbs that were dropped.
    #[serde(default)]
    #[schemars(length(max = 32), inner(length(max = 64)), extend("x-kubernetes-list-type" = "atomic"))]
    pub verbs: Vec<String>,
    /// Why.
    #[schemars(length(max = 512))]
    pub why: String,
}

/// An object of ours: the name is for people, the UID joins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The object's UID.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
}

/// The rule that decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// The AccessPolicy's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The rule's name.
    #[schemars(length(min = 1, max = 63))]
    pub rule: String,
    /// The AccessPolicy's UID.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// The AccessPolicy's generation when it decided.
    #[schemars(range(min = 0), extend("format" = "int64"))]
    pub generation: i64,
    /// What the rule said, as a digest.
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
}

/// The decision that approved.
pub type DecisionRef = ObjectRef;

/// The ServiceAccount in `brevet-elevations` that carries the effective rules.
pub type IdentityRef = ObjectRef;

/// How far one stage of the approval is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// The stage's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// How many people it takes.
    #[schemars(range(min = 1, max = 16), extend("format" = "int32"))]
    pub required: u32,
    /// Who approved so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub approvals: Vec<StageApproval>,
}

/// One approval that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageApproval {
    /// The approver's user name.
    #[schemars(length(min = 1, max = 512))]
    pub approver: String,
    /// The AccessDecision.
    pub decision: DecisionRef,
    /// When it was made.
    pub time: Time,
}

/// The schema of a list of conditions: Kubernetes' own bounds, one condition of each type.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"type": "string", "maxLength": 63},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {"type": "string", "minLength": 1, "maxLength": 63},
                "message": {"type": "string", "maxLength": 4096},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
            },
        },
    })
}
