//! Entries that retention removed: the chain goes on behind them, and nobody
//! else can remove any.

use brevet_core::audit::{
    Chain, Event, Record,
    event::{Tombstone, TombstoneCause},
    verify::{Claim, Why},
};

use crate::{
    book::{Book, usual},
    samples,
};

/// A book whose tombstone speaks truly of the entries from `first` to `last`.
fn with_tombstone(first: u64, last: u64) -> Book {
    let events = usual(6);
    let mut chain = Chain::begin(crate::book::id("gateway-0-a"));
    for (at, event) in events.iter().enumerate().take(usize::try_from(last).unwrap() + 1) {
        chain.append(event, crate::book::time(at as u64));
    }
    let tombstone =
        Tombstone { first, last, head: *chain.head(), frontier: chain.frontier().clone(), cause: TombstoneCause::Age };
    let events: Vec<Event> = events.into_iter().chain([tombstone.into()]).collect();
    let mut book = Book::of("gateway-0-a", &events, 7);
    book.claims.push(book.lines.last().unwrap().clone());
    let removed = usize::try_from(first).unwrap()..usize::try_from(last).unwrap() + 1;
    book.lines.drain(removed);
    book.texts.retain(|line| {
        let text = brevet_core::audit::commitment::Disclosure::parse(line).unwrap();
        !(first..=last).contains(&text.seq)
    });
    book
}

#[test]
fn the_chain_goes_on_behind_a_hole() {
    for (first, last) in [(0, 9), (0, 0), (4, 12), (13, 20)] {
        let report = with_tombstone(first, last).verify().unwrap();
        assert_eq!(report.removed, last - first + 1);
        assert_eq!(report.proven, report.entries, "{first} to {last}");
    }
}

#[test]
fn acts_that_began_in_a_hole_may_end_behind_it() {
    // Entry 16 begins a call that entries 17 to 19 belong to.
    assert!(matches!(Record::read(&with_tombstone(0, 3).lines[12]).unwrap().event, Event::CallBegun(_)));
    assert!(with_tombstone(12, 16).verify().is_ok());
}

#[test]
fn a_hole_without_its_tombstone_is_missing() {
    let mut book = with_tombstone(4, 12);
    book.claims.clear();
    let fault = book.verify().unwrap_err();
    assert_eq!((fault.first, fault.last, fault.why), (4, 12, Why::Missing));
}

#[test]
fn a_tombstone_counts_only_under_a_checkpoint() {
    let mut book = with_tombstone(4, 12);
    book.checkpoints.pop();
    let fault = book.verify().unwrap_err();
    assert_eq!((fault.first, fault.last, fault.why), (4, 12, Why::Missing));
}

#[test]
fn nobody_invents_a_tombstone() {
    // For other entries than the real one speaks of, and with a tree of their own making.
    let mut book = with_tombstone(4, 12);
    book.lines.drain(4..6);
    let Event::Tombstone(real) = Record::read(&book.claims[0]).unwrap().event else { panic!("a tombstone") };
    let mut chain = Chain::begin(book.id.clone());
    for event in usual(6).iter().take(15) {
        chain.append(event, samples::at("08:00:00"));
    }
    let frontier = chain.frontier().clone();
    let forged = Tombstone { last: 14, head: Record::read(&book.lines[4]).unwrap().prev, frontier, ..real };
    let record = Record { event: forged.into(), ..Record::read(&book.claims[0]).unwrap() };
    book.claims = vec![record.line()];
    let fault = book.verify().unwrap_err();
    assert!(matches!(fault.why, Why::OtherThanSigned | Why::Missing), "{fault}");
}

#[test]
fn a_claim_is_a_tombstone_that_fits_itself() {
    let claim = with_tombstone(4, 12).claims.remove(0);
    assert!(Claim::read(&claim).is_ok());
    let record = Record::read(&claim).unwrap();
    let Event::Tombstone(real) = record.event.clone() else { panic!("a tombstone") };
    for wrong in [
        Tombstone { first: 13, ..real.clone() },
        Tombstone { last: 13, ..real.clone() },
        Tombstone { last: u64::MAX, ..real },
    ] {
        let line = Record { event: wrong.into(), ..record.clone() }.line();
        assert!(Claim::read(&line).is_err());
    }
    assert!(Claim::read(&with_tombstone(4, 12).lines[0]).is_err());
}
