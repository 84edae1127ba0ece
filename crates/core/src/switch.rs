//! Kill switches: for the whole cluster, for one role, for one policy.
//!
//! Promises: a switch that is on lets nothing begin; one that ends what is
//! active ends it, too. Several add up. A `Deny` rule of a suspended policy
//! still holds.
//!
//! Left out on purpose: who may throw one (RBAC says).

use std::collections::BTreeMap;

use crate::policy::{Decider, Policies};
use crate::reason::{Reason, Refusal};

/// One switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// Everything goes on.
    #[default]
    Off,
    /// Nothing begins.
    Stop,
    /// Nothing begins, and what is active ends.
    End,
}

impl Switch {
    /// From the two fields that say so; the second counts only with the first.
    #[must_use]
    pub fn of(suspend: bool, end_active: bool) -> Self {
        match (suspend, end_active) {
            (false, _) => Self::Off,
            (true, false) => Self::Stop,
            (true, true) => Self::End,
        }
    }
}

/// The switches that are not of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// For the whole cluster.
    pub cluster: Switch,
    /// Why that one is on, as somebody wrote it; may be empty.
    pub words: String,
    /// By the name of the AccessRole; absent: off.
    pub roles: BTreeMap<String, Switch>,
}

/// A switch that is on, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thrown {
    /// How far it goes.
    pub switch: Switch,
    /// In words.
    pub what: String,
}

impl Switches {
    /// The switch that goes furthest of those that concern `role`, and the policy that decides; `None`: all are off.
    #[must_use]
    pub fn thrown(&self, role: &str, policies: &Policies, by: Option<&Decider>) -> Option<Thrown> {
        let of_role = self.roles.get(role).copied().unwrap_or_default();
        let policy = by.and_then(|by| policies.iter().find(|policy| policy.uid == by.uid));
        let all = [
            Thrown { switch: self.cluster, what: self.whole() },
            Thrown { switch: of_role, what: format!("the role `{role}` is suspended") },
            Thrown {
                switch: policy.map(|policy| policy.switch).unwrap_or_default(),
                what: policy.map_or_else(String::new, |policy| format!("the policy `{}` is suspended", policy.name)),
            },
        ];
        // Of equals the first, which is the widest.
        all.into_iter().rev().max_by_key(|thrown| thrown.switch).filter(|thrown| thrown.switch != Switch::Off)
    }

    fn whole(&self) -> String {
        let words = if self.words.is_empty() { String::new() } else { format!(" ({})", self.words) };
        format!("access is suspended in the whole cluster{words}")
    }

    /// Whether a request for `role` may be looked at.
    ///
    /// # Errors
    /// `Suspended`.
    pub fn admit(&self, role: &str) -> Result<(), Refusal> {
        match self.thrown(role, &Policies::default(), None) {
            None => Ok(()),
            Some(thrown) => {
                let message = format!("{}; ask again once that is over", thrown.what);
                Err(Refusal::new(Reason::Suspended, "spec.role", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_that_goes_furthest_counts() {
        let roles = |switch| BTreeMap::from([("view-logs".to_owned(), switch)]);
        for (cluster, role, expected) in [
            (Switch::Off, Switch::Off, None),
            (Switch::Off, Switch::Stop, Some("the role `view-logs` is suspended")),
            (Switch::Stop, Switch::Stop, Some("access is suspended in the whole cluster")),
            (Switch::Stop, Switch::End, Some("the role `view-logs` is suspended")),
            (Switch::End, Switch::Off, Some("access is suspended in the whole cluster")),
        ] {
            let switches = Switches { cluster, words: String::new(), roles: roles(role) };
            let thrown = switches.thrown("view-logs", &Policies::default(), None);
            assert_eq!(thrown.as_ref().map(|thrown| thrown.what.as_str()), expected);
            assert_eq!(switches.admit("view-logs").is_err(), expected.is_some());
            assert_eq!(thrown.map(|thrown| thrown.switch), Some(cluster.max(role)).filter(|s| *s != Switch::Off));
            assert_eq!(switches.admit("other").is_err(), cluster != Switch::Off);
        }
    }

    #[test]
    fn ending_takes_suspending() {
        assert_eq!(Switch::of(false, true), Switch::Off);
        assert_eq!(Switch::of(true, false), Switch::Stop);
        assert_eq!(Switch::of(true, true), Switch::End);
    }
}
