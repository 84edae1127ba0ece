//! What decides, when it changes; and the guard over it.

use super::words::ObjectRef;
use crate::{
    audit::{
        text::Text,
        wire::{record, words},
    },
    digest::Digest,
};

words! {
    /// The kinds that decide what can be had.
    CatalogueKind {
        /// A task.
        AccessRole,
        /// Who may have which.
        AccessPolicy,
        /// A ceiling.
        ClusterRole,
        /// What stops everything.
        AccessSwitch,
    }
}

words! {
    /// What became of an object.
    Change {
        /// It is there: seen for the first time by this process.
        Found,
        /// Its content changed.
        Altered,
        /// It is gone.
        Removed,
    }
}

record! {
    /// A role, policy or ClusterRole was found, changed or removed.
    CatalogueChanged {
        /// Its kind.
        kind: CatalogueKind = "kind",
        /// The object.
        object: ObjectRef = "object",
        /// The object's generation; 0 where it has none.
        generation: u64 = "generation",
        /// What became of it.
        change: Change = "change",
        /// Over the canonical JSON of what it says; none: it is gone.
        digest: Option<Digest> = "digest",
        /// Whether it can be used.
        is_accepted: bool = "isAccepted",
        /// Why not; may be empty.
        message: Text = "message",
    }
}

record! {
    /// The admission policies do not stand as shipped.
    GuardBroken {
        /// Which, and how.
        message: Text = "message",
    }
}

record! {
    /// The admission policies stand as shipped.
    GuardRepaired {
        /// How many policies and bindings were compared.
        compared: u32 = "compared",
    }
}
