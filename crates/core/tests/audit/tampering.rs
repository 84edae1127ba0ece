//! Whatever is done to a chain is found, at the right entry.

use std::sync::LazyLock;

use brevet_core::audit::{
    Chain, Event, Record, SignedCheckpoint,
    event::{Gap, GapCause},
    text::Text,
    verify::{Fault, Why},
};
use proptest::prelude::*;

use crate::{
    book::{Book, rotated, usual},
    samples,
    toy::Toy,
};

/// Entries of the book that properties tamper with: 33 of a life, and calls.
const CALLS: u64 = 12;
/// Entries between two checkpoints of it.
const EVERY: usize = 7;

fn book() -> Book {
    static BOOK: LazyLock<Book> = LazyLock::new(|| Book::usual(CALLS, EVERY));
    BOOK.clone()
}

fn fault(book: &Book) -> Fault {
    book.verify().unwrap_err()
}

/// That it is found, and at exactly that entry.
fn is_at(book: &Book, seq: usize) -> Fault {
    let fault = fault(book);
    assert_eq!((fault.first, fault.last), (seq as u64, seq as u64), "{fault}");
    fault
}

#[test]
fn what_nobody_touched_is_whole() {
    let book = book();
    let report = book.verify().unwrap();
    let size = book.lines.len() as u64;
    assert_eq!((report.entries, report.proven, report.removed), (size, size, 0));
    assert_eq!(report.signatures.trusted, book.checkpoints.len() as u64);
    assert_eq!((report.texts, report.texts_absent), (2, 0));
    assert_eq!(report.gap_count, 1);
    assert_eq!(report.left_open.by_crash, 0);
    assert!(report.left_open.at_the_end > 3, "{:?}", report.left_open);
    assert_eq!(report.clock_back, (0, None));
}

#[test]
fn a_changed_entry_is_named_wherever_it_stands() {
    let book = book();
    for at in 0..book.lines.len() {
        let mut book = book.clone();
        let record = Record::read(&book.lines[at]).unwrap();
        book.lines[at] = Record { time: samples::at("09:00:00").into(), ..record }.line();
        let fault = if at + 1 == book.lines.len() { fault(&book) } else { is_at(&book, at) };
        assert!((fault.first..=fault.last).contains(&(at as u64)), "{at}: {fault}");
    }
}

#[test]
fn a_changed_link_is_named_wherever_it_stands() {
    let book = book();
    for at in 0..book.lines.len() {
        let mut book = book.clone();
        let record = Record::read(&book.lines[at]).unwrap();
        book.lines[at] = Record { prev: brevet_core::digest::Digest::of(b"another"), ..record }.line();
        assert_eq!(is_at(&book, at).why, Why::Altered);
    }
}

#[test]
fn what_is_cut_off_is_named() {
    let book = book();
    for at in 0..book.lines.len() {
        let mut book = book.clone();
        let all = book.lines.len() as u64;
        book.lines.truncate(at);
        book.texts.clear();
        let fault = fault(&book);
        assert_eq!((fault.first, fault.last, fault.why), (at as u64, all - 1, Why::CutOff));
    }
}

#[test]
fn an_old_copy_is_known_by_a_checkpoint_kept_elsewhere() {
    let new = book();
    let old = Book {
        lines: new.lines[..EVERY].to_vec(),
        checkpoints: new.checkpoints[..1].to_vec(),
        texts: vec![],
        ..new.clone()
    };
    assert_eq!(old.verify().map(|report| report.proven), Ok(EVERY as u64), "by itself it is whole");
    let kept = vec![new.checkpoints[2].clone()];
    let fault = old.verify_with(&[Toy::key(7)], &kept).unwrap_err();
    assert_eq!((fault.first, fault.last, fault.why), (7, 20, Why::CutOff));
}

#[test]
fn who_relinks_is_caught_by_the_next_checkpoint() {
    let mut book = book();
    let record = Record::read(&book.lines[9]).unwrap();
    book.lines[9] = Record { time: samples::at("09:00:00").into(), ..record }.line();
    book.relink(10);
    let fault = fault(&book);
    assert_eq!((fault.first, fault.last, fault.why), (7, 13, Why::OtherThanSigned), "between two checkpoints");
}

#[test]
fn who_relinks_and_signs_is_nobody() {
    let book = book();
    let fault = book.verify_with(&[Toy::key(9)], &[]).unwrap_err();
    assert_eq!((fault.first, fault.why), (0, Why::NoTrustedCheckpoint));
}

