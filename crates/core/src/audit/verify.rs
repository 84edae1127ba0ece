//! Whether a chain is whole: line by line, offline, in flat memory.
//!
//! Promises: whatever was changed, removed, moved, doubled or cut off is found,
//! and the first entry it concerns is named as closely as hashes can tell; what
//! no trusted checkpoint covers is never called proven; a line is judged by its
//! bytes alone, never by what another program says of it.
//!
//! A wrong link between two entries leaves open which of the two was changed;
//! the entry after them tells, so one line is looked at before judging. Behind
//! the last line only a checkpoint can tell, and where there is none both are
//! named.
//!
//! Left out on purpose: reading files, and the cryptography of keys.

mod acts;
mod fault;
mod holes;
mod signed;
mod texts;

use std::borrow::Cow;

pub use acts::LeftOpen;
pub use fault::{Fault, Why};
pub use holes::{Claim, NoClaim};
pub use signed::Signatures;

use self::{acts::Acts, holes::Holes, signed::Heads, texts::Texts};
use super::{
    chain::{Chain, ChainId, NotNext, Record},
    commitment::Disclosure,
    event::Event,
    key::{PublicKey, SignatureCheck},
    moment::Moment,
    tree,
    wire::Unreadable,
};
use crate::digest::Digest;

/// What a source of checkpoints or texts yields: the next, or why it cannot be read.
pub type Read<T> = Result<T, Cow<'static, str>>;

/// What a chain is checked against.
pub struct Against<'a> {
    /// Keys whose signatures count; with those that they hand over to.
    pub keys: Vec<PublicKey>,
    /// The cryptography.
    pub check: &'a dyn SignatureCheck,
    /// Checkpoints of the chain, the smallest first.
    pub checkpoints: Box<dyn Iterator<Item = Read<super::SignedCheckpoint>> + 'a>,
    /// Personal texts, by the place of their entries.
    pub texts: Box<dyn Iterator<Item = Read<Disclosure>> + 'a>,
    /// Copies of tombstones that the chain has further on.
    pub claims: Vec<Claim>,
}

/// Follows one chain from its first line to its last.
pub struct Verifier<'a> {
    chain: Chain,
    lines: u64,
    doubt: Option<Doubt>,
    heads: Heads<'a>,
    texts: Texts<'a>,
    holes: Holes,
    acts: Acts,
    report: Report,
}

/// What is known of a chain that was followed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The chain.
    pub chain: ChainId,
    /// How many entries it has, the removed ones included.
    pub entries: u64,
    /// How many of them a trusted checkpoint covers; those behind are only linked.
    pub proven: u64,
    /// What the checkpoints' signatures were.
    pub signatures: Signatures,
    /// When the first and the last entry that are there were appended.
    pub span: Option<(Moment, Moment)>,
    /// Entries removed by the rules of retention.
    pub removed: u64,
    /// Acts that were begun and whose end is not here.
    pub left_open: LeftOpen,
    /// Places of the entries that say that something is missing.
    pub gaps: Vec<u64>,
    /// How many gaps there are; `gaps` holds the first of them.
    pub gap_count: u64,
    /// How often a process began without the one before having stopped in order.
    pub crashes: u64,
    /// How often the writer's clock went back, and the place of the first.
    pub clock_back: (u64, Option<u64>),
    /// Personal texts that are there and are those of their entries.
    pub texts: u64,
    /// Personal texts that are not there: erased, or not handed over.
    pub texts_absent: u64,
}

/// Places kept for a report.
const PLACES_MAX: usize = 16;

/// A line that does not follow, until the next one tells why.
struct Doubt {
    hash: Digest,
    /// The hash it would have if it named the entry before it.
    relinked: Digest,
    line: u64,
    what: DoubtOf,
}

enum DoubtOf {
    Prev,
    Place(u64),
    Chain(ChainId),
}

