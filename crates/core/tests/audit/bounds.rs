//! No event is too large for a line, and no text breaks one.

use std::sync::LazyLock;

use brevet_core::{
    audit::{
        Chain, ChainId, Event, Record,
        chain::LINE_BYTES_MAX,
        event::{Activated, ApprovalCounted, CallBegun, GrantBegun, ObjectMade, ObjectRef, Person, Start},
        text::{DOCUMENT_BYTES_MAX, Document, LIST_MAX, List, Text},
    },
    lifecycle::identity::PartKind,
};
use proptest::prelude::*;

use crate::{book::Book, samples};

/// What is longest on the wire for its length.
fn longest() -> Text {
    Text::new("\0".repeat(5000))
}

fn many<T: Clone>(item: T) -> List<T> {
    std::iter::repeat_n(item, 10 * LIST_MAX).collect()
}

fn person() -> Person {
    Person { username: longest(), uid: longest(), groups: many(longest()) }
}

fn object() -> ObjectRef {
    ObjectRef { name: longest(), uid: longest() }
}

#[test]
fn the_largest_events_fit_a_line() {
    let made = ObjectMade { kind: PartKind::RoleBinding, namespace: longest(), name: longest(), uid: longest() };
    let counted = ApprovalCounted { approver: longest(), decision: object(), stage: longest() };
    let largest = samples::life().into_iter().map(|event| match event {
        Event::RequestSeen(mut seen) => {
            seen.requester = person();
            seen.namespaces = many(longest());
            seen.resources = Some(Document::new("\"".repeat(DOCUMENT_BYTES_MAX)));
            seen.into()
        }
        Event::TermsSet(mut set) => {
            set.terms = Document::new("\"".repeat(DOCUMENT_BYTES_MAX));
            set.dropped = many(longest());
            set.into()
        }
        Event::GrantBegun(begun) => GrantBegun { holder: person(), approvals: many(counted.clone()), ..begun }.into(),
        Event::Activated(begun) => Activated { objects: many(made.clone()), ..begun }.into(),
        Event::CallBegun(begun) => CallBegun { command: many(longest()), ..begun }.into(),
        Event::Start(start) => Start { arguments: many(longest()), ..start }.into(),
        event => event,
    });
    let mut chain = Chain::begin(ChainId::parse(&"a".repeat(63)).unwrap());
    for event in largest {
        let entry = chain.append(&event, samples::at("08:00:00"));
        assert!(entry.line.len() < LINE_BYTES_MAX, "{}: {}", event.kind(), entry.line.len());
        assert_eq!(Record::read(&entry.line).unwrap().event, event);
    }
    assert!(Record::read(&vec![b' '; LINE_BYTES_MAX + 1]).is_err());
}

#[test]
fn longest_effective_rules_fit_a_document() {
    // As the terms' own limit bounds them: 32 KiB each of rules and companions, a third of it quotes.
    let rules = "\"ab\"".repeat(2 * 32 * 1024 / 4);
    assert_eq!(Document::new(rules.clone()).as_str(), rules);
}

/// Texts that have broken logs, terminals, spreadsheets and parsers.
const NASTY: &[&str] = &[
    "a\nb",
    "a\r\n{\"v\":1}",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\",\"kind\":\"Stop\",\"event\":{",
    "\\u0000\\",
    "\0",
    "\u{202e}gpj.exe",
    "\u{2028}\u{2029}\u{85}\u{9b}31m",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "\u{feff}\u{200b}\u{2066}\u{e0041}",
    "Zoë 🦀 ﷽",
];

/// Every line that comes of putting `nasty` in the place of one text of a sample, where a text may stand there.
fn injected(nasty: &str) -> Vec<Vec<u8>> {
    let mut chain = Chain::begin(ChainId::parse("gateway-0-a").unwrap());
    let spelled = String::from_utf8(
        chain
            .append(&brevet_core::audit::event::Stop { message: Text::new(nasty) }.into(), samples::at("08:00:00"))
            .line,
    )
    .unwrap();
    let spelled = spelled.split_once("\"message\":").unwrap().1.strip_suffix("}}").unwrap().to_owned();
    let mut lines = Vec::new();
    for event in samples::life() {
        let line = String::from_utf8(chain.append(&event, samples::at("08:00:00")).line).unwrap();
        let (head, body) = line.split_once("\"event\":").unwrap();
        let quotes: Vec<usize> = body.match_indices('"').map(|(at, _)| at).collect();
        for pair in quotes.windows(2) {
            let changed = format!("{head}\"event\":{}{spelled}{}", &body[..pair[0]], &body[pair[1] + 1..]);
            if Record::read(changed.as_bytes()).is_ok() {
                lines.push(changed.into_bytes());
            }
        }
    }
    lines
}

#[test]
fn no_text_in_any_field_breaks_its_line() {
    for nasty in NASTY {
        let lines = injected(nasty);
        assert!(lines.len() > 100, "{nasty:?} was taken by {} fields", lines.len());
        for line in lines {
            let text = String::from_utf8(line.clone()).unwrap();
            let is_harmless = |c: char| {
                !c.is_control()
                    && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
            };
            assert!(text.chars().all(is_harmless), "{text}");
            let record = Record::read(&line).unwrap();
            assert_eq!(record.line(), line);
            let other: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(other["kind"], record.event.kind(), "one entry stays one, for other parsers too");
            assert!(contains(&other["event"], nasty), "{text}");
        }
    }
}

fn contains(value: &serde_json::Value, text: &str) -> bool {
    match value {
        serde_json::Value::String(found) => found.contains(text),
        serde_json::Value::Array(list) => list.iter().any(|value| contains(value, text)),
        serde_json::Value::Object(map) => map.values().any(|value| contains(value, text)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn any_text_reads_back(user in any::<String>(), agent in "\\PC*", command in prop::collection::vec(any::<String>(), 0..5)) {
        let mut call = samples::call_begun();
        call.caller.username = Text::new(user);
        call.user_agent = Text::new(agent);
        call.command = command.into_iter().collect();
        let mut chain = Chain::begin(ChainId::parse("gateway-0-a").unwrap());
        let entry = chain.append(&call.clone().into(), samples::at("08:00:00"));
        prop_assert!(!entry.line.contains(&b'\n'));
        prop_assert_eq!(Record::read(&entry.line).unwrap().event, Event::CallBegun(call));
    }

    #[test]
    fn whatever_can_be_read_is_what_would_be_written(at in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), to in any::<u8>()) {
        static BOOK: LazyLock<Book> = LazyLock::new(|| Book::usual(0, 7));
        let mut line = BOOK.lines[at.index(BOOK.lines.len())].clone();
        let byte = byte.index(line.len());
        line[byte] = to;
        if let Ok(record) = Record::read(&line) {
            prop_assert_eq!(record.line(), line);
        }
    }
}
