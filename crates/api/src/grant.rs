//! AccessGrant: what is in force. Written by the controller alone; deleting it revokes.

#![allow(clippy::duplicated_attributes, reason = "columns and selectable fields share paths")]

use crate::blocks::{DecisionRef, IdentityRef, ObjectRef, PolicyRef, SubjectBlock, TermsBlock};
use crate::words::{Delivery, Phase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who holds which terms, from when until when, and on what evidence.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "brevet.dev",
    version = "v1alpha1",
    kind = "AccessGrant",
    doc = "Access in force, named as its request. Written by Brevet alone; deleting it revokes.",
    shortname = "agrant",
    category = "brevet",
    status = "AccessGrantStatus",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    selectable = ".spec.request.uid",
    selectable = ".spec.holder.username",
    selectable = ".spec.role",
    selectable = ".status.phase",
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.holder.username"),
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.terms.namespaces"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.notAfter"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Identity", type_ = "string", json_path = ".status.identity.name", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {
        "rule": "self == oldSelf",
        "message": "spec of an AccessGrant cannot change; to end the access delete the grant, to extend it ask again",
    },
    {
        "rule": "self.notBefore < self.notAfter",
        "message": "notAfter must be later than notBefore",
    },
    {
        "rule": "has(self.policy) || (has(self.approvals) && size(self.approvals) > 0)",
        "message": "a grant rests on approvals, or on the rule of a policy",
    },
])))]
pub struct AccessGrantSpec {
    /// The request it was made from.
    pub request: ObjectRef,
    /// Who may use it.
    pub holder: SubjectBlock,
    /// The AccessRole.
    #[schemars(length(min = 1, max = 253))]
    pub role: String,
    /// The terms as approved.
    pub terms: TermsBlock,
    /// In force from.
    pub not_before: Time,
    /// In force until, this second not included.
    pub not_after: Time,
    /// How it reaches the holder.
    pub delivery: Delivery,
    /// Who agreed; absent where a rule approved at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub approvals: Vec<GrantApproval>,
    /// The rule that decided; absent where there was no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
}

/// One approval the grant rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantApproval {
    /// The approver's user name.
    #[schemars(length(min = 1, max = 512))]
    pub approver: String,
    /// The AccessDecision.
    pub decision: DecisionRef,
    /// The stage it counted for.
    #[schemars(length(min = 1, max = 63))]
    pub stage: String,
}

/// How far the grant is. Written by the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessGrantStatus {
    /// A word for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// `Ready`, and `Ended` with its cause as the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::blocks::conditions")]
    pub conditions: Vec<Condition>,
    /// The elevation identity that carries the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityRef>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}
