//! What the aggregated API says about itself.
//!
//! kube-apiserver asks for it every 30 s as `system:kube-aggregator`, and every
//! kubectl through it.
//!
//! Promises: the views have no verb `delete`, so that namespace deletion,
//! garbage collection and quota leave them alone.

use brevet_api::{
    VERSION,
    sessions::{API_VERSION, GROUP},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::ACCEPT};
use serde_json::{Map, Value, json};

use super::reply::{self, Body};

/// A resource: plural, kind, verbs, and its subresources.
type Served = (&'static str, &'static str, &'static [&'static str], &'static [Sub]);
/// A subresource: name, kind, verbs.
type Sub = (&'static str, &'static str, &'static [&'static str]);

const SERVED: [Served; 3] = [
    ("requests", "Request", &["get", "list", "watch"], &[]),
    (
        "grants",
        "Grant",
        &["get", "list", "watch"],
        &[("proxy", "Grant", &["get", "create", "update", "patch", "delete"]), ("token", "Grant", &["create"])],
    ),
    ("evaluations", "Evaluation", &["create"], &[]),
];

const AGGREGATED: HeaderValue =
    HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");

/// `/apis`.
pub(super) fn groups(headers: &HeaderMap) -> Response<Body> {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let wants_aggregated = accepts.flat_map(|accept| accept.split(',')).any(|range| {
        let parts: Vec<&str> = range.split(';').map(str::trim).collect();
        parts.first() == Some(&"application/json")
            && parts.contains(&"as=APIGroupDiscoveryList")
            && parts.contains(&"v=v2")
    });
    if wants_aggregated {
        reply::object_as(StatusCode::OK, &aggregated(), AGGREGATED)
    } else {
        let mut group = group_object();
        if let Some(fields) = group.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        reply::object(StatusCode::OK, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}))
    }
}

/// `/apis/sessions.brevet.dev`.
pub(super) fn group() -> Response<Body> {
    reply::object(StatusCode::OK, &group_object())
}

fn group_object() -> Value {
    let version = json!({"groupVersion": API_VERSION, "version": VERSION});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version})
}

/// `/apis/sessions.brevet.dev/v1alpha1`.
pub(super) fn resources() -> Response<Body> {
    let mut resources = Vec::new();
    for (plural, kind, verbs, subs) in SERVED {
        resources.push(json!({
            "name": plural, "singularName": kind.to_lowercase(), "namespaced": false, "kind": kind, "verbs": verbs,
        }));
        for (sub, kind, verbs) in subs {
            resources.push(json!({
                "name": format!("{plural}/{sub}"), "singularName": "", "namespaced": false, "kind": kind, "verbs": verbs,
            }));
        }
    }
    let list =
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": resources});
    reply::object(StatusCode::OK, &list)
}

fn aggregated() -> Value {
    let response_kind = |kind: &str| json!({"group": GROUP, "version": VERSION, "kind": kind});
    let resources: Vec<Value> = SERVED
        .iter()
        .map(|(plural, kind, verbs, subs)| {
            let subresources: Vec<Value> = subs
                .iter()
                .map(|(sub, kind, verbs)| {
                    json!({"subresource": sub, "responseKind": response_kind(kind), "verbs": verbs})
                })
                .collect();
            json!({
                "resource": plural, "responseKind": response_kind(kind), "scope": "Cluster",
                "singularResource": kind.to_lowercase(), "verbs": verbs, "subresources": subresources,
            })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [{
            "metadata": {"name": GROUP},
            "versions": [{"version": VERSION, "resources": resources, "freshness": "Current"}],
        }],
    })
}

/// `/openapi/v3`.
pub(super) fn openapi() -> Response<Body> {
    let path = format!("apis/{API_VERSION}");
    let url = format!("/openapi/v3/{path}?hash={}", env!("CARGO_PKG_VERSION"));
    reply::object(StatusCode::OK, &json!({"paths": {path: {"serverRelativeURL": url}}}))
}

