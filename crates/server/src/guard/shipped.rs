//! The policies of this release, built into the binary.
//!
//! Promises: what is compared is byte for byte what `deploy/admission` holds; a
//! file there that is not listed here fails a test.

use anyhow::Context as _;
use serde::Deserialize as _;
use serde_json::Value;

/// Every file of `deploy/admission` that holds validating policies.
const FILES: &[&str] = &[
    include_str!("../../../../deploy/admission/apiservice.yaml"),
    include_str!("../../../../deploy/admission/bindings.yaml"),
    include_str!("../../../../deploy/admission/catalogue.yaml"),
    include_str!("../../../../deploy/admission/controller-rbac.yaml"),
    include_str!("../../../../deploy/admission/controller-reach.yaml"),
    include_str!("../../../../deploy/admission/decisions.yaml"),
    include_str!("../../../../deploy/admission/elevations.yaml"),
    include_str!("../../../../deploy/admission/gateway-reach.yaml"),
    include_str!("../../../../deploy/admission/grants.yaml"),
    include_str!("../../../../deploy/admission/persistence.yaml"),
    include_str!("../../../../deploy/admission/plain.yaml"),
    include_str!("../../../../deploy/admission/record.yaml"),
    include_str!("../../../../deploy/admission/requests.yaml"),
];

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// ValidatingAdmissionPolicy.
    Policy,
    /// ValidatingAdmissionPolicyBinding.
    Binding,
}

impl Kind {
    /// In a word, as the record has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Binding => "binding",
        }
    }
}

/// One object as it ships.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) spec: Value,
}

impl Object {
    /// The object in words.
    pub(super) fn told(&self) -> String {
        match self.kind {
            Kind::Policy => format!("the policy `{}`", self.name),
            Kind::Binding => format!("the binding of the policy `{}`", self.name),
        }
    }
}

/// All of them, in the order of the files.
pub(super) fn policies() -> anyhow::Result<Vec<Object>> {
    FILES.iter().map(|text| objects(text)).collect::<anyhow::Result<Vec<_>>>().map(|all| all.concat())
}

fn objects(text: &str) -> anyhow::Result<Vec<Object>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("not YAML")?;
    documents.into_iter().map(object).collect()
}

fn object(document: Value) -> anyhow::Result<Object> {
    let kind = match document.get("kind").and_then(Value::as_str) {
        Some("ValidatingAdmissionPolicy") => Kind::Policy,
        Some("ValidatingAdmissionPolicyBinding") => Kind::Binding,
        other => anyhow::bail!("a {other:?} does not belong among the validating policies"),
    };
    let name = document.pointer("/metadata/name").map(String::deserialize).context("a policy without a name")??;
    let spec = document.get("spec").cloned().context("a policy without a spec")?;
    Ok(Object { kind, name, spec })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn every_shipped_policy_has_its_binding() {
        let all = policies().unwrap();
        let names = |kind| all.iter().filter(|o| o.kind == kind).map(|o| o.name.clone()).collect::<BTreeSet<_>>();
        assert!(!all.is_empty());
        assert_eq!(names(Kind::Policy), names(Kind::Binding));
    }

    #[test]
    fn no_file_of_the_folder_is_left_out() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/admission");
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // The stamping policies only fill in what the others check.
            if !path.file_name().unwrap().to_string_lossy().starts_with("stamp-") {
                files.insert(std::fs::read_to_string(path).unwrap());
            }
        }
        let listed: BTreeSet<String> = FILES.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(files, listed);
    }
}
