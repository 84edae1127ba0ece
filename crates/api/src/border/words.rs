//! The words of both sides, one to one.

use crate::words;
use brevet_core::{decision, phase, request, role};

macro_rules! same {
    ($wire:ty, $core:ty, [$($word:ident),+]) => {
        impl From<$wire> for $core {
            fn from(word: $wire) -> Self {
                match word { $(<$wire>::$word => Self::$word),+ }
            }
        }

        impl From<$core> for $wire {
            fn from(word: $core) -> Self {
                match word { $(<$core>::$word => Self::$word),+ }
            }
        }
    };
}

same!(words::Scope, role::Scope, [Namespaced, Cluster]);
same!(words::Risk, role::Risk, [Low, Medium, High, Critical]);
same!(words::Naming, role::Names, [Optional, Required]);
same!(words::Delivery, role::Delivery, [Gateway, Token]);
same!(words::Urgency, request::Urgency, [Low, Normal, High, Critical]);
same!(words::Verdict, decision::Verdict, [Approve, Deny, Withdraw, Revoke, Review]);
same!(words::Phase, phase::Phase, [Pending, Approved, Active, Denied, Withdrawn, Revoking, Expired, Revoked]);
