//! The views: each caller's own requests and grants, and those they may decide on.
//!
//! Promises: what somebody may not see and what is not there answer alike (I15),
//! in lists, watches and by name; a watch asks about every object again.
//!
//! Left out on purpose: writing. A request is made, and a grant is ended, in
//! `brevet.dev`, where admission sees it.

pub(super) mod shelf;
mod sight;
mod table;
pub(super) mod usage;
mod watching;

use std::sync::Arc;

use brevet_core::reason::{Reason, Refusal};
use http::{HeaderMap, Method, Response, StatusCode, header::ACCEPT};
use serde_json::{Value, json};

use self::{
    shelf::{Object, Shelf, Shown},
    sight::Sight,
    table::Include,
};
use super::{
    door::Visitor,
    query,
    reply::{self, Body, Manner},
    rights::Rights,
    route::View,
};
use crate::clock;

/// Both views and who may see what in them.
pub(super) struct Views {
    shelf: Arc<Shelf>,
    sight: Sight,
}

/// How an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Objects,
    Table(Include),
}

impl Views {
    pub(super) fn new(shelf: Arc<Shelf>, rights: Rights) -> Self {
        Self { shelf, sight: Sight(rights) }
    }

    /// A get.
    pub(super) async fn object(
        &self,
        visitor: &Visitor,
        view: View,
        name: &str,
        method: &Method,
        headers: &HeaderMap,
        query: &str,
    ) -> Response<Body> {
        if method != Method::GET {
            return not_served(view);
        }
        let Some(shape) = shape(headers, query) else { return not_acceptable() };
        let Some(shown) = self.shelf.get(view, name) else { return not_found(view, name) };
        match self.sight.sees(visitor, &shown).await {
            Err(refusal) => reply::refusal(&refusal, Manner::Object),
            Ok(false) => not_found(view, name),
            Ok(true) => match shape {
                Shape::Objects => reply::object(StatusCode::OK, &whole(&shown)),
                Shape::Table(include) => {
                    let version = shown.version.to_string();
                    let table = table::table(view, &[&*shown], include, &version, true, clock::now());
                    reply::object(StatusCode::OK, &table)
                }
            },
        }
    }

    /// A list or a watch.
    pub(super) async fn collection(
        self: &Arc<Self>,
        visitor: Visitor,
        view: View,
        method: &Method,
        headers: &HeaderMap,
        query: &str,
    ) -> Response<Body> {
        if method != Method::GET {
            return not_served(view);
        }
        let Some(shape) = shape(headers, query) else { return not_acceptable() };
        let name = match selected_name(query) {
            Ok(name) => name,
            Err(message) => return reply::status(StatusCode::BAD_REQUEST, Some(Reason::Malformed), &message),
        };
        if query::is_true(query, "watch") {
            return watching::answer(self.clone(), visitor, view, shape, name, query);
        }
        let snapshot = self.shelf.snapshot(view);
        let mut shown = snapshot.shown;
        shown.retain(|shown| name.as_ref().is_none_or(|name| *name == shown.name));
        match self.visible(&visitor, shown).await {
            Err(refusal) => reply::refusal(&refusal, Manner::Object),
            Ok(shown) => {
                let (shown, version): (Vec<&Shown>, _) = (shown.iter().map(|s| &**s).collect(), snapshot.version);
                reply::object(StatusCode::OK, &list(view, shape, &shown, &version.to_string()))
            }
        }
    }

    async fn visible(&self, visitor: &Visitor, shown: Vec<Arc<Shown>>) -> Result<Vec<Arc<Shown>>, Refusal> {
        let mut visible = Vec::new();
        for shown in shown {
            if self.sight.sees(visitor, &shown).await? {
                visible.push(shown);
            }
        }
        Ok(visible)
    }
}

fn list(view: View, shape: Shape, shown: &[&Shown], version: &str) -> Value {
    match shape {
        Shape::Table(include) => table::table(view, shown, include, version, true, clock::now()),
        Shape::Objects => json!({
            "kind": format!("{}List", kind(view)),
            "apiVersion": brevet_api::sessions::API_VERSION,
            "metadata": {"resourceVersion": version},
            "items": shown.iter().map(|shown| whole(shown)).collect::<Vec<_>>(),
        }),
    }
}

