//! Evaluations: what would be decided, asked by people who may read neither roles nor bindings.

use brevet_api::{
    AccessRequest,
    sessions::{Evaluation, EvaluationSpec, EvaluationStatus},
};
use brevet_testkit::Cluster;
use http::{Method, Request, StatusCode};
use kube::{Api, api::PostParams};

use crate::{
    cluster, granted,
    knock::{self, Protocol, Shown, as_user},
    made::Ask,
};

async fn ask(cluster: &Cluster, user: &str, spec: EvaluationSpec) -> EvaluationStatus {
    let evaluations: Api<Evaluation> = Api::all(cluster.user(user).client().await.unwrap());
    evaluations.create(&PostParams::default(), &Evaluation::ask(spec)).await.unwrap().status.unwrap()
}

fn view_logs(namespaces: &[&str]) -> EvaluationSpec {
    EvaluationSpec {
        role: "view-logs".to_owned(),
        namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
        justification: "why not".to_owned(),
        ..EvaluationSpec::default()
    }
}

#[tokio::test]
async fn the_terms_are_told_and_nothing_is_stored() {
    let cluster = cluster().await;
    let requests: Api<AccessRequest> = Api::all(cluster.admin().await.unwrap());
    let is_marked = |request: &AccessRequest| request.spec.justification == "why not";

    let status = ask(cluster, "alice", view_logs(&["shop"])).await;

    assert_eq!(status.allowed, Some(true), "{status:?}");
    let terms = status.terms.unwrap();
    assert!(terms.digest.starts_with("sha256:"));
    assert_eq!((terms.namespaces, terms.duration.as_str()), (vec!["shop".to_owned()], "30m"));
    // Alice has nothing of it today.
    assert_eq!(status.added.unwrap().len(), terms.rules.len());
    assert!(!requests.list(&Default::default()).await.unwrap().iter().any(is_marked));
}

#[tokio::test]
async fn what_somebody_has_already_adds_nothing() {
    let cluster = cluster().await;
    cluster.add_user("root", &["system:masters"]).unwrap();
    // To the gateway that group means nothing: kube-apiserver's own probe carries it.
    let status = ask(cluster, "root", view_logs(&["shop"])).await;
    assert_eq!(status.added.unwrap().len(), status.terms.unwrap().rules.len());

    let viewer = cluster.add_user("viewer", &["developers"]).unwrap();
    let binding = ["create", "rolebinding", "viewer", "-n", "shop", "--clusterrole=view", "--user=viewer"];
    assert!(cluster.user("admin").kubectl(&binding).await.unwrap().success());
    let status = ask(cluster, viewer.name(), view_logs(&["shop"])).await;
    assert_eq!(status.added, Some(Vec::new()), "{status:?}");
}

#[tokio::test]
async fn a_refusal_names_its_reason_and_field() {
    let cluster = cluster().await;
    let refused = async |change: &dyn Fn(&mut EvaluationSpec)| {
        let mut spec = view_logs(&["shop"]);
        change(&mut spec);
        let status = ask(cluster, "alice", spec).await;
        assert_eq!((status.allowed, status.terms.is_none()), (Some(false), true), "{status:?}");
        (status.reason, status.message)
    };
    assert_eq!(refused(&|spec| spec.role = "no-such-role".to_owned()).await.0, "RoleNotFound");
    assert_eq!(refused(&|spec| spec.namespaces = vec!["nowhere".to_owned()]).await.0, "NamespaceNotFound");
    assert_eq!(refused(&|spec| spec.namespaces = vec!["brevet-system".to_owned()]).await.0, "NamespaceForbidden");
    let (reason, message) = refused(&|spec| spec.duration = Some("9h".to_owned())).await;
    assert_eq!(reason, "DurationTooLong");
    assert!(message.starts_with("spec.duration: "), "{message}");
}

#[tokio::test]
async fn nonsense_is_refused_and_tokens_are_not_handed_out() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let post = async |path: &str, body: &str| {
        let path = format!("/apis/sessions.brevet.dev/v1alpha1/{path}");
        let request = Request::post(path).header("content-type", "application/json").body(body.into()).unwrap();
        alice.request_text(request).await.unwrap_err().to_string()
    };
    assert!(post("evaluations", "nonsense").await.contains("cannot be read"));
    let long = format!(r#"{{"spec":{{"role":"{}"}}}}"#, "x".repeat(70_000));
    assert!(post("evaluations", &long).await.contains("too long"));
    // Nobody has the right yet; were it given, this is the answer.
    let path = format!("/apis/sessions.brevet.dev/v1alpha1/grants/{}/token", made.name);
    let builder = as_user("alice", Method::POST, &path);
    let (code, body) = knock::ask(cluster, &Shown::FrontProxy, Protocol::Http2, builder).await.unwrap();
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert!(body.contains("DeliveryUnavailable"), "{body}");
}
