//! The decision.
//!
//! Promises: total. `Deny` rules are asked first and beat everything; then the
//! others in order, and the first that fits decides, even if a limit of it then
//! refuses. A condition that errs, a policy that was not accepted or is
//! suspended, and a fact that could not be seen deny where they stand, and
//! never let a later rule help.

use jiff::Timestamp;

use super::explain::{Near, nearest};
use super::fit::{Fit, Misses, compare};
use super::{Approval, BreakGlass, Effect, Policies, Policy, PolicyRequest, PolicyRule, usage};
use crate::digest::Digest;
use crate::reason::{Reason, Refusal};
use crate::switch::Switch;

/// The language of conditions, brought by the caller.
pub trait Conditions: std::fmt::Debug {
    /// Whether the condition holds of the request.
    ///
    /// # Errors
    /// Why that cannot be told, in words; the request is then denied.
    fn holds(&self, expression: &str, request: &PolicyRequest, now: Timestamp) -> Result<bool, String>;
}

/// No language at all: every condition errs, so what has one denies.
#[derive(Clone, Copy, Debug)]
pub struct Unread;

impl Conditions for Unread {
    fn holds(&self, _: &str, _: &PolicyRequest, _: Timestamp) -> Result<bool, String> {
        Err("conditions are not read here".to_owned())
    }
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decider {
    /// Name of its policy.
    pub policy: String,
    /// Uid of its policy.
    pub uid: String,
    /// Generation of its policy, for people.
    pub generation: i64,
    /// Its name.
    pub rule: String,
    /// What it said; a grant ends when the rule no longer says that.
    pub digest: Digest,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Granted at once.
    Approve,
    /// Granted once these people agree.
    RequireApproval(Approval),
    /// Granted at once, and reviewed after.
    BreakGlass(BreakGlass),
    /// Refused. With a transient reason nothing was decided: ask again.
    Deny(Refusal),
}

/// A decision that explains itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was decided.
    pub ruling: Ruling,
    /// By which rule; `None`: by there being none.
    pub by: Option<Decider>,
    /// Rules that came close, and what was missing.
    pub near: Vec<Near>,
}

/// What the policies say of a request.
#[must_use]
pub fn evaluate(policies: &Policies, request: &PolicyRequest, conditions: &dyn Conditions, now: Timestamp) -> Outcome {
    if policies.is_empty() {
        return Outcome { ruling: Ruling::RequireApproval(Approval::by_anyone()), by: None, near: Vec::new() };
    }
    decide(policies, request, conditions, now, &|_| true)
}

/// Who would have been asked, had no rule let glass be broken: a line for each stage.
#[must_use]
pub fn skipped(
    policies: &Policies,
    request: &PolicyRequest,
    conditions: &dyn Conditions,
    now: Timestamp,
) -> Vec<String> {
    let otherwise = decide(policies, request, conditions, now, &|rule| !matches!(rule.effect, Effect::BreakGlass(_)));
    match otherwise.ruling {
        Ruling::RequireApproval(approval) => approval.stages.iter().map(ToString::to_string).collect(),
        Ruling::Approve | Ruling::BreakGlass(_) | Ruling::Deny(_) => Vec::new(),
    }
}

fn decide(
    policies: &Policies,
    request: &PolicyRequest,
    conditions: &dyn Conditions,
    now: Timestamp,
    is_meant: &dyn Fn(&PolicyRule) -> bool,
) -> Outcome {
    let rules = policies.about(&request.role);
    let mut missed = Vec::new();
    let denials = rules.iter().filter(|(_, rule)| rule.is_deny());
    let others = rules.iter().filter(|(_, rule)| !rule.is_deny() && is_meant(rule));
    for (policy, rule) in denials.chain(others) {
        match judge(policy, rule, request, conditions, now) {
            Judged::Decides(ruling) => {
                let by = Some(Decider::of(policy, rule));
                return Outcome { ruling, by, near: nearest(missed, request) };
            }
            Judged::Misses(misses) if !rule.is_deny() => missed.push((*policy, *rule, misses)),
            Judged::Misses(_) => {}
        }
    }
    let message = format!(
        "no rule lets you have `{}` like this; see what comes close: kubectl brevet explain {}",
        request.role, request.role
    );
    Outcome {
        ruling: Ruling::Deny(Refusal::new(Reason::NoRule, "", message)),
        by: None,
        near: nearest(missed, request),
    }
}

