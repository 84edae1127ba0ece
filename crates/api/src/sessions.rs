//! The views of the aggregated API: each caller's own requests and grants and those they may decide
//! on, and the evaluation that stores nothing.
//!
//! Promises: a view has the same spec and status as the custom resource behind it.
//!
//! Left out on purpose: schemas. The gateway serves these; no CRD stands behind them.

use crate::blocks::{Dropped, ResourceAsk, Rule, TermsBlock};
use crate::grant::{AccessGrantSpec, AccessGrantStatus};
use crate::request::{AccessRequestSpec, AccessRequestStatus};
use crate::words::{Delivery, Urgency};
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::{ObjectList, Resource};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The API group of the views.
pub const GROUP: &str = "sessions.brevet.dev";

/// The group and version as objects carry it.
pub const API_VERSION: &str = "sessions.brevet.dev/v1alpha1";

/// A request, as its requester and those who may decide on it see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always `Request`.
    pub kind: String,
    /// Name, UID, resourceVersion and creation time of the AccessRequest.
    pub metadata: ObjectMeta,
    /// As the AccessRequest's.
    pub spec: AccessRequestSpec,
    /// As the AccessRequest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AccessRequestStatus>,
}

/// A grant, as its holder and those who may revoke it see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always `Grant`.
    pub kind: String,
    /// Name, UID, resourceVersion and creation time of the AccessGrant.
    pub metadata: ObjectMeta,
    /// As the AccessGrant's.
    pub spec: AccessGrantSpec,
    /// As the AccessGrant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AccessGrantStatus>,
}

/// A list of [`Request`]s; its kind is `RequestList`.
pub type RequestList = ObjectList<Request>;

/// A list of [`Grant`]s; its kind is `GrantList`.
pub type GrantList = ObjectList<Grant>;

/// A question: what would be decided, and why. Created, answered, stored nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always `Evaluation`.
    pub kind: String,
    /// Empty.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// The question.
    pub spec: EvaluationSpec,
    /// The answer; absent in the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<EvaluationStatus>,
}

/// A request without its requester, who is the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationSpec {
    /// The AccessRole asked about.
    pub role: String,
    /// Where; absent for roles of scope Cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// On what; absent: the whole role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceAsk>,
    /// How long; absent: the role's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// From when; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<String>,
    /// Why; may be left out of a question.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub justification: String,
    /// How pressing; absent: Normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// A ticket or incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// How access should reach the holder; absent: the role's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// What would be decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationStatus {
    /// Whether the request would come before an approver (or be approved by policy); absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// A reason of the closed list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, and what to do next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The terms that would be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsBlock>,
    /// What was asked for and would not be part of the terms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// The rules the caller does not have already; absent where that was not worked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<Vec<Rule>>,
    /// Who may approve, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
}

macro_rules! served {
    ($type:ty, $kind:literal, $plural:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = ClusterResourceScope;

            fn kind(_: &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group(_: &()) -> Cow<'_, str> {
                GROUP.into()
            }
            fn version(_: &()) -> Cow<'_, str> {
                crate::VERSION.into()
            }
            fn plural(_: &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

served!(Request, "Request", "requests");
served!(Grant, "Grant", "grants");
served!(Evaluation, "Evaluation", "evaluations");

impl Evaluation {
    /// The question `spec`.
    #[must_use]
    pub fn ask(spec: EvaluationSpec) -> Self {
        Self {
            api_version: API_VERSION.into(),
            kind: "Evaluation".into(),
            metadata: ObjectMeta::default(),
            spec,
            status: None,
        }
    }
}
