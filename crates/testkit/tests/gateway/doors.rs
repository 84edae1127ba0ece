//! I5 and the attacks on door 1: who may speak for whom, and what a path can mean.

use http::{Method, Request, StatusCode};

use crate::{
    PATIENCE, cluster, granted, granted_to,
    knock::{self, Protocol, Shown, as_user},
    made::Ask,
    through,
};

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

#[tokio::test]
async fn only_the_front_proxy_speaks_for_users() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods");
    for protocol in BOTH {
        let ask =
            async |shown: Shown| knock::ask(cluster, &shown, protocol, as_user("alice", Method::GET, &path)).await;
        assert_eq!(ask(Shown::FrontProxy).await.unwrap().0, StatusCode::OK);
        let (code, body) = ask(Shown::Nothing).await.unwrap();
        assert_eq!(code, StatusCode::UNAUTHORIZED);
        assert!(body.contains("Unauthenticated"), "{body}");
        // The handshake itself fails.
        assert_eq!(ask(Shown::Named("somebody")).await, None);
        assert_eq!(ask(Shown::Named("system:kube-apiserver")).await, None);
        assert_eq!(ask(Shown::User("alice")).await, None);
    }
}

#[tokio::test]
async fn doubled_and_malformed_identity_headers_are_nobody() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods");
    for protocol in BOTH {
        let ask = async |builder: http::request::Builder| {
            knock::ask(cluster, &Shown::FrontProxy, protocol, builder).await.unwrap().0
        };
        let alice = || as_user("alice", Method::GET, &path);
        assert_eq!(ask(alice().header("x-remote-user", "bob")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(alice().header("x-remote-user", "alice")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(as_user("", Method::GET, &path)).await, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(alice().header("x-remote-extra-%ff", "x")).await, StatusCode::UNAUTHORIZED);
        assert_eq!(
            ask(alice().header("x-remote-uid", "1").header("x-remote-uid", "2")).await,
            StatusCode::UNAUTHORIZED
        );
        // Another's uid is another's.
        assert_eq!(ask(alice().header("x-remote-uid", "1")).await, StatusCode::FORBIDDEN);
        let bare = Request::get(format!("https://gateway{path}"));
        assert_eq!(ask(bare.header("x_remote_user", "alice").header("x-forwarded-user", "alice")).await, 401);
        assert_eq!(ask(alice().header("x_remote_user", "bob").header("x-forwarded-for", "1.2.3.4")).await, 200);
    }
}

#[tokio::test]
async fn a_user_cannot_name_another_in_front_of_kube_apiserver() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let mallory = cluster.user("mallory").client().await.unwrap();
    let request = Request::get(through(&made, "/api/v1/namespaces/shop/pods"))
        .header("X-Remote-User", "alice")
        .header("X-Remote-Group", "system:masters")
        .header("Connection", "X-Remote-User")
        .body(Vec::new())
        .unwrap();
    let kube::Error::Api(status) = mallory.request_text(request).await.unwrap_err() else { panic!() };
    assert_eq!(status.code, 403);
    assert!(status.message.contains("you hold no grant of that name"), "{}", status.message);
}

#[tokio::test]
async fn anothers_grant_and_none_at_all_answer_alike() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let mallory = cluster.user("mallory").client().await.unwrap();
    for inner in ["/api", "/apis", "/version", "/api/v1/namespaces/shop/pods"] {
        let ask = async |name: &str| {
            let path = format!("/apis/sessions.brevet.dev/v1alpha1/grants/{name}/proxy{inner}");
            mallory.request_text(Request::get(path).body(Vec::new()).unwrap()).await.unwrap_err().to_string()
        };
        assert_eq!(ask(&made.name).await, ask("no-such-grant").await, "{inner}");
    }
}

