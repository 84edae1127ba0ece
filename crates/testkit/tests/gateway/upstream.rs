//! What kube-apiserver may answer, and what becomes of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use brevet_testkit::{Cluster, Fault, Faults, Options, Part};
use http::{Method, StatusCode};

use crate::{
    granted,
    knock::{self, Protocol, Shown, as_user},
    made::{Ask, Made},
    start, through,
};

/// Answers `code` to the first `times` forwarded calls; returns how many there were.
fn answer_first(faults: &Faults, times: usize, code: StatusCode) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    faults.set(move |call| {
        if !call.path.contains("/namespaces/shop/") {
            return Fault::Pass;
        }
        if counted.fetch_add(1, Ordering::SeqCst) < times { Fault::Answer(code) } else { Fault::Pass }
    });
    calls
}

async fn ask(cluster: &Cluster, made: &Made, method: Method) -> (StatusCode, String) {
    let path = through(made, "/api/v1/namespaces/shop/configmaps");
    let builder = as_user("alice", method, &path).header("content-type", "application/json");
    knock::ask(cluster, &Shown::FrontProxy, Protocol::Http2, builder).await.unwrap()
}

#[tokio::test]
async fn answers_that_say_more_than_no() {
    let cluster = start(Options { faults: true, ..Options::default() }).await;
    let verbs = vec!["get", "list", "watch", "create"];
    let ask_for =
        Ask { role: "deploy", rules: vec![("", vec!["configmaps"], verbs, vec![])], ..Ask::logs("shop", 600) };
    let made = granted(&cluster, &ask_for).await;
    let faults = cluster.faults(Part::Gateway).unwrap();

    // A token that is not accepted is minted anew, once, and only for what may be repeated.
    let calls = answer_first(faults, 1, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&cluster, &made, Method::GET).await.0, StatusCode::OK);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let calls = answer_first(faults, 9, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&cluster, &made, Method::GET).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let calls = answer_first(faults, 9, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&cluster, &made, Method::POST).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    // A redirect is not followed, and not passed on either.
    let calls = answer_first(faults, 9, StatusCode::FOUND);
    assert_eq!(ask(&cluster, &made, Method::GET).await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    // What is for the client is passed on.
    for code in [StatusCode::FORBIDDEN, StatusCode::CONFLICT, StatusCode::GONE, StatusCode::TOO_MANY_REQUESTS] {
        let calls = answer_first(faults, 9, code);
        assert_eq!(ask(&cluster, &made, Method::GET).await.0, code);
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{code}");
    }

    // Without a token there is no call.
    faults.set(|call| {
        if call.path.ends_with("/token") { Fault::Answer(StatusCode::INTERNAL_SERVER_ERROR) } else { Fault::Pass }
    });
    let other = crate::made::grant(&crate::hands(&cluster).await, &ask_for).await.unwrap();
    let (code, body) = cluster
        .eventually("the gateway to know the grant", crate::PATIENCE, async || {
            let answer = ask(&cluster, &other, Method::GET).await;
            (answer.0 != StatusCode::FORBIDDEN).then_some(answer)
        })
        .await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(body.contains("token"), "{body}");
    // The neighbour's token still serves its own grant.
    assert_eq!(ask(&cluster, &made, Method::GET).await.0, StatusCode::OK);
}
