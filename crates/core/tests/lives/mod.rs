//! A cluster of one request, small enough to be a value: what the controller's
//! steps do to it, and what people and accidents do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use brevet_core::{
    decision::{Decision, Verdict},
    digest::Digest,
    grant::{Ended, Grant, IdentityRef},
    length::Length,
    lifecycle::{
        Acknowledgement, GrantSeen, Grounded, Limits, NewGrant, Observed, Plan, RequestCondition, RequestStatus, Ruled,
        Step, UnreadRequest,
        identity::{self, Part, PartKind},
        plan,
    },
    policy::{Approval, BreakGlass, Effect, Policies, Policy, PolicyRule, SubjectRef},
    request::{Ground, NamespaceState, Request, RoleState, TypeScope, Types, Urgency},
    role::{Delivery, Names, Risk, Role, Scope},
    rules::{Rule, Rules},
    subject::Subject,
    switch::{Switch, Switches},
    terms::{Narrow, Terms},
    window::Window,
};
use jiff::{SignedDuration, Timestamp};

/// More rounds than any plan takes to come to rest.
const ROUNDS_MAX: usize = 12;

/// What there is.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) request: Option<Request>,
    pub(crate) unread: Option<UnreadRequest>,
    pub(crate) written: Option<RequestStatus>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) grant: Option<GrantSeen>,
    pub(crate) parts: Vec<Part>,
    pub(crate) role: RoleState,
    pub(crate) namespace: NamespaceState,
    pub(crate) youngest: Timestamp,
    pub(crate) seal: u64,
    pub(crate) is_readable: bool,
    pub(crate) is_binding_held: bool,
    pub(crate) is_shared: bool,
    pub(crate) joinable: Option<IdentityRef>,
    pub(crate) ruled: Ruled,
    pub(crate) trusted_since: Option<Timestamp>,
    pub(crate) gateway_hangs: bool,
    pub(crate) name_taken: bool,
    pub(crate) is_crowded_out: bool,
    pub(crate) beyond: BTreeSet<String>,
    /// Whether decisions that may go stay all the same.
    pub(crate) keeps_surplus: bool,
    /// Decisions made so far.
    pub(crate) said: usize,
    pub(crate) made: u64,
    pub(crate) gave: Vec<(Step, Timestamp)>,
}

pub(crate) fn at(text: &str) -> Timestamp {
    format!("2026-12-01T{text}Z").parse().unwrap()
}

fn person(name: &str) -> Subject {
    Subject { username: name.to_owned(), uid: String::new(), groups: std::iter::empty().collect() }
}

fn rule(verbs: &[&str]) -> Rules {
    let one = |text: &str| std::iter::once(text.to_owned()).collect();
    let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
    [Rule { api_groups: one(""), resources: one("pods"), verbs, ..Rule::default() }].into_iter().collect()
}