#[tokio::test]
async fn masters_of_discovery_hold_nobodys_grant() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let aggregator =
        |path: &str| as_user("system:kube-aggregator", Method::GET, path).header("x-remote-group", "system:masters");
    let ask = async |path: &str| knock::ask(cluster, &Shown::FrontProxy, Protocol::Http2, aggregator(path)).await;
    assert_eq!(ask("/apis/sessions.brevet.dev/v1alpha1").await.unwrap().0, StatusCode::OK);
    assert_eq!(ask(&through(&made, "/api/v1/namespaces/shop/pods")).await.unwrap().0, StatusCode::FORBIDDEN);
    let (code, list) = ask("/apis/sessions.brevet.dev/v1alpha1/grants").await.unwrap();
    assert_eq!(code, StatusCode::OK);
    assert!(list.contains(r#""items":[]"#), "{list}");
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_is_refused_and_reaches_nobody() {
    let cluster = cluster().await;
    let mine = granted(cluster, &Ask::logs("shop", 600)).await;
    let other = granted_to(cluster, "bob", &Ask::logs("web", 600)).await;
    let climbs = format!("/../../{}/proxy/api/v1/namespaces/web/pods", other.name);
    let escaped = format!("/%2e%2e/%2e%2e/{}/proxy/api/v1/namespaces/web/pods", other.name);
    for protocol in BOTH {
        for inner in [
            climbs.as_str(),
            escaped.as_str(),
            "//api/v1/namespaces/shop/pods",
            "/api/v1//namespaces/shop/pods",
            "/api/v1/./namespaces/shop/pods",
            "/api/v1/namespaces/shop/pods/web-1%2flog",
            "/api/v1/namespaces/shop/pods/web-1;a=b",
            "/api/v1/namespaces/shop%00/pods",
            "/api/v1/namespaces/shop/pods?watch=0&watch=1",
        ] {
            let builder = as_user("alice", Method::GET, &through(&mine, inner));
            let (code, body) = knock::ask(cluster, &Shown::FrontProxy, protocol, builder).await.unwrap();
            assert_eq!(code, StatusCode::BAD_REQUEST, "{inner}: {body}");
        }
        for path in [
            format!("/apis/sessions.brevet.dev/v1alpha1/namespaces/shop/grants/{}/proxy/api", mine.name),
            format!("/apis/sessions.brevet.dev/v1alpha1/watch/grants/{}/proxy/api", mine.name),
            format!("/apis/sessions.brevet.dev/v1alpha1/grants/{}%2fproxy/api", mine.name),
            format!("/apis/sessions.brevet.dev/v1alpha1//grants/{}/proxy/api", mine.name),
        ] {
            let builder = as_user("alice", Method::GET, &path);
            let (code, _) = knock::ask(cluster, &Shown::FrontProxy, protocol, builder).await.unwrap();
            assert_eq!(code, StatusCode::NOT_FOUND, "{path}");
        }
    }
    let audit = cluster.audit_events().unwrap();
    let reached =
        audit.iter().any(|event| event.username().ends_with(&other.identity) && event.request_uri.contains("/pods"));
    assert!(!reached, "bob's identity was used");
}

#[tokio::test]
async fn impersonation_is_refused_and_tricks_with_headers_change_nothing() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let review = r#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#;
    for protocol in BOTH {
        let mut connection = knock::connect(cluster, &Shown::FrontProxy, protocol).await.unwrap();
        let mut ask = async |headers: &[(&str, &str)]| {
            let mut builder = as_user("alice", Method::POST, &path).header("content-type", "application/json");
            for (name, value) in headers {
                builder = builder.header(*name, *value);
            }
            let response = connection.send(builder.body(review.into()).unwrap()).await.unwrap();
            let code = response.status();
            let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            (code, String::from_utf8(bytes.to_vec()).unwrap())
        };
        for name in ["impersonate-user", "Impersonate-Group", "IMPERSONATE-UID", "impersonate-extra-scopes"] {
            let (code, body) = ask(&[(name, "system:masters")]).await;
            assert_eq!(code, StatusCode::FORBIDDEN);
            assert!(body.contains("Impersonation"), "{body}");
        }
        for headers in [
            &[("authorization", "Bearer nonsense")][..],
            &[("x-http-method-override", "DELETE"), ("x-original-uri", "/api/v1/secrets")],
            &[("audit-id", "chosen-by-the-client"), ("user-agent", "somebody/1")],
        ] {
            let (code, body) = ask(headers).await;
            assert_eq!(code, StatusCode::CREATED, "{body}");
            assert!(body.contains(&made.identity), "{body}");
        }
        if protocol == Protocol::Http1 {
            let (code, body) = ask(&[("connection", "authorization, x-remote-user, audit-id")]).await;
            assert_eq!(code, StatusCode::CREATED, "{body}");
        }
    }
    let events = cluster
        .eventually("the calls in the audit log", PATIENCE, async || {
            let events = cluster.audit_events().unwrap();
            let inner: Vec<_> = events.into_iter().filter(|e| e.username().ends_with(&made.identity)).collect();
            (inner.len() >= 7).then_some(inner)
        })
        .await;
    for event in events {
        assert!(uuid::Uuid::parse_str(&event.audit_id).unwrap().get_version_num() == 7, "{}", event.audit_id);
    }
}

#[tokio::test]
async fn interleaved_grants_never_see_the_others_identity() {
    let cluster = cluster().await;
    let one = granted(cluster, &Ask::logs("shop", 600)).await;
    let two = granted(cluster, &Ask::logs("web", 600)).await;
    let bobs = granted_to(cluster, "bob", &Ask::logs("shop", 600)).await;
    let mut connection = knock::connect(cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    for _ in 0..10 {
        for (made, user) in [(&one, "alice"), (&two, "alice"), (&bobs, "bob")] {
            let path = through(made, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
            let builder = as_user(user, Method::POST, &path).header("content-type", "application/json");
            let review = r#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#;
            let response = connection.send(builder.body(review.into()).unwrap()).await.unwrap();
            let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&bytes).contains(&made.identity));
        }
    }
}
