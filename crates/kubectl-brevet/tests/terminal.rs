//! The binary on a terminal: what it asks, and when it waits.
//!
//! Promises checked here: a decision is asked for after the terms were shown, and anything but yes
//! decides nothing; `request` waits for its answer without being told to.
//!
//! Left out on purpose: how a waiting line is drawn.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test: its panic is its failure

mod serving;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use serving::{Server, kubeconfig, request};

/// Runs the plugin on a terminal, types `answer` once `prompt` is there, and returns code and screen.
fn on_terminal(folder: &Path, server: &str, words: &[&str], prompt: &str, answer: &str) -> (Option<i32>, String) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let far = ptsname(&near, Vec::new()).unwrap().into_string().unwrap();
    let far = OpenOptions::new().read(true).write(true).open(far).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-brevet"));
    command
        .args(words)
        .env_clear()
        .env("HOME", folder)
        .env("TERM", "xterm")
        .env("KUBECONFIG", kubeconfig(folder, server));
    command.stdin(far.try_clone().unwrap()).stdout(far.try_clone().unwrap()).stderr(far);
    let mut child = command.spawn().unwrap();
    // The child holds the far end alone, so that reading here ends when it does.
    drop(command);
    let mut screen = File::from(near);
    let mut seen = Vec::new();
    let mut is_answered = answer.is_empty();
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = screen.read(&mut bytes) {
        seen.extend_from_slice(&bytes[..count]);
        if !is_answered && String::from_utf8_lossy(&seen).contains(prompt) {
            screen.write_all(answer.as_bytes()).unwrap();
            is_answered = true;
        }
    }
    (child.wait().unwrap().code(), String::from_utf8_lossy(&seen).into_owned())
}

fn decisions(server: &Server) -> usize {
    server.created().iter().filter(|(path, _)| path.ends_with("/accessdecisions")).count()
}

#[test]
fn a_decision_is_asked_for_after_the_terms_were_shown() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["approve", "view-logs-x7k2p", "--timeout", "0s"];
    for (answer, code, made) in [("y\n", 0, 1), ("n\n", 1, 0), ("\n", 1, 0), ("yess\n", 1, 0)] {
        let server = Server::start(request());
        let (ended, screen) = on_terminal(folder.path(), &server.url, &words, "[y/N]", answer);
        assert_eq!((ended, decisions(&server)), (Some(code), made), "{answer:?}: {screen}");
        let terms = screen.find("pods/log").unwrap();
        assert!(terms < screen.find("Approve exactly these terms?").unwrap(), "{screen}");
        assert!(!screen.contains("\u{1b}]0;owned"), "what others wrote does nothing: {screen}");
    }
}

#[test]
fn a_request_waits_for_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut active = request();
    active["status"]["phase"] = json!("Active");
    let mut denied = request();
    denied["status"]["phase"] = json!("Denied");
    let words = ["request", "view-logs", "--pod", "web-1", "--reason", "x"];
    for (answer, code, says) in [(active, 0, "kubectl brevet exec view-logs-x7k2p"), (denied, 1, "was denied")] {
        let server = Server::start(answer);
        let (ended, screen) = on_terminal(folder.path(), &server.url, &words, "", "");
        assert_eq!(ended, Some(code), "{screen}");
        assert!(screen.contains("asked: view-logs-x7k2p") && screen.contains(says), "{screen}");
    }
}
