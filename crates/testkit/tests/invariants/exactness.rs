//! I5, I6: what was approved by somebody else comes into force, and nothing more.

use std::collections::BTreeSet;

use brevet_api::{AccessDecision, Phase, Rule, Verdict};
use brevet_testkit::Cluster;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::scene::{LONG, identity, logs, settled, somebody};

/// A rule with its order forgotten.
fn canonical(groups: &[String], resources: &[String], verbs: &[String], names: &[String]) -> Vec<BTreeSet<String>> {
    [groups, resources, verbs, names].map(|words| words.iter().cloned().collect()).to_vec()
}

#[tokio::test]
async fn i6_what_comes_into_force_is_what_was_approved() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace().await.unwrap();
    let mut spec = logs(&namespace, LONG);
    spec["resources"] = json!([{"apiGroup": "", "resource": "pods", "names": ["one", "two"]}]);
    let asked = cluster.ask(&somebody(cluster), spec).await.unwrap();
    let shown = asked.until("to have terms", super::scene::PATIENCE, |request| {
        request.status.as_ref().is_some_and(|status| status.terms.is_some())
    });
    let shown = shown.await.unwrap().status.unwrap().terms.unwrap();
    let decision = asked.decide("carol", Verdict::Approve).await.unwrap();
    asked.phase(Phase::Active).await.unwrap();

    let grant = asked.grant().await.unwrap();
    assert_eq!(grant.spec.terms, shown);
    assert_eq!(decision.spec.terms.digest, Some(shown.digest.clone()));
    let admin = cluster.admin().await.unwrap();
    let carried_by = identity(&asked).await;
    let name = format!("brevet:{carried_by}");
    let role = Api::<Role>::namespaced(admin.clone(), &namespace).get(&name).await.unwrap();
    let none = Vec::new();
    let bound: BTreeSet<_> = role
        .rules
        .unwrap()
        .iter()
        .map(|rule| {
            let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
            canonical(
                &list(&rule.api_groups),
                &list(&rule.resources),
                &rule.verbs,
                rule.resource_names.as_ref().unwrap_or(&none),
            )
        })
        .collect();
    let approved = |rule: &Rule| canonical(&rule.api_groups, &rule.resources, &rule.verbs, &rule.resource_names);
    assert_eq!(bound, shown.rules.iter().map(approved).collect());
    assert!(bound.iter().all(|rule| rule[3].len() == 2), "an empty list of names would mean all: {bound:?}");
    let binding = Api::<RoleBinding>::namespaced(admin.clone(), &namespace).get(&name).await.unwrap();
    let subjects = binding.subjects.unwrap();
    assert_eq!(subjects.len(), 1);
    assert_eq!((subjects[0].kind.as_str(), &subjects[0].name), ("ServiceAccount", &carried_by));
    // And nowhere else.
    let elsewhere = Api::<RoleBinding>::all(admin).list(&kube::api::ListParams::default()).await.unwrap();
    assert_eq!(elsewhere.iter().filter(|binding| binding.metadata.name.as_ref() == Some(&name)).count(), 1);
}

#[tokio::test]
async fn i5_a_decision_counts_only_by_another_and_for_the_terms_in_force() {
    let cluster = Cluster::shared().await;
    let admin = cluster.admin().await.unwrap();
    let carol = cluster.user("carol").client().await.unwrap();
    // carol may approve everywhere, but not herself.
    let own = cluster.ask("carol", logs("shop", LONG)).await.unwrap();
    let refused = own.decide("carol", Verdict::Approve).await.unwrap_err();
    assert!(format!("{refused:#}").contains("own request"), "{refused:#}");

    // An honest decision on one request, bent to mean another.
    let model = cluster.ask(&somebody(cluster), logs("shop", LONG)).await.unwrap();
    let honest = model.decide("carol", Verdict::Approve).await.unwrap().spec;
    let victim = cluster.ask(&somebody(cluster), logs("shop", LONG)).await.unwrap();
    let request = victim.phase(Phase::Pending).await.unwrap();
    let truth = {
        let mut spec = honest.clone();
        spec.request.name = victim.name().to_owned();
        spec.request.uid = victim.uid().to_owned();
        spec.terms.requester = request.spec.requester.username.clone();
        spec.terms.digest = request.status.unwrap().terms.map(|terms| terms.digest);
        spec
    };
    let mut other_digest = truth.clone();
    other_digest.terms.digest = honest.terms.digest.clone();
    let mut no_digest = truth.clone();
    no_digest.terms.digest = None;
    let mut other_uid = truth.clone();
    other_uid.request.uid = model.uid().to_owned();
    let mut other_requester = truth.clone();
    other_requester.terms.requester = "somebody-else".to_owned();
    let mut other_role = truth.clone();
    other_role.terms.role = "view-config".to_owned();
    let mut elsewhere = truth.clone();
    elsewhere.terms.namespaces = vec!["web".to_owned()];
    let decisions: Api<AccessDecision> = Api::all(carol);
    for spec in [other_digest, no_digest, other_uid, other_requester, other_role, elsewhere] {
        let mut lie = AccessDecision::new("", spec);
        lie.metadata.name = None;
        lie.metadata.generate_name = Some("lie-".to_owned());
        // Admission may refuse it; what it lets through must count for nothing.
        decisions.create(&PostParams::default(), &lie).await.ok();
    }
    settled(cluster).await;
    victim.phase(Phase::Pending).await.unwrap();
    assert!(Api::<brevet_api::AccessGrant>::all(admin).get_opt(victim.name()).await.unwrap().is_none());
    victim.decide("carol", Verdict::Approve).await.unwrap();
    victim.phase(Phase::Active).await.unwrap();
}
