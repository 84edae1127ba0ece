//! I6 and I7: exactly the grant's rules, and no power of the gateway's own.

use http::Request;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::{cluster, granted, made::Ask, through};

#[tokio::test]
async fn what_the_cluster_gives_every_service_account_does_not_leak_in() {
    let cluster = cluster().await;
    let admin = cluster.admin().await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(admin);
    let binding = json!({
        "metadata": {"name": "legacy-view"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}],
    });
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let get = async |path: &str| alice.request_text(Request::get(through(&made, path)).body(Vec::new()).unwrap()).await;

    // The identity itself could.
    let can = json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": {"namespace": "shop", "verb": "list", "resource": "configmaps"}},
    });
    let review = Request::post(through(&made, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"))
        .header("content-type", "application/json")
        .body(can.to_string().into_bytes())
        .unwrap();
    assert!(alice.request_text(review).await.unwrap().contains(r#""allowed":true"#));

    assert!(get("/api/v1/namespaces/shop/pods").await.is_ok());
    for path in
        ["/api/v1/namespaces/shop/configmaps", "/api/v1/namespaces/web/pods", "/api/v1/pods", "/api/v1/namespaces"]
    {
        let refused = get(path).await.unwrap_err().to_string();
        assert!(refused.contains("does not allow"), "{path}: {refused}");
    }
    bindings.delete("legacy-view", &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_named_grant_reaches_that_object_alone() {
    let cluster = cluster().await;
    let ask = Ask {
        role: "view-secrets",
        rules: vec![("", vec!["secrets"], vec!["get"], vec!["db"])],
        ..Ask::logs("shop", 600)
    };
    let made = granted(cluster, &ask).await;
    let alice = cluster.user("alice").client().await.unwrap();
    let get = async |path: &str| alice.request_text(Request::get(through(&made, path)).body(Vec::new()).unwrap()).await;
    assert!(get("/api/v1/namespaces/shop/secrets/db").await.is_ok());
    for path in [
        "/api/v1/namespaces/shop/secrets/api-key",
        "/api/v1/namespaces/shop/secrets",
        "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dapi-key",
        "/api/v1/namespaces/shop/secrets?watch=1",
        "/api/v1/watch/namespaces/shop/secrets/db",
    ] {
        assert!(get(path).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn the_gateways_own_token_writes_next_to_nothing() {
    let cluster = cluster().await;
    let gateway = cluster.user("gateway");
    let refused = async |args: &[&str]| {
        let output = gateway.kubectl(args).await.unwrap();
        assert_eq!(output.status, 1, "{args:?}: {}", output.stdout);
    };
    refused(&["-n", "shop", "get", "secrets"]).await;
    refused(&["-n", "shop", "get", "pods"]).await;
    refused(&["-n", "brevet-elevations", "get", "secrets"]).await;
    refused(&["-n", "brevet-elevations", "create", "serviceaccount", "x"]).await;
    refused(&["-n", "brevet-system", "create", "secret", "generic", "x"]).await;
    refused(&["-n", "brevet-system", "create", "token", "controller"]).await;
    refused(&["-n", "kube-system", "create", "token", "default"]).await;
    refused(&["create", "clusterrolebinding", "x", "--clusterrole=view", "--user=mallory"]).await;
    refused(&["auth", "can-i", "impersonate", "users"]).await;
    refused(&["auth", "can-i", "create", "accessgrants.brevet.dev"]).await;
    refused(&["auth", "can-i", "patch", "accessgrants.brevet.dev", "--subresource=status"]).await;
}