enum Judged {
    Decides(Ruling),
    Misses(Misses),
}

fn judge(
    policy: &Policy,
    rule: &PolicyRule,
    request: &PolicyRequest,
    conditions: &dyn Conditions,
    now: Timestamp,
) -> Judged {
    let deny = |reason, message| Judged::Decides(Ruling::Deny(Refusal::new(reason, "", message)));
    let named = format!("rule `{}` of policy `{}`", rule.name, policy.name);
    match compare(policy, rule, request, now) {
        Fit::Misses(misses) => return Judged::Misses(misses),
        Fit::Unseen(why) => return deny(Reason::Stale, format!("{why}; nothing was decided yet")),
        Fit::Fits => {}
    }
    if let Some(fault) = &policy.fault {
        let message = format!("policy `{}` has a fault, so its rules deny: {fault}; tell its author", policy.name);
        return deny(Reason::PolicyNotAccepted, message);
    }
    match rule.when.as_deref().map(|when| conditions.holds(when, request, now)) {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => return Judged::Misses(Misses::only(Misses::CONDITION)),
        Some(Err(why)) => {
            return deny(Reason::ConditionFailed, format!("the condition of {named} fails: {why}; tell its author"));
        }
    }
    if policy.switch != Switch::Off && !rule.is_deny() {
        return deny(Reason::Suspended, format!("policy `{}` is suspended; ask its author", policy.name));
    }
    if let Effect::Deny { message } = &rule.effect {
        let words = if message.is_empty() { "it says no more".to_owned() } else { message.clone() };
        return deny(Reason::DeniedByPolicy, format!("{named} denies this: {words}"));
    }
    Judged::Decides(match within_limits(policy, rule, request, now) {
        Err(refusal) => Ruling::Deny(refusal),
        Ok(()) => match &rule.effect {
            Effect::Approve => Ruling::Approve,
            Effect::RequireApproval(approval) => Ruling::RequireApproval(approval.clone()),
            Effect::BreakGlass(terms) => Ruling::BreakGlass(terms.clone()),
            Effect::Deny { .. } => Ruling::Deny(Refusal::new(Reason::DeniedByPolicy, "", named)),
        },
    })
}

fn within_limits(policy: &Policy, rule: &PolicyRule, request: &PolicyRequest, now: Timestamp) -> Result<(), Refusal> {
    let asked = request.duration;
    if let Some(max) = rule.limits.max_duration.filter(|max| asked > *max) {
        let message = format!(
            "rule `{}` of policy `{}` allows at most `{max}`, not `{asked}`; ask for `{max}` or less",
            rule.name, policy.name
        );
        return Err(Refusal::new(Reason::DurationTooLong, "spec.duration", message));
    }
    let Some(used) = &request.usage else {
        return Ok(());
    };
    if let (Effect::BreakGlass(_), Some(overdue)) = (&rule.effect, &used.overdue_review) {
        let message = format!("the review of `{overdue}` is overdue; until somebody reviews it you cannot break glass");
        return Err(Refusal::new(Reason::ReviewOverdue, "", message));
    }
    usage::check(policy, rule, used, asked, request.start(now), now)
}

impl Decider {
    /// The rule, as it says now.
    #[must_use]
    pub fn of(policy: &Policy, rule: &PolicyRule) -> Self {
        Self {
            policy: policy.name.clone(),
            uid: policy.uid.clone(),
            generation: policy.generation,
            rule: rule.name.clone(),
            digest: rule.digest(),
        }
    }

    /// The rule among `policies`, if it still says what it said when it decided.
    #[must_use]
    pub fn still_in<'a>(&self, policies: &'a Policies) -> Option<&'a PolicyRule> {
        let (policy, rule) = policies.find(&self.uid, &self.rule)?;
        (policy.name == self.policy && policy.fault.is_none() && rule.digest() == self.digest).then_some(rule)
    }
}
