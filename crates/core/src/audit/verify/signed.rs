//! Checkpoints, against the tree as it grows.
//!
//! A checkpoint is judged one entry late: when the next entry has confirmed the
//! last one under it, so that a change of just that one is named exactly.

use std::iter::Peekable;

use super::{Fault, Read, Why};
use crate::{
    audit::{
        chain::ChainId,
        checkpoint::{Signed, SignedCheckpoint},
        key::{PublicKey, SignatureCheck},
        tree::Frontier,
    },
    digest::Digest,
};

/// How the checkpoints were signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// By a trusted key, and over these very entries.
    pub trusted: u64,
    /// By other keys; they prove nothing here.
    pub unknown: u64,
    /// Over a size inside a hole: the signature was right, the root cannot be compared.
    pub in_holes: u64,
    /// Keys that became trusted because a trusted key handed over to them.
    pub handed_over: Vec<PublicKey>,
}

pub(super) struct Heads<'a> {
    chain: ChainId,
    keys: Vec<PublicKey>,
    check: &'a dyn SignatureCheck,
    coming: Peekable<Box<dyn Iterator<Item = Read<SignedCheckpoint>> + 'a>>,
    /// At the size reached last, with the root there; not yet judged.
    here: Vec<SignedCheckpoint>,
    root: Option<Digest>,
    /// Handed over to, at that place, by that key; believed with the next checkpoint behind it.
    rotations: Vec<(u64, PublicKey, PublicKey)>,
    largest: u64,
    /// The largest size that only unknown keys have signed.
    unknown: u64,
    proven: u64,
    signatures: Signatures,
}

impl<'a> Heads<'a> {
    pub(super) fn new(
        chain: ChainId,
        keys: Vec<PublicKey>,
        check: &'a dyn SignatureCheck,
        coming: Box<dyn Iterator<Item = Read<SignedCheckpoint>> + 'a>,
    ) -> Self {
        Self {
            chain,
            keys,
            check,
            coming: coming.peekable(),
            here: Vec::new(),
            root: None,
            rotations: Vec::new(),
            largest: 0,
            unknown: 0,
            proven: 0,
            signatures: Signatures::default(),
        }
    }

    pub(super) fn proven(&self) -> u64 {
        self.proven
    }

    pub(super) fn signatures(&self) -> Signatures {
        self.signatures.clone()
    }

    /// An entry at `seq` names another key.
    pub(super) fn rotates(&mut self, seq: u64, from: &PublicKey, to: &PublicKey) {
        self.rotations.push((seq, from.clone(), to.clone()));
    }

    /// The chain has so many entries.
    pub(super) fn reaches(&mut self, size: u64, frontier: &Frontier) -> Result<(), Fault> {
        while let Some(checkpoint) = self.next_up_to(size)? {
            if checkpoint.checkpoint.size < size {
                return Err(self.out_of_order(checkpoint.checkpoint.size));
            }
            self.root.get_or_insert_with(|| frontier.root());
            self.here.push(checkpoint);
        }
        Ok(())
    }

    /// The chain jumps over a hole to `size`.
    pub(super) fn skip_to(&mut self, size: u64, frontier: &Frontier) -> Result<(), Fault> {
        while let Some(checkpoint) = self.next_up_to(size - 1)? {
            if self.trusts(&checkpoint)? {
                self.signatures.in_holes += 1;
            }
        }
        self.reaches(size, frontier)
    }

