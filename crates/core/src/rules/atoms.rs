//! Rules taken apart into (group, resource, verb, name) and put together again.
//!
//! Promises: the atoms that remain after [`minimal`] are the same for every
//! spelling of one meaning. (A wildcard stands for endlessly many names, so a
//! union covers an atom only if one atom of it does.)

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, Rules};

/// More atoms than this are never expanded: a bound on time and memory, far
/// above any task worth approving (Kubernetes' own `admin` has about 2,000).
pub(super) const ATOMS_MAX: usize = 16 * 1024;

/// The smallest thing RBAC can grant; `None` is every name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom<'a> {
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) verb: &'a str,
    pub(super) name: Option<&'a str>,
}

impl Atom<'_> {
    /// Whether the rule grants all of the atom.
    pub(super) fn is_within(&self, rule: &Rule) -> bool {
        let named = |name: &str| rule.resource_names.contains(name);
        super::has_or_star(&rule.api_groups, self.group)
            && super::has_or_star(&rule.verbs, self.verb)
            && rule.resources.iter().any(|held| includes(held, self.resource))
            && (rule.resource_names.is_empty() || self.name.is_some_and(named))
    }
}

/// Whether `held` in a rule's resources includes the resource (which may
/// itself be `*` or `*/sub`).
fn includes(held: &str, resource: &str) -> bool {
    held == "*"
        || held == resource
        || held.strip_prefix("*/").is_some_and(|sub| resource.split_once('/').is_some_and(|(_, other)| other == sub))
}

/// Every atom of the rules; `None` past [`ATOMS_MAX`].
pub(super) fn expand(rules: &Rules) -> Option<BTreeSet<Atom<'_>>> {
    let mut all = BTreeSet::new();
    let mut count: usize = 0;
    for rule in &rules.0 {
        let product = rule.api_groups.len().checked_mul(rule.resources.len())?;
        let product = product.checked_mul(rule.verbs.len())?.checked_mul(rule.resource_names.len().max(1))?;
        count = count.checked_add(product).filter(|sum| *sum <= ATOMS_MAX)?;
        let names = || {
            let all_names = rule.resource_names.is_empty().then_some(None);
            all_names.into_iter().chain(rule.resource_names.iter().map(|name| Some(name.as_str())))
        };
        for group in &rule.api_groups {
            for resource in &rule.resources {
                for verb in &rule.verbs {
                    all.extend(names().map(|name| Atom { group, resource, verb, name }));
                }
            }
        }
    }
    Some(all)
}

/// Without the atoms that another one includes.
pub(super) fn minimal(all: BTreeSet<Atom<'_>>) -> BTreeSet<Atom<'_>> {
    let any_parents: BTreeMap<&str, &str> =
        all.iter().filter_map(|atom| atom.resource.strip_prefix("*/").map(|sub| (sub, atom.resource))).collect();
    let is_included = |atom: &Atom<'_>| {
        let parent = atom.resource.split_once('/').and_then(|(_, sub)| any_parents.get(sub)).copied();
        let resources = [Some(atom.resource), Some("*"), parent];
        [atom.group, "*"].into_iter().any(|group| {
            resources.into_iter().flatten().any(|resource| {
                [atom.verb, "*"].into_iter().any(|verb| {
                    [atom.name, None].into_iter().any(|name| {
                        let wider = Atom { group, resource, verb, name };
                        wider != *atom && all.contains(&wider)
                    })
                })
            })
        })
    };
    all.iter().filter(|atom| !is_included(atom)).copied().collect()
}

/// Few rules for the atoms: verbs, then resources, then groups that agree in
/// all else are joined. A function of the atoms alone.
pub(super) fn regroup(all: &BTreeSet<Atom<'_>>) -> Rules {
    type Set<'a> = BTreeSet<&'a str>;
    let mut names: BTreeMap<(&str, &str, &str), Set<'_>> = BTreeMap::new();
    for atom in all {
        names.entry((atom.group, atom.resource, atom.verb)).or_default().extend(atom.name);
    }
    let mut verbs: BTreeMap<(&str, &str, Set<'_>), Set<'_>> = BTreeMap::new();
    for ((group, resource, verb), names) in names {
        verbs.entry((group, resource, names)).or_default().insert(verb);
    }
    let mut resources: BTreeMap<(&str, Set<'_>, Set<'_>), Set<'_>> = BTreeMap::new();
    for ((group, resource, names), verbs) in verbs {
        resources.entry((group, verbs, names)).or_default().insert(resource);
    }
    let mut groups: BTreeMap<(Set<'_>, Set<'_>, Set<'_>), Set<'_>> = BTreeMap::new();
    for ((group, verbs, names), resources) in resources {
        groups.entry((resources, verbs, names)).or_default().insert(group);
    }
    let own = |set: Set<'_>| -> BTreeSet<String> { set.into_iter().map(str::to_owned).collect() };
    groups
        .into_iter()
        .map(|((resources, verbs, names), groups)| Rule {
            api_groups: own(groups),
            resources: own(resources),
            verbs: own(verbs),
            resource_names: own(names),
        })
        .collect()
}