impl<'a> Verifier<'a> {
    /// For that chain.
    #[must_use]
    pub fn new(id: ChainId, against: Against<'a>) -> Self {
        let Against { keys, check, checkpoints, texts, claims } = against;
        let report = Report {
            chain: id.clone(),
            entries: 0,
            proven: 0,
            signatures: Signatures::default(),
            span: None,
            removed: 0,
            left_open: LeftOpen::default(),
            gaps: Vec::new(),
            gap_count: 0,
            crashes: 0,
            clock_back: (0, None),
            texts: 0,
            texts_absent: 0,
        };
        Self {
            chain: Chain::begin(id.clone()),
            lines: 0,
            doubt: None,
            heads: Heads::new(id, keys, check, checkpoints),
            texts: Texts::new(texts),
            holes: Holes::new(claims),
            acts: Acts::default(),
            report,
        }
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// The first fault; nothing after it is judged.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.lines += 1;
        if let Some(doubt) = self.doubt.take() {
            return Err(self.judge(doubt, Record::read(line).ok().as_ref()));
        }
        let mut taken = self.chain.take_up(line);
        if let Err(NotNext::OtherPlace(seq)) = &taken
            && self.skip_to(*seq)?
        {
            taken = self.chain.take_up(line);
        }
        match taken {
            Ok(record) => {
                self.settle()?;
                self.enter(&record, self.chain.head().to_owned())
            }
            Err(NotNext::OtherPrev) => self.doubts(line, DoubtOf::Prev),
            Err(NotNext::Unreadable(why)) => {
                self.settle()?;
                Err(self.fault(self.chain.size(), Why::Unreadable(why)))
            }
            Err(NotNext::OtherPlace(seq)) => {
                self.settle()?;
                self.doubts(line, DoubtOf::Place(seq))
            }
            Err(NotNext::OtherChain(id)) => {
                self.settle()?;
                self.doubts(line, DoubtOf::Chain(id))
            }
        }
    }

    /// There is no line any more.
    ///
    /// # Errors
    /// The first fault.
    pub fn finish(mut self) -> Result<Report, Fault> {
        self.lines += 1;
        if let Some(doubt) = self.doubt.take() {
            return Err(self.judge(doubt, None));
        }
        self.settle()?;
        let size = self.chain.size();
        self.heads.finish(size).map_err(|fault| fault.in_line(self.lines))?;
        let proven = self.heads.proven();
        if size == 0 {
            return Err(self.fault(0, Why::Empty));
        }
        if proven == 0 {
            return Err(self.fault(0, Why::NoTrustedCheckpoint).up_to(size - 1));
        }
        if let Some(last) = self.heads.unknown_behind(proven) {
            return Err(self.fault(proven, Why::NoTrustedCheckpoint).up_to(last));
        }
        if let Some((first, last)) = self.holes.unfounded(proven) {
            return Err(self.fault(first, Why::Missing).up_to(last));
        }
        self.texts.finish().map_err(|(seq, why)| self.fault(seq, why))?;
        self.report.left_open = self.acts.finish();
        self.report.entries = size;
        self.report.proven = proven;
        self.report.signatures = self.heads.signatures();
        self.report.removed = self.holes.removed();
        (self.report.texts, self.report.texts_absent) = self.texts.counts();
        Ok(self.report)
    }

    /// The last line of all, which has no end.
    pub fn torn(mut self, line: &[u8]) -> Fault {
        let why = Why::Unreadable(Unreadable { at: line.len(), why: "the line has no end".into() });
        let torn = self.fault(self.chain.size(), why).in_line(self.lines + 1);
        match self.line(line) {
            Ok(()) if self.doubt.is_none() => torn,
            Ok(()) => self.finish().err().unwrap_or(torn),
            Err(fault) => fault,
        }
    }

