//! The record of the admission policies: which ones stand, and since when.
//!
//! An immutable ConfigMap. What it says cannot be changed by anybody, so its
//! creationTimestamp, which kube-apiserver sets and no client can, is when it
//! was said. Anybody who may delete it makes everything count for nothing;
//! nobody makes anything count by it that did not.
//!
//! Promises: a record that could be edited, or is being deleted, is none.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::core::DynamicObject;
use serde_json::Value;

/// Where it is.
pub(crate) const NAMESPACE: &str = "brevet-system";
/// Its name; admission (record.brevet.dev) leaves it to the controller.
pub(crate) const NAME: &str = "admission-record";
/// Under this key it says a line for each policy and binding.
const KEY: &str = "standing";

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) uid: String,
    /// When it was made. Of that very second nothing tells what came before it.
    pub(super) since: Timestamp,
    lines: BTreeSet<String>,
}

impl Record {
    /// Reads it; `None`: it does not bind anybody.
    pub(super) fn read(object: &DynamicObject) -> Option<Self> {
        let metadata = &object.metadata;
        let is_firm = object.data.get("immutable") == Some(&Value::Bool(true)) && metadata.deletion_timestamp.is_none();
        let text = object.data.get("data").and_then(|data| data.get(KEY)).and_then(Value::as_str)?;
        is_firm.then_some(())?;
        Some(Self {
            uid: metadata.uid.clone()?,
            since: metadata.creation_timestamp.as_ref()?.0,
            lines: text.lines().map(str::to_owned).collect(),
        })
    }

    /// Kind and name of what stands and is not on record.
    pub(super) fn unknown(&self, standing: &str) -> Vec<String> {
        let unknown = standing.lines().filter(|line| !self.lines.contains(*line));
        unknown.map(|line| line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    }
}

/// The record that says that these stand.
pub(crate) fn object(standing: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(NAMESPACE.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some([(KEY.to_owned(), standing.to_owned())].into()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STANDING: &str = "binding a u1 1\npolicy a u2 1";

    fn stored(standing: &str) -> Value {
        let mut stored = serde_json::to_value(object(standing)).unwrap();
        stored["metadata"]["uid"] = json!("r1");
        stored["metadata"]["creationTimestamp"] = json!("2026-12-01T10:00:00Z");
        stored
    }

    fn read(stored: Value) -> Option<Record> {
        Record::read(&serde_json::from_value(stored).unwrap())
    }

    #[test]
    fn a_record_names_what_stood_when_it_was_made() {
        let record = read(stored(STANDING)).unwrap();
        assert_eq!(record.since, "2026-12-01T10:00:00Z".parse().unwrap());
        assert!(record.unknown(STANDING).is_empty());
        assert!(record.unknown("policy a u2 1").is_empty());
        assert_eq!(record.unknown("binding a u1 3\npolicy a u2 1"), ["binding a"]);
        assert_eq!(record.unknown("binding a u1 1\npolicy a u3 1"), ["policy a"]);
    }

    #[test]
    fn what_could_be_edited_is_no_record() {
        let mut soft = stored(STANDING);
        soft["immutable"] = json!(false);
        assert_eq!(read(soft), None);
        let mut silent = stored(STANDING);
        silent.as_object_mut().unwrap().remove("immutable");
        assert_eq!(read(silent), None);
        let mut going = stored(STANDING);
        going["metadata"]["deletionTimestamp"] = json!("2026-12-01T10:00:01Z");
        assert_eq!(read(going), None);
        let mut empty = stored(STANDING);
        empty["data"] = json!({});
        assert_eq!(read(empty), None);
    }
}
