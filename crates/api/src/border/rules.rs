//! Rules, in three spellings: RBAC's, the wire's and core's.
//!
//! Promises: none of the three says more than another. Non-resource URLs have no spelling here: an
//! elevation never has any, so a rule of them alone gives nothing.

use crate::blocks;
use brevet_core::rules::{Ask, Dropped, Rule, Rules};
use k8s_openapi::api::rbac::v1::PolicyRule;

/// What a ClusterRole allows.
#[must_use]
pub fn rules(rules: &[PolicyRule]) -> Rules {
    let has_resources = |rule: &&PolicyRule| rule.resources.as_ref().is_some_and(|all| !all.is_empty());
    rules
        .iter()
        .filter(has_resources)
        .map(|rule| Rule {
            api_groups: rule.api_groups.iter().flatten().cloned().collect(),
            resources: rule.resources.iter().flatten().cloned().collect(),
            verbs: rule.verbs.iter().cloned().collect(),
            resource_names: rule.resource_names.iter().flatten().cloned().collect(),
        })
        .collect()
}

/// Rules as a Role or ClusterRole carries them.
#[must_use]
pub fn policy_rules(rules: &Rules) -> Vec<PolicyRule> {
    rules
        .0
        .iter()
        .map(|rule| PolicyRule {
            api_groups: Some(rule.api_groups.iter().cloned().collect()),
            resources: Some(rule.resources.iter().cloned().collect()),
            verbs: rule.verbs.iter().cloned().collect(),
            resource_names: (!rule.resource_names.is_empty()).then(|| rule.resource_names.iter().cloned().collect()),
            non_resource_urls: None,
        })
        .collect()
}

impl From<&blocks::Rule> for Rule {
    fn from(rule: &blocks::Rule) -> Self {
        Self {
            api_groups: rule.api_groups.iter().cloned().collect(),
            resources: rule.resources.iter().cloned().collect(),
            verbs: rule.verbs.iter().cloned().collect(),
            resource_names: rule.resource_names.iter().cloned().collect(),
        }
    }
}

impl From<&Rule> for blocks::Rule {
    fn from(rule: &Rule) -> Self {
        Self {
            api_groups: rule.api_groups.iter().cloned().collect(),
            resources: rule.resources.iter().cloned().collect(),
            verbs: rule.verbs.iter().cloned().collect(),
            resource_names: rule.resource_names.iter().cloned().collect(),
        }
    }
}

impl From<&blocks::ResourceAsk> for Ask {
    fn from(ask: &blocks::ResourceAsk) -> Self {
        Self {
            api_group: ask.api_group.clone(),
            resource: ask.resource.clone(),
            names: ask.names.iter().cloned().collect(),
            verbs: ask.verbs.iter().cloned().collect(),
        }
    }
}

impl From<&Dropped> for blocks::Dropped {
    fn from(dropped: &Dropped) -> Self {
        Self {
            api_group: dropped.api_group.clone(),
            resource: dropped.resource.clone(),
            verbs: dropped.verbs.iter().cloned().collect(),
            why: dropped.why.clone(),
        }
    }
}

/// A union of rules as the wire lists them.
pub(super) fn listed(rules: &Rules) -> Vec<blocks::Rule> {
    rules.0.iter().map(blocks::Rule::from).collect()
}
