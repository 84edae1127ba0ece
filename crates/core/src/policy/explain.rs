//! Why a rule did not decide, in words.

use std::fmt;

use super::evaluate::{Outcome, Ruling};
use super::fit::{Misses, is_namespace};
use super::{Place, Policy, PolicyRequest, PolicyRule, resources, subjects};

/// Rules told of at most.
const NEAR_MAX: usize = 5;

/// Things missing past which a rule did not come close.
const MISSING_MAX: u32 = 2;

/// A rule that came close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// Its policy's name.
    pub policy: String,
    /// Its name.
    pub rule: String,
    /// What was missing, in words.
    pub missing: Vec<String>,
}

/// The closest of the rules that missed: least missing first, then in order.
pub(super) fn nearest(mut missed: Vec<(&Policy, &PolicyRule, Misses)>, request: &PolicyRequest) -> Vec<Near> {
    missed.retain(|(_, _, misses)| misses.count() <= MISSING_MAX);
    missed.sort_by_key(|(_, _, misses)| misses.count());
    let near = |(policy, rule, misses): (&Policy, &PolicyRule, Misses)| Near {
        policy: policy.name.clone(),
        rule: rule.name.clone(),
        missing: words(rule, misses, request),
    };
    missed.into_iter().take(NEAR_MAX).map(near).collect()
}

fn words(rule: &PolicyRule, misses: Misses, request: &PolicyRequest) -> Vec<String> {
    let mut words = Vec::new();
    if misses.has(Misses::SUBJECT) {
        words.push(format!("it is for {}", subjects::listed(&rule.subjects)));
    }
    if misses.has(Misses::RISK) {
        let risks: Vec<String> = rule.risks.iter().map(|risk| format!("{risk:?}")).collect();
        words.push(format!("it is for roles of risk {}, not {:?}", risks.join(", "), request.risk));
    }
    if misses.has(Misses::NAMESPACE) {
        words.push(place(rule, request));
    }
    if misses.has(Misses::RESOURCE) {
        let left = resources::uncovered(&rule.resources, &request.granted).unwrap_or_default();
        words.push(format!("it does not cover `{left}`"));
    }
    if let (true, Some(schedule)) = (misses.has(Misses::SCHEDULE), &rule.schedule) {
        words.push(format!("it holds only {schedule}"));
    }
    if misses.has(Misses::URGENCY) {
        words.push("it takes urgency Critical".to_owned());
    }
    if let (true, Some(when)) = (misses.has(Misses::CONDITION), &rule.when) {
        words.push(format!("its condition does not hold: {when}"));
    }
    words
}

fn place(rule: &PolicyRule, request: &PolicyRequest) -> String {
    let Some(wanted) = &rule.namespaces else {
        return String::new();
    };
    let outside = match &request.place {
        Place::Cluster { .. } => None,
        Place::Namespaces(all) => all.iter().find(|(name, labels)| is_namespace(wanted, name, labels) != Some(true)),
    };
    let mut accepted = Vec::new();
    if !wanted.names.is_empty() {
        accepted.push(wanted.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    }
    if !wanted.except.is_empty() {
        let except = wanted.except.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        accepted.push(format!("except {except}"));
    }
    if let Some(selector) = &wanted.selector {
        accepted.push(format!("labelled {selector}"));
    }
    let accepted = accepted.join(", ");
    match outside {
        Some((name, _)) => format!("`{name}` is not among its namespaces ({accepted})"),
        None => format!("it is for namespaces ({accepted}), not for the whole cluster"),
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` of policy `{}`: {}", self.rule, self.policy, self.missing.join("; "))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ruling {
            Ruling::Approve => write!(f, "granted at once")?,
            Ruling::RequireApproval(approval) => write!(f, "takes {approval}")?,
            Ruling::BreakGlass(terms) => {
                write!(f, "granted at once, with a review due within `{}`", terms.review_within)?
            }
            Ruling::Deny(refusal) => write!(f, "{refusal}")?,
        }
        match (&self.by, &self.ruling) {
            (None, _) | (_, Ruling::Deny(_)) => Ok(()),
            (Some(by), _) => write!(f, ", by rule `{}` of policy `{}`", by.rule, by.policy),
        }
    }
}
