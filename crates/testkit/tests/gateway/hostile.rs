//! Attacks on the gateway's own port: what is malformed, oversized or slow.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    PATIENCE, cluster, granted,
    knock::{self, Protocol, Shown, as_user},
    made::Ask,
    through,
};

/// Writes `text` over HTTP/1.1 as the front proxy, and reads until the gateway closes.
async fn say(text: &str) -> String {
    let mut stream = knock::tls(cluster().await, &Shown::FrontProxy, Protocol::Http1).await.unwrap();
    // The gateway may have closed before it has read all.
    stream.write_all(text.as_bytes()).await.ok();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the gateway to close");
    drop(read);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether a call that is all right gets its answer.
async fn is_healthy() -> bool {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let builder = as_user("alice", Method::GET, &through(&made, "/api/v1/namespaces/shop/pods"));
    let answer = knock::ask(cluster, &Shown::FrontProxy, Protocol::Http2, builder).await;
    answer.is_some_and(|(code, _)| code == StatusCode::OK)
}

#[tokio::test]
async fn messages_that_can_be_read_in_two_ways_close_the_connection() {
    let made = granted(cluster().await, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-remote-user: alice\r\ncontent-type: application/json\r\n");
    let smuggled = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    for (what, rest) in [
        ("two lengths", format!("content-length: 5\r\ncontent-length: 6\r\n\r\n12345{smuggled}")),
        ("a length that is none", format!("content-length: +5\r\n\r\n12345{smuggled}")),
        ("a folded header", format!("x-remote-group: a\r\n b\r\ncontent-length: 0\r\n\r\n{smuggled}")),
        ("a space before the colon", format!("x-remote-user : bob\r\ncontent-length: 0\r\n\r\n{smuggled}")),
        ("a broken chunk", format!("transfer-encoding: chunked\r\n\r\nzz\r\n12345{smuggled}")),
        ("an unknown coding", format!("transfer-encoding: gzip\r\n\r\n12345{smuggled}")),
        ("a bare carriage return", format!("x: a\rb\r\ncontent-length: 0\r\n\r\n{smuggled}")),
    ] {
        let answer = say(&format!("{head}{rest}")).await;
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= 1, "{what}: {answer}");
        assert!(!answer.contains("HTTP/1.1 20"), "{what}: {answer}");
    }
    // Both a length and chunks: the chunks count and the connection is not used again.
    let both = format!("{head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    assert!(say(&both).await.matches("HTTP/1.1 ").count() <= 1);
    assert!(is_healthy().await);
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods");
    let big = "a".repeat(1024 * 1024);
    let answer = say(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-remote-user: alice\r\nx-big: {big}\r\n\r\n")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..10_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let answer = say(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-remote-user: alice\r\n{many}\r\n")).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let long = format!("{path}?{}", "a=b&".repeat(8_000));
        let answer = knock::ask(cluster, &Shown::FrontProxy, protocol, as_user("alice", Method::GET, &long)).await;
        assert_eq!(answer.unwrap().0, StatusCode::URI_TOO_LONG);
        let parameters = format!("{path}?{}", "a&".repeat(2_000));
        let answer =
            knock::ask(cluster, &Shown::FrontProxy, protocol, as_user("alice", Method::GET, &parameters)).await;
        assert_eq!(answer.unwrap().0, StatusCode::BAD_REQUEST);
    }
    assert!(is_healthy().await);
}

#[tokio::test]
async fn silent_connections_end_and_stop_nobody() {
    let cluster = cluster().await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(knock::tls(cluster, &Shown::Nothing, Protocol::Http1).await.unwrap());
        silent.push(knock::tls(cluster, &Shown::Nothing, Protocol::Http2).await.unwrap());
    }
    assert!(is_healthy().await);
    for mut stream in silent {
        let ended = async { while stream.read(&mut [0; 256]).await.is_ok_and(|read| read > 0) {} };
        // The limit is 10 s.
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("a silent connection to end");
    }
}

#[tokio::test]
async fn metrics_tell_outcomes_and_no_names() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/api/v1/namespaces/web/pods/evil-name");
    let builder = as_user("alice", Method::GET, &path);
    assert_eq!(knock::ask(cluster, &Shown::FrontProxy, Protocol::Http2, builder).await.unwrap().0, 403);
    let (code, text) = cluster.brevet().unwrap().probe(brevet_testkit::Part::Gateway, "/metrics").await.unwrap();
    assert_eq!(code, 200);
    assert!(text.contains(r#"brevet_gateway_calls_total{outcome="OutsideRules"}"#), "{text}");
    assert!(text.contains(r#"brevet_gateway_calls_total{outcome="Forwarded"}"#), "{text}");
    assert!(text.contains("brevet_gateway_cut_lateness_seconds_bucket"), "{text}");
    assert!(!text.contains("alice") && !text.contains(&made.name) && !text.contains("evil-name"), "{text}");
}