    /// Judges the checkpoints at the size reached last.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        let Some(root) = self.root.take() else { return Ok(()) };
        for checkpoint in std::mem::take(&mut self.here) {
            let size = checkpoint.checkpoint.size;
            if !self.trusts(&checkpoint)? {
                continue;
            }
            if checkpoint.checkpoint.root != root {
                let first = self.proven.min(size.saturating_sub(1));
                let fault = Fault::new(self.chain.clone(), first, Why::OtherThanSigned);
                return Err(fault.up_to(size.saturating_sub(1)).in_line(size));
            }
            self.signatures.trusted += 1;
            self.proven = self.proven.max(size);
            self.hand_over(size);
        }
        Ok(())
    }

    /// Whether the checkpoint that comes, over `size` entries, has that root; `None`: none that is trusted comes.
    pub(super) fn is_signed(&mut self, size: u64, root: &Digest) -> Option<bool> {
        while let Ok(Some(coming)) = self.next_up_to(size) {
            if coming.checkpoint.size == size && self.trusts(&coming).is_ok_and(|is_trusted| is_trusted) {
                return Some(coming.checkpoint.root == *root);
            }
        }
        None
    }

    /// The last entry that a checkpoint covers and no trusted one does.
    pub(super) fn unknown_behind(&self, proven: u64) -> Option<u64> {
        (self.unknown > proven).then(|| self.unknown - 1)
    }

    /// The chain ends with so many entries.
    pub(super) fn finish(&mut self, size: u64) -> Result<(), Fault> {
        let mut largest = None;
        while let Some(checkpoint) = self.next_up_to(u64::MAX)? {
            // An empty chain never reaches its checkpoint of size 0, which says nothing.
            if self.trusts(&checkpoint)? && checkpoint.checkpoint.size > size {
                largest = largest.max(Some(checkpoint.checkpoint.size));
            }
        }
        match largest {
            None => Ok(()),
            Some(largest) => Err(Fault::new(self.chain.clone(), size, Why::CutOff).up_to(largest - 1)),
        }
    }

    fn next_up_to(&mut self, size: u64) -> Result<Option<SignedCheckpoint>, Fault> {
        let is_due = |read: &Read<SignedCheckpoint>| match read {
            Ok(coming) => coming.checkpoint.size <= size,
            Err(_) => true,
        };
        match self.coming.next_if(is_due) {
            None => Ok(None),
            Some(Err(why)) => Err(self.bad(why.into_owned())),
            Some(Ok(read)) if read.checkpoint.chain != self.chain => {
                Err(self.bad(format!("it is of chain `{}`", read.checkpoint.chain)))
            }
            Some(Ok(read)) if read.checkpoint.size < self.largest => Err(self.out_of_order(read.checkpoint.size)),
            Some(Ok(read)) => {
                self.largest = read.checkpoint.size;
                Ok(Some(read))
            }
        }
    }

    /// Whether a trusted key has signed it; a wrong signature of one is a fault.
    fn trusts(&mut self, checkpoint: &SignedCheckpoint) -> Result<bool, Fault> {
        let mut is_trusted = false;
        for key in &self.keys {
            match checkpoint.by(key, self.check) {
                Signed::Absent => {}
                Signed::Right => is_trusted = true,
                Signed::Wrong => {
                    let last = checkpoint.checkpoint.size.saturating_sub(1);
                    let fault = Fault::new(self.chain.clone(), self.proven.min(last), Why::WrongSignature);
                    return Err(fault.up_to(last).in_line(checkpoint.checkpoint.size));
                }
            }
        }
        if !is_trusted {
            self.signatures.unknown += 1;
            self.unknown = self.unknown.max(checkpoint.checkpoint.size);
        }
        Ok(is_trusted)
    }

    /// Believes the keys that are named among the first `size` entries, by a key that is trusted.
    fn hand_over(&mut self, size: u64) {
        for (seq, from, to) in std::mem::take(&mut self.rotations) {
            if seq >= size {
                self.rotations.push((seq, from, to));
            } else if self.keys.contains(&from) && !self.keys.contains(&to) {
                self.signatures.handed_over.push(to.clone());
                self.keys.push(to);
            }
        }
    }

    fn out_of_order(&self, size: u64) -> Fault {
        self.bad(format!("the one of size {size} comes too late: the smallest stands first"))
    }

    fn bad(&self, why: String) -> Fault {
        Fault::new(self.chain.clone(), self.largest.saturating_sub(1), Why::BadCheckpoint(why)).in_line(self.largest)
    }
}
