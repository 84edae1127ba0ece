//! From ceiling and ask to effective rules.
//!
//! Promises: the result is within the ceiling and within what was asked; what
//! was named stays named; whatever was asked and is not in the result is
//! reported with the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, Rules, fits};
use crate::reason::{Reason, Refusal};

/// One entry of what a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// `""` is the core group.
    pub api_group: String,
    /// `pods` covers its subresources; `pods/log` is that subresource alone.
    pub resource: String,
    /// Empty: every object the ceiling allows.
    pub names: BTreeSet<String>,
    /// Empty: the ceiling's.
    pub verbs: BTreeSet<String>,
}

/// Something that was asked for and is not part of the effective rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// The API group.
    pub api_group: String,
    /// The resource or subresource.
    pub resource: String,
    /// The verbs that were dropped; empty when whole objects were.
    pub verbs: BTreeSet<String>,
    /// Why, in a sentence.
    pub why: String,
}

/// What is left of the ceiling, in canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// Ceiling ∩ asked.
    pub rules: Rules,
    /// What was asked and is not in it, in order.
    pub dropped: Vec<Dropped>,
}

const WHY_CREATE: &str = "creating cannot be limited to names: the server does not know the name yet";
const WHY_COLLECTION: &str = "deleting a collection cannot be limited to names; delete the objects one by one";
const WHY_VERBS: &str = "the role does not allow it";

/// Ceiling ∩ asked, by RBAC's own semantics. `None` asks for the whole ceiling.
///
/// # Errors
/// `ForbiddenRule` for a wildcard in an ask, `OutsideRole` for an entry of which
/// nothing lies under the ceiling, `TooBroad` past the limits of size.
pub fn narrow(ceiling: &Rules, asked: Option<&[Ask]>) -> Result<Effective, Refusal> {
    let mut kept = BTreeSet::new();
    let mut reports = Reports::default();
    match asked {
        None => kept.extend(ceiling.0.iter().flat_map(|rule| without_unnameable(rule.clone(), &mut reports))),
        Some([]) => return Err(nothing_asked()),
        Some(asked) => {
            for (index, ask) in asked.iter().enumerate() {
                refuse_wildcards(index, ask)?;
                let met: Vec<Rule> = ceiling.0.iter().filter_map(|rule| meet(rule, ask)).collect();
                let mut own = Reports::default();
                let found: Vec<Rule> = met.into_iter().flat_map(|rule| without_unnameable(rule, &mut own)).collect();
                if found.is_empty() {
                    return Err(outside(index, ask));
                }
                own.missing(ask, &found);
                reports.merge(own);
                kept.extend(found);
            }
        }
    }
    let rules = fits(&Rules(kept))?;
    let dropped = reports.into_dropped(&rules);
    Ok(Effective { rules, dropped })
}

/// The part of a ceiling rule that an entry asks for: again one rule, or nothing.
fn meet(rule: &Rule, ask: &Ask) -> Option<Rule> {
    if !super::has_or_star(&rule.api_groups, &ask.api_group) {
        return None;
    }
    let resources: BTreeSet<String> =
        rule.resources.iter().filter_map(|held| meet_resource(held, &ask.resource)).collect();
    let verbs: BTreeSet<String> = if ask.verbs.is_empty() {
        rule.verbs.clone()
    } else {
        ask.verbs.iter().filter(|verb| super::has_or_star(&rule.verbs, verb)).cloned().collect()
    };
    let names: BTreeSet<String> = match (rule.resource_names.is_empty(), ask.names.is_empty()) {
        (_, true) => rule.resource_names.clone(),
        (true, false) => ask.names.clone(),
        (false, false) => rule.resource_names.intersection(&ask.names).cloned().collect(),
    };
    let has_lost_its_names = names.is_empty() && !(rule.resource_names.is_empty() && ask.names.is_empty());
    if resources.is_empty() || verbs.is_empty() || has_lost_its_names {
        return None;
    }
    Some(Rule { api_groups: BTreeSet::from([ask.api_group.clone()]), resources, verbs, resource_names: names })
}

/// One resource of a ceiling under one that is asked for: `pods` covers
/// `pods/log`, not the other way round. (All subresources of one resource have
/// no spelling in RBAC, so `*` under `pods` is `pods` alone.)
fn meet_resource(held: &str, asked: &str) -> Option<String> {
    let asked_sub = asked.split_once('/').map(|(_, sub)| sub);
    match (held, held.split_once('/')) {
        ("*", _) => Some(asked.to_owned()),
        (_, None) => (held == asked).then(|| held.to_owned()),
        (_, Some(("*", sub))) => match asked_sub {
            None => Some(format!("{asked}/{sub}")),
            Some(asked_sub) => (sub == asked_sub).then(|| asked.to_owned()),
        },
        (_, Some((parent, _))) => (held == asked || parent == asked).then(|| held.to_owned()),
    }
}

