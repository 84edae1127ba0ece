//! The house rules that a machine can hold.
//!
//! Promises: each rule names the file that broke it. The two ratchets, long
//! files and long functions, may only shrink: an entry that is no longer
//! needed fails too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lines of a file, past which it is two.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, past which it is two.
const FUNCTION_LINES_MAX: usize = 70;
/// Files that are longer, with their length today. May only shrink.
const LONG_FILES: &[(&str, usize)] = &[];
/// Functions that are longer, as `file::function`, with their length today. May only shrink.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];
/// Words that say nothing, as a whole part of a file's, module's or type's name.
const EMPTY_WORDS: &[&str] =
    &["utils", "util", "helper", "helpers", "manager", "common", "misc", "data", "info", "impl"];
/// Events of the audit log that the server does not write yet. May only shrink.
const EVENTS_NOT_WRITTEN: &[&str] = &[
    "Evaluated",
    "DecisionWeighed",
    "DriftSeen",
    "CatalogueChanged",
    "KeyRotated",
    "CheckpointWitnessed",
    "Tombstone",
    "TextErased",
    "RecordsRead",
];
/// What core may stand on: values and digests, nothing that reads a clock or a socket.
const CORE_MAY_USE: &[&str] =
    &["jiff", "serde", "serde_json", "serde_json_canonicalizer", "sha2", "data-encoding", "thiserror"];
/// What the program that checks the audit log may stand on: of ours, core alone.
const VERIFY_MAY_USE: &[&str] = &["brevet-core", "aws-lc-rs", "clap", "serde", "serde_json", "thiserror"];
/// What the kinds may stand on: kube's derive, never its client.
const API_MAY_USE: &[&str] =
    &["brevet-core", "jiff", "k8s-openapi", "kube-core", "kube-derive", "schemars", "serde", "serde_json", "thiserror"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file under `folder` with that ending, with its path from the root and its text.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn sources() -> BTreeMap<String, String> {
    let found = files("crates", "rs");
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// A file in two: what ships, and its tests.
fn halves<'a>(name: &str, text: &'a str) -> (&'a str, &'a str) {
    let is_test = name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("crates/testkit/");
    if is_test { ("", text) } else { text.split_once("#[cfg(test)]").unwrap_or((text, "")) }
}

fn nothing(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    nothing(silent.map(|(name, _)| format!("{name}: opens without `//!`")).collect());
}

#[test]
fn no_file_grows_too_long() {
    let lengths = sources().into_iter().map(|(name, text)| (name, text.lines().count())).collect();
    ratchet(&lengths, FILE_LINES_MAX, LONG_FILES);
}

#[test]
fn no_function_grows_too_long() {
    let mut lengths = BTreeMap::new();
    for (name, text) in sources() {
        for (function, length) in functions(&text) {
            let longest = lengths.entry(format!("{name}::{function}")).or_insert(0);
            *longest = length.max(*longest);
        }
    }
    assert!(lengths.len() > 100, "the functions were not found");
    ratchet(&lengths, FUNCTION_LINES_MAX, LONG_FUNCTIONS);
}

/// Name and length of each function; rustfmt ends one with a brace at its own indentation.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let words_only = before.chars().all(|c| c.is_ascii_alphabetic() || " ()".contains(c));
        let opens = line.ends_with('{') || line.ends_with('(');
        if !words_only || !opens {
            continue;
        }
        let name = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let indent = line.len() - line.trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        found.push((name, lines[at..].iter().take_while(|line| **line != end).count() + 1));
    }
    found
}

fn ratchet(lengths: &BTreeMap<String, usize>, max: usize, known: &[(&str, usize)]) {
    let known: BTreeMap<&str, usize> = known.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, length) in lengths {
        let allowed = known.get(name.as_str()).copied().unwrap_or(max);
        if *length > allowed {
            faults.push(format!("{name}: {length} lines, {allowed} at most"));
        }
    }
    for (name, length) in known {
        match lengths.get(name) {
            Some(now) if *now >= length => {}
            Some(now) => faults.push(format!("{name}: shrank to {now} lines; lower its entry")),
            None => faults.push(format!("{name}: is gone; remove its entry")),
        }
    }
    nothing(faults);
}

#[test]
fn names_say_something() {
    let mut faults = Vec::new();
    for (name, text) in sources() {
        let stem = Path::new(&name).file_stem().unwrap().to_string_lossy().into_owned();
        for word in text.lines().filter_map(declared).chain([stem]).flat_map(|declared| parts(&declared)) {
            if EMPTY_WORDS.contains(&word.as_str()) {
                faults.push(format!("{name}: `{word}` says nothing"));
            }
        }
    }
    nothing(faults);
}