/// `/openapi/v3/apis/sessions.brevet.dev/v1alpha1`: the views are described as the custom resources are.
pub(super) fn openapi_document() -> Response<Body> {
    let crds = brevet_api::crds::all().unwrap_or_default();
    let described = |plural: &str, part: &str| {
        let crd =
            crds.iter().find(|(_, crd)| crd.pointer("/spec/names/plural").and_then(Value::as_str) == Some(plural));
        let path = format!("/spec/versions/0/schema/openAPIV3Schema/properties/{part}");
        crd.and_then(|(_, crd)| crd.pointer(&path)).cloned().unwrap_or_else(|| json!({"type": "object"}))
    };
    let mut schemas = Map::new();
    let mut add = |kind: &str, description: &str, spec: Value, status: Value| {
        schemas.insert(
            format!("dev.brevet.sessions.{VERSION}.{kind}"),
            json!({
                "description": description,
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": status,
                },
                "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": kind}],
            }),
        );
    };
    let open = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let requests = "One ask, as its requester and those who may decide on it see it.";
    add("Request", requests, described("accessrequests", "spec"), described("accessrequests", "status"));
    let grants = "What is in force, as its holder and those who may revoke it see it.";
    add("Grant", grants, described("accessgrants", "spec"), described("accessgrants", "status"));
    add("Evaluation", "What would be decided about a request. Stored nowhere.", open(), open());
    let info = json!({"title": "Brevet", "version": env!("CARGO_PKG_VERSION")});
    let document = json!({"openapi": "3.0.0", "info": info, "paths": paths(), "components": {"schemas": schemas}});
    reply::object(StatusCode::OK, &document)
}

/// `kubectl explain` finds a kind by a path that says its resource.
fn paths() -> Map<String, Value> {
    let path = |(plural, kind, verbs, _): &Served| {
        let (method, action) = if verbs.contains(&"list") { ("get", "list") } else { ("post", "post") };
        let reference = format!("#/components/schemas/dev.brevet.sessions.{VERSION}.{kind}");
        let content = json!({"application/json": {"schema": {"$ref": reference}}});
        let operation = json!({
            "responses": {"200": {"description": "OK", "content": content}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": GROUP, "version": VERSION, "kind": kind},
        });
        (format!("/apis/{API_VERSION}/{plural}"), json!({method: operation}))
    };
    SERVED.iter().map(path).collect()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn json_of(response: Response<Body>) -> Value {
        assert_eq!(response.status(), StatusCode::OK);
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn both_forms_of_discovery_tell_the_same() {
        let list = json_of(resources()).await;
        let names: Vec<&str> =
            list["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["requests", "grants", "grants/proxy", "grants/token", "evaluations"]);

        let mut headers = HeaderMap::new();
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let aggregated = json_of(groups(&headers)).await;
        assert_eq!(aggregated["items"][0]["versions"][0]["resources"].as_array().unwrap().len(), 3);
        assert_eq!(json_of(groups(&HeaderMap::new())).await["kind"], "APIGroupList");
    }

    #[tokio::test]
    async fn nothing_can_be_deleted_here() {
        let list = json_of(resources()).await.to_string();
        let views = SERVED.iter().filter(|(plural, ..)| *plural != "evaluations");
        assert!(views.flat_map(|(_, _, verbs, _)| *verbs).all(|verb| *verb != "delete"));
        assert!(!list.contains("deletecollection"));
    }

    #[tokio::test]
    async fn the_documents_describe_every_kind() {
        let schemas = json_of(openapi_document()).await["components"]["schemas"].clone();
        assert_eq!(schemas.as_object().unwrap().len(), 3);
        let spec = &schemas["dev.brevet.sessions.v1alpha1.Request"]["properties"]["spec"];
        assert!(spec["properties"]["justification"].is_object());
    }
}
