//! What a call at the API server is: the same reading as kube-apiserver's own.
//!
//! Promises: for every call that is read, verb, group, resource, subresource,
//! namespace and name are those of kube-apiserver's `RequestInfo`
//! (`k8s.io/apiserver`, `endpoints/request/requestinfo.go`); where a path or
//! query could be read in two ways it is refused, never normalised; where the
//! server may or may not see a name in a selector, none is read, which needs
//! the wider right.
//!
//! Left out on purpose: bodies (kube-apiserver compares them with the path) and
//! headers (the gateway builds its own).

mod query;
mod segments;

use crate::reason::{Reason, Refusal};

/// One call, by path, query and method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// On an API object or collection.
    Resource(ResourceCall),
    /// On anything else, such as `/version` or discovery.
    NonResource {
        /// The method in lower case.
        verb: String,
        /// The path as sent.
        path: String,
    },
}

/// A call on an API object or collection; empty strings where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceCall {
    /// `get`, `list`, `watch`, `create`, …
    pub verb: String,
    /// `""` is the core group.
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Such as `pods`.
    pub resource: String,
    /// Such as `log`.
    pub subresource: String,
    /// The namespace in the path.
    pub namespace: String,
    /// The object's name, also from a `metadata.name` selector.
    pub name: String,
    /// Whether the query asks a log to go on as it grows.
    pub follows: bool,
}

impl ResourceCall {
    /// Whether the call may stay open: then it must be cut at the deadline.
    #[must_use]
    pub fn is_long_running(&self) -> bool {
        self.verb == "watch"
            || self.verb == "proxy"
            || match self.subresource.as_str() {
                "log" => self.follows,
                "exec" | "attach" | "portforward" | "proxy" => true,
                _ => false,
            }
    }

    /// Whether the call opens a shell or a tunnel into a pod.
    #[must_use]
    pub fn opens_pod(&self) -> bool {
        matches!(self.subresource.as_str(), "exec" | "attach" | "portforward")
    }
}

impl Call {
    /// Reads a call from its method, its path as sent, and its query as sent
    /// (without `?`, empty when there is none).
    ///
    /// # Errors
    /// `Malformed` for what could be read in two ways, `NotServed` for a method
    /// that has no verb.
    pub fn read(method: &str, path: &str, query: &str) -> Result<Self, Refusal> {
        let parts = segments::split(path)?;
        let parameters = query::read(query)?;
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Self::non_resource(method, path),
        };
        segments::check_group(group)?;
        segments::check_label("version", version)?;
        let (prefix_verb, rest) = match rest {
            [verb @ ("watch" | "proxy"), rest @ ..] => (Some(*verb), rest),
            rest => (None, rest),
        };
        let mut call = locate(rest, prefix_verb)?;
        call.group = group.to_owned();
        call.version = version.to_owned();
        call.verb = verb_of(method, prefix_verb)?.to_owned();
        if call.name.is_empty() {
            match call.verb.as_str() {
                "get" => {
                    call.verb = if parameters.watch { "watch" } else { "list" }.to_owned();
                    call.name = parameters.selected_name;
                }
                "delete" => call.verb = "deletecollection".to_owned(),
                _ => {}
            }
        }
        call.follows = parameters.follow;
        Ok(Self::Resource(call))
    }

    fn non_resource(method: &str, path: &str) -> Result<Self, Refusal> {
        if path.contains('%') {
            return Err(segments::malformed("percent-encoding outside of object paths is not read"));
        }
        verb_of(method, None)?;
        Ok(Self::NonResource { verb: method.to_ascii_lowercase(), path: path.to_owned() })
    }
}

/// From what follows the version: namespace, resource, name, subresource.
fn locate(rest: &[&str], prefix_verb: Option<&str>) -> Result<ResourceCall, Refusal> {
    let (namespace, parts) = match rest {
        ["namespaces", namespace] => (*namespace, rest),
        ["namespaces", namespace, "status" | "finalize", ..] => (*namespace, rest),
        ["namespaces", namespace, inner @ ..] if !inner.is_empty() => (*namespace, inner),
        _ => ("", rest),
    };
    let (resource, name, below) = match parts {
        [resource] => (*resource, "", &[][..]),
        [resource, name, below @ ..] => (*resource, *name, below),
        [] => return Err(segments::malformed("the path ends where a resource is expected")),
    };
    let subresource = if prefix_verb == Some("proxy") { "" } else { below.first().copied().unwrap_or_default() };
    if !namespace.is_empty() {
        segments::check_label("namespace", namespace)?;
    }
    segments::check_label("resource", resource)?;
    if !name.is_empty() {
        segments::check_name(name)?;
    }
    if !subresource.is_empty() {
        segments::check_label("subresource", subresource)?;
    }
    segments::check_tail(subresource, below)?;
    Ok(ResourceCall {
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..ResourceCall::default()
    })
}

fn verb_of<'a>(method: &str, prefix_verb: Option<&'a str>) -> Result<&'a str, Refusal> {
    let verb = match method {
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => {
            let message = "only GET, HEAD, POST, PUT, PATCH and DELETE are served through a grant";
            return Err(Refusal::new(Reason::NotServed, "", message));
        }
    };
    Ok(prefix_verb.unwrap_or(verb))
}
