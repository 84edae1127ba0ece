//! I11: unknown, stale or failing means deny.

use std::time::{Duration, Instant};

use brevet_testkit::{Fault, Options, Part};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::{Api, api::DeleteParams};

use crate::{
    PATIENCE, granted,
    knock::{self, Protocol, Shown, as_user},
    made::Ask,
    start, through,
};

/// Design I11, and a little for a loaded machine.
const STALE_AFTER_MAX: Duration = Duration::from_millis(6_500);
const CUT_AFTER_MAX: Duration = Duration::from_secs(33);

#[tokio::test]
async fn without_contact_nothing_begins_and_then_nothing_goes_on() {
    let cluster = start(Options { faults: true, ..Options::default() }).await;
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods");
    let mut connection = knock::connect(&cluster, &Shown::FrontProxy, Protocol::Http2).await.unwrap();
    let ask = || as_user("alice", Method::GET, &path);
    assert_eq!(connection.ask(ask()).await.unwrap().0, StatusCode::OK);
    let follow = through(&made, "/api/v1/namespaces/shop/pods/web-1/log?follow=true");
    let request = as_user("alice", Method::GET, &follow).body(Default::default()).unwrap();
    let mut open = connection.send(request).await.unwrap().into_body();
    open.frame().await.unwrap().unwrap();

    // Watches and writes get no answer any more; what is open stays open.
    let faults = cluster.faults(Part::Gateway).unwrap();
    let slammed = Instant::now();
    faults.set(|call| {
        let is_own = call.path.starts_with("/apis/brevet.dev") || call.path.contains("/leases");
        if is_own { Fault::Swallow } else { Fault::Pass }
    });

    let mut denied = None;
    while denied.is_none() {
        let asked = Instant::now();
        let (code, body) = connection.ask(ask()).await.unwrap();
        if code == StatusCode::SERVICE_UNAVAILABLE {
            assert!(body.contains("Stale"), "{body}");
            denied = Some(asked);
        } else {
            assert_eq!(code, StatusCode::OK);
            assert!(slammed.elapsed() < STALE_AFTER_MAX, "admitted {:?} after the last contact", slammed.elapsed());
        }
    }
    let text = async {
        let mut text = String::new();
        while let Some(Ok(frame)) = open.frame().await {
            text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
        }
        text
    };
    let text = tokio::time::timeout(PATIENCE * 2, text).await.unwrap();
    let lasted = slammed.elapsed();
    assert!(lasted < CUT_AFTER_MAX && lasted > Duration::from_secs(20), "cut after {lasted:?}");
    assert!(text.contains("lost contact"), "{text}");

    faults.clear();
    cluster
        .eventually("calls to be admitted again", PATIENCE, async || {
            let mut again = knock::connect(&cluster, &Shown::FrontProxy, Protocol::Http2).await.ok()?;
            (again.ask(ask()).await.ok()?.0 == StatusCode::OK).then_some(())
        })
        .await;
}

#[tokio::test]
async fn nothing_begins_while_a_policy_is_missing() {
    let cluster = start(Options::default()).await;
    let made = granted(&cluster, &Ask::logs("shop", 600)).await;
    let path = through(&made, "/api/v1/namespaces/shop/pods");
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster.admin().await.unwrap());
    bindings.delete("decisions.brevet.dev", &DeleteParams::default()).await.unwrap();
    // A gateway that starts looks first.
    cluster.brevet().unwrap().kill(Part::Gateway).unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(5), cluster.brevet().unwrap().restart(Part::Gateway)).await;

    let ask = async || {
        let builder = as_user("alice", Method::GET, &path);
        knock::ask(&cluster, &Shown::FrontProxy, Protocol::Http2, builder).await
    };
    let (code, body) = cluster.eventually("an answer", PATIENCE, async || ask().await).await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(body.contains("policies"), "{body}");
}
