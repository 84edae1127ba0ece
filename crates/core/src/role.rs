//! A task that can be asked for: its ceiling, its limits, and the linter that
//! refuses ceilings from which access could outlive its grant.

pub mod forbidden;
mod lint;

use crate::{length::Length, rules::Rules};

pub use lint::{Finding, lint};

/// How much harm the role can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Reading what many may read anyway.
    Low,
    /// Reading what few read, or small reversible changes.
    Medium,
    /// Changing what runs, or reading secrets.
    High,
    /// May reach beyond the grant.
    Critical,
}

/// Where the role's rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the namespaces of the request.
    Namespaced,
    /// On cluster-scoped objects, or in every namespace.
    Cluster,
}

/// Whether a request must name its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// It may.
    Optional,
    /// It must.
    Required,
}

/// How the access is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Delivery {
    /// Through the gateway, with the holder's own credential.
    Gateway,
    /// By a token of its own.
    Token,
}

/// How a grant of the role may use streams: what stays open, such as a shell or a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Open at once under one grant, at one gateway.
    pub max: u32,
    /// One on which nothing is said for this long is cut; `None`: never.
    pub idle_timeout: Option<Length>,
}

impl Default for StreamLimits {
    /// Of a role that says nothing: as many as no honest client opens, and never idle for too long.
    fn default() -> Self {
        Self { max: 1_000, idle_timeout: None }
    }
}

/// An AccessRole with its ClusterRoles resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The AccessRole's name.
    pub name: String,
    /// The AccessRole's uid.
    pub uid: String,
    /// Union of the ClusterRoles' rules.
    pub ceiling: Rules,
    /// Rules granted whole beside named objects.
    pub companions: Rules,
    /// Where it applies.
    pub scope: Scope,
    /// How much harm it can do.
    pub risk: Risk,
    /// When the request states none.
    pub default_duration: Length,
    /// More is refused, never cut short.
    pub max_duration: Length,
    /// Whether objects must be named.
    pub names: Names,
    /// Allowed ways; the first is the default.
    pub deliveries: Vec<Delivery>,
}
