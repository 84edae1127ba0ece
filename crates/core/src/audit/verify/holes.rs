//! Where entries were removed by the rules of retention.
//!
//! A tombstone stands behind the hole it speaks of, often far behind. Copies of
//! tombstones are handed in before, as claims: they bridge the hole, and count
//! only once the tombstone itself is met in the chain, under a checkpoint.

use super::super::{
    chain::Record,
    event::{Event, Tombstone},
    tree::{Frontier, leaf},
    wire::Unreadable,
};
use crate::digest::Digest;

/// A copy of a tombstone's line.
#[derive(Clone, Debug)]
pub struct Claim {
    hash: Digest,
    tombstone: Tombstone,
}

/// Why a line is no claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClaim {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is another event, or contradicts itself.
    #[error("it is no tombstone, or its tree does not end where its hole does")]
    NoTombstone,
}

impl Claim {
    /// Reads the line of a tombstone.
    ///
    /// # Errors
    /// It is none.
    pub fn read(line: &[u8]) -> Result<Self, NoClaim> {
        match Record::read(line)?.event {
            Event::Tombstone(tombstone) if is_sound(&tombstone) => Ok(Self { hash: leaf(line), tombstone }),
            _ => Err(NoClaim::NoTombstone),
        }
    }
}

/// Whether hole and tree fit.
fn is_sound(tombstone: &Tombstone) -> bool {
    tombstone.first <= tombstone.last && tombstone.last.checked_add(1) == Some(tombstone.frontier.size())
}

/// The claims of one chain.
pub(super) struct Holes {
    claims: Vec<Claim>,
    /// Claims that bridged a hole, and the place of the tombstone once it was met.
    used: Vec<(Claim, Option<u64>)>,
}

impl Holes {
    pub(super) fn new(claims: Vec<Claim>) -> Self {
        Self { claims, used: Vec::new() }
    }

    /// Head and tree before `to`, if a claim says that exactly everything from `from` on was removed.
    pub(super) fn bridge(&mut self, from: u64, to: u64) -> Option<(Digest, Frontier)> {
        let fits = |claim: &Claim| claim.tombstone.first == from && claim.tombstone.frontier.size() == to;
        let at = self.claims.iter().position(fits)?;
        let claim = self.claims.swap_remove(at);
        let reached = (claim.tombstone.head, claim.tombstone.frontier.clone());
        self.used.push((claim, None));
        Some(reached)
    }

    /// A tombstone in the chain itself.
    pub(super) fn confirm(&mut self, seq: u64, hash: &Digest, tombstone: &Tombstone) {
        for (claim, at) in &mut self.used {
            if claim.hash == *hash && claim.tombstone == *tombstone {
                *at = Some(seq);
            }
        }
    }

    /// Whether the entry of that place was removed.
    pub(super) fn is_removed(&self, seq: u64) -> bool {
        self.used.iter().any(|(claim, _)| (claim.tombstone.first..=claim.tombstone.last).contains(&seq))
    }

    /// How many entries were removed.
    pub(super) fn removed(&self) -> u64 {
        self.used.iter().map(|(claim, _)| claim.tombstone.frontier.size() - claim.tombstone.first).sum()
    }

    /// The first hole without a tombstone among the proven entries.
    pub(super) fn unfounded(&self, proven: u64) -> Option<(u64, u64)> {
        let is_founded = |at: Option<u64>| at.is_some_and(|at| at < proven);
        let hole = self.used.iter().find(|(_, at)| !is_founded(*at))?;
        Some((hole.0.tombstone.first, hole.0.tombstone.last))
    }
}
