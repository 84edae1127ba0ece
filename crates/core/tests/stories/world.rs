//! The world of the stories: one day, a few people, roles and namespaces.

use std::collections::{BTreeMap, BTreeSet};

use brevet_core::call::Call;
use brevet_core::decision::{Decision, Verdict, Verdicts, in_time, settle, weigh};
use brevet_core::digest::Digest;
use brevet_core::grant::{Approval, Evidence, Grant, IdentityRef, stands};
use brevet_core::length::Length;
use brevet_core::permit::{Attempt, Grants};
use brevet_core::phase::{Phase, of_request};
use brevet_core::reason::Reason;
use brevet_core::request::{
    Ground, NamespaceState, Request, RoleState, TypeScope, Types, Urgency, check as check_request,
};
use brevet_core::role::{Delivery, Names, Risk, Role, Scope};
use brevet_core::rules::{Ask, Rule, Rules};
use brevet_core::subject::{Caller, Subject};
use brevet_core::terms::Terms;
use brevet_core::window::Window;
use jiff::{SignedDuration, Timestamp};

/// Plays a story and compares what comes of it, line by line.
pub(crate) fn check(story: &str) {
    let mut world = World::default();
    for line in story.lines().filter(|line| !line.trim().is_empty()) {
        let (act, expected) = line.split_once("->").expect("a line has `->`");
        let came = world.play(act.trim());
        assert_eq!(came, expected.trim(), "\n{line}\n\nin the story\n{story}");
    }
}

#[derive(Default)]
struct World {
    now: Timestamp,
    requests: BTreeMap<String, Request>,
    terms: BTreeMap<String, Terms>,
    decisions: Vec<Decision>,
    grants: BTreeMap<String, Grant>,
    closed: BTreeMap<String, Reason>,
    trusted_since: Option<Timestamp>,
}

fn at(time: &str) -> Timestamp {
    format!("2026-12-01T{time}:00Z").parse().expect("a time of day")
}

fn clock(time: Timestamp) -> String {
    time.to_string()[11..16].to_owned()
}

fn person(name: &str) -> Subject {
    Subject { username: name.to_owned(), uid: String::new(), groups: BTreeSet::from([format!("{name}s-team")]) }
}