    /// How many entries were taken up so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.chain.size()
    }

    /// Passes over what a tombstone says was removed; `false`: none says so.
    fn skip_to(&mut self, seq: u64) -> Result<bool, Fault> {
        let Some((head, frontier)) = self.holes.bridge(self.chain.size(), seq) else { return Ok(false) };
        self.settle()?;
        self.chain = Chain::resume(self.chain.id().clone(), head, frontier);
        self.heads.skip_to(seq, self.chain.frontier()).map_err(|fault| fault.in_line(self.lines))?;
        Ok(true)
    }

    /// An entry that follows.
    fn enter(&mut self, record: &Record, hash: Digest) -> Result<(), Fault> {
        let seq = record.seq;
        if let Some((first, last)) = self.report.span {
            if record.time < last {
                self.report.clock_back.0 += 1;
                self.report.clock_back.1.get_or_insert(seq);
            }
            self.report.span = Some((first, record.time));
        } else {
            self.report.span = Some((record.time, record.time));
        }
        match &record.event {
            Event::Gap(_) => {
                self.report.gap_count += 1;
                if self.report.gaps.len() < PLACES_MAX {
                    self.report.gaps.push(seq);
                }
            }
            Event::KeyRotated(event) => self.heads.rotates(seq, &event.from, &event.to),
            Event::Tombstone(event) => self.holes.confirm(seq, &hash, event),
            Event::Start(_) if seq > 0 && !self.acts.has_stopped() => self.report.crashes += 1,
            _ => {}
        }
        let holes = &self.holes;
        let placed = self.acts.enter(seq, &record.event, |intent| holes.is_removed(intent));
        placed.map_err(|why| self.fault(seq, why))?;
        let said = record.event.commitment();
        self.texts.enter(seq, said).map_err(|(seq, why)| self.fault(seq, why))?;
        self.heads.reaches(self.chain.size(), self.chain.frontier()).map_err(|fault| fault.in_line(self.lines))
    }

    fn doubts(&mut self, line: &[u8], what: DoubtOf) -> Result<(), Fault> {
        let hash = tree::leaf(line);
        let relinked = Record::read(line).map(|record| Record { prev: *self.chain.head(), ..record });
        let relinked = relinked.map_or(hash, |record| tree::leaf(&record.line()));
        self.doubt = Some(Doubt { hash, relinked, line: self.lines, what });
        Ok(())
    }

    /// Judges the checkpoints at the entry before this line.
    fn settle(&mut self) -> Result<(), Fault> {
        self.heads.settle().map_err(|fault| fault.in_line(self.lines - 1))
    }

    /// What is wrong with a line that does not follow, now that the next one is known.
    fn judge(&mut self, doubt: Doubt, next: Option<&Record>) -> Fault {
        let n = self.chain.size();
        let next_is_at = |seq| next.is_some_and(|next| next.chain == *self.chain.id() && next.seq == seq);
        let fault = match doubt.what {
            // Entry and line belong to each other, and the next goes on from there: its place or chain was changed.
            DoubtOf::Place(_) | DoubtOf::Chain(_) if next_is_at(n + 1) => self.fault(n, Why::Altered),
            DoubtOf::Chain(id) => self.fault(n, Why::Foreign(id)),
            DoubtOf::Place(seq) if seq < n => self.fault(n, Why::Repeated(seq)),
            DoubtOf::Place(seq) if next_is_at(n) => self.fault(n, Why::Moved).up_to(seq),
            DoubtOf::Place(seq) => self.fault(n, Why::Missing).up_to(seq.saturating_sub(1)),
            DoubtOf::Prev => self.judge_link(n, &doubt, next),
        };
        fault.in_line(doubt.line)
    }

    /// Which of two entries was changed when the second, at `n`, does not name the hash of the first.
    fn judge_link(&mut self, n: u64, doubt: &Doubt, next: Option<&Record>) -> Fault {
        let Some(before) = n.checked_sub(1) else { return self.fault(n, Why::Altered) };
        let is_sealed = match self.heads.settle() {
            // A checkpoint right between the two knows the first.
            Err(_) => return self.fault(before, Why::Altered).in_line(doubt.line),
            Ok(()) => self.heads.proven() == n,
        };
        match next.filter(|next| next.seq == n + 1) {
            _ if is_sealed => self.fault(n, Why::Altered),
            Some(next) if next.prev == doubt.hash => self.fault(before, Why::Altered),
            Some(_) => self.fault(n, Why::Altered),
            // There is no line to tell; the checkpoint over both may.
            None => {
                let mut frontier = self.chain.frontier().clone();
                frontier.push(doubt.relinked);
                match self.heads.is_signed(n + 1, &frontier.root()) {
                    Some(true) => self.fault(n, Why::Altered),
                    Some(false) => self.fault(before, Why::Altered),
                    None => self.fault(before, Why::Altered).up_to(n),
                }
            }
        }
    }

    fn fault(&self, seq: u64, why: Why) -> Fault {
        Fault::new(self.chain.id().clone(), seq, why).in_line(self.lines)
    }
}
