//! What is wrong, and where.

use std::fmt;

use crate::audit::{chain::ChainId, commitment::Member, wire::Unreadable};

/// The first thing that is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The chain.
    pub chain: ChainId,
    /// Place of the first entry it concerns.
    pub first: u64,
    /// Place of the last; the same where hashes can tell.
    pub last: u64,
    /// The line at which it showed, counted from 1 over the whole chain.
    pub line: u64,
    /// What.
    pub why: Why,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The line is not of the format.
    Unreadable(Unreadable),
    /// The content is not what was written: the next entry names another hash.
    Altered,
    /// The line belongs to another chain.
    Foreign(ChainId),
    /// The entry of that place stands there again.
    Repeated(u64),
    /// The entries stand in another order.
    Moved,
    /// The entries are not there, and no tombstone under a checkpoint says that they were removed.
    Missing,
    /// They are not there, and the checkpoint over them is.
    CutOff,
    /// They are linked, but not those that the checkpoint was made over.
    OtherThanSigned,
    /// A trusted key's signature on a checkpoint is wrong.
    WrongSignature,
    /// A checkpoint cannot be read, or stands in the wrong place.
    BadCheckpoint(String),
    /// There is no entry at all.
    Empty,
    /// No key that is trusted has signed a checkpoint.
    NoTrustedCheckpoint,
    /// It completes or continues an act that was not begun there, or is over.
    NoSuchAct(u64),
    /// The personal text is not the one that was committed to.
    OtherText(Member),
    /// A personal text belongs to no entry, or cannot be read.
    StrayText(String),
}

impl Fault {
    pub(super) fn new(chain: ChainId, seq: u64, why: Why) -> Self {
        Self { chain, first: seq, last: seq, line: 0, why }
    }

    pub(super) fn up_to(self, last: u64) -> Self {
        Self { last: last.max(self.first), ..self }
    }

    pub(super) fn in_line(self, line: u64) -> Self {
        Self { line, ..self }
    }

    /// A word for it, for machines.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.why {
            Why::Unreadable(_) => "Unreadable",
            Why::Altered => "Altered",
            Why::Foreign(_) => "Foreign",
            Why::Repeated(_) => "Repeated",
            Why::Moved => "Moved",
            Why::Missing => "Missing",
            Why::CutOff => "CutOff",
            Why::OtherThanSigned => "OtherThanSigned",
            Why::WrongSignature => "WrongSignature",
            Why::BadCheckpoint(_) => "BadCheckpoint",
            Why::Empty => "Empty",
            Why::NoTrustedCheckpoint => "NoTrustedCheckpoint",
            Why::NoSuchAct(_) => "NoSuchAct",
            Why::OtherText(_) => "OtherText",
            Why::StrayText(_) => "StrayText",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, .. } = self;
        let is_one = first == last;
        let entries = if is_one { format!("entry {first}") } else { format!("entries {first} to {last}") };
        let (is, was) = if is_one { ("is", "was") } else { ("are", "were") };
        match &self.why {
            Why::Unreadable(why) => write!(f, "{entries} {is} not of the format: {why}"),
            Why::Altered if is_one => write!(f, "{entries} was changed after it was written"),
            Why::Altered => write!(f, "one of {entries} was changed after it was written"),
            Why::Foreign(id) => write!(f, "in the place of {entries} stands one of chain `{id}`"),
            Why::Repeated(seq) => write!(f, "in the place of {entries} entry {seq} stands again"),
            Why::Moved => write!(f, "{entries} {is} not in order"),
            Why::Missing => write!(f, "{entries} {is} missing, and no tombstone under a checkpoint says why"),
            Why::CutOff => write!(f, "{entries} {was} cut off: a signed checkpoint covers them"),
            Why::OtherThanSigned => {
                write!(f, "among {entries} at least one is not what was signed: the checkpoint has another root")
            }
            Why::WrongSignature => write!(f, "the signature of the checkpoint over {entries} is wrong"),
            Why::BadCheckpoint(why) => write!(f, "a checkpoint behind entry {first} is of no use: {why}"),
            Why::Empty => write!(f, "there is no entry"),
            Why::NoTrustedCheckpoint => write!(f, "{entries} {is} under no checkpoint that a trusted key has signed"),
            Why::NoSuchAct(intent) => write!(f, "{entries} speaks of an act that entry {intent} did not begin"),
            Why::OtherText(member) => write!(f, "the {member:?} beside {entries} is not the one that was written"),
            Why::StrayText(why) => write!(f, "a personal text beside {entries} is of no use: {why}"),
        }
    }
}