fn set(words: &str, separator: char) -> BTreeSet<String> {
    words.split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl World {
    fn play(&mut self, act: &str) -> String {
        let (time, act) = act.split_once(' ').expect("a line begins with a time");
        self.now = at(time);
        let words: Vec<&str> = act.split_whitespace().collect();
        match words.as_slice() {
            [who, "asks", name, rest @ ..] => self.asks(who, name.trim_end_matches(':'), rest),
            [who, "calls", name, method, url] => self.calls(who, name.trim_end_matches(':'), method, url),
            [who, "approves", name, how @ ..] => self.decides(who, Verdict::Approve, name, how),
            [who, "denies", name, how @ ..] => self.decides(who, Verdict::Deny, name, how),
            [who, "withdraws", name, how @ ..] => self.decides(who, Verdict::Withdraw, name, how),
            [who, "revokes", name, how @ ..] => self.decides(who, Verdict::Revoke, name, how),
            [name, "is", "looked", "at"] => self.look(name),
            [what, ..] => self.tampers(what, act),
            [] => panic!("an empty act"),
        }
    }

    fn asks(&mut self, who: &str, name: &str, words: &[&str]) -> String {
        let mut request = Request {
            name: name.to_owned(),
            uid: format!("{name}-uid"),
            created_at: self.now,
            is_deleting: false,
            requester: person(who),
            role: words[0].to_owned(),
            namespaces: Vec::new(),
            resources: None,
            duration: None,
            start_at: None,
            justification: "because".to_owned(),
            urgency: Urgency::Normal,
            ticket: String::new(),
            delivery: None,
        };
        let mut part = "";
        for word in &words[1..] {
            match (part, *word) {
                (_, "on" | "in" | "for" | "from" | "by") => part = word,
                ("on", word) => request.resources.get_or_insert_default().push(ask(word)),
                ("in", word) => request.namespaces = word.split(',').map(str::to_owned).collect(),
                ("for", word) => request.duration = Some(word.parse().expect("a duration")),
                ("from", "+31d") => request.start_at = Some(self.now + SignedDuration::from_hours(31 * 24)),
                ("from", word) => request.start_at = Some(at(word)),
                ("by", word) => {
                    request.delivery = Some(if word == "Token" { Delivery::Token } else { Delivery::Gateway });
                }
                (part, word) => panic!("`{word}` after `{part}`"),
            }
        }
        match check_request(&request, &ground(&request.role), self.now) {
            Err(refusal) => format!("refused {}", refusal.reason),
            Ok(proposal) => {
                self.terms.insert(name.to_owned(), proposal.terms);
                self.requests.insert(name.to_owned(), request);
                self.look(name)
            }
        }
    }

    fn decides(&mut self, who: &str, verdict: Verdict, name: &str, how: &[&str]) -> String {
        let (request, terms) = (&self.requests[name], &self.terms[name]);
        let mut decision = Decision {
            name: format!("{name}-{}", self.decisions.len()),
            uid: format!("decision-{}", self.decisions.len()),
            created_at: self.now,
            is_deleting: false,
            verdict,
            request_name: name.to_owned(),
            request_uid: request.uid.clone(),
            digest: matches!(verdict, Verdict::Approve | Verdict::Deny).then(|| terms.digest()),
            role: request.role.clone(),
            namespaces: request.namespaces.clone(),
            requester: request.requester.username.clone(),
            requester_uid: String::new(),
            approver: person(who),
            comment: String::new(),
            narrow: None,
        };
        match how {
            [] => {}
            ["with", "another", "digest"] => decision.digest = Some(Digest::of(b"another")),
            ["claiming", "role", role] => decision.role = (*role).to_owned(),
            ["claiming", "namespaces", namespace] => decision.namespaces = vec![(*namespace).to_owned()],
            ["claiming", "requester", requester] => decision.requester = (*requester).to_owned(),
            ["claiming", "uid", uid] => decision.request_uid = (*uid).to_owned(),
            how => panic!("{how:?}"),
        }
        let window = self.grants.get(name).map(|grant| grant.window);
        let weighed = weigh(&decision, request, Some(terms));
        if let Err(refusal) = weighed.and_then(|()| window.map_or(Ok(()), |window| in_time(&decision, &window))) {
            return format!("refused {}", refusal.reason);
        }
        if let Err(refusal) = check_request(request, &ground(&request.role), self.now) {
            return format!("refused {}", refusal.reason);
        }
        self.decisions.push(decision);
        self.look(name)
    }

    /// What the controller does, and then what a person sees.
    fn look(&mut self, name: &str) -> String {
        self.settle(name);
        let evidence = self.evidence(name);
        if let Some(grant) = self.grants.get_mut(name)
            && let Err(ended) = stands(grant, &evidence, self.now)
        {
            grant.ended = Some(ended);
            grant.is_end_confirmed = true;
        }
        let grant = self.grants.get(name);
        match (of_request(false, self.closed.get(name).copied(), grant, self.now), grant) {
            (Phase::Active, Some(grant)) => format!("Active until {}", clock(grant.window.not_after)),
            (Phase::Approved, Some(grant)) => format!("Approved from {}", clock(grant.window.not_before)),
            (phase, _) => format!("{phase:?}"),
        }
    }

    fn settle(&mut self, name: &str) {
        let request = &self.requests[name];
        if self.grants.contains_key(name) || self.closed.contains_key(name) {
            return;
        }
        let about: Vec<Decision> = self.decisions.iter().filter(|d| d.request_uid == request.uid).cloned().collect();
        let closed = match settle(request, &self.terms[name], &about) {
            Verdicts::Open => return,
            Verdicts::Approved(approvals) => {
                return self.grant(name, &approvals.into_iter().cloned().collect::<Vec<_>>());
            }
            Verdicts::Denied(_) => Reason::DeniedByPerson,
            Verdicts::Withdrawn(_) => Reason::Withdrawn,
            Verdicts::Revoked(_) => Reason::Revoked,
        };
        self.closed.insert(name.to_owned(), closed);
    }

    fn grant(&mut self, name: &str, approvals: &[Decision]) {
        let (request, terms) = (&self.requests[name], &self.terms[name]);
        let grant = Grant {
            name: name.to_owned(),
            uid: format!("{name}-grant-uid"),
            resource_version: "1".to_owned(),
            is_deleting: false,
            request_uid: request.uid.clone(),
            holder: request.requester.clone(),
            digest: terms.digest(),
            terms: terms.clone(),
            window: Window::of(terms, self.now),
            approvals: approvals
                .iter()
                .map(|d| Approval {
                    decision_name: d.name.clone(),
                    decision_uid: d.uid.clone(),
                    approver: d.approver.username.clone(),
                    stage: "approvers".to_owned(),
                })
                .collect(),
            policy: None,
            identity: Some(IdentityRef { name: "e-x".to_owned(), uid: "e-x-uid".to_owned() }),
            is_ready: true,
            ended: None,
            is_end_confirmed: false,
        };
        self.grants.insert(name.to_owned(), grant);
    }

    fn evidence(&self, name: &str) -> Evidence {
        let uid = format!("{name}-uid");
        Evidence {
            request: self.requests.get(name).cloned(),
            decisions: self.decisions.iter().filter(|d| d.request_uid == uid).cloned().collect(),
            trusted_since: self.trusted_since,
            ..Evidence::default()
        }
    }

    fn calls(&self, who: &str, name: &str, method: &str, url: &str) -> String {
        let mut grants = Grants::default();
        for (name, grant) in &self.grants {
            let _ = grants.apply(grant.clone(), &self.evidence(name), self.now);
        }
        let caller = Caller { username: who.to_owned(), uid: None };
        let call = Call::read(method, url, "").expect("a call that can be read");
        match grants.permit(&Attempt { grant: name, caller: &caller, call: &call }, self.now) {
            Ok(permit) => format!("permit until {}", clock(permit.until())),
            Err(refusal) => format!("denial {}", refusal.reason),
        }
    }

    /// Changes what is stored, as a thief of a token might, and judges again.
    fn tampers(&mut self, what: &str, act: &str) -> String {
        let name = "R1";
        let request = self.requests.get_mut(name).expect("R1");
        let grant = self.grants.get_mut(name).expect("a grant");
        match act.trim_start_matches(what).trim_start_matches(" on").trim_start_matches(" R1").trim() {
            "goes" => drop(self.requests.remove(name)),
            "is being deleted" if what == "request" => request.is_deleting = true,
            "is being deleted" => grant.is_deleting = true,
            "comes back with another uid" => request.uid = "another".to_owned(),
            "go" => self.decisions.clear(),
            "are being deleted" => self.decisions.iter_mut().for_each(|d| d.is_deleting = true),
            "come from alice" => self.decisions.iter_mut().for_each(|d| d.approver = person("alice")),
            "gets 1s more" => grant.window.not_after += SignedDuration::from_secs(1),
            "begins 1h later for 1h more" => {
                self.now += SignedDuration::from_hours(1);
                grant.window.not_before += SignedDuration::from_hours(1);
                grant.window.not_after += SignedDuration::from_hours(1);
            }
            "gets another digest" => grant.digest = Digest::of(b"another"),
            "gets another rule" => grant.terms.rules = rules(&["/secrets/get"]),
            "gets another rule under its own digest" => {
                grant.terms.rules = rules(&["/secrets/get"]);
                grant.digest = grant.terms.digest();
            }
            "gets another namespace under its own digest" => {
                grant.terms.namespaces.push("web".to_owned());
                grant.digest = grant.terms.digest();
            }
            "gets holder mallory" => grant.holder = person("mallory"),
            "gets holder and requester mallory under its own digest" => {
                grant.holder = person("mallory");
                grant.terms.requester = "mallory".to_owned();
                grant.digest = grant.terms.digest();
            }
            "names no approval" => grant.approvals.clear(),
            "stand no more" => self.trusted_since = None,
            "stand since 09:59" => self.trusted_since = Some(at("09:59")),
            "stand since 10:00" => self.trusted_since = Some(at("10:00")),
            "stand since 10:01" => self.trusted_since = Some(at("10:01")),
            "names another approver" => grant.approvals[0].approver = "carol".to_owned(),
            other => panic!("`{other}`"),
        }
        let (grant, evidence) = (&self.grants[name], self.evidence(name));
        match stands(grant, &evidence, self.now) {
            Ok(()) => format!("Active until {}", clock(grant.window.not_after)),
            Err(ended) => ended.cause.to_string(),
        }
    }
}

/// `resource[.group][:name+name][!verb+verb]`, or names `:1..64`
fn ask(text: &str) -> Ask {
    let (text, verbs) = text.split_once('!').unwrap_or((text, ""));
    let (kind, names) = text.split_once(':').unwrap_or((text, ""));
    let (resource, group) = kind.split_once('.').unwrap_or((kind, ""));
    let names = match names.strip_prefix("1..").map(str::parse::<usize>) {
        Some(Ok(last)) => (1..=last).map(|n| n.to_string()).collect(),
        _ => set(names, '+'),
    };
    Ask { api_group: group.to_owned(), resource: resource.to_owned(), names, verbs: set(verbs, '+') }
}

/// Rules from `group/resource+resource/verb+verb`; `.` stands for the slash of a subresource.
fn rules(of: &[&str]) -> Rules {
    of.iter()
        .map(|text| {
            let parts: Vec<&str> = text.split('/').collect();
            Rule {
                api_groups: BTreeSet::from([parts[0].to_owned()]),
                resources: set(parts[1], '+').into_iter().map(|r| r.replace(':', "/")).collect(),
                verbs: set(parts[2], '+'),
                resource_names: BTreeSet::new(),
            }
        })
        .collect()
}

fn length(text: &str) -> Length {
    text.parse().expect("a length")
}

fn role(name: &str) -> Option<Role> {
    let (risk, scope, names, ceiling, companions): (Risk, Scope, Names, &[&str], &[&str]) = match name {
        "view-logs" => (Risk::Low, Scope::Namespaced, Names::Optional, &["/pods+pods:log/get+list+watch"], &[]),
        "by-token" => (Risk::Low, Scope::Namespaced, Names::Optional, &["/pods/get"], &[]),
        "view-secrets" => (Risk::High, Scope::Namespaced, Names::Required, &["/secrets/get"], &[]),
        "careless" => (Risk::High, Scope::Namespaced, Names::Optional, &["/secrets/get+list"], &[]),
        "debug-pod" => (Risk::High, Scope::Namespaced, Names::Optional, &["/pods/get", "/pods:exec/get+create"], &[]),
        "deploy" => (Risk::Critical, Scope::Namespaced, Names::Optional, &["apps/deployments/get+create+patch"], &[]),
        "roll-back" => (
            Risk::Critical,
            Scope::Namespaced,
            Names::Optional,
            &["apps/deployments/get+patch"],
            &["apps/replicasets/get+list"],
        ),
        "inspect-node" => (Risk::Medium, Scope::Cluster, Names::Optional, &["/nodes+pods/get+list+watch"], &[]),
        "misplaced" => (Risk::Low, Scope::Namespaced, Names::Optional, &["/nodes/get"], &[]),
        "everywhere" => (Risk::High, Scope::Cluster, Names::Optional, &["/pods:eviction/create"], &[]),
        _ => return None,
    };
    Some(Role {
        name: name.to_owned(),
        uid: format!("{name}-uid"),
        ceiling: rules(ceiling),
        companions: rules(companions),
        scope,
        risk,
        default_duration: length("30m"),
        max_duration: length("4h"),
        names,
        deliveries: vec![if name == "by-token" { Delivery::Token } else { Delivery::Gateway }],
    })
}

fn ground(role_name: &str) -> Ground {
    let state = |name: &str, state| (name.to_owned(), state);
    let mut types = Types::default();
    for (group, resource, scope) in [
        ("", "pods", TypeScope::Namespaced),
        ("", "secrets", TypeScope::Namespaced),
        ("", "nodes", TypeScope::Cluster),
        ("apps", "deployments", TypeScope::Namespaced),
        ("apps", "replicasets", TypeScope::Namespaced),
    ] {
        types.insert(group, resource, scope);
    }
    types.insert_unseen("broken");
    Ground {
        role: match (role(role_name), role_name) {
            (Some(role), _) => RoleState::Found(Box::new(role)),
            (None, "unsound") => RoleState::Unsound("ClusterRole `gone` is missing".to_owned()),
            (None, _) => RoleState::Missing,
        },
        namespaces: BTreeMap::from([
            state("shop", NamespaceState::Active),
            state("web", NamespaceState::Active),
            state("payments", NamespaceState::Active),
            state("kube-system", NamespaceState::Active),
            state("brevet-system", NamespaceState::Active),
            state("brevet-elevations", NamespaceState::Active),
            state("leaving", NamespaceState::Terminating),
            state("nowhere", NamespaceState::Missing),
        ]),
        types,
    }
}
