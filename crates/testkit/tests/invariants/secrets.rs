//! I14: no token or key that Brevet handles is written down anywhere.

use std::fs;

use brevet_api::{Phase, Verdict};
use brevet_testkit::Cluster;

use crate::scene::{LONG, OpenLog, call, logs, pods, somebody};

/// The first thing in `text` that is built like a signed token.
fn token(text: &str) -> Option<&str> {
    let is_part_of_one = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_token = |word: &&str| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.len() == 3 && parts[..2].iter().all(|part| part.starts_with("eyJ")) && parts[2].len() > 10
    };
    text.split(|c| !is_part_of_one(c)).find(is_token)
}

/// What nobody may find, with the place it was found in.
fn clean(place: &str, text: &str) {
    assert!(!text.is_empty(), "{place} was not read");
    assert_eq!(token(text), None, "{place} holds a token");
    assert!(!text.contains("PRIVATE KEY"), "{place} holds a key");
}

#[tokio::test]
async fn i14_no_token_or_key_is_written_down() {
    let cluster = Cluster::shared().await;
    // The net is fine enough: it catches what the server itself logs in with.
    let own = fs::read_to_string(cluster.user("gateway").kubeconfig_path()).unwrap();
    assert!(token(&own).is_some());

    let who = somebody(cluster);
    let client = cluster.user(&who).client().await.unwrap();
    let grant = cluster.approved(&who, "carol", logs("shop", LONG)).await.unwrap();
    assert!(call(&client, &grant, &pods("shop")).await.said.is_ok());
    assert!(call(&client, &grant, "/api/v1/namespaces/shop/secrets").await.said.is_err());
    let log = OpenLog::open(&grant.holder().unwrap(), "shop", "web-1").await;
    grant.decide(&who, Verdict::Revoke).await.unwrap();
    grant.phase(Phase::Revoked).await.unwrap();
    log.ended().await;

    let admin = cluster.user("admin");
    for args in [
        &["get", "accessroles,accessrequests,accessdecisions,accessgrants", "-o", "yaml"][..],
        &["get", "requests.sessions.brevet.dev,grants.sessions.brevet.dev", "-o", "yaml"],
        &["get", "events", "-A", "-o", "yaml"],
        &["get", "serviceaccounts,secrets,configmaps", "-n", "brevet-elevations", "-o", "yaml"],
        &["get", "leases,configmaps", "-n", "brevet-system", "-o", "yaml"],
        &["get", "apiservices", "-o", "yaml"],
    ] {
        let output = admin.kubectl(args).await.unwrap();
        assert_eq!(output.status, 0, "{args:?}: {}", output.stderr);
        clean(&args.join(" "), &output.stdout);
    }
    for file in fs::read_dir(cluster.dir().join("logs")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            if !text.is_empty() {
                clean(&path.display().to_string(), &text);
            }
        }
    }
    // The log of calls was on, and has this story.
    let recorded = cluster.audit_events().unwrap();
    assert!(recorded.iter().any(|event| event.request_uri.contains(grant.name())));
}
