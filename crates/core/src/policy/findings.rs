//! What is wrong with a policy as it is written, besides its conditions.
//!
//! Promises: a policy with a finding is not accepted, so it denies what its
//! rules would match.

use std::collections::BTreeSet;
use std::fmt;

use super::{Effect, Policy, PolicyRule, Stage, SubjectRef};

/// Groups that everybody, or every pod, is in.
pub(super) const GROUPS_OF_EVERYBODY: [&str; 3] =
    ["system:authenticated", "system:unauthenticated", "system:serviceaccounts"];

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The path of the field.
    pub field: String,
    /// What is wrong, and the way out.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Everything wrong with the policy.
#[must_use]
pub fn findings(policy: &Policy) -> Vec<Finding> {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for (at, rule) in policy.rules.iter().enumerate() {
        let mut add = |field: &str, message: String| {
            found.push(Finding { field: format!("spec.rules[{at}]{field}"), message });
        };
        if !names.insert(&rule.name) {
            add(".name", format!("`{}` names two rules; name each once", rule.name));
        }
        rule_findings(rule, &mut add);
    }
    found
}

fn rule_findings(rule: &PolicyRule, add: &mut dyn FnMut(&str, String)) {
    let everybody = rule
        .subjects
        .iter()
        .find(|subject| matches!(subject, SubjectRef::Group(name) if GROUPS_OF_EVERYBODY.contains(&name.as_str())));
    if let (Effect::Approve | Effect::BreakGlass(_), Some(group)) = (&rule.effect, everybody) {
        add(".subjects", format!("{group} is everybody, or every pod; name who may have this at once"));
    }
    if rule.subjects.is_empty() {
        add(".subjects", "name at least one; everybody is group `system:authenticated`".to_owned());
    }
    for window in rule.schedule.iter().flat_map(|schedule| &schedule.windows) {
        if window.from == window.to {
            add(".schedule", format!("a window from {} to itself is none; leave both out for all day", window.from));
        }
    }
    if matches!(rule.effect, Effect::BreakGlass(_)) {
        if rule.names_every_role() {
            add(".roles", "`*` is every role; name those for which glass may be broken".to_owned());
        }
        if rule.limits.max_duration.is_none() {
            add(".limits.maxDuration", "is missing; broken glass takes a cap of its own".to_owned());
        }
    }
    if let Effect::RequireApproval(approval) = &rule.effect {
        let mut names = BTreeSet::new();
        if approval.stages.is_empty() {
            add(".approval.stages", "name at least one stage".to_owned());
        }
        for (at, stage) in approval.stages.iter().enumerate() {
            let path = format!(".approval.stages[{at}]");
            if !names.insert(&stage.name) {
                add(&path, format!("`{}` names two stages; name each once", stage.name));
            }
            if let Some(message) = unreachable(stage) {
                add(&path, message);
            }
        }
    }
}

/// Why the stage can never be filled, if that is plain to see.
fn unreachable(stage: &Stage) -> Option<String> {
    let named: BTreeSet<&SubjectRef> = stage.approvers.iter().chain(&stage.escalate_to).collect();
    let is_open = stage.approvers.is_empty() || named.iter().any(|one| matches!(one, SubjectRef::Group(_)));
    let required = stage.required as usize;
    if required == 0 {
        return Some("a stage takes at least one approval; set `required`".to_owned());
    }
    (!is_open && named.len() < required)
        .then(|| format!("takes {required} approvals, but names only {}; name more or require fewer", named.len()))
}
