//! Proofs over the tree (RFC 6962 §2.1, checked as RFC 9162 §2.1 says): that an
//! entry is under a root, and that one root's entries are the first of another's.
//!
//! Promises: checking needs no more than proof, entry and roots, and works off
//! at most 64 hashes.
//!
//! Left out on purpose: finding the hashes of all entries, of which a proof is
//! made. Whoever keeps the log has them.

use super::{
    tree::{Frontier, node},
    wire::{Input, Out, Unreadable, Wire},
};
use crate::digest::Digest;

/// Hashes in a proof: one for each level of the largest tree.
const HASHES_MAX: usize = 64;

/// That one entry is under a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Place of the entry.
    pub seq: u64,
    /// Entries under the root.
    pub size: u64,
    hashes: Vec<Digest>,
}

/// That the first entries of a tree are those of a smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// Entries of the smaller tree.
    pub before: u64,
    /// Entries of the larger tree.
    pub size: u64,
    hashes: Vec<Digest>,
}

impl Inclusion {
    /// Of the entry at `seq`, from the hashes of all entries in order; `None` if there is no such entry.
    #[must_use]
    pub fn of(seq: u64, leaves: &[Digest]) -> Option<Self> {
        let at = usize::try_from(seq).ok().filter(|at| *at < leaves.len())?;
        let mut hashes = Vec::new();
        path(at, leaves, &mut hashes);
        Some(Self { seq, size: leaves.len() as u64, hashes })
    }

    /// Whether the entry of that hash is under that root.
    #[must_use]
    pub fn holds(&self, leaf: &Digest, root: &Digest) -> bool {
        if self.seq >= self.size || self.hashes.len() > HASHES_MAX {
            return false;
        }
        let (mut at, mut last, mut whole) = (self.seq, self.size - 1, *leaf);
        for hash in &self.hashes {
            if last == 0 {
                return false;
            }
            if at % 2 == 1 || at == last {
                whole = node(hash, &whole);
                while at.is_multiple_of(2) && at != 0 {
                    (at, last) = (at / 2, last / 2);
                }
            } else {
                whole = node(&whole, hash);
            }
            (at, last) = (at / 2, last / 2);
        }
        last == 0 && whole == *root
    }
}

impl Consistency {
    /// Between the first `before` entries and all; `None` if there are not so many.
    #[must_use]
    pub fn of(before: u64, leaves: &[Digest]) -> Option<Self> {
        let at = usize::try_from(before).ok().filter(|at| (1..=leaves.len()).contains(at))?;
        let mut hashes = Vec::new();
        subproof(at, leaves, true, &mut hashes);
        Some(Self { before, size: leaves.len() as u64, hashes })
    }

    /// Whether the larger root's first entries are those under the smaller one.
    #[must_use]
    pub fn holds(&self, smaller: &Digest, larger: &Digest) -> bool {
        if self.before == 0 || self.before > self.size || self.hashes.len() > HASHES_MAX {
            return false;
        }
        if self.before == self.size {
            return self.hashes.is_empty() && smaller == larger;
        }
        let mut hashes = self.hashes.iter();
        let (mut at, mut last) = (self.before - 1, self.size - 1);
        while at % 2 == 1 {
            (at, last) = (at / 2, last / 2);
        }
        // A smaller tree that is full is its own first hash.
        let seed = if self.before.is_power_of_two() { Some(smaller) } else { hashes.next() };
        let Some(seed) = seed else { return false };
        let (mut small, mut large) = (*seed, *seed);
        for hash in hashes {
            if last == 0 {
                return false;
            }
            if at % 2 == 1 || at == last {
                small = node(hash, &small);
                large = node(hash, &large);
                while at.is_multiple_of(2) && at != 0 {
                    (at, last) = (at / 2, last / 2);
                }
            } else {
                large = node(&large, hash);
            }
            (at, last) = (at / 2, last / 2);
        }
        last == 0 && small == *smaller && large == *larger
    }
}

/// The root over some leaves.
fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// Where a tree of more than one leaf is halved: the largest power of two below its size.
fn half(leaves: &[Digest]) -> usize {
    leaves.len().next_power_of_two() / 2
}

fn path(at: usize, leaves: &[Digest], hashes: &mut Vec<Digest>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = leaves.split_at(half(leaves));
    if at < left.len() {
        path(at, left, hashes);
        hashes.push(root(right));
    } else {
        path(at - left.len(), right, hashes);
        hashes.push(root(left));
    }
}

/// RFC 6962 §2.1.2: `is_whole` where the smaller root is that of a tree whose leaves start here.
fn subproof(before: usize, leaves: &[Digest], is_whole: bool, hashes: &mut Vec<Digest>) {
    if before == leaves.len() {
        if !is_whole {
            hashes.push(root(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(half(leaves));
    if before <= left.len() {
        subproof(before, left, is_whole, hashes);
        hashes.push(root(right));
    } else {
        subproof(before - left.len(), right, false, hashes);
        hashes.push(root(left));
    }
}

/// A proof as a line of text, for export.
macro_rules! proof_line {
    ($name:ident, $kind:literal, $first:ident, $key:literal) => {
        impl $name {
            /// As a line without its end.
            #[must_use]
            pub fn line(&self) -> Vec<u8> {
                let mut out = Out::default();
                out.raw(concat!("{\"proof\":\"", $kind, "\",\"", $key, "\":"));
                out.number(self.$first);
                out.raw(",\"size\":");
                out.number(self.size);
                out.raw(",\"hashes\":[");
                for (at, hash) in self.hashes.iter().enumerate() {
                    out.raw(if at > 0 { "," } else { "" });
                    hash.write(&mut out);
                }
                out.raw("]}");
                out.into_bytes()
            }

            /// Reads such a line.
            ///
            /// # Errors
            /// It is not spelled so.
            pub fn parse(line: &[u8]) -> Result<Self, Unreadable> {
                let mut input = Input::new(line)?;
                input.expect(concat!("{\"proof\":\"", $kind, "\",\"", $key, "\":"))?;
                let $first = input.number()?;
                input.expect(",\"size\":")?;
                let size = input.number()?;
                input.expect(",\"hashes\":[")?;
                let mut hashes = Vec::new();
                while !input.has("]") {
                    if hashes.len() == HASHES_MAX {
                        return input.fails("a proof has at most 64 hashes");
                    }
                    if !hashes.is_empty() {
                        input.expect(",")?;
                    }
                    hashes.push(Digest::read(&mut input)?);
                }
                input.expect("}")?;
                input.end()?;
                Ok(Self { $first, size, hashes })
            }
        }
    };
}

proof_line!(Inclusion, "inclusion", seq, "seq");
proof_line!(Consistency, "consistency", before, "before");
