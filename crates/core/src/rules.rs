//! RBAC rules as values: what a ceiling allows, what was asked, what is left.
//!
//! Promises: narrowing never yields more than the ceiling nor more than was
//! asked, and never an empty name list where names were given (an empty list
//! means *all* to RBAC).

use std::collections::BTreeSet;

/// One RBAC rule over resources, with sets instead of lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `""` is the core group.
    pub api_groups: BTreeSet<String>,
    /// `pods`, `pods/log`.
    pub resources: BTreeSet<String>,
    /// `get`, `list`, …
    pub verbs: BTreeSet<String>,
    /// Empty means every name, as in RBAC.
    pub resource_names: BTreeSet<String>,
}

/// A union of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub BTreeSet<Rule>);

/// One entry of what a request names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
