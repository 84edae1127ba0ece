//! The reading of calls against what kube-apiserver's `RequestInfo` makes of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use brevet_core::call::{Call, ResourceCall};
use brevet_core::reason::Reason;
use proptest::prelude::*;

/// One line each: the call, then verb, group, version, namespace, resource with
/// subresource, name; `-` where there is none.
const READ: &str = "
GET /api/v1/namespaces                                -> list - v1 - namespaces -
GET /api/v1/namespaces/shop                           -> get - v1 shop namespaces shop
PUT /api/v1/namespaces/shop/finalize                  -> update - v1 shop namespaces/finalize shop
PUT /api/v1/namespaces/shop/status                    -> update - v1 shop namespaces/status shop
GET /api/v1/namespaces/shop/pods                      -> list - v1 shop pods -
GET /api/v1/namespaces/shop/pods/web-1                -> get - v1 shop pods web-1
HEAD /api/v1/namespaces/shop/pods/web-1               -> get - v1 shop pods web-1
HEAD /api/v1/pods                                     -> list - v1 - pods -
GET /api/v1/pods                                      -> list - v1 - pods -
PATCH /api/v1/namespaces/shop/pods/web-1              -> patch - v1 shop pods web-1
DELETE /api/v1/namespaces/shop/pods/web-1             -> delete - v1 shop pods web-1
DELETE /api/v1/namespaces/shop/pods                   -> deletecollection - v1 shop pods -
DELETE /api/v1/nodes                                  -> deletecollection - v1 - nodes -
DELETE /api/v1/nodes?fieldSelector=metadata.name=a    -> deletecollection - v1 - nodes -
POST /api/v1/namespaces/shop/pods                     -> create - v1 shop pods -
POST /apis/apps/v1/namespaces/shop/deployments        -> create apps v1 shop deployments -
PATCH /apis/apps/v1/namespaces/shop/deployments/a/scale -> patch apps v1 shop deployments/scale a
GET /apis/metrics.k8s.io/v1beta1/nodes/n1             -> get metrics.k8s.io v1beta1 - nodes n1
GET /api/v1/namespaces/shop/pods/web-1/log            -> get - v1 shop pods/log web-1
GET /api/v1/namespaces/shop/pods/web-1/log?follow=true -> get... - v1 shop pods/log web-1
GET /api/v1/namespaces/shop/pods/web-1/log?follow     -> get... - v1 shop pods/log web-1
GET /api/v1/namespaces/shop/pods/web-1/log?follow=0   -> get - v1 shop pods/log web-1
GET /api/v1/namespaces/shop/pods/web-1/exec?command=sh&command=-c&command=a%3Bb%0Ac -> get... - v1 shop pods/exec web-1
POST /api/v1/namespaces/shop/pods/web-1/exec?command=sh -> create... - v1 shop pods/exec web-1
POST /api/v1/namespaces/shop/pods/web-1/portforward   -> create... - v1 shop pods/portforward web-1
GET /api/v1/namespaces/shop/pods/web-1/proxy/a/b      -> get... - v1 shop pods/proxy web-1
GET /api/v1/namespaces/shop/services/web:80/proxy/    -> get... - v1 shop services/proxy web:80
GET /api/v1/namespaces/shop/pods?watch=true           -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=1              -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=T              -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=junk           -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=               -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch                -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?%77atch=yes          -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=1&watch=true   -> watch... - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=False          -> list - v1 shop pods -
GET /api/v1/namespaces/shop/pods?watch=0              -> list - v1 shop pods -
GET /api/v1/namespaces/shop/pods/web-1?watch=1        -> get - v1 shop pods web-1
GET /api/v1/watch/pods                                -> watch... - v1 - pods -
GET /api/v1/watch/namespaces/shop/pods?watch=0        -> watch... - v1 shop pods -
GET /api/v1/watch/namespaces/shop/pods/web-1          -> watch... - v1 shop pods web-1
GET /api/v1/watch/pods?fieldSelector=metadata.name=a  -> watch... - v1 - pods -
GET /apis/apps/v1/watch/deployments                   -> watch... apps v1 - deployments -
GET /api/v1/proxy/namespaces/shop/pods/web-1          -> proxy... - v1 shop pods web-1
GET /api/v1/pods?fieldSelector=metadata.name%3Dweb-1  -> list - v1 - pods web-1
GET /api/v1/pods?fieldSelector=metadata.name==web-1&watch=1 -> watch... - v1 - pods web-1
GET /api/v1/pods?fieldSelector=spec.nodeName=n1,metadata.name=web-1 -> list - v1 - pods web-1
GET /api/v1/pods?fieldSelector=metadata.name=web-1&limit=500&resourceVersion=7 -> list - v1 - pods web-1
GET /api/v1/pods?fieldSelector=metadata.name!=web-1   -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=a,metadata.name=b -> list - v1 - pods a
GET /api/v1/pods?fieldSelector=metadata.name=         -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=..       -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=a%2Fb    -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=web-1,foo -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=web-1&limit=many -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=web-1&labelSelector=!! -> list - v1 - pods -
GET /api/v1/pods?fieldSelector=metadata.name=a&fieldSelector=metadata.name=b -> list - v1 - pods -
GET /api                                              -> get /api
GET /apis                                             -> get /apis
GET /apis/apps/v1                                     -> get /apis/apps/v1
GET /version                                          -> get /version
GET /                                                 -> get /
POST /version                                         -> post /version
GET /API/v1/pods                                      -> get /API/v1/pods
";

