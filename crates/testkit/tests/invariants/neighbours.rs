//! I8, I12: grants that overlap or are equal end each on its own, and nobody's
//! standing access is touched.

use brevet_api::{Phase, Verdict};
use brevet_testkit::Cluster;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::scene::{LONG, OpenLog, call, get, identity, left, logs, pods, refused, somebody};

#[tokio::test]
async fn i8_equal_grants_of_two_people_end_each_on_its_own() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    cluster.pod(&namespace, "one").await.unwrap();
    let (first, second) = (somebody(cluster), somebody(cluster));
    let ask = logs(&namespace, LONG);
    let firsts = cluster.approved(&first, "carol", ask.clone()).await.unwrap();
    let seconds = cluster.approved(&second, "carol", ask).await.unwrap();
    let carried_by = identity(&firsts).await;
    assert_eq!(identity(&seconds).await, carried_by, "equal rules share an identity");
    let cut = OpenLog::open(&firsts.holder().unwrap(), &namespace, "one").await;
    let mut kept = OpenLog::open(&seconds.holder().unwrap(), &namespace, "one").await;

    firsts.decide(&first, Verdict::Revoke).await.unwrap();
    firsts.phase(Phase::Revoked).await.unwrap();

    assert!(!cut.ended().await.success(), "a torn log must not look whole");
    let client = cluster.user(&first).client().await.unwrap();
    assert!(refused(cluster, &client, &firsts, &pods(&namespace)).await.contains("was given back"));
    // Twice, since one line may have been on its way.
    kept.next_line().await;
    kept.next_line().await;
    let client = cluster.user(&second).client().await.unwrap();
    assert!(call(&client, &seconds, &pods(&namespace)).await.said.is_ok());
    assert_eq!(left(cluster, Some(&carried_by)).await.len(), 4);

    seconds.decide(&second, Verdict::Revoke).await.unwrap();
    seconds.phase(Phase::Revoked).await.unwrap();
    assert!(!kept.ended().await.success());
    assert_eq!(left(cluster, Some(&carried_by)).await, Vec::<String>::new());
}

#[tokio::test]
async fn i8_overlapping_grants_of_one_person_end_each_on_its_own() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    cluster.pod(&namespace, "one").await.unwrap();
    let who = somebody(cluster);
    let client = cluster.user(&who).client().await.unwrap();
    let mut narrow = logs(&namespace, "10s");
    narrow["resources"] = json!([{"apiGroup": "", "resource": "pods", "names": ["one"]}]);
    let wide = cluster.approved(&who, "carol", logs(&namespace, LONG)).await.unwrap();
    let narrow = cluster.approved(&who, "carol", narrow).await.unwrap();
    let one = format!("{}/one", pods(&namespace));
    assert!(call(&client, &narrow, &one).await.said.is_ok());
    assert!(call(&client, &narrow, &pods(&namespace)).await.said.is_err(), "a grant lends nothing to another");
    let mut kept = OpenLog::open(&wide.holder().unwrap(), &namespace, "one").await;

    narrow.phase(Phase::Expired).await.unwrap();

    assert!(refused(cluster, &client, &narrow, &one).await.contains("expired at"));
    kept.next_line().await;
    kept.next_line().await;
    assert!(call(&client, &wide, &pods(&namespace)).await.said.is_ok());
}

#[tokio::test]
async fn i12_standing_access_is_the_same_before_during_and_after() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let who = somebody(cluster);
    let client = cluster.user(&who).client().await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(cluster.admin().await.unwrap(), &namespace);
    let admin = cluster.user("admin");
    let args = ["-n", &namespace, "create", "role", "standing", "--verb=list", "--resource=configmaps"];
    assert_eq!(admin.kubectl(&args).await.unwrap().status, 0);
    let binding = json!({
        "metadata": {"name": "standing"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "standing"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": who}],
    });
    let before = bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    let config_maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    cluster
        .eventually("the standing access", super::scene::PATIENCE, async || get(&client, &config_maps).await.said.ok())
        .await;
    // One's own right reaches what it reached; what was lent is not mixed into it, nor it into what was lent.
    let unchanged = async || {
        assert!(get(&client, &config_maps).await.said.is_ok());
        assert_eq!(get(&client, &pods(&namespace)).await.said.unwrap_err().code, 403);
    };

    unchanged().await;
    let grant = cluster.approved(&who, "carol", logs(&namespace, LONG)).await.unwrap();
    unchanged().await;
    assert!(call(&client, &grant, &pods(&namespace)).await.said.is_ok());
    assert!(call(&client, &grant, &config_maps).await.said.is_err());
    grant.decide(&who, Verdict::Revoke).await.unwrap();
    grant.phase(Phase::Revoked).await.unwrap();
    unchanged().await;

    let after = bindings.get("standing").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(bindings.list(&kube::api::ListParams::default()).await.unwrap().items.len(), 1);
}
