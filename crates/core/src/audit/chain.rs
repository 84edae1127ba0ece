//! One hash chain: each entry names the hash of the one before.
//!
//! Promises: total; what is appended can be read back; an entry that is not the
//! very next one is never taken up. Time is written as it is told, also when the
//! clock was set back: order is by place, never by time.
//!
//! Left out on purpose: storing. The caller writes [`Entry::line`] and may act
//! only once it is written.

use std::fmt;

use jiff::Timestamp;

use super::{
    checkpoint::Checkpoint,
    event::Event,
    moment::Moment,
    tree::{self, Frontier},
    wire::{Input, Out, Unreadable, Wire},
};
use crate::digest::Digest;

/// The version of the format, as it stands at the head of every line.
pub const VERSION: u64 = 1;

/// Bytes of a line without its end: more than any event takes.
pub const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of most lines.
const LINE_BYTES_USUAL: usize = 1024;

/// The name of a chain, never used for another: a process that writes to a new
/// place begins a new one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(String);

/// A chain, as far as it has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    id: ChainId,
    head: Digest,
    frontier: Frontier,
}

/// An entry in the form in which it is stored and hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the chain, counted from 0.
    pub seq: u64,
    /// When it was appended.
    pub time: Moment,
    /// Its hash: the next entry names it, and it is the leaf in the tree.
    pub hash: Digest,
    /// The line without its end.
    pub line: Vec<u8>,
}

/// What an entry's line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The chain it belongs to.
    pub chain: ChainId,
    /// Its place, counted from 0.
    pub seq: u64,
    /// When it was appended, by the writer's clock.
    pub time: Moment,
    /// The hash of the entry before; of the first one, zeros.
    pub prev: Digest,
    /// What happened.
    pub event: Event,
}

/// Why a line is not the next entry of a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNext {
    /// It is not of the format.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It belongs elsewhere.
    #[error("it belongs to chain `{0}`")]
    OtherChain(ChainId),
    /// It has another place.
    #[error("its place is {0}")]
    OtherPlace(u64),
    /// It names another hash than that of the entry before.
    #[error("it follows an entry with another hash than the one before it has")]
    OtherPrev,
}

impl ChainId {
    /// 1 to 63 of `a` to `z`, `0` to `9` and `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ((1..=63).contains(&text.len()) && text.bytes().all(is_word)).then(|| Self(text.to_owned()))
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Chain {
    /// A chain without entries.
    #[must_use]
    pub fn begin(id: ChainId) -> Self {
        Self { id, head: Digest::from_bytes([0; 32]), frontier: Frontier::default() }
    }

    /// A chain that goes on after its entries up to `frontier`, the last of which has the hash `head`.
    #[must_use]
    pub fn resume(id: ChainId, head: Digest, frontier: Frontier) -> Self {
        Self { id, head, frontier }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ChainId {
        &self.id
    }

    /// How many entries it has; the place of the next.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The hash of the last entry.
    #[must_use]
    pub fn head(&self) -> &Digest {
        &self.head
    }

    /// The right edge of the tree over its entries.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The next entry.
    pub fn append(&mut self, event: &Event, now: Timestamp) -> Entry {
        let (seq, time) = (self.size(), Moment::from(now));
        let line = line(&self.id, seq, time, &self.head, event);
        let hash = tree::leaf(&line);
        self.advance(hash);
        Entry { seq, time, hash, line }
    }

    /// Takes up a line that was appended before, and says what it tells.
    ///
    /// # Errors
    /// Why it is not the next entry; nothing is taken up then.
    pub fn take_up(&mut self, line: &[u8]) -> Result<Record, NotNext> {
        let record = Record::read(line)?;
        if record.chain != self.id {
            return Err(NotNext::OtherChain(record.chain));
        }
        if record.seq != self.size() {
            return Err(NotNext::OtherPlace(record.seq));
        }
        if record.prev != self.head {
            return Err(NotNext::OtherPrev);
        }
        self.advance(tree::leaf(line));
        Ok(record)
    }

    /// What there is to sign: size and root, at `now`.
    #[must_use]
    pub fn checkpoint(&self, now: Timestamp) -> Checkpoint {
        Checkpoint { chain: self.id.clone(), size: self.size(), root: self.frontier.root(), time: now.into() }
    }

    fn advance(&mut self, hash: Digest) {
        self.frontier.push(hash);
        self.head = hash;
    }
}

fn line(chain: &ChainId, seq: u64, time: Moment, prev: &Digest, event: &Event) -> Vec<u8> {
    let mut out = Out::with_capacity(LINE_BYTES_USUAL);
    out.raw("{\"v\":1,\"chain\":");
    chain.write(&mut out);
    out.raw(",\"seq\":");
    out.number(seq);
    out.raw(",\"time\":");
    time.write(&mut out);
    out.raw(",\"prev\":");
    prev.write(&mut out);
    out.raw(",");
    event.write(&mut out);
    out.raw("}");
    out.into_bytes()
}

impl Record {
    /// The line it stands in, without its end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        line(&self.chain, self.seq, self.time, &self.prev, &self.event)
    }

    /// Reads a line, without its end.
    ///
    /// # Errors
    /// It is not exactly what [`Chain::append`] writes.
    pub fn read(line: &[u8]) -> Result<Self, Unreadable> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Unreadable { at: LINE_BYTES_MAX, why: "the line is too long".into() });
        }
        let mut input = Input::new(line)?;
        input.expect("{\"v\":")?;
        if input.number()? != VERSION {
            return input.fails("written in a later version of the format; use a later program");
        }
        input.expect(",\"chain\":")?;
        let chain = ChainId::read(&mut input)?;
        input.expect(",\"seq\":")?;
        let seq = input.number()?;
        input.expect(",\"time\":")?;
        let time = Moment::read(&mut input)?;
        input.expect(",\"prev\":")?;
        let prev = Digest::read(&mut input)?;
        input.expect(",")?;
        let event = Event::read(&mut input)?;
        input.expect("}")?;
        input.end()?;
        Ok(Self { chain, seq, time, prev, event })
    }
}

impl Wire for ChainId {
    fn write(&self, out: &mut Out) {
        out.plain(&self.0);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        match Self::parse(&input.string()?) {
            Some(id) => Ok(id),
            None => input.fails("the name of a chain is 1 to 63 of a-z, 0-9 and `-`"),
        }
    }
}