/// What could be read in two ways, or by nobody.
const REFUSED: &str = "
GET api/v1/pods
GET /api/v1/
GET /api/v1//pods
GET //api/v1/pods
GET /api/v1/pods/
GET /api/v1/namespaces/shop/pods/web-1/
GET /api/v1/namespaces/shop/pods/proxy/
GET /api/v1/namespaces//pods
GET /api/v1/./pods
GET /api/v1/namespaces/../pods
GET /api/v1/namespaces/shop/pods/..
GET /api/v1/namespaces/shop/pods/%2e%2e
GET /api/v1/namespaces/shop/pods/a%2fb
GET /api/v1/namespaces/shop/pods/a%5cb
GET /api/v1/namespaces/shop/pods/a%252fb
GET /api/v1/namespaces/shop/pods/a%00
GET /api/v1/namespaces/shop/pods/a%0a
GET /api/v1/namespaces/shop/pods/a%ff
GET /api/v1/namespaces/shop/pods/a%2
GET /api/v1/namespaces/shop/pods/a;b
GET /api/v1/namespaces/shop/pods/a%3Bb
GET /api/v1/namespaces/shop/pods/a#b
GET /api/v1/namespaces/Shop/pods
GET /api/v1/namespaces/shop/Pods
GET /api/v1/namespaces/shop/pods/a/Log
GET /api/v1/namespaces/shop/pods/a/log/b
GET /api/v1/namespaces/shop/pods/a/exec/
GET /api/v1/namespaces/shop/pods/a/proxy/../x
GET /api/v1/namespaces/shop/pods/a/proxy//x
GET /api/V1/pods
GET /apis/Apps/v1/deployments
GET /apis/apps./v1/deployments
GET /api/v1/watch
GET /api/v1/proxy/
GET /api%2fv1/pods
GET /ver%73ion
GET /api/v1/pods?watch=1;x=2
GET /api/v1/pods?watch=%zz
GET /api/v1/pods?watch=0&watch=1
GET /api/v1/pods?watch=1&watch=false
";

fn read(line: &str) -> (Result<Call, Reason>, String) {
    let (method, url) = line.trim().split_once(' ').unwrap_or((line, ""));
    let (path, query) = url.trim().split_once('?').unwrap_or((url.trim(), ""));
    (Call::read(method, path, query).map_err(|refusal| refusal.reason), line.trim().to_owned())
}

fn shown(call: &Call) -> String {
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    match call {
        Call::NonResource { verb, path } => format!("{verb} {path}"),
        Call::Resource(c) => {
            let open = if c.is_long_running() { "..." } else { "" };
            let sub = if c.subresource.is_empty() { String::new() } else { format!("/{}", c.subresource) };
            format!(
                "{}{open} {} {} {} {}{sub} {}",
                c.verb,
                dash(&c.group),
                c.version,
                dash(&c.namespace),
                c.resource,
                dash(&c.name)
            )
        }
    }
}

