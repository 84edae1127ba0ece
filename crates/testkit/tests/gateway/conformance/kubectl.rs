//! kubectl, as people and scripts use it.

use brevet_testkit::Cluster;

use super::{Came, Lane, Way, check, lanes};
use crate::cluster;

/// What is run in each lane, in this order; `NS` is the lane's namespace, `MAP` a file with a ConfigMap.
const COMMANDS: &[&[&str]] = &[
    &["version", "-o", "json"],
    &["api-resources", "--api-group=apps", "--no-headers"],
    &["explain", "deployments.spec.replicas"],
    &["auth", "can-i", "create", "configmaps"],
    &["auth", "can-i", "create", "secrets"],
    &["get", "pods", "-o", "name"],
    &["get", "pods"],
    &["get", "pod", "runs", "-o", "jsonpath={.spec.containers[*].image}"],
    &["get", "pod", "none"],
    &["get", "pod", "none", "--ignore-not-found"],
    &["create", "configmap", "first", "--from-literal=a=b"],
    &["create", "configmap", "first", "--from-literal=a=b"],
    &["label", "configmap", "first", "app=x"],
    &["annotate", "configmap", "first", "note=here"],
    &["get", "configmaps", "-l", "app=x", "--show-labels", "--no-headers"],
    &["patch", "configmap", "first", "--type=merge", "-p", r#"{"data":{"a":"c"}}"#],
    &["apply", "-f", "MAP"],
    &["apply", "-f", "MAP"],
    &["apply", "--server-side", "--force-conflicts", "-f", "MAP"],
    &["diff", "-f", "MAP"],
    &["create", "deployment", "web", "--image=i", "--replicas=0"],
    &["scale", "deployment", "web", "--replicas=0", "--current-replicas=0"],
    &["rollout", "status", "deployment", "web", "--timeout=20s"],
    &["wait", "--for=jsonpath={.data.a}=c", "configmap/first", "--timeout=10s"],
    &["exec", "runs", "--", "sh", "-c", "echo out; echo err >&2; exit 5"],
    &["exec", "runs", "-c", "none", "--", "true"],
    &["logs", "none"],
    &["delete", "configmap", "-l", "app=x"],
    &["delete", "deployment", "web"],
    &["delete", "configmap", "none"],
];

async fn all(cluster: &Cluster, lane: &Lane) -> Vec<Came> {
    let (server, before) = lane.server(cluster);
    let folder = cluster.dir().join("conformance");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{}.yaml", lane.namespace));
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: b}\n";
    std::fs::write(&file, map).unwrap();
    let user = match &lane.way {
        Way::Straight(token) => cluster.add_token_user(&format!("identity-{}", lane.namespace), token).unwrap(),
        Way::Aggregated(_) | Way::Direct(_) => cluster.user("alice"),
    };
    let way = [
        format!("--server={server}{before}"),
        format!("--certificate-authority={}", cluster.dir().join("pki/ca.crt").display()),
        format!("--namespace={}", lane.namespace),
        // One cache for three servers would be mixed up by nobody but us.
        format!("--cache-dir={}", folder.join(&lane.namespace).display()),
    ];
    let mut came = Vec::new();
    for command in COMMANDS {
        let words = command.iter().map(|word| if *word == "MAP" { file.to_str().unwrap() } else { word });
        let args: Vec<&str> = way.iter().map(String::as_str).chain(words).collect();
        let output = user.kubectl(&args).await.unwrap();
        let text = format!("exit code {}\n{}{}", output.status, output.stdout, output.stderr);
        let text = lane.blot(&text).replace(&format!("{server}{before}"), "SERVER");
        came.push((command.join(" "), ageless(&text)));
    }
    came
}

/// Without ages, which are the last column or in parentheses.
fn ageless(text: &str) -> String {
    let is_age =
        |word: &str| word.len() < 7 && word.ends_with(['s', 'm']) && word.starts_with(|c: char| c.is_ascii_digit());
    let lines = text.lines().map(|line| {
        let words = line.split_whitespace().map(|word| if is_age(word) { "AGE" } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn kubectl_is_the_same_on_every_way() {
    let cluster = cluster().await;
    let lanes = lanes(cluster).await;
    let came = futures::future::join_all(lanes.iter().map(|lane| all(cluster, lane))).await;
    check(&lanes, &came, 30);
}
