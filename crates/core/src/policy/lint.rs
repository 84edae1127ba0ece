//! What a careful reader would say of the policies as they are written.
//!
//! Promises: pure, and never wrong about a rule it calls shadowed: such a rule
//! decides no request at all. An error is something that does not work, a
//! warning something that works and is likely not meant.
//!
//! Left out on purpose: a rule that only several others together take
//! everything from, and groups that have no members; nobody here sees members.

mod shadow;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::findings::GROUPS_OF_EVERYBODY;
use super::stages::cannot_be_filled;
use super::{Approval, Effect, Policies, Policy, PolicyRule, Stage, SubjectRef, findings};
use crate::role::Risk;

/// How much a remark weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and is likely not meant.
    Warning,
    /// It does not work.
    Error,
}

/// One thing to say, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// How much it weighs.
    pub severity: Severity,
    /// The policy's name.
    pub policy: String,
    /// The rule's name; empty: it is about the policy.
    pub rule: String,
    /// The path of the field; empty: it is about the whole rule.
    pub field: String,
    /// What is wrong, and the way out.
    pub message: String,
}

/// Everything to say of the policies, in the order in which they are asked.
/// `roles` are the risks of the AccessRoles that are known; empty: none is,
/// and nothing is said of names and risks.
#[must_use]
pub fn lint(policies: &Policies, roles: &BTreeMap<String, Risk>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for policy in policies.iter() {
        for found in findings(policy) {
            remarks.push(Remark {
                severity: Severity::Error,
                policy: policy.name.clone(),
                rule: String::new(),
                field: found.field,
                message: found.message,
            });
        }
        for (at, rule) in policy.rules.iter().enumerate() {
            Reader { policy, rule, at, remarks: &mut remarks }.read(roles);
        }
    }
    for (policy, rule, by) in shadow::shadowed(policies) {
        remarks.push(Remark {
            severity: Severity::Warning,
            policy: policy.name.clone(),
            rule: rule.name.clone(),
            field: String::new(),
            message: format!("never decides: {by} takes all that it matches; move it up, or remove it"),
        });
    }
    remarks
}

struct Reader<'a> {
    policy: &'a Policy,
    rule: &'a PolicyRule,
    at: usize,
    remarks: &'a mut Vec<Remark>,
}

impl Reader<'_> {
    fn say(&mut self, severity: Severity, field: &str, message: String) {
        self.remarks.push(Remark {
            severity,
            policy: self.policy.name.clone(),
            rule: self.rule.name.clone(),
            field: format!("spec.rules[{}]{field}", self.at),
            message,
        });
    }

    fn warn(&mut self, field: &str, message: String) {
        self.say(Severity::Warning, field, message);
    }

    fn read(&mut self, roles: &BTreeMap<String, Risk>) {
        self.names_known_roles(roles);
        match &self.rule.effect {
            Effect::Approve => self.grants_at_once(roles),
            Effect::RequireApproval(approval) => self.asks_people(approval),
            Effect::BreakGlass(_) | Effect::Deny { .. } => {}
        }
        let strangers =
            self.rule.subjects.iter().find(
                |one| matches!(one, SubjectRef::Group(name) if name != "system:authenticated" && is_everybody(name)),
            );
        if let (Effect::RequireApproval(_), Some(group)) = (&self.rule.effect, strangers) {
            self.warn(".subjects", format!("{group} is every pod, or whoever is not known; name who may ask"));
        }
    }

    fn names_known_roles(&mut self, roles: &BTreeMap<String, Risk>) {
        if roles.is_empty() {
            return;
        }
        for name in self.rule.roles.iter().filter(|name| *name != "*" && !roles.contains_key(*name)) {
            self.warn(".roles", format!("there is no AccessRole `{name}`; check its name, or give its manifest too"));
        }
    }

    fn grants_at_once(&mut self, roles: &BTreeMap<String, Risk>) {
        let rule = self.rule;
        if rule.names_every_role() && rule.risks.is_empty() {
            let message = "`*` with Approve is every role there is and will be; name roles, or their risks";
            self.warn(".roles", message.to_owned());
            return;
        }
        let is_meant = |risk: Risk| rule.risks.is_empty() || rule.risks.contains(&risk);
        if !is_meant(Risk::Critical) {
            return;
        }
        let critical: Vec<String> = rule
            .roles
            .iter()
            .filter(|name| roles.get(*name) == Some(&Risk::Critical))
            .map(|name| format!("`{name}`"))
            .collect();
        if rule.names_every_role() {
            self.warn(".risks", "grants roles of risk Critical at once; let somebody approve those".to_owned());
        } else if !critical.is_empty() {
            let message =
                format!("grants {} of risk Critical at once; let somebody approve those", critical.join(", "));
            self.warn(".roles", message);
        }
    }

    fn asks_people(&mut self, approval: &Approval) {
        if let Some(message) = cannot_be_filled(approval) {
            self.say(Severity::Error, ".approval.stages", message);
        }
        for (at, stage) in approval.stages.iter().enumerate() {
            let path = format!(".approval.stages[{at}]");
            for message in stage_remarks(self.rule, approval, stage) {
                self.warn(&path, message);
            }
        }
    }
}

/// What to say of one stage.
fn stage_remarks(rule: &PolicyRule, approval: &Approval, stage: &Stage) -> Vec<String> {
    let mut said = Vec::new();
    let named: BTreeSet<&SubjectRef> = stage.approvers.iter().chain(&stage.escalate_to).collect();
    for one in &named {
        if matches!(one, SubjectRef::Group(name) if is_everybody(name)) {
            said.push(format!("{one} is everybody, or every pod; name who decides, or leave `approvers` out"));
        }
    }
    let shared = rule.subjects.iter().find(|one| stage.approvers.contains(one));
    match shared {
        Some(SubjectRef::Group(group)) if stage.required == 1 => said.push(format!(
            "group `{group}` asks and approves, so any two of its members get what they want; \
             name others, or require more"
        )),
        Some(one) if !matches!(one, SubjectRef::Group(_)) && stage.approvers.len() <= stage.required as usize => {
            said.push(format!("{one} asks, nobody approves their own request, and nobody else may; name one more"))
        }
        _ => {}
    }
    if let (Some(after), Some(timeout)) = (stage.escalate_after, approval.timeout)
        && after >= timeout
    {
        said.push(format!("escalates after `{after}`, when the request has ended after `{timeout}`; escalate sooner"));
    }
    said
}

fn is_everybody(group: &str) -> bool {
    GROUPS_OF_EVERYBODY.contains(&group)
}

impl Severity {
    /// The word, for people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: policy `{}`", self.severity.as_str(), self.policy)?;
        if !self.rule.is_empty() {
            write!(f, ", rule `{}`", self.rule)?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
