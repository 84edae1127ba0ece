//! The binary itself, against a server of a few lines that records what it is told.
//!
//! Promises checked here: exit codes; what is refused before anything is sent; streams and colours;
//! terms that are not what their digest says are never attested.
//!
//! Left out on purpose: a real API server; `testkit` runs the whole story on one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test: its panic is its failure

mod serving;

use std::process::Command;

use serde_json::{Value, json};

use serving::{Server, brevet, err, kubeconfig, out, request};

/// Where nobody listens: whoever sends anything fails.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn usage_errors_are_failures() {
    let folder = tempfile::tempdir().unwrap();
    for words in
        [&["frobnicate"][..], &["request", "view-logs"], &["get", "../x"], &["list", "--mine", "--reviewable"], &[]]
    {
        let output = brevet(folder.path(), NOBODY, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", err(&output));
        assert!(out(&output).is_empty(), "{words:?}");
    }
    assert_eq!(brevet(folder.path(), NOBODY, &["request", "--help"]).status.code(), Some(0));
}

#[test]
fn a_malformed_duration_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    for duration in ["", "5", "1.5h", "31d", "-1h", "1h 30m"] {
        let output = brevet(
            folder.path(),
            NOBODY,
            &["request", "view-logs", &format!("--for={duration}"), "--reason", "x", "-o", "name"],
        );
        assert_eq!(output.status.code(), Some(1), "{duration}: {}", err(&output));
        assert!(err(&output).contains("DurationMalformed") && out(&output).is_empty(), "{}", err(&output));
    }
}

#[test]
fn no_answer_is_a_failure_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let output = brevet(folder.path(), NOBODY, &["list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("error: cannot list requests\n  why:  "), "{}", err(&output));
    assert!(err(&output).contains("  next: "), "{}", err(&output));
    assert!(!err(&output).contains("s3cr3t"));
}

#[test]
fn an_approval_attests_the_digest_of_what_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(request());
    let output = brevet(
        folder.path(),
        &server.url,
        &["approve", "view-logs-x7k2p", "--yes", "--timeout", "0s", "--comment", "go ahead"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "approved: view-logs-x7k2p\n");
    let created = server.created();
    let (_, decision) = created.iter().find(|(path, _)| path.ends_with("/accessdecisions")).unwrap();
    assert_eq!(decision["metadata"], json!({"generateName": "view-logs-x7k2p-"}));
    assert_eq!(
        decision["spec"],
        json!({
            "verdict": "Approve", "request": {"name": "view-logs-x7k2p", "uid": "u-1"}, "comment": "go ahead",
            "approver": {"username": "bob", "groups": ["shop-owners"]},
            "terms": {"digest": request()["status"]["terms"]["digest"], "role": "view-logs", "namespaces": ["shop"], "requester": "alice"},
        })
    );
    let shown = err(&output);
    assert!(shown.contains("pods/log") && shown.contains("web-1") && shown.contains("sha256:9086"), "{shown}");
    assert!(shown.contains("checkout \\u{1b}]0;owned\\u{7}\\u{202e}errors"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
}

#[test]
fn terms_that_are_not_what_their_digest_says_are_never_attested() {
    let folder = tempfile::tempdir().unwrap();
    let mut deceit = request();
    deceit["status"]["terms"]["rules"][0]["resources"] = json!(["secrets"]);
    let server = Server::start(deceit);
    for verb in ["approve", "deny"] {
        let output = brevet(folder.path(), &server.url, &[verb, "view-logs-x7k2p", "--yes"]);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        assert!(err(&output).contains("DigestMismatch"), "{}", err(&output));
    }
    assert!(server.created().iter().all(|(path, _)| !path.ends_with("/accessdecisions")));
}

#[test]
fn without_a_terminal_nobody_is_asked_and_nothing_decided() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(request());
    for verb in ["approve", "deny"] {
        let output = brevet(folder.path(), &server.url, &[verb, "view-logs-x7k2p"]);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains("--yes"), "{}", err(&output));
    }
    assert!(server.created().iter().all(|(path, _)| !path.ends_with("/accessdecisions")));
}

#[test]
fn a_list_for_programs_is_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(request());
    let output = brevet(folder.path(), &server.url, &["list", "-o", "json"]);
    assert!(err(&output).is_empty(), "{}", err(&output));
    let list: Value = serde_json::from_str(&out(&output)).unwrap();
    let entry = &list.as_array().unwrap()[0];
    assert_eq!(
        (&entry["name"], &entry["role"], &entry["phase"]),
        (&json!("view-logs-x7k2p"), &json!("view-logs"), &json!("Pending"))
    );
    assert_eq!(entry["spec"]["justification"], request()["spec"]["justification"], "it reads back exactly");
    assert!(!out(&output).contains('\u{202e}'), "and does nothing to a terminal");
}

#[test]
fn colours_are_for_terminals_unless_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(request());
    let get = |color: &[&str]| out(&brevet(folder.path(), &server.url, &[&["get", "view-logs-x7k2p"], color].concat()));
    assert!(!get(&[]).contains('\u{1b}'));
    assert!(get(&["--color", "always"]).contains('\u{1b}'));
    assert!(!get(&["--color", "never"]).contains('\u{1b}'));
}

#[test]
fn a_list_of_kubeconfigs_is_read_as_kubectl_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(request());
    let file = kubeconfig(folder.path(), &server.url);
    let list = |kubeconfig: String, words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_kubectl-brevet"))
            .args(["list", "-o", "name"])
            .args(words)
            .env_clear()
            .env("HOME", folder.path())
            .env("KUBECONFIG", kubeconfig)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    assert_eq!(out(&list(format!(":missing:{}", file.display()), &[])), "accessrequest.brevet.dev/view-logs-x7k2p\n");
    assert_eq!(out(&list("config".to_owned(), &[])), "accessrequest.brevet.dev/view-logs-x7k2p\n", "relative");
    for (kubeconfig, words, says) in [
        ("missing", &[][..], "there is no kubeconfig"),
        ("config", &["--context", "prod"], "there is no context `prod`"),
        ("config", &["--kubeconfig", "missing"], "cannot read the kubeconfig"),
    ] {
        let output = list(kubeconfig.to_owned(), words);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(says), "{}", err(&output));
    }
}
