//! AccessPolicy: who may ask for which task where, on which terms, and who approves.

#![allow(clippy::duplicated_attributes, reason = "columns share their attribute names")]

use crate::words::{Effect, LabelOperator, Risk, StageOrder, SubjectKind, Weekday};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Ordered rules. A matching Deny rule beats everything; otherwise the first matching rule decides.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "brevet.dev",
    version = "v1alpha1",
    kind = "AccessPolicy",
    plural = "accesspolicies",
    doc = "Who may ask for which task where, on which terms, and who approves.",
    shortname = "apol",
    category = "brevet",
    status = "AccessPolicyStatus",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority"),
    printcolumn(name = "Rules", type_ = "string", json_path = ".spec.rules[*].name"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(
        name = "Fault",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "!(has(self.endActive) && self.endActive) || (has(self.suspend) && self.suspend)",
    "message": "endActive goes with suspend",
    "fieldPath": ".endActive",
}])))]
pub struct AccessPolicySpec {
    /// Higher is asked first; then by name.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Grants nothing while set; Deny rules still hold.
    #[serde(default)]
    pub suspend: bool,
    /// With `suspend`: what this policy gave ends, too.
    #[serde(default)]
    pub end_active: bool,
    /// Who is one human under several usernames. All policies together say so: nobody approves their
    /// own request under another name, nor fills two places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub people: Vec<PersonBlock>,
    /// In order.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub rules: Vec<PolicyRule>,
}

/// One human.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonBlock {
    /// All of their usernames, as Kubernetes sees them; service accounts that act for them, too.
    #[schemars(length(min = 2, max = 16), inner(length(min = 1, max = 512)), extend("x-kubernetes-list-type" = "set"))]
    pub usernames: Vec<String>,
}

/// What a rule matches (all of it), and what follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {
        "rule": "!has(self.approval) || self.effect == 'RequireApproval'",
        "message": "only effect RequireApproval has an approval",
        "fieldPath": ".approval",
    },
    {
        "rule": "self.effect != 'RequireApproval' || has(self.approval)",
        "message": "effect RequireApproval needs an approval; one stage without approvers is whoever holds the verb approve",
    },
    {
        "rule": "!has(self.review) || self.effect == 'BreakGlass'",
        "message": "only effect BreakGlass has a review",
        "fieldPath": ".review",
    },
    {
        "rule": "self.effect != 'BreakGlass' || has(self.review)",
        "message": "effect BreakGlass needs a review",
    },
    {
        "rule": "!has(self.limits) || !has(self.limits.maxUnreviewed) || self.effect == 'BreakGlass'",
        "message": "only effect BreakGlass is reviewed",
        "fieldPath": ".limits",
    },
    {
        "rule": "!has(self.message) || self.effect == 'Deny'",
        "message": "only effect Deny has a message",
        "fieldPath": ".message",
    },
    {
        "rule": "self.effect != 'Deny' || !has(self.limits)",
        "message": "effect Deny has no limits",
        "fieldPath": ".limits",
    },
])))]
pub struct PolicyRule {
    /// Unique in the policy.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Who asks: any of these.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub subjects: Vec<PolicySubject>,
    /// Names of AccessRoles; `*` is every role.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub roles: Vec<String>,
    /// Only roles of these risks; absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub risks: Vec<Risk>,
    /// Where; absent: anywhere, the whole cluster included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceBlock>,
    /// On what; absent: on anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub resources: Vec<ResourceBlock>,
    /// When; absent: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleBlock>,
    /// A condition in CEL over `request`, `role` and `now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// What is refused although the rule matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsBlock>,
    /// What follows.
    pub effect: Effect,
    /// The people it takes, for RequireApproval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalBlock>,
    /// The review after it, for BreakGlass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewBlock>,
    /// What to tell who is denied, for Deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub message: Option<String>,
}

/// A user, a group or a service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "has(self.__namespace__) == (self.kind == 'ServiceAccount')",
    "message": "a ServiceAccount has a namespace, a User or Group has none",
}])))]
pub struct PolicySubject {
    /// User, Group or ServiceAccount.
    pub kind: SubjectKind,
    /// Compared whole, byte for byte.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// The namespace of a ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Which namespaces; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceBlock {
    /// Any of these names; `*` is one or more whole segments between hyphens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63), regex(pattern = r"^([a-z0-9]+|\*)(-+([a-z0-9]+|\*))*$")), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// None of these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63), regex(pattern = r"^([a-z0-9]+|\*)(-+([a-z0-9]+|\*))*$")), extend("x-kubernetes-list-type" = "set"))]
    pub except: Vec<String>,
    /// Labels of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelectorBlock>,
}

