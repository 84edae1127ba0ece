//! All policies, in the order in which they are asked.
//!
//! Promises: the order they were read in carries no meaning; a question about
//! one role never costs a look at rules that name only others.

use std::collections::BTreeMap;

use super::stages::Aliases;
use super::{Policy, PolicyRule};

/// Every policy of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// By priority (highest first), then name.
    sorted: Vec<Policy>,
    /// Places of the rules that name a role.
    by_role: BTreeMap<String, Vec<Place>>,
    /// Places of the rules that name every role.
    of_every_role: Vec<Place>,
    /// Which usernames are one human, by all policies together.
    aliases: Aliases,
}

/// Where a rule stands: policy, then rule.
type Place = (usize, usize);

impl Policies {
    /// Puts policies in order.
    #[must_use]
    pub fn new(mut policies: Vec<Policy>) -> Self {
        policies.sort_by(|a, b| (b.priority, &a.name, &a.uid).cmp(&(a.priority, &b.name, &b.uid)));
        let mut by_role: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        let mut of_every_role = Vec::new();
        for (at, policy) in policies.iter().enumerate() {
            for (place, rule) in policy.rules.iter().enumerate() {
                if rule.names_every_role() {
                    of_every_role.push((at, place));
                    continue;
                }
                for role in &rule.roles {
                    by_role.entry(role.clone()).or_default().push((at, place));
                }
            }
        }
        let aliases = Aliases::of(policies.iter().flat_map(|policy| &policy.people));
        Self { sorted: policies, by_role, of_every_role, aliases }
    }

    /// Whether there is no policy at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Which usernames are one human. A policy that is suspended or faulty still says so.
    #[must_use]
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// Every policy, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.sorted.iter()
    }

    /// The rule of that name in the policy of that uid.
    #[must_use]
    pub fn find(&self, policy_uid: &str, rule: &str) -> Option<(&Policy, &PolicyRule)> {
        let policy = self.sorted.iter().find(|policy| policy.uid == policy_uid)?;
        policy.rules.iter().find(|known| known.name == rule).map(|rule| (policy, rule))
    }

    /// The rules that name the role, in order.
    pub(super) fn about(&self, role: &str) -> Vec<(&Policy, &PolicyRule)> {
        let named = self.by_role.get(role).into_iter().flatten();
        let mut places: Vec<Place> = named.chain(&self.of_every_role).copied().collect();
        places.sort_unstable();
        let rule = |(at, place): Place| {
            let policy = self.sorted.get(at)?;
            policy.rules.get(place).map(|rule| (policy, rule))
        };
        places.into_iter().filter_map(rule).collect()
    }
}
