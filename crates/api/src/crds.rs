//! The CustomResourceDefinitions, as they are shipped in `deploy/crds/`.
//!
//! Promises: one definition per kind, structural; absent and `null` mean the same.
//!
//! Left out on purpose: writing files. A test compares and, told so, rewrites them.

use crate::{AccessDecision, AccessGrant, AccessPolicy, AccessRequest, AccessRole, AccessSwitch};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

/// Every definition, in the order to install them: file name and content.
///
/// # Errors
/// Only if a definition cannot be put into JSON, which a test rules out.
pub fn all() -> Result<Vec<(&'static str, Value)>, serde_json::Error> {
    Ok(vec![
        ("accessroles.yaml", shipped(&AccessRole::crd())?),
        ("accesspolicies.yaml", shipped(&AccessPolicy::crd())?),
        ("accessswitches.yaml", named(shipped(&AccessSwitch::crd())?, "cluster")),
        ("accessrequests.yaml", shipped(&AccessRequest::crd())?),
        ("accessdecisions.yaml", shipped(&AccessDecision::crd())?),
        ("accessgrants.yaml", shipped(&AccessGrant::crd())?),
    ])
}

fn shipped(crd: &CustomResourceDefinition) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(crd)?;
    without_nullable(&mut value);
    Ok(value)
}

/// With one object at most, of that name.
fn named(mut crd: Value, name: &str) -> Value {
    if let Some(root) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema").and_then(Value::as_object_mut) {
        let rule = json!([{"rule": format!("self.metadata.name == '{name}'"), "message": format!("the one object is named {name}")}]);
        root.insert("x-kubernetes-validations".to_owned(), rule);
    }
    crd
}

/// An optional field is absent, never `null`: the server then prunes a `null` before rules see it.
fn without_nullable(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("nullable").is_some_and(Value::is_boolean) {
                fields.remove("nullable");
            }
            if let Some(Value::Array(words)) = fields.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            fields.values_mut().for_each(without_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nullable),
        _ => {}
    }
}
