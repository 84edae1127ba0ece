//! How many streams a grant may have open, and how long one may be silent, as its
//! role says.

use std::process::Stdio;

use brevet_api::AccessRole;
use brevet_testkit::Cluster;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::{
    PATIENCE, cluster, granted,
    knock::{self, Protocol, Shown, as_user},
    made::{self, Ask, Made},
    server,
    streams::cuts,
    through,
};

/// A role with these limits. The tests make its grants by hand, and so needs nothing else of it.
async fn role(cluster: &Cluster, name: &'static str, streams: serde_json::Value) {
    let role = json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRole", "metadata": {"name": name},
        "spec": {
            "clusterRoles": ["brevet-task-debug-pod"], "scope": "Namespaced", "risk": "Critical",
            "defaultDuration": "30m", "maxDuration": "1h", "names": "Optional", "deliveries": ["Gateway"],
            "streams": streams,
        },
    });
    let roles: Api<AccessRole> = Api::all(cluster.admin().await.unwrap());
    roles.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(&role)).await.unwrap();
}

fn debug(role: &'static str) -> Ask {
    let rules = vec![
        ("", vec!["pods"], vec!["get", "list", "watch"], vec![]),
        ("", vec!["pods/exec"], vec!["get", "create"], vec![]),
    ];
    Ask { role, rules, ..Ask::logs("shop", 600) }
}

#[tokio::test]
async fn a_grant_has_no_more_streams_than_its_role_allows() {
    let cluster = cluster().await;
    role(cluster, "few-streams", json!({"max": 2})).await;
    let made = granted(cluster, &debug("few-streams")).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods?watch=1");
    let mut connection = knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    let watch = || as_user("alice", Method::GET, &path).body(Default::default()).unwrap();
    let mut open = Vec::new();
    let refused = cluster
        .eventually("the limit", PATIENCE, async || {
            // Until the gateway knows the role there is no limit.
            open.clear();
            for _ in 0..2 {
                let answer = connection.send(watch()).await.unwrap();
                if answer.status() != StatusCode::OK {
                    return None;
                }
                let mut body = answer.into_body();
                body.frame().await.unwrap().unwrap();
                open.push(body);
            }
            let third = connection.send(watch()).await.unwrap();
            (third.status() == StatusCode::TOO_MANY_REQUESTS).then_some(third)
        })
        .await;
    assert!(!refused.headers().contains_key("retry-after"));
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("TooManyStreams"), "{body:?}");
    // What does not last is no stream, and neither is another grant's.
    let list = as_user("alice", Method::GET, &through(&made, "/api/v1/namespaces/shop/pods"));
    assert_eq!(connection.ask(list).await.unwrap().0, StatusCode::OK);
    let other = granted(cluster, &Ask::logs("shop", 600)).await;
    let theirs = through(&other, "/api/v1/namespaces/shop/pods?watch=1");
    let theirs = as_user("alice", Method::GET, &theirs).body(Default::default()).unwrap();
    assert_eq!(connection.send(theirs).await.unwrap().status(), StatusCode::OK);
    // One that is closed makes room.
    open.pop();
    cluster
        .eventually("room for another", PATIENCE, async || {
            let answer = connection.send(watch()).await.unwrap();
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
}

/// kubectl exec over one of its protocols: exit code and errors, when it has ended.
async fn exec(cluster: &Cluster, made: &Made, websockets: bool, script: &str) -> (i32, String) {
    let server = server(cluster, made);
    let args = [server.as_str(), "-n", "shop", "exec", "-i", "web-1", "--", "sh", "-c", script];
    let mut command = cluster.user("alice").kubectl_command(&args).unwrap();
    command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", if websockets { "true" } else { "false" });
    // Input that stays open and says nothing.
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let (mut errors, input) = (String::new(), child.stdin.take());
    child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
    drop(input);
    (child.wait().await.unwrap().code().unwrap(), errors)
}

#[tokio::test]
async fn a_stream_in_which_nothing_is_said_is_cut_and_told() {
    let cluster = cluster().await;
    role(cluster, "short-silence", json!({"idleTimeout": "6s"})).await;
    // The first grant of the role is known once the role has been for a while.
    granted(cluster, &debug("short-silence")).await;
    let made = granted(cluster, &debug("short-silence")).await;
    let began = made::now();
    let speaks = "for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 2; done";
    let (silent, silent_spdy, speaking, speaking_spdy) = tokio::join!(
        // kubectl's pings, every five seconds, say nothing.
        exec(cluster, &made, true, "sleep 600"),
        exec(cluster, &made, false, "sleep 600"),
        exec(cluster, &made, true, speaks),
        exec(cluster, &made, false, speaks),
    );
    for (code, errors) in [silent, silent_spdy] {
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains("(Idle)") && errors.contains("the grant stands"), "{errors}");
    }
    for (code, errors) in [speaking, speaking_spdy] {
        assert_eq!((code, errors.as_str()), (0, ""), "a stream in use was cut");
    }
    assert!(made::now().duration_since(began) >= jiff::SignedDuration::from_secs(14));
    for cut in cuts(cluster, &made, 2).await {
        assert_eq!(cut["cut"], "Idle", "{cut}");
    }
    let path = through(&made, "/version");
    let answer = knock::ask(cluster, &Shown::FrontProxy, Protocol::Http2, as_user("alice", Method::GET, &path)).await;
    assert_eq!(answer.unwrap().0, StatusCode::OK, "the grant stands");
}