fn whole(shown: &Shown) -> Value {
    match &shown.object {
        Object::Request(request) => json!(request),
        Object::Grant(grant) => json!(grant),
    }
}

fn kind(view: View) -> &'static str {
    match view {
        View::Requests => "Request",
        View::Grants => "Grant",
    }
}

fn plural(view: View) -> &'static str {
    match view {
        View::Requests => "requests",
        View::Grants => "grants",
    }
}

/// The first shape of the Accept header that is served; `None` where none is.
fn shape(headers: &HeaderMap, query: &str) -> Option<Shape> {
    let include = match query::first(query, "includeObject").as_deref() {
        Some("None") => Include::None,
        Some("Object") => Include::Whole,
        _ => Include::Metadata,
    };
    let accepts: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accepts.is_empty() {
        return Some(Shape::Objects);
    }
    accepts.iter().flat_map(|accept| accept.split(',')).find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.filter(|part| !part.starts_with("q=")).collect();
        let is_table = parameters.contains(&"as=Table") && parameters.contains(&"v=v1");
        match media {
            "application/json" if is_table => Some(Shape::Table(include)),
            "application/json" if !parameters.iter().any(|part| part.starts_with("as=")) => Some(Shape::Objects),
            "*/*" | "application/*" => Some(Shape::Objects),
            _ => None,
        }
    })
}

/// The one name that is selected, if any is.
fn selected_name(query: &str) -> Result<Option<String>, String> {
    if query::first(query, "labelSelector").is_some() {
        return Err("views have no labels; select by `metadata.name` or not at all".to_owned());
    }
    let Some(selector) = query::first(query, "fieldSelector") else { return Ok(None) };
    let (field, name) = selector.split_once('=').unwrap_or((&selector, ""));
    let name = name.strip_prefix('=').unwrap_or(name);
    if field != "metadata.name" || name.is_empty() || name.contains([',', '=', '!']) {
        return Err("views are selected by one `metadata.name=NAME` or not at all".to_owned());
    }
    Ok(Some(name.to_owned()))
}

fn not_found(view: View, name: &str) -> Response<Body> {
    // The same for what is not there and for what is not shown.
    let message = format!("{}.{} \"{name}\" not found", plural(view), brevet_api::sessions::GROUP);
    reply::status(StatusCode::NOT_FOUND, None, &message)
}

fn not_served(view: View) -> Response<Body> {
    let message = format!("{} are only read here; write the objects of brevet.dev", plural(view));
    reply::status(StatusCode::METHOD_NOT_ALLOWED, Some(Reason::NotServed), &message)
}

fn not_acceptable() -> Response<Body> {
    let message = "only application/json is served, also as meta.k8s.io/v1 Table";
    reply::status(StatusCode::NOT_ACCEPTABLE, Some(Reason::NotServed), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> Option<Shape> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        shape(&headers, "includeObject=Object")
    }

    #[test]
    fn kubectl_gets_tables_and_clients_get_objects() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(accepting(kubectl), Some(Shape::Table(Include::Whole)));
        assert_eq!(accepting("application/json, */*"), Some(Shape::Objects));
        assert_eq!(accepting("application/vnd.kubernetes.protobuf,application/json"), Some(Shape::Objects));
        assert_eq!(accepting("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"), None);
        assert_eq!(accepting("application/vnd.kubernetes.protobuf"), None);
    }

    #[test]
    fn only_a_name_selects() {
        assert_eq!(selected_name("fieldSelector=metadata.name%3Da"), Ok(Some("a".to_owned())));
        assert_eq!(selected_name("fieldSelector=metadata.name==a"), Ok(Some("a".to_owned())));
        assert_eq!(selected_name(""), Ok(None));
        for query in ["fieldSelector=spec.role=a", "fieldSelector=metadata.name!=a", "labelSelector=a=b"] {
            assert!(selected_name(query).is_err(), "{query}");
        }
    }
}
