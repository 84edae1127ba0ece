//! What a role must own up to, and what it may never hold.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use brevet_core::length::Length;
use brevet_core::role::{Delivery, Names, Risk, Role, Scope, forbidden, lint};
use brevet_core::rules::{Rule, Rules};

fn set(words: &str) -> BTreeSet<String> {
    words.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A rule from `groups resources verbs [names]`, lists with commas, `-` for the core group.
fn rule(text: &str) -> Rule {
    let words: Vec<&str> = text.split_whitespace().collect();
    Rule {
        api_groups: words[0].split(',').map(|group| group.trim_start_matches('-').to_owned()).collect(),
        resources: set(words[1]),
        verbs: set(words[2]),
        resource_names: words.get(3).map(|names| set(names)).unwrap_or_default(),
    }
}

fn role(risk: Risk, scope: Scope, rules: &[&str]) -> Role {
    Role {
        name: "a-role".to_owned(),
        uid: "uid".to_owned(),
        ceiling: rules.iter().map(|text| rule(text)).collect(),
        companions: Rules::default(),
        scope,
        risk,
        default_duration: Length::from_seconds(60).unwrap(),
        max_duration: Length::from_seconds(600).unwrap(),
        names: Names::Optional,
        deliveries: vec![Delivery::Gateway],
    }
}

#[test]
fn some_rules_are_never_granted() {
    for text in [
        "- pods *",
        "- * get",
        "* pods get",
        "- pods/* get",
        "- */log get",
        "- serviceaccounts impersonate",
        "authentication.k8s.io users impersonate:user-info",
        "rbac.authorization.k8s.io roles bind",
        "rbac.authorization.k8s.io roles escalate",
        "rbac.authorization.k8s.io rolebindings create",
        "apps,rbac.authorization.k8s.io deployments,roles get,patch",
        "certificates.k8s.io signers approve",
        "certificates.k8s.io signers sign",
        "certificates.k8s.io signers attest",
        "certificates.k8s.io certificatesigningrequests create",
        "admissionregistration.k8s.io validatingadmissionpolicies delete",
        "apiregistration.k8s.io apiservices patch",
        "apiextensions.k8s.io customresourcedefinitions create",
        "brevet.dev accessrequests get",
        "sessions.brevet.dev grants/proxy get",
        "- serviceaccounts/token create",
        "- nodes/proxy get",
    ] {
        assert!(forbidden::why(&rule(text)).is_some(), "{text}");
        let found = lint(&role(Risk::Critical, Scope::Namespaced, &[text]));
        assert!(found.iter().any(|finding| finding.needs.is_none()), "{text}: {found:?}");
    }
    for text in [
        "- pods get",
        "rbac.authorization.k8s.io roles get,list,watch",
        "apiextensions.k8s.io customresourcedefinitions get",
    ] {
        assert_eq!(forbidden::why(&rule(text)), None, "{text}");
    }
}

#[test]
fn what_reaches_beyond_its_grant_says_so() {
    use Risk::{Critical, High, Low, Medium};
    for (text, least) in [
        ("- pods,pods/log get,list,watch", Low),
        ("- configmaps get,list,create,delete", Low),
        ("apps deployments/scale patch", Low),
        ("- pods delete", Low),
        ("- pods/portforward get,create", Low),
        ("- secrets get web", High),
        ("- secrets get", High),
        ("- pods/exec create web-1", High),
        ("- pods/ephemeralcontainers patch", High),
        ("- services/proxy get", High),
        ("policy poddisruptionbudgets delete", High),
        ("- secrets list", Critical),
        ("- secrets watch", Critical),
        ("- secrets patch db", Critical),
        ("- pods create", Critical),
        ("apps deployments patch web", Critical),
        ("batch cronjobs create", Critical),
        ("- serviceaccounts create", Critical),
        ("- nodes patch n1", Critical),
        ("- nodes/status patch", Critical),
        ("- namespaces patch", Critical),
        ("- persistentvolumes create", Critical),
        ("authentication.k8s.io tokenreviews create", Critical),
    ] {
        for risk in [Low, Medium, High, Critical] {
            let found = lint(&role(risk, Scope::Namespaced, &[text]));
            assert_eq!(found.is_empty(), risk >= least, "{text} at {risk:?}: {found:?}");
        }
    }
    assert!(!lint(&role(Critical, Scope::Cluster, &["- secrets get"])).is_empty(), "secrets of every namespace");
}

#[test]
fn a_role_that_contradicts_itself_is_not_accepted() {
    let sound = role(Risk::Low, Scope::Namespaced, &["- pods get"]);
    assert_eq!(lint(&sound), []);
    for unsound in [
        Role { ceiling: Rules::default(), ..sound.clone() },
        Role { max_duration: Length::from_seconds(30).unwrap(), ..sound.clone() },
        Role { deliveries: Vec::new(), ..sound.clone() },
        Role { companions: Rules::from_iter([rule("- secrets list")]), ..sound.clone() },
    ] {
        let found = lint(&unsound);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found[0].why.is_empty() && !found[0].to_string().ends_with('.'));
    }
}
