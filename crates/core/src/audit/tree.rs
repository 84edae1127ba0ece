//! The Merkle tree over the entries of a chain (RFC 6962), grown at its right edge.
//!
//! Promises: what is kept grows with the logarithm of the entries (at most 64
//! hashes), so memory stays flat however long the log; a root is the one of RFC
//! 6962. Its leaf hash is the very hash that chains entries, so each entry is
//! hashed once.
//!
//! Written here because ct-merkle, which the tests compare every root and proof
//! with, keeps all leaves of a tree that grows.

use sha2::{Digest as _, Sha256};

use super::wire::{Input, Out, Unreadable, Wire};
use crate::digest::Digest;

/// The hash of an entry: of a zero byte and its line without the line's end.
#[must_use]
pub fn leaf(line: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::new().chain_update([0]).chain_update(line).finalize().into())
}

/// The hash of two neighbours.
pub(super) fn node(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    for (place, byte) in bytes.iter_mut().skip(1).zip(left.as_bytes().iter().chain(right.as_bytes())) {
        *place = *byte;
    }
    Digest::of(&bytes)
}

/// The right edge of a tree: the roots of the full trees it is made of, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// From what [`Frontier::size`] and [`Frontier::peaks`] tell; `None` if the two do not belong together.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (usize::try_from(size.count_ones()).ok()? == peaks.len()).then_some(Self { size, peaks })
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// One root for each bit of the size that is set, the highest first.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut whole = leaf;
        // Each trailing one of the size is a full tree that now has an equal neighbour.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                whole = node(&left, &whole);
            }
        }
        self.peaks.push(whole);
        // Writing 2^64 entries takes half a million years at a million a second.
        self.size = self.size.saturating_add(1);
    }

    /// The root of the tree; of no leaves, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Digest::of(b"") };
        peaks.fold(*last, |right, left| node(left, &right))
    }
}

impl Wire for Frontier {
    fn write(&self, out: &mut Out) {
        out.raw("{\"size\":");
        out.number(self.size);
        out.raw(",\"peaks\":[");
        for (at, peak) in self.peaks.iter().enumerate() {
            if at > 0 {
                out.raw(",");
            }
            peak.write(out);
        }
        out.raw("]}");
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        input.expect("{\"size\":")?;
        let size = input.number()?;
        input.expect(",\"peaks\":[")?;
        let mut peaks = Vec::new();
        for at in 0..size.count_ones() {
            if at > 0 {
                input.expect(",")?;
            }
            peaks.push(Digest::read(input)?);
        }
        input.expect("]}")?;
        Ok(Self { size, peaks })
    }
}
