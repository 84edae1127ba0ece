//! One event of every kind, made as the server makes it.

use std::collections::BTreeSet;

use brevet_core::{
    audit::{
        Event,
        commitment::{Personal, Salt},
        event::{
            ActDone, ActFailed, Activated, ActivationBegun, CallBegun, CallDone, CallOutcome, CallRefused, CallTarget,
            Caller, CatalogueChanged, CatalogueKind, Change, CheckpointWitnessed, DecisionWeighed, DeletionBegun,
            DriftSeen, EndConfirmed, Evaluated, Gap, GapCause, GrantBegun, GrantEnded, GrantMade, GuardBroken,
            GuardRepaired, KeyRotated, Mode, ObjectMade, ObjectRef, RecordsRead, RefusalSaid, RemovalBegun,
            RequestClosed, RequestKind, RequestSeen, Role, Start, Stop, StreamCut, StreamOpened, TermsSet, TextErased,
            TokenMinted, Tombstone, TombstoneCause, WitnessKind,
        },
        key::PublicKey,
        text::Text,
        tree::Frontier,
    },
    call::Call,
    decision::{Decision, Verdict},
    digest::Digest,
    grant::{Approval, Ended, IdentityRef},
    length::Length,
    lifecycle::{
        NewGrant,
        identity::{Part, PartKind},
    },
    policy::{self, Outcome, Ruling},
    reason::{Reason, Refusal},
    request::{Request, Urgency},
    role::Delivery,
    rules::{Ask, Dropped, Rule},
    subject::{self, Subject},
    terms::{Narrow, Terms},
    window::Window,
};
use jiff::Timestamp;

/// An instant of the day all samples are of.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn person(name: &str) -> Subject {
    Subject { username: name.to_owned(), uid: String::new(), groups: set(&["developers", "system:authenticated"]) }
}

fn request() -> Request {
    Request {
        name: "view-logs-x7k2p".to_owned(),
        uid: "0b7c0001-0000-4000-8000-000000000001".to_owned(),
        created_at: at("08:00:00"),
        is_deleting: false,
        requester: person("alice"),
        role: "view-logs".to_owned(),
        namespaces: vec!["shop".to_owned()],
        resources: Some(vec![Ask {
            api_group: String::new(),
            resource: "pods".to_owned(),
            names: set(&["web-1"]),
            verbs: BTreeSet::new(),
        }]),
        duration: Length::from_seconds(1800),
        start_at: None,
        justification: JUSTIFICATION.to_owned(),
        urgency: Urgency::Normal,
        ticket: "INC-1234".to_owned(),
        delivery: Some(Delivery::Gateway),
    }
}

const JUSTIFICATION: &str = "checkout errors after the 14:05 rollout";

/// What stands for the request's justification.
pub(crate) fn justification() -> Personal {
    Personal::new(Salt::new([1; 32]), JUSTIFICATION)
}

/// What stands for the decision's comment.
pub(crate) fn comment() -> Personal {
    Personal::new(Salt::new([2; 32]), "go ahead")
}

fn terms() -> Terms {
    let rule = Rule {
        api_groups: set(&[""]),
        resources: set(&["pods", "pods/log"]),
        verbs: set(&["get"]),
        resource_names: set(&["web-1"]),
    };
    Terms {
        requester: "alice".to_owned(),
        requester_uid: String::new(),
        role: "view-logs".to_owned(),
        rules: [rule].into_iter().collect(),
        companions: [].into_iter().collect(),
        namespaces: vec!["shop".to_owned()],
        duration: Length::from_seconds(1800).unwrap(),
        start_at: None,
        delivery: Delivery::Gateway,
    }
}

fn by() -> policy::Decider {
    policy::Decider {
        policy: "shop".to_owned(),
        uid: "0b7c0002-0000-4000-8000-000000000002".to_owned(),
        generation: 3,
        rule: "everyone-else".to_owned(),
        digest: Digest::of(b"the rule"),
    }
}

fn decision() -> Decision {
    Decision {
        name: "view-logs-x7k2p-9q".to_owned(),
        uid: "0b7c0003-0000-4000-8000-000000000003".to_owned(),
        created_at: at("08:01:00"),
        is_deleting: false,
        verdict: Verdict::Approve,
        request_name: request().name,
        request_uid: request().uid,
        digest: Some(terms().digest()),
        role: request().role,
        namespaces: request().namespaces,
        requester: "alice".to_owned(),
        requester_uid: String::new(),
        approver: person("bob"),
        comment: "go ahead".to_owned(),
        narrow: Some(narrow()),
    }
}