#[test]
fn the_newest_checkpoint_must_be_of_a_trusted_key() {
    let mut book = book();
    let mut chain = Chain::begin(book.id.clone());
    for line in &book.lines {
        chain.take_up(line).unwrap();
    }
    *book.checkpoints.last_mut().unwrap() = chain.checkpoint(samples::at("10:00:00")).sign(&Toy::key(9)).to_string();
    let fault = fault(&book);
    assert_eq!(fault.why, Why::NoTrustedCheckpoint);
    assert_eq!(fault.last, chain.size() - 1);
}

#[test]
fn a_wrong_signature_is_no_signature() {
    let mut book = book();
    let text = book.checkpoints[1].clone();
    let (before, signature) = text.rsplit_once(' ').unwrap();
    let mut bytes = data_encoding::BASE64.decode(signature.trim().as_bytes()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    book.checkpoints[1] = format!("{before} {}\n", data_encoding::BASE64.encode(&bytes));
    assert_eq!(fault(&book).why, Why::WrongSignature);
}

#[test]
fn a_key_hands_over_to_the_next() {
    let mut events = usual(0)[..11].to_vec();
    events.insert(5, rotated(8));
    let mut book = Book::of("gateway-0-a", &events, 2);
    let sign = |text: &mut String| {
        let read = SignedCheckpoint::parse(text).unwrap();
        *text = read.checkpoint.sign(&Toy::key(8)).to_string();
    };
    // The old key signs once over the entry that names the new one; from then on the new one signs.
    book.checkpoints.iter_mut().skip(3).for_each(sign);
    let report = book.verify().unwrap();
    assert_eq!((report.proven, report.signatures.handed_over), (12, vec![Toy::key(8).0]));

    // Had the old one not signed over it, nobody would believe the new one.
    sign(&mut book.checkpoints[2]);
    assert_eq!(fault(&book).why, Why::NoTrustedCheckpoint);
}

#[test]
fn another_text_beside_an_entry_is_found_and_an_erased_one_is_not_missed() {
    let mut book = book();
    book.texts.remove(0);
    let report = book.verify().unwrap();
    assert_eq!((report.texts, report.texts_absent), (1, 1));

    let line = String::from_utf8(book.texts[0].clone()).unwrap();
    book.texts[0] = line.replace("go ahead", "go ahead!").into_bytes();
    let fault = is_at(&book, 7);
    assert!(matches!(fault.why, Why::OtherText(_)), "{fault}");

    book.texts[0] = line.replace("\"seq\":7", "\"seq\":9").into_bytes();
    assert!(matches!(is_at(&book, 9).why, Why::StrayText(_)));
}

#[test]
fn no_act_ends_that_did_not_begin() {
    for (at, wrong) in [(12, 11), (12, 30)] {
        let mut events = usual(0);
        events[at] = samples::call_done(wrong).into();
        let book = Book::of("gateway-0-a", &events, EVERY);
        assert_eq!(is_at(&book, at).why, Why::NoSuchAct(wrong));
    }
}

#[test]
fn acts_that_a_crash_left_are_told() {
    let mut events = usual(9);
    events.pop();
    let begun = events.len() as u64;
    events.push(samples::life().swap_remove(0));
    let mut report = Book::of("gateway-0-a", &events, EVERY).verify().unwrap();
    assert_eq!(report.crashes, 1);
    assert!(report.left_open.by_crash > 3 && report.left_open.at_the_end == 0, "{:?}", report.left_open);
    assert!(report.left_open.places.iter().all(|place| *place < begun));

    // And nobody completes them later.
    let left = report.left_open.places.pop().unwrap();
    events.push(samples::call_done(left).into());
    assert!(matches!(fault(&Book::of("gateway-0-a", &events, EVERY)).why, Why::NoSuchAct(_)));
}

#[test]
fn a_clock_that_goes_back_is_told() {
    let mut book = book();
    let record = Record::read(&book.lines[30]).unwrap();
    book.lines[30] = Record { time: samples::at("07:00:00").into(), ..record }.line();
    book.relink(31);
    book.checkpoints.truncate(4);
    let report = book.verify().unwrap();
    assert_eq!(report.clock_back, (1, Some(30)));
    assert!(report.proven < report.entries, "the rest is only linked");
}

#[test]
fn gaps_are_told() {
    let gap = Gap { cause: GapCause::Overflow, count: Some(4), since: None, message: Text::default() };
    let mut events = usual(0);
    events.insert(3, Event::from(gap));
    // Acts name the places of entries behind it; only the beginning is used.
    let report = Book::of("gateway-0-a", &events[..9], 3).verify().unwrap();
    assert_eq!((report.gap_count, report.gaps), (1, vec![3]));
}

proptest! {
    #[test]
    fn every_flipped_bit_is_found(at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut book = book();
        let at = at.index(book.lines.len());
        let byte = byte.index(book.lines[at].len());
        book.lines[at][byte] ^= 1 << bit;
        let fault = fault(&book);
        prop_assert!((fault.first..=fault.last).contains(&(at as u64)), "entry {at} byte {byte}: {fault}");
        prop_assert!(fault.first == fault.last || at + 1 == book.lines.len(), "entry {at} byte {byte}: {fault}");
    }

    #[test]
    fn a_verifier_reads_exactly_what_everybody_reads(at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut book = book();
        let at = at.index(book.lines.len());
        let byte = byte.index(book.lines[at].len());
        prop_assume!(book.lines[at][byte] != to);
        book.lines[at][byte] = to;
        let is_unreadable = matches!(fault(&book).why, Why::Unreadable(_));
        prop_assert_eq!(is_unreadable, Record::read(&book.lines[at]).is_err());
    }

    #[test]
    fn every_removed_entry_is_found(at in any::<prop::sample::Index>(), many in 1..4usize) {
        let mut book = book();
        let at = at.index(book.lines.len());
        let many = many.min(book.lines.len() - at);
        book.lines.drain(at..at + many);
        let fault = fault(&book);
        prop_assert_eq!((fault.first, fault.last), (at as u64, (at + many - 1) as u64), "{}", fault);
    }

    #[test]
    fn every_swap_is_found(one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let mut book = book();
        let (one, other) = (one.index(book.lines.len()), other.index(book.lines.len()));
        prop_assume!(one != other);
        book.lines.swap(one, other);
        prop_assert_eq!(fault(&book).first, one.min(other) as u64);
    }

    #[test]
    fn every_repeated_entry_is_found(of in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let mut book = book();
        let (of, at) = (of.index(book.lines.len()), at.index(book.lines.len() + 1));
        prop_assume!(of != at);
        let line = book.lines[of].clone();
        book.lines.insert(at, line);
        prop_assert_eq!(fault(&book).first, at as u64);
    }

    #[test]
    fn every_foreign_entry_is_found(at in any::<prop::sample::Index>()) {
        let mut book = book();
        static OTHER: LazyLock<Book> = LazyLock::new(|| Book::of("gateway-1-b", &usual(CALLS), EVERY));
        let at = at.index(book.lines.len());
        book.lines[at] = OTHER.lines[at].clone();
        prop_assert_eq!(fault(&book).first, at as u64);
    }

    #[test]
    fn every_entry_written_anew_is_found(at in any::<prop::sample::Index>(), second in 0..60i8) {
        let mut book = book();
        let at = at.index(book.lines.len());
        let record = Record::read(&book.lines[at]).unwrap();
        book.lines[at] = Record { time: samples::at(&format!("09:00:{second:02}")).into(), ..record }.line();
        book.relink(at + 1);
        let fault = fault(&book);
        prop_assert!((fault.first..=fault.last).contains(&(at as u64)) && fault.last - fault.first < EVERY as u64, "{}", fault);
    }

    #[test]
    fn every_flipped_bit_of_a_checkpoint_is_found(at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut book = book();
        let at = at.index(book.checkpoints.len());
        let mut bytes = book.checkpoints[at].clone().into_bytes();
        let byte = byte.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        book.checkpoints[at] = String::from_utf8_lossy(&bytes).into_owned();
        match book.verify() {
            Err(_) => {}
            // The name or id of its key: then it is nobody's, and an older one may stand in for it only before the last.
            Ok(report) => prop_assert!(report.signatures.unknown == 1 && at + 1 < book.checkpoints.len()),
        }
    }

    #[test]
    fn no_line_makes_the_verifier_panic(line in prop::collection::vec(any::<u8>(), 0..300), after in any::<bool>()) {
        let mut book = book();
        book.lines.insert(3, line);
        if after {
            book.lines.truncate(4);
        }
        prop_assert_eq!(fault(&book).first, 3);
    }
}
