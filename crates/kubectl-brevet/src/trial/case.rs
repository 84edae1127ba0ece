//! The document `PolicyTest`: what is given, what is asked, what is expected of it.
//!
//! Promises: a field that is not known is refused with its path. What a case leaves out it takes from
//! the head of its document.
//!
//! Left out on purpose: a kind in the cluster. A PolicyTest is read by this program alone.

use brevet_api::{Delivery, Effect, ResourceAsk, Scope, Urgency};
use jiff::Timestamp;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use super::person::{People, Who};

/// Its version.
pub(crate) const API_VERSION: &str = "test.brevet.dev/v1alpha1";

/// Its kind.
pub(crate) const KIND: &str = "PolicyTest";

/// When a case happens that does not say: a Monday at noon.
const NOW: &str = "2026-01-05T12:00:00Z";

/// Cases, with what they share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PolicyTest {
    /// What is there, for every case.
    #[serde(default)]
    pub(crate) given: Given,
    /// What is asked, where a case does not say.
    #[serde(default)]
    pub(crate) when: When,
    /// The cases.
    #[schemars(length(min = 1))]
    pub(crate) cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, in words.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// What is there besides.
    #[serde(default)]
    pub(crate) given: Given,
    /// What is asked.
    #[serde(default)]
    pub(crate) when: When,
    /// What comes of it.
    pub(crate) expect: Expect,
}

/// What is there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Given {
    /// The instant at which it is asked.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) now: Option<Timestamp>,
    /// People by name. One without a user is called so.
    #[serde(default)]
    pub(crate) people: People,
    /// Namespaces, with their labels.
    #[serde(default)]
    pub(crate) namespaces: Vec<GivenNamespace>,
    /// Resource types that the cluster serves besides those of Kubernetes.
    #[serde(default)]
    pub(crate) types: Vec<GivenType>,
    /// What the requester was granted, or waits for, by rules before.
    #[serde(default)]
    pub(crate) used: Vec<GivenUse>,
    /// The name of a break-glass request of theirs whose review is overdue.
    #[serde(default)]
    pub(crate) overdue_review: Option<String>,
}

/// A namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GivenNamespace {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

/// A resource type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GivenType {
    pub(crate) api_group: String,
    pub(crate) resource: String,
    pub(crate) scope: Scope,
}

/// One earlier request: it waits, or it was granted from an instant to another.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GivenUse {
    pub(crate) policy: String,
    pub(crate) rule: String,
    /// How long it would be, while it waits.
    #[serde(default)]
    pub(crate) pending: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) from: Option<Timestamp>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) to: Option<Timestamp>,
    /// When it really ended, if before its deadline.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) ended_at: Option<Timestamp>,
    /// Whether glass was broken and nobody has reviewed that yet.
    #[serde(default)]
    pub(crate) unreviewed: bool,
}

/// What is asked, and what people say to it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct When {
    pub(crate) who: Option<Who>,
    pub(crate) role: Option<String>,
    pub(crate) namespaces: Option<Vec<String>>,
    pub(crate) resources: Option<Vec<ResourceAsk>>,
    pub(crate) duration: Option<String>,
    pub(crate) start_at: Option<String>,
    pub(crate) urgency: Option<Urgency>,
    pub(crate) ticket: Option<String>,
    pub(crate) justification: Option<String>,
    pub(crate) delivery: Option<Delivery>,
    /// What people decide, in order.
    pub(crate) decisions: Option<Vec<Said>>,
}

/// What somebody decides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) by: Who,
    /// Absent: Approve.
    #[serde(default)]
    pub(crate) verdict: Word,
    /// How long after the request; absent: a second after the one before.
    #[serde(default)]
    pub(crate) after: Option<String>,
}

/// What an approver may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Word {
    #[default]
    Approve,
    Deny,
}

/// What comes of it. What is left out may be anything.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Expect {
    /// What follows; Deny also where the request itself is refused.
    pub(crate) effect: Effect,
    /// The policy that decides.
    #[serde(default)]
    pub(crate) policy: Option<String>,
    /// The rule that decides.
    #[serde(default)]
    pub(crate) rule: Option<String>,
    /// Why it is denied, by its name.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// Part of what the requester is told.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// The stages, all of them.
    #[serde(default)]
    pub(crate) stages: Option<Vec<ExpectStage>>,
    /// How it stands after the decisions.
    #[serde(default)]
    pub(crate) state: Option<StateWord>,
}

/// A stage.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExpectStage {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) required: Option<u32>,
    /// Each of them may decide at once.
    #[serde(default)]
    pub(crate) may: Vec<Who>,
    /// None of them may decide at once.
    #[serde(default)]
    pub(crate) may_not: Vec<Who>,
    /// The usernames that fill it after the decisions, in any order.
    #[serde(default)]
    pub(crate) filled_by: Option<Vec<String>>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum StateWord {
    Open,
    Approved,
    Denied,
}

impl When {
    /// With `others` where this does not say.
    pub(crate) fn or(&self, others: &Self) -> Self {
        macro_rules! either {
            ($($field:ident),+) => { Self { $($field: self.$field.clone().or_else(|| others.$field.clone())),+ } };
        }
        either!(
            who,
            role,
            namespaces,
            resources,
            duration,
            start_at,
            urgency,
            ticket,
            justification,
            delivery,
            decisions
        )
    }
}

impl Given {
    /// Both; where they differ, this one holds.
    pub(crate) fn and(&self, shared: &Self) -> Self {
        let mut both = shared.clone();
        both.now = self.now.or(shared.now);
        both.people.extend(self.people.clone());
        both.namespaces.extend(self.namespaces.clone());
        both.types.extend(self.types.clone());
        both.used.extend(self.used.clone());
        both.overdue_review = self.overdue_review.clone().or_else(|| shared.overdue_review.clone());
        both
    }

    /// When it is asked.
    pub(crate) fn now(&self) -> Timestamp {
        self.now.or_else(|| NOW.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// The schema of the document.
pub(super) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<PolicyTest>().to_value()
}
