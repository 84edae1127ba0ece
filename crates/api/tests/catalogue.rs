//! The tasks that ship are accepted by core's own linter, and what core forbids
//! is what the admission policies forbid.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, path::Path};

use brevet_api::{AccessRole, border};
use brevet_core::role::{Risk, forbidden, lint};
use brevet_core::rules::{Rules, narrow};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use serde_json::Value;

fn deploy(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

/// Every document of the catalogue, by kind.
fn catalogue() -> (Vec<AccessRole>, BTreeMap<String, Vec<PolicyRule>>) {
    let (mut tasks, mut rules) = (Vec::new(), BTreeMap::new());
    for file in fs::read_dir(deploy("catalogue")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for mut document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            if document["kind"] == "AccessRole" {
                document["metadata"]["uid"] = "uid".into();
                tasks.push(serde_json::from_value(document).unwrap());
            } else {
                let role: ClusterRole = serde_json::from_value(document).unwrap();
                rules.insert(role.metadata.name.unwrap(), role.rules.unwrap());
            }
        }
    }
    (tasks, rules)
}

#[test]
fn every_task_that_ships_is_accepted_and_overstates_no_risk() {
    let (tasks, rules) = catalogue();
    assert!(tasks.len() >= 13);
    for task in tasks {
        let union =
            |names: &[String]| -> Rules { names.iter().flat_map(|name| border::rules(&rules[name]).0).collect() };
        let role = border::role(&task, union(&task.spec.cluster_roles), union(&task.spec.companions)).unwrap();
        assert_eq!(lint(&role), [], "{}", role.name);

        let whole = narrow(&role.ceiling, None).unwrap();
        assert!(whole.dropped.is_empty() && role.ceiling.covers(&whole.rules), "{}", role.name);
        if role.risk == Risk::Critical {
            let milder = brevet_core::role::Role { risk: Risk::High, ..role };
            assert!(!lint(&milder).is_empty(), "{} need not be Critical", milder.name);
        }
    }
}

/// The quoted words of the expression that judges rules, in one policy file.
fn words_of(policy: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(deploy("admission").join(policy)).unwrap();
    let (_, expression) = text.split_once("r.verbs.exists(").unwrap();
    let (expression, _) = expression.split_once("message:").unwrap();
    expression.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn core_and_admission_forbid_the_same() {
    let lists: [&[&str]; 5] = [
        &forbidden::VERBS,
        &forbidden::OWN_GROUPS,
        &forbidden::READ_ONLY_GROUPS,
        &forbidden::READING_VERBS,
        &forbidden::RESOURCES,
    ];
    let words: BTreeSet<String> =
        lists.concat().into_iter().chain([forbidden::VERB_PREFIX, "*"]).map(str::to_owned).collect();
    for policy in ["controller-rbac.yaml", "catalogue.yaml"] {
        assert_eq!(words_of(policy), words, "{policy}");
    }
}
