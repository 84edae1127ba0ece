//! The log about itself.

use super::words::Caller;
use crate::{
    audit::{
        commitment::Member,
        key::PublicKey,
        moment::Moment,
        text::{List, Text},
        tree::Frontier,
        wire::{record, words},
    },
    digest::Digest,
};

words! {
    /// What a process does.
    Role {
        /// Decides and binds.
        Controller,
        /// Mints and forwards.
        Gateway,
        /// Both, in one process, for development.
        Serve,
    }
}

words! {
    /// What happens when an entry cannot be written.
    Mode {
        /// What it is about does not happen.
        Strict,
        /// It happens, and a `Gap` says that its entry is missing.
        Async,
    }
}

record! {
    /// A process begins to write to this chain.
    Start {
        /// What it does.
        role: Role = "role",
        /// What the replica is called.
        replica: Text = "replica",
        /// The program's version.
        version: Text = "version",
        /// The command line: flags, never credentials.
        arguments: List<Text> = "arguments",
        /// What happens when an entry cannot be written.
        mode: Mode = "mode",
        /// The key that signs its checkpoints.
        key: PublicKey = "key",
    }
}

record! {
    /// A process stops writing to this chain.
    Stop {
        /// Why.
        message: Text = "message",
    }
}

words! {
    /// Why something is missing.
    GapCause {
        /// The queue was full, and the mode let the act happen all the same.
        Overflow,
        /// The end of the log was damaged when the process before died; nobody had been told that it was written.
        LostTail,
        /// Entries that had been acknowledged are not there: the disk lied, or was replaced by an old copy.
        LostEntries,
    }
}

record! {
    /// Something is missing here.
    Gap {
        /// Why.
        cause: GapCause = "cause",
        /// How many entries; none: not known.
        count: Option<u64> = "count",
        /// When the first of it happened, as far as is known.
        since: Option<Moment> = "since",
        /// What is known.
        message: Text = "message",
    }
}

record! {
    /// Another key signs from here on. Believed once a checkpoint over this entry is signed by the old one.
    KeyRotated {
        /// The key that has signed.
        from: PublicKey = "from",
        /// The key that will sign.
        to: PublicKey = "to",
    }
}

words! {
    /// Where a checkpoint is kept.
    WitnessKind {
        /// An object of the cluster that can be created and not changed.
        Cluster,
        /// Somebody outside who was given it.
        External,
    }
}

record! {
    /// A checkpoint of this chain lies where its writer cannot rewrite it.
    CheckpointWitnessed {
        /// How many entries it is over.
        size: u64 = "size",
        /// The root.
        root: Digest = "root",
        /// Where.
        kind: WitnessKind = "kind",
        /// The object's name, or the witness's address.
        witness: Text = "witness",
    }
}

words! {
    /// Which rule of retention removed entries.
    TombstoneCause {
        /// They were older than they are kept.
        Age,
        /// There was no room for more.
        Size,
    }
}

record! {
    /// Entries were removed. With what stands here the chain can be followed again behind them.
    Tombstone {
        /// Place of the first that is gone.
        first: u64 = "first",
        /// Place of the last that is gone.
        last: u64 = "last",
        /// The hash of the last.
        head: Digest = "head",
        /// The tree over everything up to the last.
        frontier: Frontier = "frontier",
        /// Why.
        cause: TombstoneCause = "cause",
    }
}

record! {
    /// A personal text was erased.
    TextErased {
        /// Place of the entry that is committed to it.
        entry: u64 = "entry",
        /// Which member.
        member: Member = "member",
        /// At whose request, or by which rule.
        message: Text = "message",
    }
}

record! {
    /// Somebody read records that are not only about themselves.
    RecordsRead {
        /// Who.
        reader: Caller = "reader",
        /// `get`, `list` or `watch`.
        verb: Text = "verb",
        /// The grant they asked about; empty: all.
        grant: Text = "grant",
        /// How many entries they were given.
        count: u64 = "count",
    }
}
