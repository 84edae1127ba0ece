//! kubectl-brevet on a real cluster: the whole story, and each way it ends.
//!
//! Promises checked here: exit codes 0, 1 and 2 and a command's own; results on standard output and
//! nothing else there; nothing waits or asks where there is no terminal; the user's kubeconfig is
//! never touched.
//!
//! Left out on purpose: help texts and what needs no cluster; the plugin's own tests hold those.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "everything here is a test")]

use std::time::Duration;

use brevet_testkit::{Cluster, Output};
use serde_json::Value;

/// Long enough for a busy machine; what is waited for takes about a second.
const PATIENCE: &str = "60s";

/// Somebody at the keyboard.
struct Person<'a>(&'a Cluster, &'a str);

impl Person<'_> {
    /// Runs the plugin to its end.
    async fn brevet(&self, words: &[&str]) -> Output {
        self.0.plugin(self.1, words).await.unwrap()
    }

    /// Runs the plugin and demands that it is done.
    async fn does(&self, words: &[&str]) -> String {
        let output = self.brevet(words).await;
        assert_eq!(output.status, 0, "{} {words:?}: {output:?}", self.1);
        output.stdout
    }

    /// Runs the plugin and demands a refusal; returns what it says.
    async fn is_refused(&self, words: &[&str]) -> String {
        let output = self.brevet(words).await;
        assert_eq!(output.status, 1, "{} {words:?}: {output:?}", self.1);
        assert!(output.stderr.starts_with("error: ") || output.stderr.contains("\nerror: "), "{output:?}");
        output.stderr
    }

    /// Asks for the logs of web-1 and returns the request's name.
    async fn asks(&self, more: &[&str]) -> String {
        let words =
            ["request", "view-logs", "-n", "shop", "--pod", "web-1", "--reason", "checkout errors", "-o", "name"];
        let printed = self.does(&[&words, more].concat()).await;
        let name = printed.strip_prefix("accessrequest.brevet.dev/").and_then(|name| name.strip_suffix('\n'));
        name.unwrap_or_else(|| panic!("only the name is printed: {printed:?}")).to_owned()
    }

    async fn sees(&self, name: &str) -> Value {
        serde_json::from_str(&self.does(&["get", name, "-o", "json"]).await).unwrap()
    }
}

async fn people() -> (Person<'static>, Person<'static>, Person<'static>, &'static Cluster) {
    let cluster = Cluster::shared().await;
    (Person(cluster, "alice"), Person(cluster, "bob"), Person(cluster, "mallory"), cluster)
}

/// A request of alice's that is in force.
async fn in_force(alice: &Person<'_>, bob: &Person<'_>, more: &[&str]) -> String {
    let name = alice.asks(more).await;
    bob.does(&["approve", &name, "--yes"]).await;
    alice.does(&["wait", &name, "--timeout", PATIENCE]).await;
    name
}