fn narrow() -> Narrow {
    Narrow {
        resources: request().resources.unwrap_or_default(),
        namespaces: vec!["shop".to_owned()],
        duration: Length::from_seconds(600),
        start_at: Some(at("08:05:00")),
    }
}

fn new_grant() -> NewGrant {
    NewGrant {
        name: request().name,
        request_uid: request().uid,
        holder: request().requester,
        terms: terms(),
        window: Window { not_before: at("08:01:02"), not_after: at("08:31:02") },
        approvals: vec![Approval {
            decision_name: decision().name,
            decision_uid: decision().uid,
            approver: "bob".to_owned(),
            stage: "owners".to_owned(),
        }],
        policy: Some(by()),
        ground: String::new(),
    }
}

fn of_request() -> ObjectRef {
    ObjectRef::new(&request().name, &request().uid)
}

fn grant() -> ObjectRef {
    ObjectRef::new(&request().name, "0b7c0004-0000-4000-8000-000000000004")
}

fn identity() -> IdentityRef {
    IdentityRef { name: "e-abcd-1".to_owned(), uid: "0b7c0005-0000-4000-8000-000000000005".to_owned() }
}

fn part() -> Part {
    Part {
        kind: PartKind::RoleBinding,
        namespace: "shop".to_owned(),
        name: "e-abcd-1".to_owned(),
        uid: "0b7c0006-0000-4000-8000-000000000006".to_owned(),
        is_deleting: false,
        is_as_written: true,
        seal: None,
    }
}

fn caller() -> Caller {
    Caller::from(&subject::Caller { username: "alice".to_owned(), uid: None })
}

fn refusal() -> Refusal {
    Refusal::new(Reason::OutsideRules, "", "the grant does not allow `delete pods`")
}

/// The key of the samples, by its public half.
pub(crate) fn key() -> PublicKey {
    PublicKey::new("brevet-audit", [7; 32]).unwrap()
}

/// A call that is about to be forwarded.
pub(crate) fn call_begun() -> CallBegun {
    let path = "/api/v1/namespaces/shop/pods/web-1/exec";
    CallBegun {
        caller: caller(),
        grant: grant(),
        call: CallTarget::new(&Call::read("POST", path, "command=ls&command=-l").unwrap(), path),
        is_stream: true,
        command: ["ls", "-l"].into_iter().collect(),
        user_agent: Text::new("kubectl/v1.36.3 (linux/amd64)"),
        source: Text::new("10.0.0.7:51234"),
        audit_id: "019abc00-0000-7000-8000-000000000007".into(),
        client_audit_id: Text::new("their-own"),
    }
}

/// Its completion.
pub(crate) fn call_done(intent: u64) -> CallDone {
    CallDone {
        intent,
        outcome: CallOutcome::Answered,
        status: 200,
        bytes_up: 0,
        bytes_down: 4096,
        duration_micros: 1234,
    }
}

/// One event of every kind in a life of a grant, in an order a verifier takes: acts before their ends.
pub(crate) fn life() -> Vec<Event> {
    let mut all: Vec<Event> = keeping_first().into_iter().chain(asking()).collect();
    let begun = all.len() as u64;
    all.push(GrantBegun::from(&new_grant()).into());
    all.push(GrantMade { intent: begun, grant: grant() }.into());
    all.push(ActivationBegun { grant: grant(), joins: None }.into());
    let objects = [&part()].into_iter().map(ObjectMade::from).collect();
    all.push(Activated { intent: begun + 2, identity: ObjectRef::from(&identity()), objects }.into());
    let calls = all.len() as u64;
    all.extend(using(calls));
    let ending = all.len() as u64;
    all.extend(ending_of(ending));
    all.extend(keeping_last());
    all
}

fn keeping_first() -> Vec<Event> {
    let start = Start {
        role: Role::Gateway,
        replica: Text::new("gateway-0"),
        version: Text::new("0.1.0"),
        arguments: ["gateway", "--audit-mode=strict"].into_iter().collect(),
        mode: Mode::Strict,
        key: key(),
    };
    let changed = CatalogueChanged {
        kind: CatalogueKind::AccessRole,
        object: ObjectRef::new("view-logs", "0b7c0008-0000-4000-8000-000000000008"),
        generation: 1,
        change: Change::Found,
        digest: Some(Digest::of(b"the role")),
        is_accepted: true,
        message: Text::default(),
    };
    vec![
        start.into(),
        GuardBroken { message: Text::new("ValidatingAdmissionPolicy `requests.brevet.dev` is missing") }.into(),
        GuardRepaired { compared: 14 }.into(),
        changed.into(),
    ]
}

