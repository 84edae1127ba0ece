//! The closed sets of words that appear as field values.
//!
//! Promises: a word is spelled exactly as its variant; anything else is refused by the schema.
//!
//! Left out on purpose: reasons, which are core's list and free text to the schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$on:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        // A documented variant would turn the schema's plain `enum` into a `oneOf`.
        #[allow(missing_docs)]
        pub enum $name { $($(#[$on])* $variant),+ }

        impl $name {
            /// Every word of the set, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where a role's rules apply: in named namespaces, or in the whole cluster.
    Scope { Namespaced, Cluster }
}
words! {
    /// How much harm a task can do.
    Risk { Low, Medium, High, Critical }
}
words! {
    /// Whether a request must name the objects it is about.
    Naming { Optional, Required }
}
words! {
    /// How access reaches its holder.
    Delivery { Gateway, Token }
}
words! {
    /// How pressing a request is; shown to approvers.
    Urgency { Low, Normal, High, Critical }
}
words! {
    /// What a person decided.
    Verdict { Approve, Deny, Withdraw, Revoke, Review }
}
words! {
    /// How far a request or grant has come: a derived word for people, never a source of truth.
    Phase { Pending, Approved, Active, Denied, Withdrawn, Revoking, Expired, Revoked }
}
words! {
    /// What follows when a policy's rule matches.
    #[derive(Default)]
    Effect { Approve, RequireApproval, BreakGlass, #[default] Deny }
}
words! {
    /// Whom a rule or stage names.
    #[derive(Default)]
    SubjectKind { #[default] User, Group, ServiceAccount }
}
words! {
    /// How a label is compared.
    #[derive(Default)]
    LabelOperator { #[default] In, NotIn, Exists, DoesNotExist }
}
words! {
    /// Whether stages follow one another.
    StageOrder { Parallel, Ordered }
}
words! {
    /// A day of the week.
    Weekday { Mon, Tue, Wed, Thu, Fri, Sat, Sun }
}