/// The type or module that a line declares.
fn declared(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with("//")).collect();
    let at = words.iter().position(|word| ["struct", "enum", "trait", "mod"].contains(word)).filter(|at| *at <= 1)?;
    Some(words.get(at + 1)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

/// `GrantManager` and `grant_manager` are `grant`, `manager`.
fn parts(name: &str) -> Vec<String> {
    let spaced = snake(name);
    spaced.split(['_', '-']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_floors_hold() {
    let mut faults = Vec::new();
    let floors = [("core", CORE_MAY_USE), ("api", API_MAY_USE), ("verify", VERIFY_MAY_USE)];
    for (name, allowed) in floors {
        let manifest = format!("crates/{name}/Cargo.toml");
        let text = fs::read_to_string(root().join(&manifest)).unwrap();
        let used = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in used.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            if !allowed.contains(&name) {
                faults.push(format!("{manifest}: `{name}` is above this floor"));
            }
        }
    }
    nothing(faults);
}

#[test]
fn rooms_never_import_one_another() {
    let mut faults = Vec::new();
    for (room, other) in [("controller", "gateway"), ("gateway", "controller")] {
        let found = files(&format!("crates/server/src/{room}"), "rs");
        assert!(!found.is_empty(), "the room {room} was not found");
        for (name, text) in found {
            if text.contains(&format!("crate::{other}")) {
                faults.push(format!("{name}: imports the room `{other}`"));
            }
        }
    }
    nothing(faults);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not break its own rule.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!(" X", "XX")];
    let mut faults = Vec::new();
    for (name, text) in sources().into_iter().chain(files("deploy", "yaml")).chain(files("docs", "md")) {
        for (at, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                faults.push(format!("{name}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    nothing(faults);
}

#[test]
fn tests_wait_for_events() {
    let call = format!("sleep{}", '(');
    let mut faults = Vec::new();
    for (name, text) in sources() {
        // Testkit's own library polls, each time under a named deadline.
        let tests = if name.starts_with("crates/testkit/src/") { "" } else { halves(&name, &text).1 };
        for line in tests.lines().filter(|line| line.contains(&call)) {
            faults.push(format!("{name}: {}", line.trim()));
        }
    }
    nothing(faults);
}

#[test]
fn every_field_of_a_kind_has_a_reader() {
    let shipped: String = sources().iter().map(|(name, text)| halves(name, text).0).collect();
    let mut faults = Vec::new();
    for (name, text) in files("deploy/crds", "yaml") {
        // Part of every Kubernetes condition; ours are about immutable specs.
        for field in fields(&text).into_iter().filter(|field| field != "observedGeneration") {
            let field_name = snake(&field);
            let uses = [".", " ", "("].map(|before| format!("{before}{field_name}"));
            let is_read = uses.iter().any(|form| {
                shipped.match_indices(form.as_str()).any(|(at, _)| {
                    let after = shipped[at + form.len()..].chars().next().unwrap_or(' ');
                    // `.name`, or bound by a pattern `{ name, … }`; a declaration is followed by a colon.
                    !after.is_alphanumeric() && after != '_' && (form.starts_with('.') || after != ':')
                })
            });
            if !is_read {
                faults.push(format!("{name}: nobody reads `{field}`"));
            }
        }
    }
    nothing(faults);
}

/// The names of properties in a CRD: the keys right under a `properties:`.
fn fields(crd: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = Vec::new();
    for line in crd.lines() {
        let indent = line.len() - line.trim_start().len();
        open.retain(|depth| *depth < indent);
        if open.last().is_some_and(|depth| indent == depth + 2) && line.ends_with(':') {
            found.insert(line.trim().trim_end_matches(':').to_owned());
        }
        if line.trim() == "properties:" {
            open.push(indent);
        }
    }
    assert!(found.contains("spec"), "the properties were not found");
    found
}

/// `notAfter` and `NotAfter` are `not_after`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[test]
fn every_reason_has_a_maker_and_a_test() {
    let all = sources();
    let reasons = brevet_core::reason::Reason::ALL;
    assert!(reasons.len() > 20, "the reasons were not found");

    let elsewhere =
        || all.iter().filter(|(name, _)| !name.ends_with("core/src/reason.rs") && !name.ends_with("tidy.rs"));
    let shipped: String = elsewhere().map(|(name, text)| halves(name, text).0).collect();
    let stories: String = files("crates", "txt").into_values().collect();
    let tests: String = elsewhere().map(|(name, text)| halves(name, text).1).chain([stories.as_str()]).collect();
    let mut faults = Vec::new();
    for reason in reasons {
        let reason = reason.as_str();
        if !shipped.contains(&format!("Reason::{reason}")) {
            faults.push(format!("`{reason}`: nothing gives it"));
        }
        if !tests.contains(reason) {
            faults.push(format!("`{reason}`: no test provokes it"));
        }
    }
    nothing(faults);
}

#[test]
fn every_event_of_the_audit_log_is_written() {
    let shipped: String = files("crates/server/src", "rs").iter().map(|(name, text)| halves(name, text).0).collect();
    let code: String =
        shipped.lines().filter(|line| !line.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let is_made = |kind: &str| {
        code.match_indices(kind).any(|(at, _)| {
            let (before, after) = (&code[..at], &code[at + kind.len()..]);
            let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            // `Kind { … }`, `Kind::from(…)`: not `-> Kind {`, and not a variant of another type of that name.
            let is_built = after.starts_with(" {") && !before.ends_with("-> ") && !before.ends_with("enum ");
            let called = after.strip_prefix("::").and_then(|call| call.chars().next());
            is_whole && (is_built || called.is_some_and(|first| first.is_ascii_lowercase()))
        })
    };
    let mut faults = Vec::new();
    for kind in brevet_core::audit::Event::KINDS {
        match (is_made(kind), EVENTS_NOT_WRITTEN.contains(kind)) {
            (false, false) => faults.push(format!("`{kind}`: the server never writes it")),
            (true, true) => faults.push(format!("`{kind}`: is written now; remove its entry")),
            _ => {}
        }
    }
    nothing(faults);
}

#[test]
fn the_checks_of_every_change_are_the_makefiles() {
    let run = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(run.contains("make lint test"));
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    for verb in ["demo", "test", "lint", "bench", "soak", "advisories", "control-plane", "clean"] {
        let line = makefile.lines().find(|line| line.starts_with(&format!("{verb}:")));
        assert!(line.is_some_and(|line| line.contains("## ")), "`make {verb}` has no comment");
    }
}