#[test]
fn calls_are_read_as_kube_apiserver_reads_them() {
    for line in READ.lines().filter(|line| !line.trim().is_empty()) {
        let (call, expected) = line.split_once("->").unwrap();
        let read = read(call).0.map(|call| shown(&call));
        assert_eq!(read, Ok(expected.trim().to_owned()), "{line}");
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    for line in REFUSED.lines().filter(|line| !line.trim().is_empty()) {
        assert_eq!(read(line).0, Err(Reason::Malformed), "{line}");
    }
}

#[test]
fn methods_without_a_verb_are_not_served() {
    for method in ["OPTIONS", "CONNECT", "TRACE", "get", "WATCH", "", "PROPFIND"] {
        for path in ["/api/v1/pods", "/version", "/api/v1/watch/pods"] {
            assert_eq!(Call::read(method, path, "").unwrap_err().reason, Reason::NotServed, "{method} {path}");
        }
    }
}

#[test]
fn everything_is_bounded() {
    let long = "a".repeat(10_000);
    for (path, query) in [
        (format!("/{long}"), String::new()),
        ("/a".repeat(100), String::new()),
        (format!("/api/v1/namespaces/{}/pods", "a".repeat(64)), String::new()),
        (format!("/api/v1/namespaces/shop/pods/{}", "a".repeat(254)), String::new()),
        ("/api/v1/pods".to_owned(), long.repeat(7)),
        ("/api/v1/pods".to_owned(), "a&".repeat(2000)),
    ] {
        assert_eq!(Call::read("GET", &path, &query).unwrap_err().reason, Reason::Malformed);
    }
}

/// Pieces that make paths and queries likely to be nearly right.
fn piece() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "/",
        "//",
        "/api",
        "/apis",
        "/v1",
        "/apps",
        "/namespaces",
        "/shop",
        "/pods",
        "/web-1",
        "/watch",
        "/proxy",
        "/log",
        "/exec",
        "/status",
        "/finalize",
        "/..",
        "/.",
        "%2e",
        "%2f",
        "%",
        ";",
        "=",
        "&",
        "watch",
        "fieldSelector=",
        "metadata.name",
        "true",
        "0",
        ",",
        "\\",
        "!",
        "limit",
        "\u{e9}",
        "%c3%a9",
        "#",
        " ",
        "\n",
        "A",
    ])
    .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat()),
        "\\PC{0,40}",
        any::<String>()
    ]
}

/// A second reading of a path: the same steps as the Go original, on text.
fn naive(method: &str, path: &str) -> Option<ResourceCall> {
    let trimmed = path.trim_matches('/');
    let mut parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
    if parts.len() < 3 || !["api", "apis"].contains(&parts[0]) {
        return None;
    }
    let mut call = ResourceCall::default();
    if parts.remove(0) == "apis" {
        if parts.len() < 3 {
            return None;
        }
        call.group = parts.remove(0).to_owned();
    }
    call.version = parts.remove(0).to_owned();
    if ["watch", "proxy"].contains(&parts[0]) {
        call.verb = parts.remove(0).to_owned();
    } else {
        call.verb = match method {
            "POST" => "create",
            "GET" | "HEAD" => "get",
            "PUT" => "update",
            "PATCH" => "patch",
            _ => "delete",
        }
        .to_owned();
    }
    if parts.first() == Some(&"namespaces") && parts.len() > 1 {
        call.namespace = parts[1].to_owned();
        if parts.len() > 2 && !["status", "finalize"].contains(&parts[2]) {
            parts.drain(..2);
        }
    }
    if parts.len() >= 3 && call.verb != "proxy" {
        call.subresource = parts[2].to_owned();
    }
    call.name = parts.get(1).unwrap_or(&"").to_string();
    call.resource = parts.first().unwrap_or(&"").to_string();
    if call.name.is_empty() && call.verb == "get" {
        call.verb = "list".to_owned();
    }
    if call.name.is_empty() && call.verb == "delete" {
        call.verb = "deletecollection".to_owned();
    }
    Some(call)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(method in "GET|POST|PUT|[A-Z]{0,8}", path in text(), query in text()) {
        if let Ok(Call::Resource(call)) = Call::read(&method, &path, &query) {
            prop_assert!(!call.verb.is_empty() && !call.resource.is_empty() && !call.version.is_empty());
            for part in [&call.group, &call.version, &call.resource, &call.subresource, &call.namespace, &call.name] {
                prop_assert!(!part.contains(['/', '%', ';', '\\']) && !part.chars().any(char::is_control), "{:?}", call);
                prop_assert!(part != "." && part != "..");
            }
        }
    }

    #[test]
    fn whatever_is_read_is_read_as_the_original_does(
        method in proptest::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
        pieces in proptest::collection::vec(piece(), 0..10),
        prefix in proptest::sample::select(vec!["", "/api/v1", "/apis/apps/v1"]),
    ) {
        let path = format!("{prefix}{}", pieces.concat());
        // Percent-encoding is decoded before the original sees the path.
        if let (Ok(read), false) = (Call::read(method, &path, ""), path.contains('%')) {
            match (read, naive(method, &path)) {
                (Call::Resource(read), Some(naive)) => prop_assert_eq!(read, naive),
                (Call::NonResource { .. }, None) => {}
                (read, naive) => prop_assert!(false, "{:?} {:?}", read, naive),
            }
        }
    }
}
