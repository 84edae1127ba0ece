//! I15: a person sees their own requests and grants, and nobody else's.

use brevet_api::{Phase, Verdict};
use brevet_testkit::Cluster;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::scene::{LONG, PATIENCE, call, get, logs, settled, somebody};

#[tokio::test]
async fn i15_a_stranger_learns_nothing_by_looking_watching_or_guessing() {
    let cluster = Cluster::shared().await;
    let (who, stranger) = (somebody(cluster), somebody(cluster));
    let mut watches = Vec::new();
    for view in ["requests.sessions.brevet.dev", "grants.sessions.brevet.dev"] {
        let args = ["get", view, "-w", "--output-watch-events", "--no-headers"];
        let mut child = cluster.user(&stranger).kubectl_command(&args).unwrap().spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        watches.push((child, lines));
    }
    let whisper = "the merger is on friday";
    let mut spec = logs("shop", LONG);
    spec["justification"] = whisper.into();
    let grant = cluster.approved(&who, "carol", spec).await.unwrap();

    // By looking and by guessing: what is there and what is not answer alike.
    let mallory = cluster.user(&stranger);
    let hides = async |args: &dyn Fn(&str) -> Vec<String>| {
        let ask = async |name: &str| {
            let args = args(name);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let output =
                if args[0] == "brevet" { mallory.plugin(&args[1..]).await } else { mallory.kubectl(&args).await };
            let output = output.unwrap();
            assert_ne!(output.status, 0, "{args:?}: {}", output.stdout);
            (output.status, format!("{}{}", output.stdout, output.stderr).replace(name, "NAME"))
        };
        assert_eq!(ask(grant.name()).await, ask("asked-nosuchthing").await);
    };
    let words = |args: &'static [&'static str]| {
        move |name: &str| args.iter().map(|word| word.replace("NAME", name)).collect::<Vec<String>>()
    };
    hides(&words(&["get", "requests.sessions.brevet.dev", "NAME"])).await;
    hides(&words(&["get", "grants.sessions.brevet.dev", "NAME"])).await;
    hides(&words(&["get", "accessrequests.brevet.dev", "NAME"])).await;
    hides(&words(&["get", "accessgrants.brevet.dev", "NAME"])).await;
    hides(&words(&["brevet", "get", "NAME"])).await;
    hides(&words(&["brevet", "withdraw", "NAME"])).await;
    hides(&words(&["brevet", "release", "NAME"])).await;
    hides(&words(&["brevet", "revoke", "NAME", "--yes"])).await;
    hides(&words(&["brevet", "approve", "NAME", "--yes"])).await;
    for kind in ["accessrequests.brevet.dev", "accessdecisions.brevet.dev", "accessgrants.brevet.dev"] {
        assert_ne!(mallory.kubectl(&["get", kind]).await.unwrap().status, 0);
    }
    let client = mallory.client().await.unwrap();
    let through = call(&client, &grant, "/api/v1/namespaces/shop/pods").await.said.unwrap_err();
    let nowhere = get(&client, "/apis/sessions.brevet.dev/v1alpha1/grants/asked-nosuchthing/proxy/api/v1").await;
    let nowhere = nowhere.said.unwrap_err();
    assert_eq!((through.code, through.message), (nowhere.code, nowhere.message));

    // By Events, which many may read.
    let events = cluster.user("admin").kubectl(&["get", "events", "-A", "-o", "yaml"]).await.unwrap().stdout;
    assert!(!events.contains(whisper) && !events.contains(grant.name()));

    // By watching: their own is the first that the watches tell of, and all they tell of.
    let own = cluster.approved(&stranger, "carol", logs("web", LONG)).await.unwrap();
    for (_child, lines) in &mut watches {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap().unwrap();
        assert!(line.contains(own.name()), "{line}");
    }
}

#[tokio::test]
async fn i15_a_strangers_decision_changes_nothing() {
    let cluster = Cluster::shared().await;
    let (who, stranger) = (somebody(cluster), somebody(cluster));
    let pending = cluster.ask(&who, logs("shop", LONG)).await.unwrap();
    let active = cluster.approved(&who, "carol", logs("shop", LONG)).await.unwrap();
    // Even one who was told name, uid and digest.
    for (request, verdicts) in [
        (&pending, [Verdict::Approve, Verdict::Deny, Verdict::Withdraw]),
        (&active, [Verdict::Revoke, Verdict::Withdraw, Verdict::Deny]),
    ] {
        for verdict in verdicts {
            let refused = request.decide(&stranger, verdict).await.unwrap_err();
            assert!(format!("{refused:#}").contains("orbidden"), "{verdict:?}: {refused:#}");
        }
    }
    settled(cluster).await;
    pending.phase(Phase::Pending).await.unwrap();
    active.phase(Phase::Active).await.unwrap();
}