pub(crate) fn role(verbs: &[&str]) -> RoleState {
    RoleState::Found(Box::new(Role {
        name: "view-logs".to_owned(),
        uid: "role".to_owned(),
        ceiling: rule(verbs),
        companions: Rules::default(),
        scope: Scope::Namespaced,
        risk: Risk::Low,
        default_duration: Length::parse("30m").unwrap(),
        max_duration: Length::parse("4h").unwrap(),
        names: Names::Optional,
        deliveries: vec![Delivery::Gateway],
    }))
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: at("10:00:00"),
            request: None,
            unread: None,
            written: None,
            decisions: Vec::new(),
            grant: None,
            parts: Vec::new(),
            role: role(&["get", "list"]),
            namespace: NamespaceState::Active,
            youngest: at("09:00:00"),
            seal: 0,
            is_readable: true,
            is_binding_held: false,
            is_shared: false,
            joinable: None,
            ruled: Ruled::default(),
            trusted_since: Some(at("08:00:00")),
            gateway_hangs: false,
            name_taken: false,
            is_crowded_out: false,
            beyond: BTreeSet::new(),
            keeps_surplus: false,
            said: 0,
            made: 0,
            gave: Vec::new(),
        }
    }

    /// Alice may break glass, which carol reviews within a day; else anybody approves.
    pub(crate) fn with_glass() -> Self {
        let review_within = Length::parse("1d").unwrap();
        let glass = BreakGlass { review_within, reviewers: vec![SubjectRef::User("carol".to_owned())] };
        Self::ruled_by(vec![
            ("glass", Effect::BreakGlass(glass)),
            ("people", Effect::RequireApproval(Approval::by_anyone())),
        ])
    }

    /// What alice asks for takes bob's approval, and nobody else has a say.
    pub(crate) fn with_bob() -> Self {
        let mut approval = Approval::by_anyone();
        approval.stages[0].approvers = vec![SubjectRef::User("bob".to_owned())];
        Self::ruled_by(vec![("bob", Effect::RequireApproval(approval))])
    }

    fn ruled_by(effects: Vec<(&str, Effect)>) -> Self {
        let rule = |(name, effect): (&str, Effect)| PolicyRule {
            name: name.to_owned(),
            subjects: vec![SubjectRef::User("alice".to_owned())],
            roles: std::iter::once("view-logs".to_owned()).collect(),
            risks: std::iter::empty().collect(),
            namespaces: None,
            resources: Vec::new(),
            schedule: None,
            when: None,
            limits: Default::default(),
            effect,
        };
        let policy = Policy {
            name: "shop".to_owned(),
            uid: "p1".to_owned(),
            generation: 1,
            priority: 0,
            switch: Switch::Off,
            fault: None,
            people: Vec::new(),
            rules: effects.into_iter().map(rule).collect(),
        };
        let mut world = Self::new();
        world.ruled.policies = Arc::new(Policies::new(vec![policy]));
        world
    }

    pub(crate) fn suspend(&mut self, cluster: Switch) {
        self.ruled.switches = Arc::new(Switches { cluster, ..Switches::default() });
    }

    pub(crate) fn observe(&self) -> Observed {
        let mut types = Types::default();
        types.insert("", "pods", TypeScope::Namespaced);
        let namespaces = BTreeMap::from([("shop".to_owned(), self.namespace)]);
        let ground = Ground { role: self.role.clone(), namespaces, types };
        let grant = self.grant.clone().map(|seen| {
            let version: u64 = seen.grant.resource_version.parse().unwrap();
            let acknowledged = if self.gateway_hangs { version - 1 } else { version };
            GrantSeen {
                parts: (seen.grant.identity.is_some() && self.is_readable).then(|| self.parts.clone()),
                is_identity_shared: self.is_shared,
                gateways: vec![Acknowledgement {
                    replica: "gateway-1".to_owned(),
                    resource_version: Some(acknowledged),
                    dead_at: self.now + SignedDuration::from_secs(35),
                }],
                ..seen
            }
        });
        Observed {
            limits: Limits { approval_seconds_max: 24 * 3600, retention_seconds: 7 * 24 * 3600 },
            request: self.request.clone(),
            written: self.written.clone(),
            unread: self.unread.clone(),
            is_excess: false,
            is_crowded_out: self.is_crowded_out,
            decisions: self.decisions.clone(),
            beyond: self.beyond.clone(),
            grant,
            is_name_taken: self.name_taken,
            ground: self.is_readable.then_some(Grounded {
                ground,
                youngest: self.youngest,
                labels: BTreeMap::new(),
                seal: Some(self.seal.to_string()),
            }),
            ruled: self.ruled.clone(),
            trusted_since: self.trusted_since,
            joinable: self.joinable.clone(),
        }
    }

    /// Performs plans until there is nothing to do: a plan must come to rest.
    pub(crate) fn settle(&mut self) -> Plan {
        for _ in 0..ROUNDS_MAX {
            let plan = plan(&self.observe(), self.now);
            if plan.steps.is_empty() && (plan.surplus.is_empty() || self.keeps_surplus) {
                return plan;
            }
            assert!(plan.steps.is_empty() || plan.surplus.is_empty(), "what is to be done comes first");
            self.decisions.retain(|decision| !plan.surplus.contains(decision));
            for step in plan.steps {
                self.perform(step);
            }
        }
        panic!("the plan does not come to rest: {:?}", plan(&self.observe(), self.now));
    }

    pub(crate) fn perform(&mut self, step: Step) {
        if step.is_giving() {
            self.gave.push((step.clone(), self.now));
        }
        self.made += 1;
        let version = (100 + self.made).to_string();
        match step {
            Step::WriteRequest(status) => self.written = Some(*status),
            Step::CreateGrant(new) => self.grant = Some(granted(*new, version)),
            Step::Announce => self.grant.as_mut().unwrap().is_announced = true,
            Step::Activate { join } => {
                let identity = join.unwrap_or_else(|| self.make_identity());
                let seen = self.grant.as_mut().unwrap();
                seen.is_announced = true;
                seen.grant.identity = Some(identity);
                seen.grant.is_ready = true;
            }
            Step::End { ended, message } => {
                let seen = self.grant.as_mut().unwrap();
                assert_eq!(seen.grant.ended, None, "an end is written once");
                (seen.grant.ended, seen.end_message, seen.grant.resource_version) = (Some(ended), message, version);
            }
            Step::Unmake { parts, .. } => {
                assert!(!self.is_shared, "what others use is taken away");
                for gone in parts {
                    let is_held = self.is_binding_held && gone.kind == PartKind::RoleBinding;
                    self.parts.retain(|part| part.uid != gone.uid || is_held);
                    self.parts.iter_mut().filter(|part| part.uid == gone.uid).for_each(|part| part.is_deleting = true);
                }
            }
            Step::ConfirmEnd => self.grant.as_mut().unwrap().grant.is_end_confirmed = true,
            Step::ReleaseGrant => self.grant = None,
            Step::DeleteGrant => self.grant.as_mut().unwrap().grant.is_deleting = true,
            Step::DeleteDecision(gone) => self.decisions.retain(|decision| decision.uid != gone.uid),
            Step::DeleteRequest => (self.request, self.unread, self.written) = (None, None, None),
        }
    }

    fn make_identity(&mut self) -> IdentityRef {
        let part = |kind, place: &str, uid: &str| Part {
            kind,
            namespace: place.to_owned(),
            name: "e-1".to_owned(),
            uid: uid.to_owned(),
            is_deleting: false,
            is_as_written: true,
            seal: None,
        };
        self.parts = vec![
            part(PartKind::Role, "shop", "r"),
            part(PartKind::RoleBinding, "shop", "b"),
            part(PartKind::ServiceAccount, "brevet-elevations", "sa"),
        ];
        let seal = identity::seal(self.parts.iter().map(|part| part.uid.as_str())).base32();
        self.parts.push(Part { seal: Some(seal), ..part(PartKind::Anchor, "brevet-elevations", "a") });
        IdentityRef { name: "e-1".to_owned(), uid: "sa".to_owned() }
    }

    pub(crate) fn ask(&mut self, duration: &str, start: Option<Timestamp>) {
        self.request = Some(Request {
            name: "r1".to_owned(),
            uid: "r1".to_owned(),
            created_at: self.now,
            is_deleting: false,
            requester: person("alice"),
            role: "view-logs".to_owned(),
            namespaces: vec!["shop".to_owned()],
            resources: None,
            duration: Some(Length::parse(duration).unwrap()),
            start_at: start,
            justification: "checkout errors".to_owned(),
            urgency: Urgency::Normal,
            ticket: String::new(),
            delivery: None,
        });
    }

    pub(crate) fn decide(&mut self, who: &str, verdict: Verdict, digest: Option<Digest>) {
        let uid = format!("d{:04}", self.said);
        self.said += 1;
        self.decisions.push(Decision {
            name: uid.clone(),
            uid,
            created_at: self.now,
            is_deleting: false,
            verdict,
            request_name: "r1".to_owned(),
            request_uid: "r1".to_owned(),
            digest,
            role: "view-logs".to_owned(),
            namespaces: vec!["shop".to_owned()],
            requester: "alice".to_owned(),
            requester_uid: String::new(),
            approver: person(who),
            comment: String::new(),
            narrow: None,
        });
    }

    /// Approves no more than `duration` of what there is to approve.
    pub(crate) fn narrow(&mut self, who: &str, duration: &str) {
        let terms = self.written.as_ref().and_then(|written| written.terms.as_ref());
        let by = Narrow { duration: Some(Length::parse(duration).unwrap()), ..Narrow::default() };
        let less = terms.zip(self.request.as_ref()).and_then(|(all, r)| all.narrowed(&by, r.created_at).ok());
        self.decide(who, Verdict::Approve, less.map(|less| less.digest()));
        self.decisions.last_mut().unwrap().narrow = Some(by);
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        self.written.as_ref()?.terms.as_ref().map(Terms::digest)
    }

    /// Phase, why it is complete, and how much of an identity there is.
    pub(crate) fn told(&self) -> String {
        let parts = self.parts.len();
        let Some(status) = &self.written else {
            let grant = self.grant.as_ref().and_then(|seen| seen.grant.ended.as_ref());
            return format!("no request, {}, {parts} parts", grant.map_or("no end".to_owned(), |e| e.cause.name()));
        };
        let mut text = format!("{:?}", status.phase);
        if let Some(said) = status.conditions.get(&RequestCondition::Complete) {
            text.push_str(&format!(" {}", said.reason));
        }
        if parts > 0 {
            text.push_str(&format!(", {parts} parts"));
        }
        text
    }
}

fn granted(new: NewGrant, resource_version: String) -> GrantSeen {
    let NewGrant { name, request_uid, holder, terms, window, approvals, policy, ground } = new;
    let grant = Grant {
        name,
        uid: "g1".to_owned(),
        resource_version,
        is_deleting: false,
        request_uid,
        holder,
        digest: terms.digest(),
        terms,
        window: Window { ..window },
        approvals,
        policy,
        identity: None,
        is_ready: false,
        ended: None::<Ended>,
        is_end_confirmed: false,
    };
    GrantSeen {
        grant,
        is_announced: false,
        ground: Some(ground),
        is_held: true,
        parts: None,
        end_message: String::new(),
        is_identity_shared: false,
        gateways: Vec::new(),
    }
}