/// A rule that names objects, split so that what names cannot limit is left out.
fn without_unnameable(rule: Rule, reports: &mut Reports) -> Vec<Rule> {
    if rule.resource_names.is_empty() {
        return vec![rule];
    }
    let (under, plain): (BTreeSet<String>, BTreeSet<String>) =
        rule.resources.iter().cloned().partition(|resource| resource.contains('/'));
    let keep = |resources: BTreeSet<String>, unnameable: &[(&str, &'static str)], reports: &mut Reports| {
        let mut verbs = rule.verbs.clone();
        for (verb, why) in unnameable {
            if verbs.remove(*verb) {
                reports.verb(&rule.api_groups, &resources, verb, why);
            }
        }
        Rule { resources, verbs, ..rule.clone() }
    };
    let collection = ("deletecollection", WHY_COLLECTION);
    [keep(plain, &[("create", WHY_CREATE), collection], reports), keep(under, &[collection], reports)]
        .into_iter()
        .filter(|rule| !rule.resources.is_empty() && !rule.verbs.is_empty())
        .collect()
}

/// What to tell about parts left out: (group, resource, why) → verbs.
#[derive(Default)]
struct Reports(BTreeMap<(String, String, String), BTreeSet<String>>);

/// More reports than this tell nobody anything (and the status has to hold them).
const REPORTS_MAX: usize = 64;

impl Reports {
    fn verb(&mut self, groups: &BTreeSet<String>, resources: &BTreeSet<String>, verb: &str, why: &str) {
        for group in groups {
            for resource in resources {
                let key = (group.clone(), resource.clone(), why.to_owned());
                self.0.entry(key).or_default().insert(verb.to_owned());
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (key, verbs) in other.0 {
            self.0.entry(key).or_default().extend(verbs);
        }
    }

    /// Verbs and names that an entry states and the ceiling does not have.
    fn missing(&mut self, ask: &Ask, found: &[Rule]) {
        for verb in &ask.verbs {
            let key = (ask.api_group.clone(), ask.resource.clone(), WHY_VERBS.to_owned());
            let is_explained = self.0.iter().any(|((group, resource, _), verbs)| {
                *group == ask.api_group && *resource == ask.resource && verbs.contains(verb)
            });
            if !is_explained && !found.iter().any(|rule| super::has_or_star(&rule.verbs, verb)) {
                self.0.entry(key).or_default().insert(verb.clone());
            }
        }
        for name in &ask.names {
            if !found.iter().any(|rule| rule.resource_names.contains(name)) {
                let why = format!("the role does not allow it on `{name}`");
                self.0.entry((ask.api_group.clone(), ask.resource.clone(), why)).or_default();
            }
        }
    }

    /// In order, without what another entry brought in after all.
    fn into_dropped(self, rules: &Rules) -> Vec<Dropped> {
        let has_all = |group: &str, resource: &str, verb: &str| {
            rules.covers(&Rules::from_iter([Rule {
                api_groups: BTreeSet::from([group.to_owned()]),
                resources: BTreeSet::from([resource.to_owned()]),
                verbs: BTreeSet::from([verb.to_owned()]),
                resource_names: BTreeSet::new(),
            }]))
        };
        let entries = self.0.into_iter().filter_map(|((api_group, resource, why), all)| {
            let had_verbs = !all.is_empty();
            let verbs: BTreeSet<String> =
                all.into_iter().filter(|verb| !has_all(&api_group, &resource, verb)).collect();
            (!had_verbs || !verbs.is_empty()).then_some(Dropped { api_group, resource, verbs, why })
        });
        entries.take(REPORTS_MAX).collect()
    }
}

fn refuse_wildcards(index: usize, ask: &Ask) -> Result<(), Refusal> {
    let words = [&ask.api_group, &ask.resource].into_iter().chain(&ask.names).chain(&ask.verbs);
    if words.into_iter().any(|word| word.contains('*')) {
        return Err(Refusal::new(
            Reason::ForbiddenRule,
            format!("spec.resources[{index}]"),
            "`*` is never granted; name the group, resource, verbs and objects you need",
        ));
    }
    Ok(())
}

fn nothing_asked() -> Refusal {
    Refusal::new(
        Reason::OutsideRole,
        "spec.resources",
        "nothing is asked for; leave `resources` out to ask for the whole role, or name what you need",
    )
}

fn outside(index: usize, ask: &Ask) -> Refusal {
    let group = if ask.api_group.is_empty() { String::new() } else { format!(".{}", ask.api_group) };
    let verbs = if ask.verbs.is_empty() {
        String::new()
    } else {
        format!("{} on ", ask.verbs.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    let hint = if ask.names.is_empty() { "" } else { " (creating cannot be limited to names)" };
    Refusal::new(
        Reason::OutsideRole,
        format!("spec.resources[{index}]"),
        format!(
            "the role allows nothing of `{verbs}{}{group}`{hint}; see what it allows with `kubectl brevet explain`",
            ask.resource
        ),
    )
}
