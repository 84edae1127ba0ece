//! `docs/spec/vectors/audit.json`: made here (UPDATE=1), and read back as a
//! stranger would read it.

use std::{fs, path::PathBuf, sync::LazyLock};

use brevet_core::{
    audit::{
        Chain, ChainId, Event, Record, Signed, SignedCheckpoint,
        chain::Entry,
        commitment::{Disclosure, Member},
        event::Stop,
        key::PublicKey,
        proof::{Consistency, Inclusion},
        text::Text,
        tree::{Frontier, leaf},
    },
    digest::Digest,
};
use brevet_verify::Ed25519;
use serde_json::{Value, json};

use crate::{book, key::Key, samples};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors/audit.json")
}

/// The text of the vectors in the repository; with UPDATE=1 it is made first.
static STORED: LazyLock<String> = LazyLock::new(|| {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(), format!("{:#}\n", made())).unwrap();
    }
    fs::read_to_string(path()).unwrap()
});

fn vectors() -> Value {
    serde_json::from_str(&STORED).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn utf8(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap()
}

fn chain() -> Chain {
    Chain::begin(ChainId::parse(book::CHAIN).unwrap())
}

/// Every kind of event, in one chain.
fn entries() -> Vec<(Event, Entry)> {
    let mut chain = chain();
    let append = |event: Event| {
        let entry = chain.append(&event, samples::at("08:00:00.000001"));
        (event, entry)
    };
    samples::life().into_iter().map(append).collect()
}

/// Texts and how they stand in a line.
const STRINGS: &[&str] = &[
    "",
    "web-1",
    "\"quoted\" and \\",
    "a\nb\r\t\0",
    "\u{1b}[31m\u{9b}31m\u{7f}",
    "\u{202e}txt.exe\u{2069}\u{feff}\u{200b}\u{ad}",
    "\u{2028}\u{2029}\u{85}",
    "\u{e0041}",
    "Zoë ☃ 🦀",
    "</script>=cmd|",
];

fn strings() -> Vec<Value> {
    let spelled = |text: &&str| {
        let line = utf8(chain().append(&Stop { message: Text::new(*text) }.into(), samples::at("08:00:00")).line);
        let spelled = line.split_once("\"message\":").unwrap().1.strip_suffix("}}").unwrap();
        json!({"text": text, "spelled": spelled})
    };
    STRINGS.iter().map(spelled).collect()
}

fn trees() -> Vec<Value> {
    let leaves: Vec<Digest> = entries().iter().map(|(_, entry)| entry.hash).collect();
    let mut frontier = Frontier::default();
    let mut trees = Vec::new();
    for size in 0..=leaves.len() {
        if [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33].contains(&size) {
            let peaks: Vec<String> = frontier.peaks().iter().map(ToString::to_string).collect();
            trees.push(json!({"size": size, "root": frontier.root().to_string(), "peaks": peaks}));
        }
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
    trees
}

fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

fn proofs() -> Vec<Value> {
    let leaves: Vec<Digest> = entries().iter().map(|(_, entry)| entry.hash).collect();
    let mut proofs = Vec::new();
    for (seq, size) in [(0, 1), (0, 2), (3, 7), (4, 8), (32, 33), (11, 33)] {
        let proof = Inclusion::of(seq, &leaves[..size]).unwrap();
        let leaf = leaves[usize::try_from(seq).unwrap()];
        let root = root(&leaves[..size]);
        proofs.push(
            json!({"line": utf8(proof.line()), "leaf": leaf.to_string(), "root": root.to_string(), "holds": true}),
        );
        let other = leaves[usize::try_from(seq).unwrap() + 1];
        proofs.push(
            json!({"line": utf8(proof.line()), "leaf": other.to_string(), "root": root.to_string(), "holds": false}),
        );
    }
    for (before, size) in [(1, 2), (3, 7), (4, 8), (7, 7), (32, 33), (6, 31)] {
        let proof = Consistency::of(before, &leaves[..size]).unwrap();
        let smaller = root(&leaves[..usize::try_from(before).unwrap()]);
        let larger = root(&leaves[..size]);
        for (larger, holds) in [(larger, true), (smaller, before == size as u64)] {
            let line = utf8(proof.line());
            proofs.push(
                json!({"line": line, "smaller": smaller.to_string(), "larger": larger.to_string(), "holds": holds}),
            );
        }
    }
    proofs
}

fn texts() -> Vec<Value> {
    let all = [(Member::Justification, samples::justification()), (Member::Comment, samples::comment())];
    let told = all.into_iter().enumerate().map(|(seq, (member, personal))| {
        let commitment = personal.commitment().to_string();
        json!({"line": utf8(Disclosure { seq: seq as u64, member, personal }.line()), "commitment": commitment})
    });
    told.collect()
}

fn checkpoints() -> Vec<Value> {
    let mut chain = chain();
    for (_, entry) in entries() {
        chain.take_up(&entry.line).unwrap();
    }
    let right = chain.checkpoint(samples::at("08:00:01")).sign(&Key::of(1)).to_string();
    let other = chain.checkpoint(samples::at("08:00:01")).sign(&Key::of(2)).to_string();
    vec![
        json!({"text": right, "signed": "Right"}),
        json!({"text": right.replacen("08:00:01", "08:00:02", 1), "signed": "Wrong"}),
        json!({"text": other, "signed": "Absent"}),
    ]
}

/// Lines that are no entries, each one step from one that is.
fn refused() -> Vec<Value> {
    let line = utf8(chain().append(&Stop { message: Text::new("a") }.into(), samples::at("08:00:00")).line);
    let wrong: Vec<(&str, String)> = vec![
        ("a space", line.replacen("\":", "\": ", 1)),
        ("a line feed behind it", format!("{line}\n")),
        ("a later version", line.replacen("\"v\":1", "\"v\":2", 1)),
        ("no version", line.replacen("\"v\":1,", "", 1)),
        (
            "members in another order",
            line.replacen("\"v\":1,\"chain\":\"gateway-0-019abc\"", "\"chain\":\"gateway-0-019abc\",\"v\":1", 1),
        ),
        ("a member twice", line.replacen("\"v\":1", "\"v\":1,\"v\":1", 1)),
        ("a member too many", line.replacen("\"message\":\"a\"", "\"message\":\"a\",\"more\":1", 1)),
        ("an upper-case chain", line.replacen("gateway-0", "Gateway-0", 1)),
        ("a leading zero", line.replacen("\"seq\":0", "\"seq\":00", 1)),
        ("a fraction", line.replacen("\"seq\":0", "\"seq\":0.0", 1)),
        ("no microseconds", line.replacen("00.000000Z", "00Z", 1)),
        ("another zone", line.replacen("00.000000Z", "00.000000+00:00", 1)),
        ("a day that there is not", line.replacen("2026-11-24", "2026-11-31", 1)),
        ("upper-case digits", line.replacen("sha256:0", "sha256:A", 1)),
        ("a kind that there is not", line.replacen("\"Stop\"", "\"Halt\"", 1)),
        ("an escape that is not needed", line.replacen("\"a\"}", "\"\\u0061\"}", 1)),
        ("a short escape", line.replacen("\"a\"}", "\"\\n\"}", 1)),
        ("an upper-case escape", line.replacen("\"a\"}", "\"\\u000A\"}", 1)),
        ("a control that is not escaped", line.replacen("\"a\"}", "\"\u{7f}\"}", 1)),
        ("a mark of direction that is not escaped", line.replacen("\"a\"}", "\"\u{202e}\"}", 1)),
        ("half a pair", line.replacen("\"a\"}", "\"\\udb40\"}", 1)),
        ("a text that is too long", line.replacen("\"a\"}", &format!("\"{}\"}}", "a".repeat(1025)), 1)),
        ("cut", line.strip_suffix("}").unwrap().to_owned()),
    ];
    wrong.into_iter().map(|(what, line)| json!({"what": what, "line": line})).collect()
}

fn made() -> Value {
    let entry = |(event, entry): &(Event, Entry)| json!({"kind": event.kind(), "line": str::from_utf8(&entry.line).unwrap(), "hash": entry.hash.to_string()});
    json!({
        "about": "See docs/spec/audit-log.md. The key's seed is 32 bytes 01; that of the unknown key 32 bytes 02.",
        "key": Key::of(1).public().to_string(),
        "unknownKey": Key::of(2).public().to_string(),
        "strings": strings(),
        "entries": entries().iter().map(entry).collect::<Vec<_>>(),
        "refused": refused(),
        "trees": trees(),
        "proofs": proofs(),
        "texts": texts(),
        "checkpoints": checkpoints(),
        "exports": book::all().iter().map(book::Book::json).collect::<Vec<_>>(),
    })
}

#[test]
fn the_vectors_are_what_is_made() {
    let made = format!("{:#}\n", made());
    assert!(*STORED == made, "the format changed; if that is meant, UPDATE=1 writes the vectors anew");
}

#[test]
fn entries_read_as_they_stand() {
    let vectors = vectors();
    let mut prev = Digest::from_bytes([0; 32]);
    for (seq, vector) in list(&vectors["entries"]).iter().enumerate() {
        let line = text(&vector["line"]).as_bytes();
        let record = Record::read(line).unwrap();
        assert_eq!((record.seq, record.prev, record.event.kind()), (seq as u64, prev, text(&vector["kind"])));
        prev = leaf(line);
        assert_eq!(prev.to_string(), text(&vector["hash"]));
    }
    for kind in Event::KINDS {
        assert!(list(&vectors["entries"]).iter().any(|vector| vector["kind"] == *kind), "{kind}");
    }
    for vector in list(&vectors["refused"]) {
        assert!(Record::read(text(&vector["line"]).as_bytes()).is_err(), "{}", vector["what"]);
    }
}

#[test]
fn trees_and_proofs_read_as_they_stand() {
    let vectors = vectors();
    let digest = |value: &Value| Digest::parse(text(value)).unwrap();
    for vector in list(&vectors["trees"]) {
        let peaks = list(&vector["peaks"]).iter().map(digest).collect();
        assert_eq!(Frontier::new(vector["size"].as_u64().unwrap(), peaks).unwrap().root(), digest(&vector["root"]));
    }
    for vector in list(&vectors["proofs"]) {
        let line = text(&vector["line"]).as_bytes();
        let holds = match vector["leaf"].is_string() {
            true => Inclusion::parse(line).unwrap().holds(&digest(&vector["leaf"]), &digest(&vector["root"])),
            false => Consistency::parse(line).unwrap().holds(&digest(&vector["smaller"]), &digest(&vector["larger"])),
        };
        assert_eq!(holds, vector["holds"].as_bool().unwrap(), "{vector}");
    }
}

#[test]
fn texts_and_checkpoints_read_as_they_stand() {
    let vectors = vectors();
    for vector in list(&vectors["texts"]) {
        let read = Disclosure::parse(text(&vector["line"]).as_bytes()).unwrap();
        assert_eq!(read.personal.commitment().to_string(), text(&vector["commitment"]));
    }
    let key = PublicKey::parse(text(&vectors["key"])).unwrap();
    for vector in list(&vectors["checkpoints"]) {
        let said = match SignedCheckpoint::parse(text(&vector["text"])).unwrap().by(&key, &Ed25519) {
            Signed::Right => "Right",
            Signed::Wrong => "Wrong",
            Signed::Absent => "Absent",
        };
        assert_eq!(said, text(&vector["signed"]));
    }
}
