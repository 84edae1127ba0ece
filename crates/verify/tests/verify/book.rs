//! Small exports, whole and broken, each with what must be found in it.

use std::{fs, path::Path};

use brevet_core::{
    audit::{
        Chain, ChainId, Event, Record, SignedCheckpoint,
        commitment::{Disclosure, Member},
        event::{Tombstone, TombstoneCause},
    },
    digest::Digest,
};
use serde_json::{Value, json};

use crate::{key::Key, samples};

/// The chain of all books.
pub(crate) const CHAIN: &str = "gateway-0-019abc";
/// Entries between two checkpoints.
const EVERY: u64 = 4;

/// One chain as it is exported.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) name: &'static str,
    /// What was done to it, in words.
    pub(crate) story: &'static str,
    pub(crate) lines: Vec<String>,
    pub(crate) checkpoints: Vec<String>,
    pub(crate) texts: Vec<String>,
    pub(crate) tombstones: Vec<String>,
    /// Reason, first and last entry; `None`: nothing is wrong.
    pub(crate) fault: Option<(&'static str, u64, u64)>,
    /// How many entries are proven, where nothing is wrong.
    pub(crate) proven: u64,
}

impl Book {
    pub(crate) fn json(&self) -> Value {
        let expect = match self.fault {
            None => json!({"proven": self.proven}),
            Some((reason, first, last)) => json!({"reason": reason, "firstEntry": first, "lastEntry": last}),
        };
        json!({
            "name": self.name,
            "story": self.story,
            "entries": self.lines,
            "checkpoints": self.checkpoints,
            "texts": self.texts,
            "tombstones": self.tombstones,
            "expect": expect,
        })
    }

    /// Writes it as an export, checked against the key of seed 1.
    pub(crate) fn write(&self, folder: &Path) {
        let chain = folder.join("chains").join(CHAIN);
        fs::create_dir_all(chain.join("entries")).unwrap();
        let manifest = json!({"format": "brevet.dev/audit-export/v1", "chains": [CHAIN]});
        fs::write(folder.join("export.json"), manifest.to_string()).unwrap();
        fs::write(folder.join("keys"), format!("# of the tests\n{}\n", Key::of(1).public())).unwrap();
        // In two files, as segments are.
        let (one, two) = self.lines.split_at(self.lines.len() / 2);
        fs::write(chain.join("entries/0.jsonl"), joined(one)).unwrap();
        fs::write(chain.join("entries/1.jsonl"), joined(two)).unwrap();
        fs::write(chain.join("checkpoints"), self.checkpoints.join("\n")).unwrap();
        for (name, lines) in [("texts.jsonl", &self.texts), ("tombstones.jsonl", &self.tombstones)] {
            if !lines.is_empty() {
                fs::write(chain.join(name), joined(lines)).unwrap();
            }
        }
    }