/// A label selector, as elsewhere in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelectorBlock {
    /// Labels with exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub match_labels: BTreeMap<String, String>,
    /// Further demands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelDemand>,
}

/// One demand on a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "(self.operator in ['In', 'NotIn']) == has(self.values)",
    "message": "In and NotIn have values, Exists and DoesNotExist have none",
}])))]
pub struct LabelDemand {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// In, NotIn, Exists or DoesNotExist.
    pub operator: LabelOperator,
    /// For In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub values: Vec<String>,
}

/// What a rule is about, of what would be granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceBlock {
    /// The API group; empty for the core group, `*` for all.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub api_group: String,
    /// `pods` covers its subresources, `pods/log` is that one, `*` is everything.
    #[schemars(length(min = 1, max = 127))]
    pub resource: String,
    /// Verbs; absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 32)), extend("x-kubernetes-list-type" = "set"))]
    pub verbs: Vec<String>,
    /// Names; absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
}

/// When a rule holds, by local time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([
    {
        "rule": "has(self.from) == has(self.to)",
        "message": "from and to come together",
    },
    {
        "rule": "!has(self.windows) || !(has(self.from) || has(self.weekdays))",
        "message": "either one window (weekdays, from, to) or windows, not both",
    },
])))]
pub struct ScheduleBlock {
    /// An IANA name such as `Europe/Berlin`.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// On these days; absent: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub weekdays: Vec<Weekday>,
    /// From this time of day, such as `08:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: Option<String>,
    /// Until this time of day; earlier than `from`: on the next day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub to: Option<String>,
    /// Several windows instead of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub windows: Vec<WindowBlock>,
    /// Only within these dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub dates: Vec<SpanBlock>,
    /// Not within these dates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub freezes: Vec<SpanBlock>,
}

/// A window that opens on some weekdays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowBlock {
    /// On these days; absent: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub weekdays: Vec<Weekday>,
    /// From this time of day.
    #[schemars(length(max = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// Until this time of day; earlier than `from`: on the next day.
    #[schemars(length(max = 5), regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub to: String,
}

/// From a local date or time to another: `2026-12-24` or `2026-12-24T18:00`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpanBlock {
    /// The first time inside.
    #[schemars(length(max = 19), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$"))]
    pub from: String,
    /// The first time outside; a date: that whole day is still inside.
    #[schemars(length(max = 19), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$"))]
    pub to: String,
}

/// Limits per person and rule. What is beyond is refused, never cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsBlock {
    /// The longest duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub max_duration: Option<String>,
    /// Grants at a time, waiting and planned ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("format" = "int32"))]
    pub max_active: Option<u32>,
    /// Requests that wait at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("format" = "int32"))]
    pub max_pending: Option<u32>,
    /// From the end of one grant to the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub cooldown: Option<String>,
    /// Of all grants within any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub daily_total: Option<String>,
    /// Broken glass that nobody has reviewed yet, at a time. While a review is overdue, none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("format" = "int32"))]
    pub max_unreviewed: Option<u32>,
}

/// The people it takes: all stages must be filled, each human counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalBlock {
    /// A request nobody decided about ends after this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub timeout: Option<String>,
    /// Ordered: each stage opens when the one before it is filled. Absent: Parallel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<StageOrder>,
    /// The stages.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stages: Vec<StageBlock>,
}

/// One group of approvers, and how many of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = json!([{
    "rule": "has(self.escalateAfter) == has(self.escalateTo)",
    "message": "escalateAfter and escalateTo come together",
}])))]
pub struct StageBlock {
    /// Unique in the rule.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Any of these, if they hold the verb approve too; absent: whoever holds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub approvers: Vec<PolicySubject>,
    /// How many humans.
    #[schemars(range(min = 1, max = 16), extend("format" = "int32"))]
    pub required: u32,
    /// After this long `escalateTo` may decide too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub escalate_after: Option<String>,
    /// Who may decide then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub escalate_to: Vec<PolicySubject>,
}

/// The review after a break-glass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewBlock {
    /// Due this long after the request, which is granted at once.
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    pub within: String,
    /// Who may review; absent: whoever holds the verb approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub reviewers: Vec<PolicySubject>,
}

/// What the controller found out about the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicyStatus {
    /// `Accepted`: it can be read and its conditions make sense. If not, it denies what its rules would match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::blocks::conditions")]
    pub conditions: Vec<Condition>,
}
