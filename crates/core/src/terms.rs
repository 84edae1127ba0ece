//! The exact terms that are approved, and the digest that stands for them.
//!
//! Promises: terms with the same meaning have the same digest, whatever the
//! order or spelling of their rules; everything that decides what may be done,
//! by whom, where and for how long is under the digest. The bytes are specified
//! in `docs/spec/terms.md`.

mod narrow;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::digest::{Digest, canonical_json};
use crate::{length::Length, role::Delivery, rules::Rules};

pub use narrow::{Narrow, is_within_request};

/// What an approver agrees to; nothing else ever comes into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The requester's username.
    pub requester: String,
    /// The requester's uid, empty when there is none.
    pub requester_uid: String,
    /// The AccessRole's name.
    pub role: String,
    /// Ceiling ∩ asked.
    pub rules: Rules,
    /// Granted whole beside named objects.
    pub companions: Rules,
    /// Sorted; empty: the whole cluster.
    pub namespaces: Vec<String>,
    /// How long.
    pub duration: Length,
    /// When it starts, if not at approval.
    pub start_at: Option<Timestamp>,
    /// How it is handed over.
    pub delivery: Delivery,
}

impl Terms {
    /// What an approver attests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical_bytes())
    }

    /// The bytes the digest is over.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let delivery = match self.delivery {
            Delivery::Gateway => "Gateway",
            Delivery::Token => "Token",
        };
        let mut requester = Map::new();
        requester.insert("username".to_owned(), json!(self.requester));
        if !self.requester_uid.is_empty() {
            requester.insert("uid".to_owned(), json!(self.requester_uid));
        }
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        put("type", json!("brevet.dev/terms/v1"));
        put("requester", Value::Object(requester));
        put("role", json!(self.role));
        put("rules", self.rules.to_json());
        put("durationSeconds", json!(self.duration.seconds()));
        put("delivery", json!(delivery));
        if !self.companions.is_empty() {
            put("companions", self.companions.to_json());
        }
        if !self.namespaces.is_empty() {
            put("namespaces", json!(self.namespaces.iter().collect::<BTreeSet<_>>()));
        }
        if let Some(start) = self.start_at {
            put("startAt", json!(start.to_string()));
        }
        canonical_json(&Value::Object(object))
    }

    /// The command that asks for the same again.
    #[must_use]
    pub fn ask_again(&self) -> String {
        let mut command = format!("kubectl brevet request {}", self.role);
        for namespace in &self.namespaces {
            command.push_str(&format!(" -n {namespace}"));
        }
        for object in self.named_objects() {
            command.push_str(&object);
        }
        command.push_str(&format!(" --for {} --reason TEXT", self.duration));
        command
    }

    /// One flag for each object the rules name.
    fn named_objects(&self) -> BTreeSet<String> {
        let mut flags = BTreeSet::new();
        for rule in &self.rules.0 {
            for group in &rule.api_groups {
                for resource in
                    rule.resources.iter().map(|r| r.split_once('/').map_or(r.as_str(), |(parent, _)| parent))
                {
                    flags.extend(rule.resource_names.iter().map(|name| match (group.as_str(), resource) {
                        ("", "pods") => format!(" --pod {name}"),
                        ("", "secrets") => format!(" --secret {name}"),
                        ("", _) => format!(" --resource {resource}/{name}"),
                        _ => format!(" --resource {resource}.{group}/{name}"),
                    }));
                }
            }
        }
        flags
    }
}
