//! What an organisation's policies say of a request: which rule decides, what
//! it takes, and why.
//!
//! Promises: default deny. A matching `Deny` rule beats everything; otherwise
//! the first matching rule by priority, name and place decides, whatever the
//! order the policies were read in. What cannot be evaluated denies. With no
//! policy at all, one approval by a holder of `approve` is what it takes.
//!
//! Left out on purpose: the language of conditions (the caller brings
//! [`Conditions`]), and who holds the verb `approve` (admission says).
//!
//! In reading order: what a rule matches ([`SubjectRef`], [`Glob`],
//! [`Selector`], [`ResourceMatch`], [`Schedule`]), what it is asked
//! ([`PolicyRequest`], [`Usage`]), the answer ([`evaluate`], [`Outcome`]), and
//! the people it takes ([`stages`]).

mod glob;
mod resources;
mod schedule;
mod selector;
mod subjects;

mod usage;

mod asked;

mod backing;
mod evaluate;
mod explain;
mod fit;
mod order;

mod digest;
mod findings;
mod lint;

pub mod stages;

use std::collections::BTreeSet;

use crate::{length::Length, role::Risk, switch::Switch};

pub use asked::{Labels, Place, PolicyRequest};
pub use backing::backs;
pub use evaluate::{Conditions, Decider, Outcome, Ruling, Unread, evaluate, skipped};
pub use explain::Near;
pub use findings::{Finding, findings};
pub use glob::Glob;
pub use lint::{Remark, Severity, lint};
pub use order::Policies;
pub use resources::ResourceMatch;
pub use schedule::{CivilSpan, DayWindow, Schedule, TimeOfDay, Weekdays, Zone};
pub use selector::{Operator, Requirement, Selector};
pub use stages::{Approval, Order, Stage};
pub use subjects::SubjectRef;
pub use usage::{Limits, Usage, Use, UseState};

/// An AccessPolicy that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The object's generation, for people.
    pub generation: i64,
    /// Higher is asked first.
    pub priority: i32,
    /// Suspended: it grants nothing, and may end what it gave; its `Deny` rules still hold.
    pub switch: Switch,
    /// Why it was not accepted, if it was not: then it denies what its rules
    /// would match without their conditions.
    pub fault: Option<String>,
    /// Usernames that are one human each.
    pub people: Vec<BTreeSet<String>>,
    /// In order.
    pub rules: Vec<PolicyRule>,
}

/// One rule: what it matches (all of it), and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Its name, unique in its policy.
    pub name: String,
    /// Who asks: any of these. Never "everyone" by being empty.
    pub subjects: Vec<SubjectRef>,
    /// Names of AccessRoles; `*` is every role.
    pub roles: BTreeSet<String>,
    /// Risks of the role; empty: any.
    pub risks: BTreeSet<Risk>,
    /// Where; `None`: anywhere.
    pub namespaces: Option<NamespaceMatch>,
    /// On what; empty: on anything.
    pub resources: Vec<ResourceMatch>,
    /// When; `None`: at any time.
    pub schedule: Option<Schedule>,
    /// A condition; `None`: none.
    pub when: Option<String>,
    /// What is refused although the rule matches.
    pub limits: Limits,
    /// What follows.
    pub effect: Effect,
}

/// Which namespaces: all three are ANDed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceMatch {
    /// Any of these; empty: any name.
    pub names: Vec<Glob>,
    /// None of these.
    pub except: Vec<Glob>,
    /// Labels the namespace bears; `None`: any.
    pub selector: Option<Selector>,
}

/// What follows when a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Granted at once.
    Approve,
    /// Granted once these people agree.
    RequireApproval(Approval),
    /// Granted at once to urgency Critical; reviewed by somebody else after.
    BreakGlass(BreakGlass),
    /// Refused.
    Deny {
        /// The author's words; may be empty.
        message: String,
    },
}

/// The terms of a break-glass rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// A review by somebody else is due this long after the grant.
    pub review_within: Length,
    /// Who may review; empty: whoever holds `approve`.
    pub reviewers: Vec<SubjectRef>,
}

impl PolicyRule {
    /// Whether the rule refuses.
    #[must_use]
    pub fn is_deny(&self) -> bool {
        matches!(self.effect, Effect::Deny { .. })
    }

    /// Whether it is about every role.
    #[must_use]
    pub fn names_every_role(&self) -> bool {
        self.roles.contains("*")
    }
}

#[cfg(test)]
mod tests;
