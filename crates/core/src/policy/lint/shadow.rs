//! Which rules never decide, because an earlier one takes all that they match.
//!
//! Promises: one-sided. Whatever one rule is called to take from another, it
//! takes: criterion by criterion it asks for no more. Where that cannot be told
//! by looking at both, nothing is said.

use std::collections::BTreeSet;

use super::super::{Effect, Glob, NamespaceMatch, Policies, Policy, PolicyRule, ResourceMatch};

/// Each rule that never decides, with the one that takes all it matches.
pub(super) fn shadowed(policies: &Policies) -> Vec<(&Policy, &PolicyRule, String)> {
    let all = || policies.iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
    // As they are asked: denials first.
    let asked: Vec<(&Policy, &PolicyRule)> =
        all().filter(|(_, rule)| rule.is_deny()).chain(all().filter(|(_, rule)| !rule.is_deny())).collect();
    let mut found = Vec::new();
    for (at, late) in asked.iter().enumerate() {
        if let Some((policy, rule)) = asked.iter().take(at).find(|early| takes_all(early, late)) {
            let by = format!("rule `{}` of policy `{}`", rule.name, policy.name);
            found.push((late.0, late.1, by));
        }
    }
    found
}

/// Whether the first decides (or denies for want of a fact) whenever the second would.
fn takes_all((policy, early): &(&Policy, &PolicyRule), (late_policy, late): &(&Policy, &PolicyRule)) -> bool {
    let names_subjects = late.subjects.iter().all(|one| early.subjects.contains(one));
    let names_roles = early.names_every_role() || (!late.names_every_role() && late.roles.is_subset(&early.roles));
    let names_risks = early.risks.is_empty() || (!late.risks.is_empty() && late.risks.is_subset(&early.risks));
    let is_always = early.schedule.is_none() || early.schedule == late.schedule;
    let is_calm = !matches!(early.effect, Effect::BreakGlass(_)) || matches!(late.effect, Effect::BreakGlass(_));
    // A policy with a fault is asked without its conditions.
    let holds =
        policy.fault.is_some() || early.when.is_none() || (late_policy.fault.is_none() && early.when == late.when);
    names_subjects
        && names_roles
        && names_risks
        && is_always
        && is_calm
        && holds
        && takes_places(early.namespaces.as_ref(), late.namespaces.as_ref())
        && takes_resources(early, late)
}

fn takes_places(early: Option<&NamespaceMatch>, late: Option<&NamespaceMatch>) -> bool {
    let (Some(early), Some(late)) = (early, late) else {
        return early.is_none();
    };
    let has_name = early.names.is_empty()
        || (!late.names.is_empty()
            && late.names.iter().all(|narrow| early.names.iter().any(|wide| takes_names(wide, narrow))));
    let excepts_no_more = early.except.iter().all(|one| late.except.contains(one));
    let demands =
        |one: &NamespaceMatch| one.selector.iter().flat_map(|all| all.0.iter().cloned()).collect::<BTreeSet<_>>();
    has_name && excepts_no_more && demands(early).is_subset(&demands(late))
}

fn takes_names(wide: &Glob, narrow: &Glob) -> bool {
    let narrow_text = narrow.to_string();
    wide == narrow || wide.to_string() == "*" || (!narrow_text.contains('*') && wide.matches(&narrow_text))
}

fn takes_resources(early: &PolicyRule, late: &PolicyRule) -> bool {
    if early.resources.is_empty() {
        return true;
    }
    // A denial of some resources lets through a request for nothing, and a permission covers that.
    if early.is_deny() != late.is_deny() || late.resources.is_empty() {
        return false;
    }
    late.resources.iter().all(|narrow| early.resources.iter().any(|wide| takes_kinds(wide, narrow)))
}

fn takes_kinds(wide: &ResourceMatch, narrow: &ResourceMatch) -> bool {
    let parent = narrow.resource.split_once('/').map_or(narrow.resource.as_str(), |(parent, _)| parent);
    let has_all = |wide: &BTreeSet<String>, narrow: &BTreeSet<String>| {
        wide.is_empty() || (!narrow.is_empty() && narrow.is_subset(wide))
    };
    (wide.api_group == "*" || wide.api_group == narrow.api_group)
        && (wide.resource == "*" || wide.resource == narrow.resource || wide.resource == parent)
        && has_all(&wide.verbs, &narrow.verbs)
        && has_all(&wide.names, &narrow.names)
}