#[tokio::test]
async fn a_request_is_made_approved_used_and_given_back() {
    let (alice, bob, mallory, cluster) = people().await;
    let own = cluster.user("alice");
    let own_before = std::fs::read(own.kubeconfig_path()).unwrap();

    let name = alice.asks(&["--for", "10m", "--urgency", "high", "--ticket", "INC-1"]).await;
    let reviewable = bob.does(&["list", "--reviewable", "-o", "name"]).await;
    assert!(reviewable.contains(&name), "{reviewable}");
    assert!(!alice.does(&["list", "--reviewable", "-o", "name"]).await.contains(&name), "nobody reviews their own");
    assert!(alice.is_refused(&["approve", &name, "--yes"]).await.contains("own request"));
    assert!(mallory.is_refused(&["approve", &name, "--yes"]).await.contains("no request"));
    assert_eq!(bob.brevet(&["approve", &name]).await.status, 2, "nobody can be asked here");

    let approval = bob.brevet(&["approve", &name, "--yes", "--comment", "go ahead"]).await;
    assert_eq!(approval.status, 0, "{approval:?}");
    assert!(approval.stdout.starts_with(&format!("approved: {name}")), "{approval:?}");
    for shown in ["alice", "view-logs", "shop", "10m", "pods/log", "web-1", "checkout errors", "INC-1", "sha256:"] {
        assert!(approval.stderr.contains(shown), "`{shown}` in {approval:?}");
    }
    alice.does(&["wait", &name, "--timeout", PATIENCE]).await;
    assert!(alice.does(&["get", &name]).await.contains("approved by bob"));

    let logs = alice.does(&["exec", &name, "--", "kubectl", "logs", "web-1", "--tail", "2"]).await;
    assert!(!logs.trim().is_empty(), "the log of web-1 in the grant's namespace");
    for beyond in [&["logs", "web-2"][..], &["get", "secrets"], &["delete", "pod", "web-1"]] {
        let through = [&["exec", &name, "--", "kubectl"], beyond].concat();
        assert_ne!(alice.brevet(&through).await.status, 0, "{beyond:?}");
    }
    uses_a_file_without_credential(&alice, &name, cluster).await;

    let released = alice.does(&["release", &name]).await;
    assert!(released.starts_with(&format!("released: {name}")), "{released}");
    assert_eq!(alice.sees(&name).await["phase"], "Revoked", "release returns when the end is confirmed");
    let refused = alice.is_refused(&["exec", &name, "--", "kubectl", "logs", "web-1"]).await;
    assert!(refused.contains("kubectl brevet request view-logs -n shop --pod web-1"), "how to ask again: {refused}");
    assert_eq!(std::fs::read(own.kubeconfig_path()).unwrap(), own_before, "the own kubeconfig stays as it is");
}

/// `use` writes a file of its own; kubectl merges it with the user's.
async fn uses_a_file_without_credential(alice: &Person<'_>, name: &str, cluster: &Cluster) {
    let used = alice.does(&["use", name]).await;
    let list = used.strip_prefix("export KUBECONFIG=").and_then(|line| line.strip_suffix('\n')).unwrap();
    let file = cluster.user("alice").home().join(format!(".kube/brevet/{name}.yaml"));
    assert!(list.starts_with(&*file.to_string_lossy()), "{list}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("client-key") && !text.contains("token"), "{text}");
    assert!(text.contains("users: []") && text.contains(&format!("brevet-{name}")), "{text}");

    let kubectl = |words: &[&str]| {
        let mut command = cluster.user("alice").kubectl_command(words).unwrap();
        command.env("KUBECONFIG", list);
        command
    };
    let context = kubectl(&["config", "current-context"]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&context.stdout).trim(), format!("brevet-{name}"));
    let logs = kubectl(&["logs", "web-1", "--tail", "1"]).output().await.unwrap();
    assert!(logs.status.success(), "{logs:?}");
}

#[tokio::test]
async fn a_denial_is_told_to_whoever_waits() {
    let (alice, bob, _, _) = people().await;
    let name = alice.asks(&[]).await;
    let denied = bob.does(&["deny", &name, "--yes", "--comment", "use staging"]).await;
    assert!(denied.starts_with(&format!("denied: {name}")), "{denied}");
    let why = alice.is_refused(&["wait", &name, "--timeout", PATIENCE]).await;
    assert!(why.contains("was denied") && why.contains("ask again: kubectl brevet request view-logs"), "{why}");
    alice.does(&["wait", &name, "--for", "ended", "--timeout", PATIENCE]).await;
    assert!(bob.is_refused(&["approve", &name, "--yes"]).await.contains("waits for no decision"));
}

#[tokio::test]
async fn a_request_can_wait_for_its_answer_where_there_is_no_terminal() {
    let (alice, bob, _, cluster) = people().await;
    let ticket = uuid::Uuid::new_v4().to_string();
    let words = [
        "request",
        "view-logs",
        "-n",
        "shop",
        "--pod",
        "web-2",
        "--reason",
        "x",
        "--wait",
        "--ticket",
        &ticket,
        "-o",
        "json",
    ];
    let answer = async {
        let entry = cluster.eventually("the request", Duration::from_secs(30), async || {
            let list: Value = serde_json::from_str(&bob.does(&["list", "--reviewable", "-o", "json"]).await).unwrap();
            list.as_array().unwrap().iter().find(|entry| entry["spec"]["ticket"] == *ticket).cloned()
        });
        let name = entry.await["name"].as_str().unwrap().to_owned();
        bob.does(&["approve", &name, "--yes"]).await;
    };
    let (asked, ()) = tokio::join!(alice.does(&words), answer);
    let entry: Value = serde_json::from_str(&asked).unwrap();
    assert_eq!((&entry["phase"], &entry["role"]), (&"Active".into(), &"view-logs".into()));
    assert!(entry["until"].is_string() && entry["grant"]["spec"]["notAfter"].is_string(), "{entry}");
}

