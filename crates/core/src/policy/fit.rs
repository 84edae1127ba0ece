//! Whether one rule is about a request, criterion by criterion.
//!
//! Promises: a `Deny` rule is about a request if it is about any of its
//! namespaces, resources or minutes; every other rule only if it is about all
//! of its namespaces and resources, and about the minute it begins. So adding a
//! namespace never dodges a denial and never widens a permission.

use jiff::Timestamp;

use super::resources::{overlap, uncovered};
use super::subjects::any_matches;
use super::{Effect, NamespaceMatch, Place, Policy, PolicyRequest, PolicyRule};
use crate::request::Urgency;

/// What a rule has to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// All it asks for is there (its condition is not asked here).
    Fits,
    /// These are missing.
    Misses(Misses),
    /// A fact it needs could not be seen.
    Unseen(String),
}

/// Which criteria are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Misses(u8);

impl Misses {
    pub(super) const SUBJECT: u8 = 1;
    pub(super) const RISK: u8 = 1 << 1;
    pub(super) const NAMESPACE: u8 = 1 << 2;
    pub(super) const RESOURCE: u8 = 1 << 3;
    pub(super) const SCHEDULE: u8 = 1 << 4;
    pub(super) const URGENCY: u8 = 1 << 5;
    pub(super) const CONDITION: u8 = 1 << 6;

    pub(super) fn only(flag: u8) -> Self {
        Self(flag)
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    pub(super) fn count(self) -> u32 {
        self.0.count_ones()
    }

    fn add(&mut self, flag: u8, is_missing: bool) {
        if is_missing {
            self.0 |= flag;
        }
    }
}

/// Whether one namespace is matched; `None` where its labels are needed and
/// could not be seen.
pub(super) fn is_namespace(wanted: &NamespaceMatch, name: &str, labels: &super::Labels) -> Option<bool> {
    let is_named = wanted.names.is_empty() || wanted.names.iter().any(|glob| glob.matches(name));
    if !is_named || wanted.except.iter().any(|glob| glob.matches(name)) {
        return Some(false);
    }
    match &wanted.selector {
        None => Some(true),
        Some(selector) => labels.as_ref().map(|labels| selector.matches(labels)),
    }
}

/// Compares all but the role (the caller took rules that name it) and the condition.
pub(super) fn compare(policy: &Policy, rule: &PolicyRule, request: &PolicyRequest, now: Timestamp) -> Fit {
    let refuses = rule.is_deny();
    let mut misses = Misses::default();
    misses.add(Misses::SUBJECT, !any_matches(&rule.subjects, &request.requester));
    misses.add(Misses::RISK, !rule.risks.is_empty() && !rule.risks.contains(&request.risk));
    let is_break_glass = matches!(rule.effect, Effect::BreakGlass(_));
    misses.add(Misses::URGENCY, is_break_glass && request.urgency != Urgency::Critical);
    let place = is_place(rule, request);
    misses.add(Misses::NAMESPACE, place == Some(false));
    if misses.count() < 2 {
        misses.add(Misses::RESOURCE, !rule.resources.is_empty() && !is_resource(rule, request));
        misses.add(Misses::SCHEDULE, !is_scheduled(rule, request, now));
    }
    match place {
        None if misses.count() == 0 => {
            let effect = if refuses { "denies" } else { "is about" };
            Fit::Unseen(format!(
                "rule `{}` of policy `{}` {effect} namespaces with labels, and those could not be seen",
                rule.name, policy.name
            ))
        }
        _ if misses.count() == 0 => Fit::Fits,
        _ => Fit::Misses(misses),
    }
}

fn is_place(rule: &PolicyRule, request: &PolicyRequest) -> Option<bool> {
    let Some(wanted) = &rule.namespaces else {
        return Some(true);
    };
    match &request.place {
        // Everywhere includes the namespaces of a denial, and is more than those of a permission.
        Place::Cluster { reaches_namespaces } => Some(rule.is_deny() && *reaches_namespaces),
        Place::Namespaces(all) => {
            let mut found = all.iter().map(|(name, labels)| is_namespace(wanted, name, labels));
            if rule.is_deny() {
                let each: Vec<Option<bool>> = found.collect();
                if each.contains(&Some(true)) { Some(true) } else { (!each.contains(&None)).then_some(false) }
            } else if all.is_empty() {
                Some(false)
            } else {
                found.try_fold(true, |so_far, one| one.map(|one| so_far && one)).or_else(|| {
                    let fails = all.iter().any(|(name, labels)| is_namespace(wanted, name, labels) == Some(false));
                    fails.then_some(false)
                })
            }
        }
    }
}

fn is_resource(rule: &PolicyRule, request: &PolicyRequest) -> bool {
    if rule.is_deny() {
        overlap(&rule.resources, &request.granted).is_some()
    } else {
        uncovered(&rule.resources, &request.granted).is_none()
    }
}

fn is_scheduled(rule: &PolicyRule, request: &PolicyRequest, now: Timestamp) -> bool {
    let Some(schedule) = &rule.schedule else {
        return true;
    };
    let start = request.start(now);
    if !rule.is_deny() {
        return schedule.holds(start);
    }
    let end = start.checked_add(request.duration.span()).unwrap_or(Timestamp::MAX);
    schedule.holds(now) || schedule.holds_within(start, end)
}
