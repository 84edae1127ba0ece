//! A chain with everything beside it, to tamper with, and its verification.

use brevet_core::audit::{
    Chain, ChainId, Event, SignedCheckpoint,
    commitment::{Disclosure, Member},
    event::{CallBegun, KeyRotated},
    key::Signer as _,
    verify::{Against, Claim, Fault, Report, Verifier},
};
use jiff::{SignedDuration, Timestamp};

use crate::{samples, toy::Toy};

/// A chain as it is exported.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) id: ChainId,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) checkpoints: Vec<String>,
    pub(crate) texts: Vec<Vec<u8>>,
    pub(crate) claims: Vec<Vec<u8>>,
}

/// The instant of the entry at `seq`.
pub(crate) fn time(seq: u64) -> Timestamp {
    samples::at("08:00:00").checked_add(SignedDuration::from_millis(i64::try_from(seq).unwrap())).unwrap()
}

pub(crate) fn id(name: &str) -> ChainId {
    ChainId::parse(name).unwrap()
}

impl Book {
    /// Writes the events, with a checkpoint after each `every` and one at the end.
    pub(crate) fn of(name: &str, events: &[Event], every: usize) -> Self {
        let mut chain = Chain::begin(id(name));
        let mut book = Self { id: id(name), lines: vec![], checkpoints: vec![], texts: vec![], claims: vec![] };
        for (at, event) in events.iter().enumerate() {
            let now = time(at as u64);
            let entry = chain.append(event, now);
            if let Some((member, _)) = event.commitment() {
                let personal = if member == Member::Comment { samples::comment() } else { samples::justification() };
                book.texts.push(Disclosure { seq: entry.seq, member, personal }.line());
            }
            book.lines.push(entry.line);
            if (at + 1) % every == 0 || at + 1 == events.len() {
                book.checkpoints.push(chain.checkpoint(now).sign(&Toy::key(7)).to_string());
            }
        }
        book
    }

    /// A whole life of a grant, then `calls` calls.
    pub(crate) fn usual(calls: u64, every: usize) -> Self {
        Self::of("gateway-0-a", &usual(calls), every)
    }

    pub(crate) fn verify(&self) -> Result<Report, Fault> {
        self.verify_with(&[Toy::key(7)], &[])
    }

    /// Against other keys, and checkpoints that somebody else has kept.
    pub(crate) fn verify_with(&self, keys: &[Toy], witnessed: &[String]) -> Result<Report, Fault> {
        let mut checkpoints: Vec<_> = self.checkpoints.iter().chain(witnessed).map(|text| parse(text)).collect();
        if !witnessed.is_empty() {
            checkpoints.sort_by_key(|read| read.as_ref().map(|read| read.checkpoint.size).unwrap_or(0));
        }
        let texts = self.texts.iter().map(|line| Disclosure::parse(line).map_err(|why| why.to_string().into()));
        let toy = Toy::key(0);
        let against = Against {
            keys: keys.iter().map(|toy| toy.key().clone()).collect(),
            check: &toy,
            checkpoints: Box::new(checkpoints.into_iter()),
            texts: Box::new(texts),
            claims: self.claims.iter().map(|line| Claim::read(line).unwrap()).collect(),
        };
        let mut verifier = Verifier::new(self.id.clone(), against);
        for line in &self.lines {
            verifier.line(line)?;
        }
        verifier.finish()
    }

    /// Writes everything from `from` on anew, as somebody would who can hash and cannot sign.
    pub(crate) fn relink(&mut self, from: usize) {
        let mut chain = Chain::begin(self.id.clone());
        for (at, line) in self.lines.iter_mut().enumerate() {
            if at >= from {
                let record = brevet_core::audit::Record::read(line).unwrap();
                *line = chain.append(&record.event, record.time.into()).line;
            } else {
                chain.take_up(line).unwrap();
            }
        }
    }
}

fn parse(text: &str) -> Result<SignedCheckpoint, std::borrow::Cow<'static, str>> {
    SignedCheckpoint::parse(text).ok_or("it is not of the format".into())
}

/// A whole life of a grant, then `calls` calls, the last of which are still open.
pub(crate) fn usual(calls: u64) -> Vec<Event> {
    let mut events = samples::life();
    let stop = events.pop();
    for number in 0..calls {
        let at = events.len() as u64;
        let call = CallBegun { client_audit_id: number.to_string().into(), ..samples::call_begun() };
        events.push(call.into());
        if number % 3 > 0 && number + 3 < calls {
            events.push(samples::call_done(at).into());
        }
    }
    events.extend(stop);
    // The tombstone of the samples speaks of entries that are there, and the key is never used: both do no harm.
    events
}

/// From the key of the samples to that of this number.
pub(crate) fn rotated(to: u8) -> Event {
    KeyRotated { from: Toy::key(7).0, to: Toy::key(to).0 }.into()
}
