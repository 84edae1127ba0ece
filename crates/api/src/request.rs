//! AccessRequest: one ask, immutable once made.

#![allow(clippy::duplicated_attributes, reason = "columns and selectable fields share paths")]

use crate::blocks::{Dropped, ObjectRef, PolicyRef, ResourceAsk, StageApproval, StageStatus, SubjectBlock, TermsBlock};
use crate::policy::PolicySubject;
use crate::words::{Delivery, Phase, Urgency};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who asks for which task, where, on what, for how long and why.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "brevet.dev",
    version = "v1alpha1",
    kind = "AccessRequest",
    doc = "One ask for one task, on exact resources, for a stated time and reason. Immutable.",
    shortname = "areq",
    category = "brevet",
    status = "AccessRequestStatus",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    selectable = ".spec.requester.username",
    selectable = ".spec.role",
    selectable = ".status.phase",
    printcolumn(name = "Requester", type_ = "string", json_path = ".spec.requester.username"),
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "Namespaces", type_ = "string", json_path = ".spec.namespaces"),
    printcolumn(name = "For", type_ = "string", json_path = ".status.terms.duration"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Urgency", type_ = "string", json_path = ".spec.urgency", priority = 1),
    printcolumn(name = "Ticket", type_ = "string", json_path = ".spec.ticket", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {
        "rule": "self == oldSelf",
        "message": "spec of an AccessRequest cannot change; withdraw this request and ask again",
    },
    {
        "rule": "!has(self.resources) || self.resources.map(r, has(r.names) ? size(r.names) : 0).sum() <= 64",
        "message": "resources name more than 64 objects in all; split the request",
    },
    {
        "rule": "!has(self.resources) || self.resources.map(r, size(r.resource) + (has(r.apiGroup) ? size(r.apiGroup) : 0) + (has(r.names) ? r.names.map(n, size(n)).sum() : 0) + (has(r.verbs) ? r.verbs.map(v, size(v)).sum() : 0)).sum() <= 8192",
        "message": "resources hold more than 8192 characters in all; split the request",
    },
    {
        "rule": "!has(self.duration) || self.duration.matches('[1-9]')",
        "message": "duration must be at least 1s",
        "fieldPath": ".duration",
    },
])))]
pub struct AccessRequestSpec {
    /// Who asks: always the creator.
    pub requester: SubjectBlock,
    /// The AccessRole asked for.
    #[schemars(length(min = 1, max = 253))]
    pub role: String,
    /// Where; absent for roles of scope Cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
    /// On what; absent: the whole role, where the role allows that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub resources: Vec<ResourceAsk>,
    /// How long, 1s to 30d; absent: the role's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub duration: Option<String>,
    /// From when; absent: as soon as it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub start_at: Option<String>,
    /// Why: shown to approvers, kept for auditors.
    #[schemars(length(min = 1, max = 1024))]
    pub justification: String,
    /// How pressing it is; absent: Normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// A ticket or incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub ticket: Option<String>,
    /// How access should reach the holder; absent: the role's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// What became of the request. Written by the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequestStatus {
    /// A word for people; mirrors the grant to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// `Evaluated`, `Narrowed`, `Approved`, `Denied`, `ReviewDue`, `Complete`, with reason and message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::blocks::conditions")]
    pub conditions: Vec<Condition>,
    /// The rule that decides; absent where there is no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// The terms to approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsBlock>,
    /// What was asked for and is not part of the terms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub dropped: Vec<Dropped>,
    /// The approvals it takes, and those it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub stages: Vec<StageStatus>,
    /// The review, where glass was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewStatus>,
    /// The grant made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<ObjectRef>,
}

/// The review after glass was broken: due, or done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewStatus {
    /// Until when somebody else reviews it.
    pub due: Time,
    /// Who may; absent: whoever holds the verb approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub reviewers: Vec<PolicySubject>,
    /// Who would have been asked, a line for each stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub skipped: Vec<String>,
    /// Who reviewed it; absent while that is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<StageApproval>,
}
