//! What a path asks for, at either door.
//!
//! kube-apiserver sends paths decoded and encoded again, dots and doubled
//! slashes included, and has authorized only what it read itself. So nothing is
//! normalised here: the one cluster-scoped form is served, everything else is
//! not there.
//!
//! Promises: a name is a name (no dots alone, no encoding, nothing empty); what
//! follows `proxy` is handed on byte for byte, for core to read or refuse.

/// The prefix of everything but the root lists.
const OURS: &str = "/apis/sessions.brevet.dev/v1alpha1";

/// Longest name of a Kubernetes object.
const NAME_MAX: usize = 253;

/// A kind of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum View {
    /// AccessRequests, as `requests`.
    Requests,
    /// AccessGrants, as `grants`.
    Grants,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/apis`: the groups served.
    Groups,
    /// The group and its versions.
    Group,
    /// The resources of the version.
    Resources,
    /// The list of OpenAPI documents.
    OpenApi,
    /// The OpenAPI document of the version.
    OpenApiDocument,
    /// All of a view that the caller may see.
    Collection(View),
    /// One object of a view.
    Object(View, &'a str),
    /// A question.
    Evaluations,
    /// A call to forward: the grant's name, and the path as it will be sent.
    Proxy(&'a str, &'a str),
    /// The grant's token.
    Token(&'a str),
    /// Nothing that is served.
    Nothing,
}

/// Reads a path as received.
pub(super) fn read(path: &str) -> Route<'_> {
    match path {
        "/apis" => return Route::Groups,
        "/apis/sessions.brevet.dev" => return Route::Group,
        OURS => return Route::Resources,
        "/openapi/v3" => return Route::OpenApi,
        "/openapi/v3/apis/sessions.brevet.dev/v1alpha1" => return Route::OpenApiDocument,
        _ => {}
    }
    let Some(below) = path.strip_prefix(OURS).and_then(|below| below.strip_prefix('/')) else {
        return Route::Nothing;
    };
    let (resource, below) = split(below);
    let view = match (resource, below) {
        ("evaluations", None) => return Route::Evaluations,
        ("requests", None) => return Route::Collection(View::Requests),
        ("grants", None) => return Route::Collection(View::Grants),
        ("requests", Some(_)) => View::Requests,
        ("grants", Some(_)) => View::Grants,
        _ => return Route::Nothing,
    };
    let (name, below) = split(below.unwrap_or_default());
    if !is_name(name) {
        return Route::Nothing;
    }
    match (view, below) {
        (view, None) => Route::Object(view, name),
        (View::Grants, Some("token")) => Route::Token(name),
        (View::Grants, Some(below)) => proxied(name, below),
        (View::Requests, Some(_)) => Route::Nothing,
    }
}

/// Reads a path of the direct door as received: the grant's name, and the path as it will be sent.
pub(super) fn read_direct(path: &str) -> Option<(&str, &str)> {
    let (name, _) = split(path.strip_prefix("/grants/")?);
    let below = path.strip_prefix("/grants/")?.strip_prefix(name)?;
    is_name(name).then_some((name, if below.is_empty() { "/" } else { below }))
}

/// What follows a grant's name.
fn proxied<'a>(name: &'a str, below: &'a str) -> Route<'a> {
    match below.strip_prefix("proxy") {
        Some("" | "/") => Route::Proxy(name, "/"),
        Some(inner) if inner.starts_with('/') => Route::Proxy(name, inner),
        _ => Route::Nothing,
    }
}

fn is_name(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= NAME_MAX && bytes.iter().copied().all(is_legal) && is_edge(bytes.first()) && is_edge(bytes.last())
}

/// The first segment, and what follows its slash.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(rest: &str) -> String {
        format!("{OURS}{rest}")
    }

    #[test]
    fn the_forms_that_are_served() {
        assert_eq!(read("/apis"), Route::Groups);
        assert_eq!(read(&ours("")), Route::Resources);
        assert_eq!(read(&ours("/requests")), Route::Collection(View::Requests));
        assert_eq!(read(&ours("/grants/a-1.b")), Route::Object(View::Grants, "a-1.b"));
        assert_eq!(read(&ours("/grants/a/token")), Route::Token("a"));
        assert_eq!(read(&ours("/evaluations")), Route::Evaluations);
        assert_eq!(read(&ours("/grants/a/proxy")), Route::Proxy("a", "/"));
        assert_eq!(read(&ours("/grants/a/proxy/api/")), Route::Proxy("a", "/api/"));
        let inner = "/api/v1/namespaces/shop/pods/web%2d1/log";
        assert_eq!(read(&ours(&format!("/grants/a/proxy{inner}"))), Route::Proxy("a", inner));
    }

    #[test]
    fn only_the_cluster_scoped_form_is_served() {
        for rest in [
            "/namespaces/shop/grants/a/proxy/api",
            "/watch/grants/a/proxy/api",
            "/grants//proxy/api",
            "/grants/../proxy/api",
            "/grants/A/proxy/api",
            "/grants/a%2fb/proxy/api",
            "/grants/a/proxyfoo",
            "/grants/a/status",
            "/grants/",
            "/requests/a/proxy/api",
            "/evaluations/a",
            "//grants/a",
        ] {
            assert_eq!(read(&ours(rest)), Route::Nothing, "{rest}");
        }
        for path in ["/", "/api", "/apis/brevet.dev", "/openapi/v2", "/apis/sessions.brevet.dev/v1"] {
            assert_eq!(read(path), Route::Nothing, "{path}");
        }
    }

    #[test]
    fn at_the_direct_door_a_grant_is_two_segments() {
        assert_eq!(read_direct("/grants/a-1.b"), Some(("a-1.b", "/")));
        assert_eq!(read_direct("/grants/a/"), Some(("a", "/")));
        assert_eq!(read_direct("/grants/a/api/v1/pods"), Some(("a", "/api/v1/pods")));
        assert_eq!(read_direct("/grants/a//../b/api"), Some(("a", "//../b/api")));
        for path in ["/", "/grants", "/grants/", "/grants//api", "/grants/../a/api", "/grants/A/api", "//grants/a/api"]
        {
            assert_eq!(read_direct(path), None, "{path}");
        }
        assert_eq!(read_direct("/apis/sessions.brevet.dev/v1alpha1/grants/a/proxy/api"), None);
    }

    #[test]
    fn dots_and_empty_segments_are_handed_on_for_core_to_refuse() {
        for inner in ["/../../b/proxy/x", "/api/./v1", "//api", "/api/v1/pods/a%2fb", "/api/v1/%2e%2e/x"] {
            assert_eq!(read(&ours(&format!("/grants/a/proxy{inner}"))), Route::Proxy("a", inner));
            assert!(brevet_core::call::Call::read("GET", inner, "").is_err(), "{inner}");
        }
    }
}
