//! What a rule says, as a digest: a grant ends when the rule that decided it
//! says something else.
//!
//! Promises: over parsed values in canonical form, so order, spelling, absent
//! and empty carry no meaning; everything that decides is under it.

use serde_json::{Map, Value, json};

use super::stages::{Order, Stage};
use super::{Approval, Effect, NamespaceMatch, PolicyRule, ResourceMatch, Schedule, SubjectRef};
use crate::digest::{Digest, canonical_json};
use crate::length::Length;

impl PolicyRule {
    /// The digest of what the rule says.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| {
            let is_absent = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if !is_absent {
                object.insert(key.to_owned(), value);
            }
        };
        put("type", json!("brevet.dev/policy-rule/v1"));
        put("name", json!(self.name));
        put("subjects", subjects(&self.subjects));
        put("roles", json!(self.roles));
        put("risks", json!(self.risks.iter().map(|risk| format!("{risk:?}")).collect::<Vec<_>>()));
        put("namespaces", self.namespaces.as_ref().map_or(Value::Null, namespaces));
        put("resources", sorted(self.resources.iter().map(resource)));
        put("schedule", self.schedule.as_ref().map_or(Value::Null, schedule));
        put("when", json!(self.when));
        put("maxDuration", seconds(self.limits.max_duration));
        put("maxActive", json!(self.limits.max_active));
        put("maxPending", json!(self.limits.max_pending));
        put("cooldown", seconds(self.limits.cooldown));
        put("dailyTotal", seconds(self.limits.daily_total));
        put("maxUnreviewed", json!(self.limits.max_unreviewed));
        put("effect", effect(&self.effect));
        Digest::of(&canonical_json(&Value::Object(object)))
    }
}

fn seconds(length: Option<Length>) -> Value {
    json!(length.map(Length::seconds))
}

/// As a set: sorted by their canonical bytes, each once.
fn sorted(values: impl Iterator<Item = Value>) -> Value {
    let mut all: Vec<(Vec<u8>, Value)> = values.map(|value| (canonical_json(&value), value)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup_by(|a, b| a.0 == b.0);
    Value::Array(all.into_iter().map(|(_, value)| value).collect())
}

fn subjects(all: &[SubjectRef]) -> Value {
    sorted(all.iter().map(|one| match one {
        SubjectRef::User(name) => json!({"user": name}),
        SubjectRef::Group(name) => json!({"group": name}),
        SubjectRef::ServiceAccount { namespace, name } => json!({"serviceAccount": name, "namespace": namespace}),
    }))
}

fn namespaces(wanted: &NamespaceMatch) -> Value {
    let demands = wanted.selector.iter().flat_map(|selector| &selector.0);
    json!({
        "names": sorted(wanted.names.iter().map(|glob| json!(glob.to_string()))),
        "except": sorted(wanted.except.iter().map(|glob| json!(glob.to_string()))),
        "selector": sorted(demands.map(|demand| {
            json!({"key": demand.key, "operator": format!("{:?}", demand.operator), "values": demand.values})
        })),
    })
}

fn resource(one: &ResourceMatch) -> Value {
    json!({"apiGroup": one.api_group, "resource": one.resource, "verbs": one.verbs, "names": one.names})
}

fn schedule(schedule: &Schedule) -> Value {
    let spans = |spans: &[super::CivilSpan]| {
        sorted(spans.iter().map(|span| json!({"from": span.from.to_string(), "to": span.to.to_string()})))
    };
    json!({
        "timeZone": schedule.zone.name(),
        "windows": sorted(schedule.windows.iter().map(|window| {
            let (days, from, to) = (window.weekdays, window.from, window.to);
            json!({"weekdays": days.to_string(), "from": from.to_string(), "to": to.to_string()})
        })),
        "dates": spans(&schedule.dates),
        "freezes": spans(&schedule.freezes),
    })
}

fn effect(effect: &Effect) -> Value {
    match effect {
        Effect::Approve => json!({"word": "Approve"}),
        Effect::Deny { message } => json!({"word": "Deny", "message": message}),
        Effect::BreakGlass(terms) => json!({
            "word": "BreakGlass",
            "reviewWithin": terms.review_within.seconds(),
            "reviewers": subjects(&terms.reviewers),
        }),
        Effect::RequireApproval(approval) => approval_json(approval),
    }
}

fn approval_json(approval: &Approval) -> Value {
    // The order of stages carries meaning only where they are ordered.
    let stages = approval.stages.iter().map(stage);
    let stages = match approval.order {
        Order::Parallel => sorted(stages),
        Order::Ordered => Value::Array(stages.collect()),
    };
    json!({"word": "RequireApproval", "timeout": seconds(approval.timeout), "order": format!("{:?}", approval.order),
           "stages": stages})
}

fn stage(stage: &Stage) -> Value {
    json!({
        "name": stage.name,
        "approvers": subjects(&stage.approvers),
        "required": stage.required,
        "escalateAfter": seconds(stage.escalate_after),
        "escalateTo": subjects(&stage.escalate_to),
    })
}
