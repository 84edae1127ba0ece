//! kubectl through a grant, as it behaves directly.

use brevet_testkit::Output;

use crate::{
    cluster, granted,
    made::{Ask, Made},
    server,
};

async fn run(made: &Made, args: &[&str]) -> Output {
    let cluster = cluster().await;
    let server = server(cluster, made);
    cluster.user("alice").kubectl(&[&[server.as_str()], args].concat()).await.unwrap()
}

async fn succeeds(made: &Made, args: &[&str]) -> String {
    let output = run(made, args).await;
    assert_eq!(output.status, 0, "kubectl {args:?}: {}", output.stderr);
    output.stdout
}

#[tokio::test]
async fn what_is_allowed_works_and_nothing_else_does() {
    let made = granted(cluster().await, &Ask::logs("shop", 600)).await;
    assert!(succeeds(&made, &["-n", "shop", "get", "pods"]).await.contains("web-1"));
    assert!(succeeds(&made, &["-n", "shop", "get", "pod", "web-1", "-o", "yaml"]).await.contains("kind: Pod"));
    assert!(succeeds(&made, &["-n", "shop", "logs", "web-1", "--tail=2"]).await.contains("request"));
    assert!(succeeds(&made, &["auth", "whoami"]).await.contains(&made.identity));
    assert_eq!(succeeds(&made, &["-n", "shop", "auth", "can-i", "get", "pods"]).await.trim(), "yes");
    assert!(succeeds(&made, &["api-resources"]).await.contains("deployments"));
    assert!(succeeds(&made, &["explain", "pods"]).await.contains("KIND:"));
    assert!(succeeds(&made, &["version"]).await.contains("Server Version"));

    for args in [
        &["-n", "web", "get", "pods"][..],
        &["-n", "shop", "get", "secrets"],
        &["get", "pods", "-A"],
        &["-n", "shop", "delete", "pod", "web-1"],
        &["get", "accessgrants.brevet.dev"],
        &["get", "grants.sessions.brevet.dev"],
        &["get", "--raw", "/metrics"],
    ] {
        let output = run(&made, args).await;
        assert_eq!(output.status, 1, "{args:?}: {}", output.stdout);
        assert!(output.stderr.contains(&format!("grant `{}` does not allow", made.name)), "{}", output.stderr);
    }
}

#[tokio::test]
async fn writing_works() {
    let all = vec!["get", "list", "watch", "create", "update", "patch", "delete"];
    let ask = Ask {
        role: "deploy",
        rules: vec![("", vec!["configmaps"], all.clone(), vec![]), ("apps", vec!["deployments"], all, vec![])],
        ..Ask::logs("web", 600)
    };
    let made = granted(cluster().await, &ask).await;
    let run = async |args: &[&str]| succeeds(&made, &[&["-n", "web"], args].concat()).await;
    assert!(run(&["create", "configmap", "one", "--from-literal=a=b"]).await.contains("created"));
    let written = run(&["get", "configmap", "one", "-o", "yaml"]).await.replace("a: b", "a: c");
    let server = server(cluster().await, &made);
    for how in [
        &["apply", "-f", "-"][..],
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &["replace", "-f", "-"],
    ] {
        let file: String =
            written.lines().filter(|line| !line.contains("resourceVersion")).collect::<Vec<_>>().join("\n");
        let args = [&[server.as_str(), "-n", "web"], how].concat();
        let output = cluster().await.user("alice").kubectl_reading(&args, file.as_bytes()).await.unwrap();
        assert_eq!(output.status, 0, "{how:?}: {}", output.stderr);
    }
    assert!(run(&["patch", "configmap", "one", "-p", r#"{"data":{"x":"y"}}"#]).await.contains("patched"));
    assert!(run(&["label", "configmap", "one", "l=1"]).await.contains("labeled"));
    assert_eq!(
        run(&["get", "configmap", "-l", "l=1", "-o", "jsonpath={.items[0].data}"]).await,
        r#"{"a":"c","x":"y"}"#
    );
    assert!(run(&["get", "configmap", "--chunk-size=1"]).await.contains("one"));
    assert!(run(&["create", "configmap", "two", "--dry-run=server", "-o", "name"]).await.contains("two"));
    assert!(run(&["delete", "configmap", "one"]).await.contains("deleted"));
}

#[tokio::test]
async fn answers_are_those_of_kube_apiserver() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let admin = cluster.admin().await.unwrap();
    for path in [
        "/api/v1/namespaces/shop/pods/no-such-pod",
        "/api/v1/namespaces/shop/pods?limit=1",
        "/api/v1/namespaces/shop/pods?labelSelector=a%3Db",
        "/api/v1/namespaces/shop/pods?labelSelector=%21%21",
        "/api/v1/namespaces/shop/pods/web-1/log?container=none",
        "/version",
        "/apis",
        "/api/v1",
        "/openapi/v3",
    ] {
        let get = async |client: &kube::Client, path: &str| {
            let request = http::Request::get(path).body(kube::client::Body::empty()).unwrap();
            let response = client.send(request).await.unwrap();
            let (head, body) = response.into_parts();
            let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
            let kept = ["content-type", "warning", "vary", "etag"].map(|name| head.headers.get(name).cloned());
            // The moment of a list differs; so may what grows.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let text = text.split("\"resourceVersion\"").next().unwrap_or_default().to_owned();
            (head.status, kept, text)
        };
        assert_eq!(get(&alice, &crate::through(&made, path)).await, get(&admin, path).await, "{path}");
    }
}
