//! Which kind a document is, read whole or refused with the paths of what is wrong.
//!
//! Promises: Brevet's own kinds are held to the schemas that ship, so what a server would refuse or
//! drop is told here; documents of other kinds are let lie.

use std::sync::LazyLock;

use brevet_api::{AccessPolicy, AccessRequest, AccessRole, crds};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::case::{self, PolicyTest};
use super::document::Document;
use super::shape::{self, Fault};

/// What a document is.
pub(super) enum Known {
    Policy(Box<AccessPolicy>),
    Role(Box<AccessRole>),
    ClusterRole(Box<ClusterRole>),
    Namespace(Box<Namespace>),
    Definition(Box<CustomResourceDefinition>),
    Request(Box<AccessRequest>),
    Test(Box<PolicyTest>),
    /// Not for us.
    Other,
}

/// The schemas of Brevet's kinds, by the name of their file.
static SCHEMAS: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(|| crds::all().unwrap_or_default());

/// The schema of a PolicyTest.
static TEST: LazyLock<Value> = LazyLock::new(case::schema);

/// Reads a document.
pub(super) fn know(document: &Document) -> Result<Known, Vec<Fault>> {
    let value = &document.value;
    let kind = document.kind();
    let wanted = match kind {
        "AccessPolicy" | "AccessRole" | "AccessRequest" => "brevet.dev/v1alpha1",
        case::KIND => case::API_VERSION,
        "ClusterRole" => "rbac.authorization.k8s.io/v1",
        "Namespace" => "v1",
        "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
        _ => return Ok(Known::Other),
    };
    if document.api_version() != wanted {
        let message = format!("of a {kind} is `{wanted}`, and here it is `{}`", document.api_version());
        return Err(vec![Fault { path: "apiVersion".to_owned(), message }]);
    }
    Ok(match kind {
        "AccessPolicy" => Known::Policy(Box::new(ours(value, "accesspolicies.yaml", true)?)),
        "AccessRole" => Known::Role(Box::new(ours(value, "accessroles.yaml", true)?)),
        // What was stored was held to a schema when it was written, perhaps another one.
        "AccessRequest" => Known::Request(Box::new(ours(value, "accessrequests.yaml", false)?)),
        case::KIND => Known::Test(Box::new(test(value)?)),
        "ClusterRole" => Known::ClusterRole(Box::new(typed(value.clone())?)),
        "Namespace" => Known::Namespace(Box::new(typed(value.clone())?)),
        _ => Known::Definition(Box::new(typed(value.clone())?)),
    })
}

/// An object of Brevet's, as if it had been read from a server: policies and roles go by their name.
fn ours<T: DeserializeOwned>(value: &Value, file: &str, is_written: bool) -> Result<T, Vec<Fault>> {
    let mut value = value.clone();
    if is_written {
        let found = object_faults(&value, file);
        if !found.is_empty() {
            return Err(found);
        }
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        if is_written {
            let name = metadata.get("name").cloned().unwrap_or_default();
            metadata.insert("uid".to_owned(), name);
        }
        metadata.entry("creationTimestamp").or_insert_with(|| json!("1970-01-01T00:00:00Z"));
    }
    typed(value)
}

fn object_faults(value: &Value, file: &str) -> Vec<Fault> {
    let schemas = SCHEMAS.iter().find(|(name, _)| *name == file).map(|(_, definition)| definition);
    let spec = schemas.and_then(|all| all.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec"));
    let whole = json!({
        "type": "object",
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "required": ["name"], "additionalProperties": true},
            "spec": spec,
            "status": {"type": "object"},
        },
    });
    shape::faults("", value, &whole)
}

fn test(value: &Value) -> Result<PolicyTest, Vec<Fault>> {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        // The head of every document; a name is for people.
        fields.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    }
    let found = shape::faults("", &value, &TEST);
    if found.is_empty() { typed(value) } else { Err(found) }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Vec<Fault>> {
    serde_json::from_value(value).map_err(|error| vec![Fault { path: String::new(), message: error.to_string() }])
}