#[tokio::test]
async fn a_request_is_withdrawn_by_its_requester_alone() {
    let (alice, bob, _, _) = people().await;
    let name = alice.asks(&[]).await;
    assert!(bob.is_refused(&["withdraw", &name]).await.contains("not your request"));
    assert!(alice.is_refused(&["release", &name]).await.contains("withdraw"), "the way out is named");
    assert_eq!(alice.does(&["withdraw", &name]).await, format!("withdrawn: {name}\n"));
    assert_eq!(alice.sees(&name).await["phase"], "Withdrawn");
}

#[tokio::test]
async fn access_is_revoked_by_whoever_may() {
    let (alice, bob, mallory, _) = people().await;
    let name = in_force(&alice, &bob, &["--for", "10m"]).await;
    assert!(alice.is_refused(&["withdraw", &name]).await.contains("release"), "the way out is named");
    mallory.is_refused(&["revoke", &name, "--yes"]).await;
    assert_eq!(bob.brevet(&["revoke", &name]).await.status, 2, "nobody can be asked here");
    let revoked = bob.does(&["revoke", &name, "--yes", "--comment", "incident closed"]).await;
    assert!(revoked.starts_with(&format!("revoked: {name}")), "{revoked}");
    assert_eq!(alice.sees(&name).await["phase"], "Revoked");
    alice.is_refused(&["release", &name]).await;
}

#[tokio::test]
async fn a_command_keeps_its_own_exit_code() {
    let (alice, bob, mallory, _) = people().await;
    let name = in_force(&alice, &bob, &["--for", "10m"]).await;
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
        assert_eq!(alice.brevet(&["exec", &name, "--", "sh", "-c", script]).await.status, code, "{script}");
    }
    assert_eq!(alice.brevet(&["exec", &name, "--", "no-such-program"]).await.status, 2);
    let env = alice.does(&["exec", &name, "--", "sh", "-c", "echo $BREVET_GRANT $KUBECONFIG"]).await;
    assert!(env.starts_with(&format!("{name} /")), "{env}");
    // From inside, the plugin itself still reaches the cluster behind the grant.
    let inside = alice.does(&["exec", &name, "--", "kubectl-brevet", "get", &name, "-o", "name"]).await;
    assert_eq!(inside, format!("accessrequest.brevet.dev/{name}\n"));
    mallory.is_refused(&["exec", &name, "--", "true"]).await;
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a real cluster has a real clock")]
async fn an_access_that_starts_later_is_told_from_one_that_is_there() {
    let (alice, bob, _, _) = people().await;
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let later = alice.asks(&["--start", &soon, "--for", "10m"]).await;
    let approved = bob.does(&["approve", &later, "--yes", "--timeout", PATIENCE]).await;
    assert!(approved.contains("not yet in force"), "{approved}");
    let refused = alice.is_refused(&["exec", &later, "--", "kubectl", "get", "pods"]).await;
    assert!(refused.contains("starts at"), "{refused}");
    alice.does(&["withdraw", &later]).await;

    let name = in_force(&alice, &bob, &["--for", "10m"]).await;
    let second = alice.asks(&["--for", "10m"]).await;
    bob.does(&["approve", &second, "--yes", "--timeout", PATIENCE]).await;
    // Right after the approval: what is about to be in force is waited for.
    for name in [&name, &second] {
        alice.does(&["exec", name, "--", "kubectl", "logs", "web-1", "--tail", "1"]).await;
        alice.does(&["release", name]).await;
    }
}

