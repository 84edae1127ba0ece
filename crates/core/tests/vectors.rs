//! The bytes of `docs/spec/terms.md`, against its vectors.
//!
//! The vectors were made by another program from the page alone; nothing here
//! writes them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use brevet_core::digest::Digest;
use brevet_core::role::{Delivery, Scope};
use brevet_core::rules::{Rule, Rules, identity_digest};
use brevet_core::terms::Terms;
use serde_json::Value;

fn vectors(part: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../docs/spec/vectors/terms.json")).unwrap();
    all[part].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}

fn rules(value: &Value) -> Rules {
    let set = |value: &Value| texts(value).into_iter().collect::<BTreeSet<_>>();
    let rule = |value: &Value| Rule {
        api_groups: set(&value["apiGroups"]),
        resources: set(&value["resources"]),
        verbs: set(&value["verbs"]),
        resource_names: set(&value["resourceNames"]),
    };
    value.as_array().map(|list| list.iter().map(rule).collect()).unwrap_or_default()
}

#[test]
fn rules_have_one_canonical_form() {
    for vector in vectors("rules") {
        let expected = rules(&serde_json::from_str(vector["canonical"].as_str().unwrap()).unwrap());
        for spelling in vector["spellings"].as_array().unwrap() {
            assert_eq!(rules(spelling).canonical(), Some(expected.clone()), "{}", vector["name"]);
        }
    }
}

#[test]
fn terms_have_the_bytes_of_the_page() {
    for vector in vectors("terms") {
        let of = &vector["terms"];
        let terms = Terms {
            requester: text(&of["requester"]["username"]),
            requester_uid: text(&of["requester"]["uid"]),
            role: text(&of["role"]),
            rules: rules(&of["rules"]),
            companions: rules(&of["companions"]),
            namespaces: texts(&of["namespaces"]),
            duration: text(&of["duration"]).parse().unwrap(),
            start_at: of["startAt"].as_str().map(|start| start.parse().unwrap()),
            delivery: if of["delivery"] == "Token" { Delivery::Token } else { Delivery::Gateway },
        };
        assert_eq!(
            String::from_utf8(terms.canonical_bytes()).unwrap(),
            text(&vector["canonical"]),
            "{}",
            vector["name"]
        );
        assert_eq!(terms.digest().to_string(), text(&vector["digest"]), "{}", vector["name"]);
    }
}

#[test]
fn identities_have_the_digests_of_the_page() {
    let mut digests = BTreeSet::new();
    for vector in vectors("identities") {
        let scope = if vector["scope"] == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
        let (rules, companions) = (rules(&vector["rules"]), rules(&vector["companions"]));
        let digest = identity_digest(&rules, &companions, scope, &texts(&vector["namespaces"]));
        assert_eq!(digest, Digest::of(text(&vector["canonical"]).as_bytes()), "{}", vector["name"]);
        assert_eq!((digest.to_string(), digest.base32()), (text(&vector["digest"]), text(&vector["base32"])));
        digests.insert(digest);
    }
    assert_eq!(digests.len(), 2, "two spellings of one identity, and another");
}
