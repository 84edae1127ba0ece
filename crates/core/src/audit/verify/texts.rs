//! Personal texts, beside the entries that are committed to them.

use std::iter::Peekable;

use super::{Read, Why};
use crate::audit::commitment::{Commitment, Disclosure, Member};

pub(super) struct Texts<'a> {
    coming: Peekable<Box<dyn Iterator<Item = Read<Disclosure>> + 'a>>,
    right: u64,
    absent: u64,
}

impl<'a> Texts<'a> {
    pub(super) fn new(coming: Box<dyn Iterator<Item = Read<Disclosure>> + 'a>) -> Self {
        Self { coming: coming.peekable(), right: 0, absent: 0 }
    }

    /// How many are there and right, and how many are not there.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.right, self.absent)
    }

    /// The entry at `seq` is committed to that. The error names an entry.
    pub(super) fn enter(&mut self, seq: u64, said: Option<(Member, Commitment)>) -> Result<(), (u64, Why)> {
        let mut is_there = false;
        while let Some(text) = self.next_up_to(seq)? {
            match said {
                Some((member, commitment)) if text.seq == seq && text.member == member && !is_there => {
                    if text.personal.commitment() != commitment {
                        return Err((seq, Why::OtherText(member)));
                    }
                    is_there = true;
                }
                _ => return Err((text.seq, stray("the entry has none, or the texts are not in order"))),
            }
        }
        match said {
            Some(_) if is_there => self.right += 1,
            Some(_) => self.absent += 1,
            None => {}
        }
        Ok(())
    }

    /// No entry comes any more.
    pub(super) fn finish(&mut self) -> Result<(), (u64, Why)> {
        match self.next_up_to(u64::MAX)? {
            None => Ok(()),
            Some(text) => Err((text.seq, stray("there is no such entry"))),
        }
    }

    fn next_up_to(&mut self, seq: u64) -> Result<Option<Disclosure>, (u64, Why)> {
        let is_due = |read: &Read<Disclosure>| match read {
            Ok(text) => text.seq <= seq,
            Err(_) => true,
        };
        match self.coming.next_if(is_due) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(why)) => Err((seq, Why::StrayText(why.into_owned()))),
        }
    }
}

fn stray(why: &str) -> Why {
    Why::StrayText(why.to_owned())
}
