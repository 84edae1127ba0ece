//! `brevet-verify` as people run it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    book::{self, Book, CHAIN},
    key::Key,
};

fn written(book: &Book) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    book.write(folder.path());
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_brevet-verify")).arg(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = run(folder, &[&["-o", "json"], arguments].concat());
    (code(&output), serde_json::from_slice(&output.stdout).unwrap())
}

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_book_gets_its_verdict() {
    for book in book::all() {
        let folder = written(&book);
        let (code, verdict) = json(folder.path(), &[]);
        let chain = &verdict["chains"][0];
        assert_eq!(verdict["verified"], book.fault.is_none(), "{}: {verdict:#}", book.name);
        match book.fault {
            None => {
                assert_eq!((code, chain["proven"].as_u64()), (0, Some(book.proven)), "{}", book.name);
            }
            Some((reason, first, last)) => {
                let fault = &chain["fault"];
                let found = (fault["reason"].as_str(), fault["firstEntry"].as_u64(), fault["lastEntry"].as_u64());
                assert_eq!(found, (Some(reason), Some(first), Some(last)), "{}", book.name);
                assert_eq!(code, 1, "{}", book.name);
            }
        }
    }
}

#[test]
fn a_whole_export_is_told_in_words() {
    let folder = written(&book::whole());
    let output = run(folder.path(), &[]);
    let expected = format!(
        "chain `{CHAIN}`: 10 entries, from 2026-11-24T08:00:00.000000Z to 2026-11-24T08:00:09.000000Z\n  \
         10 proven by 3 checkpoints\n\
         key {key}\n\
         these are the export's own keys: they prove that nothing was changed since they signed, \
         not whose they are; give yours with --key FILE\n\
         verified\n",
        key = Key::of(1).public(),
    );
    assert_eq!((code(&output), out(&output)), (0, expected));
}

#[test]
fn one_changed_byte_is_told_with_file_and_line() {
    let folder = written(&book::whole());
    let path = folder.path().join(format!("chains/{CHAIN}/entries/1.jsonl"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("kubectl/v1", "kubectl/v2", 1)).unwrap();
    let output = run(folder.path(), &[]);
    assert_eq!(code(&output), 1);
    let told = out(&output);
    assert!(told.contains("entry 5 was changed after it was written"), "{told}");
    // The next entry shows it: its link leads to what was written.
    assert!(told.contains(&format!("seen in chains/{CHAIN}/entries/1.jsonl, line 2")), "{told}");
    assert!(told.ends_with("NOT verified\n"), "{told}");
}

#[test]
fn a_missing_line_end_is_found() {
    let folder = written(&book::whole());
    let path = folder.path().join(format!("chains/{CHAIN}/entries/1.jsonl"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.trim_end()).unwrap();
    let (code, verdict) = json(folder.path(), &[]);
    let fault = &verdict["chains"][0]["fault"];
    assert_eq!((code, fault["reason"].as_str(), fault["firstEntry"].as_u64()), (1, Some("Unreadable"), Some(9)));
}

#[test]
fn given_keys_count_and_no_others() {
    let folder = written(&book::whole());
    let ours = file(&folder, "ours.pub", &Key::of(1).public().to_string());
    let other = file(&folder, "other.pub", &format!("{}\n", Key::of(2).public()));
    let output = run(folder.path(), &["--key", ours.to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(!out(&output).contains("own keys"), "{}", out(&output));
    let (code, verdict) = json(folder.path(), &["--key", other.to_str().unwrap()]);
    assert_eq!((code, verdict["chains"][0]["fault"]["reason"].as_str()), (1, Some("NoTrustedCheckpoint")));
    assert_eq!(verdict["keySource"], "Given");
}

#[test]
fn an_old_copy_is_known_by_a_checkpoint_kept_elsewhere() {
    let new = book::whole();
    let old = Book { lines: new.lines[..4].to_vec(), checkpoints: new.checkpoints[..1].to_vec(), ..new.clone() };
    let folder = written(&old);
    assert_eq!(code(&run(folder.path(), &[])), 0, "by itself it is whole");
    let kept = file(&folder, "kept", &new.checkpoints[2]);
    let (code, verdict) = json(folder.path(), &["--checkpoint", kept.to_str().unwrap()]);
    let fault = &verdict["chains"][0]["fault"];
    assert_eq!((code, fault["reason"].as_str(), fault["firstEntry"].as_u64()), (1, Some("CutOff"), Some(4)));
}

#[test]
fn a_chain_that_is_left_out_is_known_by_a_checkpoint_kept_elsewhere() {
    let whole = book::whole();
    let folder = written(&whole);
    fs::write(folder.path().join("export.json"), r#"{"format":"brevet.dev/audit-export/v1","chains":[]}"#).unwrap();
    fs::remove_dir_all(folder.path().join("chains")).unwrap();
    assert_eq!(code(&run(folder.path(), &[])), 1, "nothing is not whole");
    let kept = file(&folder, "kept", &whole.checkpoints[2]);
    let (code, verdict) = json(folder.path(), &["--checkpoint", kept.to_str().unwrap()]);
    assert_eq!((code, verdict["chains"][0]["fault"]["lastEntry"].as_u64()), (1, Some(9)));
}

#[test]
fn a_chain_that_the_export_does_not_speak_of_is_told() {
    let folder = written(&book::whole());
    fs::create_dir(folder.path().join("chains/another")).unwrap();
    let output = run(folder.path(), &[]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("chain folder `another`: WRONG"), "{}", out(&output));
}

#[test]
fn what_is_no_export_is_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], what: &str| {
        let output = run(folder.path(), arguments);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{what}");
        assert!(err(&output).starts_with("error: not checked: ") && err(&output).contains(what), "{}", err(&output));
    };
    refused(&[], "cannot read");
    for (manifest, what) in [
        ("{", "is of no use"),
        (r#"{"format":"brevet.dev/audit-export/v2","more":1}"#, "this program knows `brevet.dev/audit-export/v1`"),
        (r#"{"format":"brevet.dev/audit-export/v1","chains":[],"more":1}"#, "unknown field"),
        (r#"{"format":"brevet.dev/audit-export/v1","chains":["../a"]}"#, "no legal name"),
        (r#"{"format":"brevet.dev/audit-export/v1","chains":["b","a"]}"#, "not sorted"),
    ] {
        file(&folder, "export.json", manifest);
        refused(&[], what);
    }
    book::whole().write(folder.path());
    let bad = file(&folder, "bad.pub", "no key\u{1b}[2J\n");
    refused(&["--key", bad.to_str().unwrap()], "`no key\\u{1b}[2J` is no key");
    let empty = file(&folder, "empty.pub", "# none\n");
    refused(&["--key", empty.to_str().unwrap()], "there is no key in it");
    refused(&["--key", "/nonexistent"], "cannot read");
    let bad = file(&folder, "bad.note", "no note\n");
    refused(&["--checkpoint", bad.to_str().unwrap()], "it is not of the format");
    fs::write(folder.path().join(format!("chains/{CHAIN}/entries/notes.txt")), "").unwrap();
    refused(&[], "`notes.txt` is no file of entries");
}
