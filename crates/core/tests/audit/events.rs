//! Every kind of event is written, read back, and chained.

use std::collections::BTreeSet;

use brevet_core::{
    audit::{
        Chain, ChainId, Event, Record,
        event::{Evaluated, ObjectRef, RulingWord},
    },
    length::Length,
    policy::{BreakGlass, Outcome, Ruling},
};

use crate::samples;

fn chain() -> Chain {
    Chain::begin(ChainId::parse("gateway-0-a").unwrap())
}

/// One test for each kind: its sample reads back as it was, and only so.
macro_rules! each_kind {
    ($($test:ident: $kind:ident,)+) => {
        /// The kinds that have a test here.
        const TESTED: &[&str] = &[$(stringify!($kind)),+];

        $(
            #[test]
            fn $test() {
                let all = samples::life().into_iter().filter(|event| matches!(event, Event::$kind(_)));
                let all: Vec<Event> = all.collect();
                assert!(!all.is_empty());
                for event in all {
                    reads_back(&event, stringify!($kind));
                }
            }
        )+
    };
}

each_kind! {
    a_call_that_begins: CallBegun,
    a_call_that_is_over: CallDone,
    a_refused_call: CallRefused,
    an_opened_stream: StreamOpened,
    a_cut_stream: StreamCut,
    a_minted_token: TokenMinted,
    a_request: RequestSeen,
    an_evaluation: Evaluated,
    terms: TermsSet,
    a_decision: DecisionWeighed,
    a_request_without_a_grant: RequestClosed,
    a_grant_that_is_to_be_made: GrantBegun,
    a_grant_that_is_made: GrantMade,
    an_activation_that_begins: ActivationBegun,
    a_grant_in_force: Activated,
    drift: DriftSeen,
    a_grant_that_is_over: GrantEnded,
    a_removal: RemovalBegun,
    a_confirmed_end: EndConfirmed,
    a_deletion: DeletionBegun,
    an_act_that_is_done: ActDone,
    an_act_that_failed: ActFailed,
    a_change_of_the_catalogue: CatalogueChanged,
    a_broken_guard: GuardBroken,
    a_repaired_guard: GuardRepaired,
    a_start: Start,
    a_stop: Stop,
    a_gap: Gap,
    another_key: KeyRotated,
    a_witness: CheckpointWitnessed,
    a_tombstone: Tombstone,
    an_erased_text: TextErased,
    a_reader: RecordsRead,
}

fn reads_back(event: &Event, kind: &str) {
    assert_eq!(event.kind(), kind);
    let mut chain = chain();
    let now = samples::at("08:00:00.123456");
    let entry = chain.append(event, now);
    let record = Record::read(&entry.line).unwrap();
    assert_eq!((&record.event, record.seq), (event, 0));
    let other: serde_json::Value = serde_json::from_slice(&entry.line).unwrap();
    assert_eq!(other["kind"], kind, "as other parsers read it");
    assert_eq!(other["time"], "2026-11-24T08:00:00.123456Z");
    for at in 0..entry.line.len() {
        assert!(Record::read(&entry.line[..at]).is_err(), "cut at byte {at}");
    }
}

#[test]
fn broken_glass_says_when_its_review_is_due() {
    let terms = BreakGlass { review_within: Length::from_seconds(3600).unwrap(), reviewers: vec![] };
    let outcome = Outcome { ruling: Ruling::BreakGlass(terms), by: None, near: vec![] };
    let event = Evaluated::by_policies(ObjectRef::new("a", "u-1"), &outcome);
    assert_eq!((event.ruling, event.review_within_seconds), (RulingWord::BreakGlass, Some(3600)));
    reads_back(&event.into(), "Evaluated");
}

#[test]
fn every_kind_has_its_test() {
    let all: BTreeSet<&str> = Event::KINDS.iter().copied().collect();
    assert_eq!(TESTED.iter().copied().collect::<BTreeSet<_>>(), all);
    assert_eq!(all.len(), Event::KINDS.len(), "each once");
}