fn asking() -> Vec<Event> {
    let outcome =
        Outcome { ruling: Ruling::RequireApproval(policy::Approval::by_anyone()), by: Some(by()), near: vec![] };
    let dropped = Dropped {
        api_group: "apps".to_owned(),
        resource: "deployments".to_owned(),
        verbs: set(&["patch"]),
        why: "the role does not have it".to_owned(),
    };
    let late = Refusal::new(Reason::TooLate, "spec.verdict", "it came after the matter was settled");
    vec![
        RequestSeen::new(&request(), Some(&justification())).into(),
        Evaluated::by_policies(of_request(), &outcome).into(),
        TermsSet::new(of_request(), &terms(), &[dropped]).into(),
        DecisionWeighed::new(of_request(), &decision(), Ok("owners"), Some(&comment())).into(),
        DecisionWeighed::new(of_request(), &Decision { narrow: None, ..decision() }, Err(&late), None).into(),
        Evaluated::refused(of_request(), &late).into(),
        RequestClosed::new(of_request(), Reason::Withdrawn, "its requester took it back").into(),
    ]
}

fn using(first: u64) -> Vec<Event> {
    let refused = CallRefused {
        caller: caller(),
        grant: Text::new("view-logs-x7k2p"),
        call: CallTarget::unread("DELETE", "/api/v1/namespaces/shop/pods/web-1"),
        refusal: RefusalSaid::from(&refusal()),
        user_agent: Text::new("curl/8"),
        source: Text::new("10.0.0.7:51234"),
        client_audit_id: Text::default(),
    };
    let cut = StreamCut {
        intent: first + 1,
        cause: Reason::Expired.into(),
        due: at("08:31:02").into(),
        late_micros: 431,
        told: Text::new("Sent"),
    };
    vec![
        TokenMinted {
            grant_uid: grant().uid,
            identity: ObjectRef::from(&identity()),
            token_id: "7a0c9d4e-1111-4222-8333-444455556666".into(),
        }
        .into(),
        call_begun().into(),
        StreamOpened { intent: first + 1, protocol: Text::new("v5.channel.k8s.io") }.into(),
        cut.into(),
        CallDone { outcome: CallOutcome::Broken, status: 101, ..call_done(first + 1) }.into(),
        refused.into(),
    ]
}

fn ending_of(first: u64) -> Vec<Event> {
    let objects = || [&part()].into_iter().map(ObjectMade::from).collect();
    let ended = Ended { cause: Reason::Expired, at: at("08:31:02") };
    vec![
        DriftSeen { grant: grant(), message: Text::new("the Role of its identity was changed") }.into(),
        GrantEnded::new(grant(), &ended, "its time is over").into(),
        ActDone { intent: first + 1 }.into(),
        RemovalBegun { grant: Some(grant()), objects: objects() }.into(),
        ActFailed { intent: first + 3, message: Text::new("kube-apiserver did not answer in time") }.into(),
        RemovalBegun { grant: None, objects: objects() }.into(),
        EndConfirmed { grant: grant(), acknowledged_by: ["gateway-0"].into_iter().collect() }.into(),
        DeletionBegun { kind: RequestKind::AccessGrant, object: grant() }.into(),
    ]
}

fn keeping_last() -> Vec<Event> {
    let lost = Gap {
        cause: GapCause::LostTail,
        count: None,
        since: Some(at("08:32:00").into()),
        message: Text::new("17 bytes at the end of the last segment were no entry"),
    };
    let frontier = Frontier::new(2, vec![Digest::of(b"0 and 1")]).unwrap();
    let tombstone = Tombstone { first: 0, last: 1, head: Digest::of(b"1"), frontier, cause: TombstoneCause::Age };
    let witnessed = CheckpointWitnessed {
        size: 2,
        root: Digest::of(b"0 and 1"),
        kind: WitnessKind::Cluster,
        witness: Text::new("gateway-0-2"),
    };
    let member = brevet_core::audit::commitment::Member::Comment;
    vec![
        lost.into(),
        KeyRotated { from: key(), to: PublicKey::new("brevet-audit", [8; 32]).unwrap() }.into(),
        witnessed.into(),
        tombstone.into(),
        TextErased { entry: 7, member, message: Text::new("asked by bob") }.into(),
        RecordsRead { reader: caller(), verb: Text::new("list"), grant: Text::default(), count: 12 }.into(),
        Stop { message: Text::new("asked to stop") }.into(),
    ]
}
