//! Which of the rules that would be granted a policy rule is about.
//!
//! Promises: the API group is compared, so `pods` of a foreign group is not
//! `pods`; a rule to grant without names is about every object, so it overlaps
//! any named object and is covered only by a match without names.
//!
//! What is matched is what would be granted (the effective rules and the
//! companions), not what was typed.

use std::collections::BTreeSet;
use std::fmt;

use crate::rules::{Rule, Rules};

/// A kind of resource a policy rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceMatch {
    /// `""` is the core group, `*` every group.
    pub api_group: String,
    /// `pods` is the resource and its subresources, `pods/log` that subresource
    /// alone, `*` everything.
    pub resource: String,
    /// Verbs; empty: any.
    pub verbs: BTreeSet<String>,
    /// Names; empty: any.
    pub names: BTreeSet<String>,
}

impl ResourceMatch {
    fn is_about(&self, group: &str, resource: &str) -> bool {
        let is_group = self.api_group == "*" || self.api_group == group;
        let parent = resource.split_once('/').map_or(resource, |(parent, _)| parent);
        is_group && (self.resource == "*" || self.resource == resource || self.resource == parent)
    }

    fn has_verb(&self, verb: &str) -> bool {
        self.verbs.is_empty() || self.verbs.contains(verb)
    }

    /// Whether the rule grants anything this is about.
    fn overlaps(&self, rule: &Rule) -> bool {
        let is_name = self.names.is_empty()
            || rule.resource_names.is_empty()
            || rule.resource_names.iter().any(|name| self.names.contains(name));
        let is_about_any =
            rule.api_groups.iter().any(|group| rule.resources.iter().any(|resource| self.is_about(group, resource)));
        is_name && is_about_any && rule.verbs.iter().any(|verb| self.has_verb(verb))
    }
}

/// The first resource in `granted` that any of the matches is about.
pub(super) fn overlap<'a>(matches: &[ResourceMatch], granted: &'a Rules) -> Option<&'a Rule> {
    granted.0.iter().find(|rule| matches.iter().any(|one| one.overlaps(rule)))
}

/// Something in `granted` that none of the matches is about, in words.
pub(super) fn uncovered(matches: &[ResourceMatch], granted: &Rules) -> Option<String> {
    granted.0.iter().find_map(|rule| {
        rule.api_groups.iter().find_map(|group| {
            rule.resources.iter().find_map(|resource| {
                rule.verbs.iter().find_map(|verb| uncovered_atom(matches, rule, group, resource, verb))
            })
        })
    })
}

fn uncovered_atom(matches: &[ResourceMatch], rule: &Rule, group: &str, resource: &str, verb: &str) -> Option<String> {
    let about = || matches.iter().filter(|one| one.is_about(group, resource) && one.has_verb(verb));
    if about().any(|one| one.names.is_empty()) {
        return None;
    }
    let suffix = if group.is_empty() { String::new() } else { format!(".{group}") };
    if rule.resource_names.is_empty() {
        return Some(format!("{verb} {resource}{suffix}"));
    }
    let name = rule.resource_names.iter().find(|name| !about().any(|one| one.names.contains(*name)))?;
    Some(format!("{verb} {resource}{suffix}/{name}"))
}

impl fmt::Display for ResourceMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.api_group.as_str() {
            "" => write!(f, "{}", self.resource),
            group => write!(f, "{}.{group}", self.resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn rule(group: &str, resource: &str, verbs: &[&str], names: &[&str]) -> Rules {
        [Rule { api_groups: set(&[group]), resources: set(&[resource]), verbs: set(verbs), resource_names: set(names) }]
            .into_iter()
            .collect()
    }

    fn about(group: &str, resource: &str, verbs: &[&str], names: &[&str]) -> ResourceMatch {
        ResourceMatch { api_group: group.into(), resource: resource.into(), verbs: set(verbs), names: set(names) }
    }

    #[test]
    fn any_and_all_are_read_the_safe_way() {
        for (one, granted, overlaps, covers) in [
            (about("", "pods", &[], &[]), rule("", "pods/exec", &["create"], &[]), true, true),
            (about("", "pods/log", &[], &[]), rule("", "pods", &["get"], &[]), false, false),
            (about("", "pods", &[], &[]), rule("metrics.k8s.io", "pods", &["get"], &[]), false, false),
            (about("*", "*", &[], &[]), rule("apps", "deployments", &["get"], &[]), true, true),
            (about("", "secrets", &[], &["db"]), rule("", "secrets", &["get"], &[]), true, false),
            (about("", "secrets", &[], &["db"]), rule("", "secrets", &["get"], &["db"]), true, true),
            (about("", "secrets", &[], &["db"]), rule("", "secrets", &["get"], &["db", "tls"]), true, false),
            (about("", "secrets", &[], &["db"]), rule("", "secrets", &["get"], &["tls"]), false, false),
            (about("", "secrets", &["get"], &[]), rule("", "secrets", &["get", "list"], &[]), true, false),
        ] {
            let matches = [one.clone()];
            assert_eq!(overlap(&matches, &granted).is_some(), overlaps, "{one:?} {granted:?}");
            assert_eq!(uncovered(&matches, &granted).is_none(), covers, "{one:?} {granted:?}");
        }
    }

    #[test]
    fn two_matches_cover_together() {
        let matches = [about("", "secrets", &[], &["db"]), about("", "secrets", &[], &["tls"])];
        assert_eq!(uncovered(&matches, &rule("", "secrets", &["get"], &["db", "tls"])), None);
        let left = uncovered(&matches, &rule("", "secrets", &["get"], &["db", "token"]));
        assert_eq!(left.as_deref(), Some("get secrets/token"));
    }
}
