//! Brevet's kinds as they travel: custom resources, the views of the aggregated API, and the border
//! where their text becomes core's values ([`border`]).
//!
//! Promises: every field on the wire is bounded by the schema in `deploy/crds/`, which is generated
//! from these types; what the schema cannot say, the border refuses with the path of the field.
//!
//! Left out on purpose: clients and anything that talks to a cluster (kube-core and kube-derive
//! only), and every decision, which is core's.

mod blocks;
mod decision;
mod grant;
mod policy;
mod request;
mod role;
mod switch;
mod words;

pub mod border;
pub mod crds;
pub mod sessions;

pub use blocks::{
    DecisionRef, Dropped, IdentityRef, ObjectRef, PolicyRef, ResourceAsk, Rule, StageApproval, StageStatus,
    SubjectBlock, TermsBlock,
};
pub use decision::{AccessDecision, AccessDecisionSpec, ClaimedTerms, NarrowBlock};
pub use grant::{AccessGrant, AccessGrantSpec, AccessGrantStatus, GrantApproval};
pub use policy::{
    AccessPolicy, AccessPolicySpec, AccessPolicyStatus, ApprovalBlock, LabelDemand, LabelSelectorBlock, LimitsBlock,
    NamespaceBlock, PersonBlock, PolicyRule, PolicySubject, ResourceBlock, ReviewBlock, ScheduleBlock, SpanBlock,
    StageBlock, WindowBlock,
};
pub use request::{AccessRequest, AccessRequestSpec, AccessRequestStatus, ReviewStatus};
pub use role::{AccessRole, AccessRoleSpec, AccessRoleStatus, StreamsBlock};
pub use switch::{AccessSwitch, AccessSwitchSpec};
pub use words::{
    Delivery, Effect, LabelOperator, Naming, Phase, Risk, Scope, StageOrder, SubjectKind, Urgency, Verdict, Weekday,
};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The API group of the custom resources.
pub const GROUP: &str = "brevet.dev";

/// The one version of both groups.
pub const VERSION: &str = "v1alpha1";
