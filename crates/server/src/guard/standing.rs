//! The policies and bindings as stored, and whether each is as it ships.
//!
//! Promises: what stands is named by uid and generation, sorted, so that equal
//! worlds read equal; kube-apiserver counts a generation up at every change of a
//! spec, and never back.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use serde_json::Value;

use super::{
    compare,
    shipped::{Kind, Object},
};
use crate::feed::Change;

/// What kube-apiserver has.
#[derive(Debug, Default)]
pub(super) struct Stored(BTreeMap<(Kind, String), Found>);

/// One of them.
#[derive(Debug)]
struct Found {
    uid: String,
    generation: i64,
    is_deleting: bool,
    spec: Value,
}

impl Stored {
    /// Takes in what happened to objects of that kind.
    pub(super) fn take_in(&mut self, kind: Kind, change: &Change) {
        match change {
            Change::All(objects, _) => {
                self.0.retain(|(other, _), _| *other != kind);
                objects.iter().for_each(|object| self.put(kind, object));
            }
            Change::Put(object) => self.put(kind, object),
            Change::Gone(object) => {
                self.0.remove(&(kind, object.metadata.name.clone().unwrap_or_default()));
            }
            Change::Seen(_) | Change::Alive => {}
        }
    }

    fn put(&mut self, kind: Kind, object: &DynamicObject) {
        let metadata = &object.metadata;
        let found = Found {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            is_deleting: metadata.deletion_timestamp.is_some(),
            spec: object.data.get("spec").cloned().unwrap_or_default(),
        };
        self.0.insert((kind, metadata.name.clone().unwrap_or_default()), found);
    }

    /// A line for each of `shipped`, as it stands.
    ///
    /// # Errors
    /// What is missing, altered or on its way out, for people.
    pub(super) fn standing(&self, shipped: &[Object]) -> Result<String, String> {
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        for object in shipped {
            match self.0.get(&(object.kind, object.name.clone())) {
                None => faults.push(format!("{} is missing", object.told())),
                Some(found) if found.is_deleting => faults.push(format!("{} is being deleted", object.told())),
                Some(found) => match compare::first_difference(&object.spec, &found.spec) {
                    Some(place) => faults.push(format!("{} was altered at `spec{place}`", object.told())),
                    None => {
                        let kind = object.kind.word();
                        lines.push(format!("{kind} {} {} {}", object.name, found.uid, found.generation));
                    }
                },
            }
        }
        if !faults.is_empty() {
            return Err(format!("{}; apply the policies of this release again", faults.join("; ")));
        }
        lines.sort();
        Ok(lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str, generation: i64, action: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "uid": uid, "generation": generation},
            "spec": {"validationActions": [action]},
        }))
        .unwrap()
    }

    fn shipped() -> [Object; 1] {
        let spec = json!({"validationActions": ["Deny"]});
        [Object { kind: Kind::Binding, name: "a".to_owned(), spec }]
    }

    #[test]
    fn what_stands_is_named_by_uid_and_generation() {
        let mut stored = Stored::default();
        assert!(stored.standing(&shipped()).unwrap_err().contains("is missing"));
        stored.take_in(Kind::Binding, &Change::Put(object("u1", 1, "Deny")));
        assert_eq!(stored.standing(&shipped()).unwrap(), "binding a u1 1");
        stored.take_in(Kind::Binding, &Change::Put(object("u1", 2, "Audit")));
        assert!(stored.standing(&shipped()).unwrap_err().contains("was altered at `spec.validationActions[0]`"));
        stored.take_in(Kind::Binding, &Change::Put(object("u1", 3, "Deny")));
        assert_eq!(stored.standing(&shipped()).unwrap(), "binding a u1 3");
        stored.take_in(Kind::Binding, &Change::Gone(object("u1", 3, "Deny")));
        assert!(stored.standing(&shipped()).is_err());
        stored.take_in(Kind::Binding, &Change::All(vec![object("u2", 1, "Deny")], "9".to_owned()));
        assert_eq!(stored.standing(&shipped()).unwrap(), "binding a u2 1");
        stored.take_in(Kind::Binding, &Change::All(Vec::new(), "10".to_owned()));
        assert!(stored.standing(&shipped()).is_err());
    }

    #[test]
    fn a_list_of_one_kind_leaves_the_other_alone() {
        let mut stored = Stored::default();
        stored.take_in(Kind::Binding, &Change::Put(object("u1", 1, "Deny")));
        stored.take_in(Kind::Policy, &Change::All(Vec::new(), "2".to_owned()));
        assert!(stored.standing(&shipped()).is_ok());
    }
}
