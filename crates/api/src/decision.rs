//! AccessDecision: one person's act on a request or grant, immutable once made.

#![allow(clippy::duplicated_attributes, reason = "columns and selectable fields share paths")]

use crate::blocks::{ObjectRef, ResourceAsk, SubjectBlock};
use crate::words::Verdict;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Who decided what, about which request, on which terms.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "brevet.dev",
    version = "v1alpha1",
    kind = "AccessDecision",
    doc = "One person's act on a request or grant, with the digest it attests. Immutable.",
    shortname = "adec",
    category = "brevet",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    selectable = ".spec.request.uid",
    selectable = ".spec.request.name",
    selectable = ".spec.verdict",
    selectable = ".spec.approver.username",
    printcolumn(name = "Verdict", type_ = "string", json_path = ".spec.verdict"),
    printcolumn(name = "Request", type_ = "string", json_path = ".spec.request.name"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.approver.username"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Comment", type_ = "string", json_path = ".spec.comment", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {
        "rule": "self == oldSelf",
        "message": "spec of an AccessDecision cannot change; make another decision",
    },
    {
        "rule": "self.verdict in ['Withdraw', 'Revoke'] || has(self.terms.digest)",
        "message": "terms.digest is required to Approve, Deny or Review: copy status.terms.digest of the request you read",
    },
    {
        "rule": "!has(self.narrow) || self.verdict == 'Approve'",
        "message": "only Approve narrows the terms",
        "fieldPath": ".narrow",
    },
    {
        "rule": "!has(self.narrow) || !has(self.narrow.namespaces) || self.narrow.namespaces.all(n, has(self.terms.namespaces) && n in self.terms.namespaces)",
        "message": "narrow.namespaces are some of terms.namespaces",
        "fieldPath": ".narrow",
    },
])))]
pub struct AccessDecisionSpec {
    /// What was decided.
    pub verdict: Verdict,
    /// The request decided on.
    pub request: ObjectRef,
    /// What the decider believes the terms to be; admission judges these claims, the controller checks them.
    pub terms: ClaimedTerms,
    /// Approve only this much. The digest is then that of what is left, and everybody attests that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrow: Option<NarrowBlock>,
    /// Who decides: always the creator.
    pub approver: SubjectBlock,
    /// A word to the requester and to auditors.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub comment: String,
}

/// What is left of the terms; what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {
        "rule": "has(self.resources) || has(self.namespaces) || has(self.duration) || has(self.startAt)",
        "message": "narrow names what is left: resources, namespaces, duration or startAt",
    },
    {
        "rule": "!has(self.resources) || self.resources.map(r, has(r.names) ? size(r.names) : 0).sum() <= 64",
        "message": "resources name more than 64 objects in all",
    },
    {
        "rule": "!has(self.resources) || self.resources.map(r, size(r.resource) + (has(r.apiGroup) ? size(r.apiGroup) : 0) + (has(r.names) ? r.names.map(n, size(n)).sum() : 0) + (has(r.verbs) ? r.verbs.map(v, size(v)).sum() : 0)).sum() <= 8192",
        "message": "resources hold more than 8192 characters in all",
    },
])))]
pub struct NarrowBlock {
    /// Only on these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub resources: Vec<ResourceAsk>,
    /// Only in these namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
    /// No longer than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub duration: Option<String>,
    /// Not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), extend("format" = "date-time"))]
    pub start_at: Option<String>,
}

/// The terms as the decider saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimedTerms {
    /// The digest attested; not needed to withdraw or revoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// The request's role.
    #[schemars(length(min = 1, max = 253))]
    pub role: String,
    /// The request's namespaces; absent: the whole cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
    /// The requester's user name.
    #[schemars(length(min = 1, max = 512))]
    pub requester: String,
    /// The requester's UID: whoever has one needs it to give back what is theirs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub requester_uid: String,
}