    fn with(self, name: &'static str, story: &'static str, fault: (&'static str, u64, u64)) -> Self {
        Self { name, story, fault: Some(fault), ..self }
    }

    /// Lets the entry at `at` say something else, and those behind it follow, as one can who has no key.
    fn rewrite(&mut self, at: usize, relinks: bool) {
        let mut chain = Chain::begin(id());
        for (place, line) in self.lines.iter_mut().enumerate() {
            let record = Record::read(line.as_bytes()).unwrap();
            if place == at {
                *line = text(Record { time: samples::at("09:00:00").into(), ..record }.line());
                chain.take_up(line.as_bytes()).unwrap();
            } else if place > at && relinks {
                *line = text(chain.append(&record.event, record.time.into()).line);
            } else {
                chain.take_up(line.as_bytes()).ok();
            }
        }
    }
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap()
}

fn id() -> ChainId {
    ChainId::parse(CHAIN).unwrap()
}

/// Ten entries of a grant's life: the tenth is at place 9.
fn events() -> Vec<Event> {
    let of = |kind: &str| samples::life().into_iter().find(|event| event.kind() == kind).unwrap();
    let ending = |intent| brevet_core::audit::event::ActDone { intent }.into();
    let made = match of("GrantMade") {
        Event::GrantMade(made) => brevet_core::audit::event::GrantMade { intent: 3, ..made }.into(),
        other => other,
    };
    vec![
        of("Start"),
        of("RequestSeen"),
        of("DecisionWeighed"),
        of("GrantBegun"),
        made,
        of("CallBegun"),
        samples::call_done(5).into(),
        of("GrantEnded"),
        ending(7),
        of("Stop"),
    ]
}

fn of_events(events: &[Event]) -> Book {
    let mut chain = Chain::begin(id());
    let mut book = Book {
        name: "whole",
        story: "nobody touched it",
        lines: vec![],
        checkpoints: vec![],
        texts: vec![],
        tombstones: vec![],
        fault: None,
        proven: events.len() as u64,
    };
    for (at, event) in events.iter().enumerate() {
        let now = samples::at(&format!("08:00:{at:02}"));
        let entry = chain.append(event, now);
        if let Some((member, _)) = event.commitment() {
            let personal = if member == Member::Comment { samples::comment() } else { samples::justification() };
            book.texts.push(text(Disclosure { seq: entry.seq, member, personal }.line()));
        }
        book.lines.push(text(entry.line));
        if chain.size().is_multiple_of(EVERY) || at + 1 == events.len() {
            book.checkpoints.push(chain.checkpoint(now).sign(&Key::of(1)).to_string());
        }
    }
    book
}

/// Nobody touched it.
pub(crate) fn whole() -> Book {
    of_events(&events())
}

/// Every book.
pub(crate) fn all() -> Vec<Book> {
    let mut books = vec![whole(), erased(), unsigned_end(), retained()];
    books.extend(changed());
    books.extend(moved());
    books.extend(signed());
    books.extend(beside());
    books
}

fn erased() -> Book {
    Book { name: "erased", story: "its personal texts were erased", texts: vec![], ..whole() }
}

fn unsigned_end() -> Book {
    let mut book =
        Book { name: "unsigned-end", story: "the last two entries are under no checkpoint yet", proven: 8, ..whole() };
    book.checkpoints.pop();
    book
}

/// The first four entries were removed; the tombstone is the last entry.
fn retained() -> Book {
    let mut chain = Chain::begin(id());
    for line in whole().lines.iter().take(4) {
        chain.take_up(line.as_bytes()).unwrap();
    }
    let tombstone = Tombstone {
        first: 0,
        last: 3,
        head: *chain.head(),
        frontier: chain.frontier().clone(),
        cause: TombstoneCause::Age,
    };
    let events: Vec<Event> = events().into_iter().chain([tombstone.into()]).collect();
    let book = of_events(&events);
    Book {
        name: "retained",
        story: "retention removed the first four entries; a tombstone says so",
        tombstones: vec![book.lines[10].clone()],
        lines: book.lines[4..].to_vec(),
        texts: vec![],
        ..book
    }
}

fn changed() -> Vec<Book> {
    let mut altered = whole().with("altered", "entry 5 has another time", ("Altered", 5, 5));
    altered.rewrite(5, false);
    let mut last = whole().with("altered-last", "the last entry has another time", ("OtherThanSigned", 8, 9));
    last.rewrite(9, false);
    let story = "entry 5 has another time, and all behind it were linked anew";
    let mut relinked = whole().with("relinked", story, ("OtherThanSigned", 4, 7));
    relinked.rewrite(5, true);
    let mut link = whole().with("link", "entry 6 names another entry before it", ("Altered", 6, 6));
    let record = Record::read(link.lines[6].as_bytes()).unwrap();
    link.lines[6] = text(Record { prev: Digest::of(b"another"), ..record }.line());
    let mut spelled = whole().with("spelling", "a space stands in entry 2", ("Unreadable", 2, 2));
    spelled.lines[2] = spelled.lines[2].replacen(',', ", ", 1);
    let mut later = whole().with("later-version", "entry 3 is of version 2", ("Unreadable", 3, 3));
    later.lines[3] = later.lines[3].replacen("\"v\":1", "\"v\":2", 1);
    let mut kind = whole().with("unknown-kind", "entry 9 is of a kind that there is not", ("Unreadable", 9, 9));
    kind.lines[9] = kind.lines[9].replacen("\"Stop\"", "\"Halt\"", 1);
    vec![altered, last, relinked, link, spelled, later, kind]
}

fn moved() -> Vec<Book> {
    let mut removed = whole().with("removed", "entries 5 and 6 are not there", ("Missing", 5, 6));
    removed.lines.drain(5..7);
    let mut swapped = whole().with("swapped", "entries 4 and 5 changed places", ("Moved", 4, 5));
    swapped.lines.swap(4, 5);
    let mut repeated = whole().with("repeated", "entry 2 stands again behind entry 6", ("Repeated", 7, 7));
    repeated.lines.insert(7, repeated.lines[2].clone());
    let mut foreign = whole().with("foreign", "from entry 8 on it is another chain", ("Foreign", 8, 8));
    let mut chain = Chain::begin(ChainId::parse("gateway-1-019abd").unwrap());
    for (at, event) in events().iter().enumerate() {
        let entry = chain.append(event, samples::at("08:00:00"));
        if at >= 8 {
            foreign.lines[at] = text(entry.line);
        }
    }
    let mut cut = whole().with("cut-off", "the last three entries are not there", ("CutOff", 7, 9));
    cut.lines.truncate(7);
    let mut hole = retained().with("hole", "no tombstone says why the first four are not there", ("Missing", 0, 3));
    hole.tombstones.clear();
    let story = "a tombstone speaks of them, but not in the chain under a checkpoint";
    let mut unfounded = retained().with("hole-unsigned", story, ("Missing", 0, 3));
    unfounded.checkpoints.pop();
    vec![removed, swapped, repeated, foreign, cut, hole, unfounded]
}

fn signed() -> Vec<Book> {
    let story = "the last byte of the second signature is another";
    let mut wrong = whole().with("wrong-signature", story, ("WrongSignature", 4, 7));
    let (head, signature) = wrong.checkpoints[1].trim_end().rsplit_once(' ').unwrap();
    let mut bytes = data_encoding::BASE64.decode(signature.as_bytes()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    wrong.checkpoints[1] = format!("{head} {}\n", data_encoding::BASE64.encode(&bytes));

    let mut unknown =
        whole().with("unknown-key", "another key signed the last checkpoint", ("NoTrustedCheckpoint", 8, 9));
    let read = SignedCheckpoint::parse(&unknown.checkpoints[2]).unwrap();
    unknown.checkpoints[2] = read.checkpoint.sign(&Key::of(2)).to_string();

    let mut unsigned = whole().with("no-checkpoint", "there is no checkpoint", ("NoTrustedCheckpoint", 0, 9));
    unsigned.checkpoints.clear();

    let story = "the first two checkpoints changed places";
    let mut order = whole().with("checkpoint-order", story, ("BadCheckpoint", 7, 7));
    order.checkpoints.swap(0, 1);

    let mut spelled = whole().with("checkpoint-spelling", "a size has a leading zero", ("BadCheckpoint", 3, 3));
    spelled.checkpoints[1] = spelled.checkpoints[1].replacen("\n8\n", "\n08\n", 1);

    let mut empty = whole().with("empty", "there is no entry and no checkpoint", ("Empty", 0, 0));
    (empty.lines, empty.checkpoints, empty.texts) = (vec![], vec![], vec![]);
    vec![wrong, unknown, unsigned, order, spelled, empty]
}

fn beside() -> Vec<Book> {
    let mut other = whole().with("other-text", "the comment beside entry 2 is another", ("OtherText", 2, 2));
    other.texts[1] = other.texts[1].replace("go ahead", "go ahead!");
    let mut stray = whole().with("stray-text", "a text stands beside entry 4, which has none", ("StrayText", 4, 4));
    stray.texts[1] = stray.texts[1].replace("\"seq\":2", "\"seq\":4");
    let mut events = events();
    events[6] = samples::call_done(4).into();
    let story = "entry 6 completes an act that entry 4 did not begin";
    let act = of_events(&events).with("no-such-act", story, ("NoSuchAct", 6, 6));
    vec![other, stray, act]
}
