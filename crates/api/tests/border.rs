//! What crosses the border, and what is turned back with the path of its field.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use brevet_api::border::{policy_rules, rules, terms};
use brevet_api::{AccessDecision, AccessGrant, AccessRequest, SubjectBlock, TermsBlock};
use brevet_core::decision::Decision;
use brevet_core::grant::Grant;
use brevet_core::reason::Reason;
use brevet_core::request::Request;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn stored(kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": kind,
        "metadata": {"name": "r1", "uid": "u1", "resourceVersion": "7", "creationTimestamp": "2026-11-24T10:00:00Z"},
        "spec": spec,
    })
}

fn request(patch: Value) -> AccessRequest {
    let mut spec = json!({"requester": {"username": "alice"}, "role": "view-logs", "justification": "why"});
    spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    serde_json::from_value(stored("AccessRequest", spec)).unwrap()
}

fn grant() -> Value {
    stored(
        "AccessGrant",
        json!({
            "request": {"name": "r1", "uid": "u0"}, "holder": {"username": "alice", "uid": "9"}, "role": "view-logs",
            "terms": {"digest": DIGEST, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "get"]}],
                "namespaces": ["web", "shop"], "duration": "30m", "delivery": "Gateway"},
            "notBefore": "2026-11-24T10:00:00Z", "notAfter": "2026-11-24T10:30:00Z", "delivery": "Gateway",
            "approvals": [{"approver": "bob", "decision": {"name": "d", "uid": "du"}, "stage": "approval"}],
        }),
    )
}

#[test]
fn absent_and_empty_mean_the_same() {
    let absent = Request::try_from(&request(json!({}))).unwrap();
    let empty = request(json!({"namespaces": [], "resources": []}));
    assert_eq!(Request::try_from(&empty).unwrap(), absent);
    assert_eq!(absent.resources, None);
}

#[test]
fn sets_come_out_sorted() {
    let read = Request::try_from(&request(json!({"namespaces": ["web", "shop"]}))).unwrap();
    assert_eq!(read.namespaces, ["shop", "web"]);
}

#[test]
fn the_same_instant_is_the_same_start() {
    let here = Request::try_from(&request(json!({"startAt": "2026-12-01T09:00:00+01:00"}))).unwrap();
    let there = Request::try_from(&request(json!({"startAt": "2026-12-01T08:00:00Z"}))).unwrap();
    assert_eq!(here.start_at, there.start_at);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_path() {
    for (patch, field, reason) in [
        (json!({"duration": "0s"}), "spec.duration", Reason::DurationMalformed),
        (json!({"duration": "31d"}), "spec.duration", Reason::DurationMalformed),
        (json!({"duration": "99999999999999999999d"}), "spec.duration", Reason::DurationMalformed),
        (json!({"startAt": "0000-00-00T00:00:00Z"}), "spec.startAt", Reason::Unreadable),
        (json!({"startAt": "2026-12-01T08:00:00"}), "spec.startAt", Reason::Unreadable),
    ] {
        let refusal = Request::try_from(&request(patch.clone())).unwrap_err();
        assert_eq!((refusal.field.as_str(), refusal.reason), (field, reason), "{patch}");
    }
}

#[test]
fn an_object_that_no_server_stored_is_refused() {
    let mut object = request(json!({}));
    object.metadata.uid = None;
    assert_eq!(Request::try_from(&object).unwrap_err().field, "metadata.uid");
}

#[test]
fn a_decision_without_a_digest_has_none() {
    let spec = json!({"verdict": "Withdraw", "request": {"name": "r1", "uid": "u1"},
        "terms": {"role": "view-logs", "requester": "alice"}, "approver": {"username": "alice"}});
    let object: AccessDecision = serde_json::from_value(stored("AccessDecision", spec.clone())).unwrap();
    assert_eq!(Decision::try_from(&object).unwrap().digest, None);

    let mut object = object;
    object.spec.terms.digest = Some("sha256:XYZ".into());
    assert_eq!(Decision::try_from(&object).unwrap_err().field, "spec.terms.digest");
}

#[test]
fn terms_written_down_read_back() {
    let object: AccessGrant = serde_json::from_value(grant()).unwrap();
    let read = Grant::try_from(&object).unwrap().terms;
    let written = TermsBlock::from(&read);
    let holder = SubjectBlock { username: "alice".into(), uid: "9".into(), groups: vec![] };
    let (again, digest) = terms("spec.terms", &written, &holder, "view-logs").unwrap();
    assert_eq!(again, read);
    assert_eq!(digest, read.digest());
}

#[test]
fn an_end_is_told_from_its_confirmation() {
    let with = |status: &str, reason: &str| {
        let mut value = grant();
        value["status"] = json!({"conditions": [{"type": "Ended", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-24T10:10:00Z"}]});
        Grant::try_from(&serde_json::from_value::<AccessGrant>(value).unwrap()).unwrap()
    };
    assert_eq!(with("False", "Expired").ended, None);
    let ending = with("Unknown", "Drift");
    assert_eq!((ending.ended.unwrap().cause, ending.is_end_confirmed), (Reason::Drift, false));
    let ended = with("True", "Expired");
    assert_eq!((ended.ended.unwrap().cause, ended.is_end_confirmed), (Reason::Expired, true));
    assert_eq!(with("True", "Whatever").ended.unwrap().cause, Reason::Revoked);
}

#[test]
fn a_grant_that_contradicts_itself_is_refused() {
    let mut value = grant();
    value["spec"]["delivery"] = json!("Token");
    let object: AccessGrant = serde_json::from_value(value).unwrap();
    assert_eq!(Grant::try_from(&object).unwrap_err().field, "spec.delivery");
}

#[test]
fn rules_of_urls_alone_give_nothing() {
    let urls = json!([{"nonResourceURLs": ["*"], "verbs": ["*"]}, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let read = rules(&serde_json::from_value::<Vec<_>>(urls).unwrap());
    assert_eq!(read.0.len(), 1);
    assert_eq!(policy_rules(&read).len(), 1);
}
