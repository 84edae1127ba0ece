//! I15: a person sees their own requests and grants, and those they may decide on.

use brevet_testkit::{Cluster, Output};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    PATIENCE, cluster, granted, granted_to, hands,
    made::{self, Ask},
};

async fn kubectl(cluster: &Cluster, user: &str, args: &[&str]) -> Output {
    cluster.user(user).kubectl(args).await.unwrap()
}

async fn names(cluster: &Cluster, user: &str, view: &str) -> Vec<String> {
    let output = kubectl(cluster, user, &["get", &format!("{view}.sessions.brevet.dev"), "-o", "json"]).await;
    assert_eq!(output.status, 0, "{}", output.stderr);
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_ones_own_and_what_one_may_decide_on_are_seen() {
    let cluster = cluster().await;
    let shop = granted(cluster, &Ask::logs("shop", 600)).await;
    let web = granted(cluster, &Ask::logs("web", 600)).await;
    let both = Ask { namespaces: vec!["shop".to_owned(), "web".to_owned()], ..Ask::logs("shop", 600) };
    let both = granted(cluster, &both).await;
    let bobs = granted_to(cluster, "bob", &Ask::logs("web", 600)).await;
    for view in ["requests", "grants"] {
        let sees = async |user: &str, name: &str| names(cluster, user, view).await.contains(&name.to_owned());
        for made in [&shop, &web, &both] {
            assert!(sees("alice", &made.name).await);
            assert!(!sees("mallory", &made.name).await);
            // carol approves everywhere.
            assert!(sees("carol", &made.name).await);
        }
        assert!(!sees("alice", &bobs.name).await);
        // bob approves in shop alone, so not what reaches beyond it.
        assert!(sees("bob", &bobs.name).await && sees("bob", &shop.name).await);
        assert!(!sees("bob", &web.name).await && !sees("bob", &both.name).await);
    }
}

#[tokio::test]
async fn what_is_not_shown_and_what_is_not_there_answer_alike() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("web", 600)).await;
    for view in ["requests", "grants"] {
        let ask = async |name: &str| {
            let output = kubectl(cluster, "mallory", &["get", &format!("{view}.sessions.brevet.dev"), name]).await;
            assert_eq!(output.status, 1);
            output.stderr.replace(name, "NAME")
        };
        assert_eq!(ask(&made.name).await, ask("no-such-thing").await);
        let field = format!("--field-selector=metadata.name={}", made.name);
        let output = kubectl(cluster, "mallory", &["get", &format!("{view}.sessions.brevet.dev"), &field]).await;
        assert!(output.stdout.is_empty(), "{}", output.stdout);
    }
    let requests = kubectl(cluster, "mallory", &["get", "accessrequests.brevet.dev"]).await;
    assert_eq!(requests.status, 1, "ordinary users do not list the custom resources");
}

#[tokio::test]
async fn a_watch_tells_its_own_what_happens_and_others_nothing() {
    let cluster = cluster().await;
    let watch = |user: &str| {
        let args = ["get", "grants.sessions.brevet.dev", "-w", "--output-watch-events", "--no-headers"];
        let mut child = cluster.user(user).kubectl_command(&args).unwrap().spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let (_alice, mut alices) = watch("alice");
    let (_mallory, mut mallorys) = watch("mallory");
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let mut seen = Vec::new();
    let mut until = async |word: &str| {
        while let Some(line) = alices.next_line().await.unwrap() {
            if line.contains(&made.name) {
                seen.push(line.clone());
                if line.contains(word) {
                    break;
                }
            }
        }
    };
    // Only once her watch is there can the end be an event.
    tokio::time::timeout(PATIENCE, until("ADDED")).await.unwrap();
    made::end(&hands(cluster).await, &made, "Released").await.unwrap();
    tokio::time::timeout(PATIENCE, until("Revoking")).await.unwrap();
    assert!(seen.first().unwrap().starts_with("ADDED"), "{seen:?}");
    assert!(seen.last().unwrap().starts_with("MODIFIED"), "{seen:?}");
    // By now mallory's watch has had the same events to tell.
    let other = granted_to(cluster, "mallory", &Ask::logs("web", 600)).await;
    let first = tokio::time::timeout(PATIENCE, mallorys.next_line()).await.unwrap().unwrap().unwrap();
    assert!(first.contains(&other.name), "{first}");
}

#[tokio::test]
async fn kubectl_waits_and_explains() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let name = format!("grants.sessions.brevet.dev/{}", made.name);
    let wait = kubectl(cluster, "alice", &["wait", &name, "--for=condition=Ready", "--timeout=10s"]).await;
    assert_eq!(wait.status, 0, "{}", wait.stderr);
    let yaml = kubectl(cluster, "alice", &["get", &name, "-o", "yaml"]).await;
    assert!(yaml.stdout.contains("kind: Grant") && !yaml.stdout.contains("managedFields"), "{}", yaml.stdout);
    let wide = kubectl(cluster, "alice", &["get", "requests.sessions.brevet.dev", "-o", "wide"]).await;
    assert!(wide.stdout.contains("a test of the gateway"), "{}", wide.stdout);
    let explain = kubectl(cluster, "alice", &["explain", "grants.sessions.brevet.dev.spec.notAfter"]).await;
    assert!(explain.stdout.contains("In force until"), "{}{}", explain.stdout, explain.stderr);
    let delete = kubectl(cluster, "alice", &["delete", &name]).await;
    assert_eq!(delete.status, 1, "{}", delete.stdout);
}