#[tokio::test]
async fn what_cannot_be_granted_is_refused_and_nothing_is_created() {
    let (_, _, mallory, _) = people().await;
    let refusals = [
        (&["view-logs", "--for", "30"][..], "DurationMalformed"),
        (&["view-logs", "--for", "31d"], "DurationMalformed"),
        (&["view-logs", "--for", "29d"], "DurationTooLong"),
        (&["view-secrets"], "NamesRequired"),
        (&["no-such-role"], "RoleNotFound"),
        (&["cordon-node", "--node", "node-1"], "NamespacesNotAllowed"),
        (&["view-logs", "--delivery", "token"], "Delivery"),
        (&["view-logs", "--reason", " "], "empty"),
    ];
    for (words, reason) in refusals {
        let base = ["request", "-n", "shop", "-o", "name"];
        let why = if words.contains(&"--reason") { &[][..] } else { &["--reason", "x"] };
        let output = mallory.brevet(&[&base, words, why].concat()).await;
        assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{words:?}: {output:?}");
        assert!(output.stderr.contains(reason), "{words:?}: {output:?}");
    }
    assert_eq!(mallory.does(&["list", "--mine", "-o", "json"]).await.trim(), "[]");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_decided_and_stores_nothing() {
    let (_, _, mallory, _) = people().await;
    let asked = ["request", "view-logs", "-n", "shop", "--pod", "web-1", "--reason", "x", "--dry-run"];
    let shown = mallory.does(&asked).await;
    assert!(shown.contains("pods/log") && shown.contains("web-1"), "{shown}");
    let nowhere = ["request", "view-logs", "-n", "no-such-place", "--pod", "web-1", "--reason", "x", "--dry-run"];
    assert!(mallory.is_refused(&nowhere).await.contains("NamespaceNotFound"));
    let explained = mallory.does(&["explain", "view-logs", "-n", "shop", "--pod", "web-1"]).await;
    for shown in ["Read the state and logs of pods", "pods/log", "nothing of this today", "May approve"] {
        assert!(explained.contains(shown), "`{shown}` in {explained}");
    }
    assert_eq!(mallory.does(&["list", "--mine", "-o", "json"]).await.trim(), "[]");
}

#[tokio::test]
async fn a_list_for_programs_is_an_array_of_name_role_and_phase() {
    let (alice, _, _, _) = people().await;
    let name = alice.asks(&[]).await;
    let list: Value = serde_json::from_str(&alice.does(&["list", "--mine", "-o", "json"]).await).unwrap();
    let entry = list.as_array().unwrap().iter().find(|entry| entry["name"] == *name).unwrap();
    assert_eq!((&entry["role"], &entry["phase"]), (&"view-logs".into(), &"Pending".into()));
    let table = alice.does(&["list", "-o", "wide"]).await;
    assert!(table.contains(&name) && table.contains("checkout errors"), "{table}");
    let roles: Value = serde_json::from_str(&alice.does(&["roles", "-o", "json"]).await).unwrap();
    assert!(roles.as_array().unwrap().iter().any(|role| role["name"] == "view-logs" && role["risk"] == "Low"));
    alice.does(&["withdraw", &name]).await;
}

#[tokio::test]
async fn a_wait_ends_at_its_timeout_and_fails() {
    let (alice, _, _, _) = people().await;
    let name = alice.asks(&[]).await;
    let output = alice.brevet(&["wait", &name, "--timeout", "1s"]).await;
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("Pending") && output.stdout.is_empty(), "{output:?}");
    assert_eq!(alice.brevet(&["wait", "no-such-request", "--timeout", "1m"]).await.status, 1);
    alice.does(&["withdraw", &name]).await;
}

#[tokio::test]
async fn names_are_completed() {
    let (alice, _, _, _) = people().await;
    let name = alice.asks(&[]).await;
    let roles = alice.does(&["__complete", "--", "request", "view-"]).await;
    assert!(roles.contains("view-logs\t") && !roles.contains("deploy") && roles.ends_with(":4\n"), "{roles}");
    assert!(alice.does(&["__complete", "--", "withdraw", ""]).await.contains(&name));
    alice.does(&["withdraw", &name]).await;
}

#[tokio::test]
async fn the_doctor_finds_a_sound_cluster_sound() {
    let (alice, _, _, cluster) = people().await;
    for who in [&alice, &Person(cluster, "admin")] {
        let told = who.does(&["doctor", "-n", "shop"]).await;
        assert!(told.contains("the gateway answers") && !told.contains("failed"), "{told}");
    }
    assert!(alice.does(&["version"]).await.contains("kubernetes"));
}
