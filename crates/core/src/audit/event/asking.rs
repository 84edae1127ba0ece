//! From a request to its grant, or to its end without one.

use super::words::{Decider, ObjectRef, Person, RefusalSaid, Word};
use crate::{
    audit::{
        commitment::{Commitment, Personal},
        moment::Moment,
        text::{Document, List, Text},
        wire::{record, words},
    },
    decision::{Decision, Verdict},
    digest::{Digest, canonical_json},
    policy::{Outcome, Ruling},
    reason::{Reason, Refusal},
    request::{Request, Urgency},
    role::Delivery,
    rules::Dropped,
    terms::Terms,
};

record! {
    /// A request, as its requester wrote it.
    RequestSeen {
        /// The AccessRequest.
        request: ObjectRef = "request",
        /// When the API server stored it.
        created_at: Moment = "createdAt",
        /// Who asks.
        requester: Person = "requester",
        /// The AccessRole asked for.
        role: Text = "role",
        /// Where; empty for the whole cluster.
        namespaces: List<Text> = "namespaces",
        /// The objects asked for, as canonical JSON; none: the whole role.
        resources: Option<Document> = "resources",
        /// How long; none: the role's default.
        duration_seconds: Option<u32> = "durationSeconds",
        /// From when; none: at once.
        start_at: Option<Moment> = "startAt",
        /// How it is to be handed over; none: the role's first way.
        delivery: Option<Delivery> = "delivery",
        /// How urgent.
        urgency: Urgency = "urgency",
        /// May be empty.
        ticket: Text = "ticket",
        /// Why, committed to; none: nothing was said.
        justification: Option<Commitment> = "justification",
    }
}

words! {
    /// What was decided of a request.
    RulingWord {
        /// Granted at once.
        Approve,
        /// Granted once people agree.
        RequireApproval,
        /// Granted at once, reviewed after.
        BreakGlass,
        /// Refused.
        Deny,
    }
}

record! {
    /// One stage of an approval.
    StageNeeded {
        /// Its name.
        name: Text = "name",
        /// How many people.
        required: u32 = "required",
    }
}

record! {
    /// What policies, or the checks before them, say of a request.
    Evaluated {
        /// The AccessRequest.
        request: ObjectRef = "request",
        /// What was decided.
        ruling: RulingWord = "ruling",
        /// By which rule; none: no rule, or the checks before the policies.
        by: Option<Decider> = "by",
        /// The stages it takes.
        stages: List<StageNeeded> = "stages",
        /// Why it was refused.
        refusal: Option<RefusalSaid> = "refusal",
        /// The whole decision in words.
        message: Text = "message",
    }
}

record! {
    /// The exact terms.
    TermsSet {
        /// The AccessRequest.
        request: ObjectRef = "request",
        /// What an approver attests: the digest over `terms`.
        digest: Digest = "digest",
        /// The canonical bytes of `docs/spec/terms.md`.
        terms: Document = "terms",
        /// What was asked for and is not part of them, and why.
        dropped: List<Text> = "dropped",
    }
}

record! {
    /// What somebody said of a request or grant, and whether it counts.
    DecisionWeighed {
        /// The AccessRequest.
        request: ObjectRef = "request",
        /// The AccessDecision.
        decision: ObjectRef = "decision",
        /// When the API server stored it.
        created_at: Moment = "createdAt",
        /// The act.
        verdict: Verdict = "verdict",
        /// Who.
        approver: Person = "approver",
        /// The digest it attests.
        digest: Option<Digest> = "digest",
        /// The stage it counts for; empty where there are none, or it does not count.
        stage: Text = "stage",
        /// Why it does not count; none: it counts.
        discounted: Option<RefusalSaid> = "discounted",
        /// What they wrote, committed to; none: nothing.
        comment: Option<Commitment> = "comment",
    }
}

record! {
    /// A request that ends without a grant.
    RequestClosed {
        /// The AccessRequest.
        request: ObjectRef = "request",
        /// Why, for machines.
        reason: Word = "reason",
        /// Why, for people.
        message: Text = "message",
    }
}

impl RequestSeen {
    /// Of a request; its justification travels beside.
    #[must_use]
    pub fn new(request: &Request, justification: Option<&Personal>) -> Self {
        let asks = request.resources.as_ref().map(|asks| {
            let list = asks.iter().map(|ask| {
                serde_json::json!({
                    "apiGroup": ask.api_group, "resource": ask.resource, "names": ask.names, "verbs": ask.verbs,
                })
            });
            let bytes = canonical_json(&serde_json::Value::Array(list.collect()));
            Document::new(String::from_utf8_lossy(&bytes))
        });
        Self {
            request: ObjectRef::new(&request.name, &request.uid),
            created_at: request.created_at.into(),
            requester: Person::from(&request.requester),
            role: Text::new(&request.role),
            namespaces: request.namespaces.iter().map(Text::new).collect(),
            resources: asks,
            duration_seconds: request.duration.map(crate::length::Length::seconds),
            start_at: request.start_at.map(Moment::from),
            delivery: request.delivery,
            urgency: request.urgency,
            ticket: Text::new(&request.ticket),
            justification: justification.map(Personal::commitment),
        }
    }
}

impl Evaluated {
    /// What the policies said.
    #[must_use]
    pub fn by_policies(request: ObjectRef, outcome: &Outcome) -> Self {
        let (ruling, stages, refusal) = match &outcome.ruling {
            Ruling::Approve => (RulingWord::Approve, List::default(), None),
            Ruling::BreakGlass(_) => (RulingWord::BreakGlass, List::default(), None),
            Ruling::Deny(refusal) => (RulingWord::Deny, List::default(), Some(RefusalSaid::from(refusal))),
            Ruling::RequireApproval(approval) => {
                let needed = |stage: &crate::policy::Stage| StageNeeded {
                    name: Text::new(&stage.name),
                    required: stage.required,
                };
                (RulingWord::RequireApproval, approval.stages.iter().map(needed).collect(), None)
            }
        };
        let message = Text::new(outcome.to_string());
        Self { request, ruling, by: outcome.by.as_ref().map(Decider::from), stages, refusal, message }
    }

    /// Refused by the checks that come before the policies.
    #[must_use]
    pub fn refused(request: ObjectRef, refusal: &Refusal) -> Self {
        Self {
            request,
            ruling: RulingWord::Deny,
            by: None,
            stages: List::default(),
            refusal: Some(refusal.into()),
            message: Text::new(refusal.to_string()),
        }
    }
}

impl TermsSet {
    /// Of a request.
    #[must_use]
    pub fn new(request: ObjectRef, terms: &Terms, dropped: &[Dropped]) -> Self {
        let bytes = terms.canonical_bytes();
        let told = |dropped: &Dropped| {
            let verbs: Vec<&str> = dropped.verbs.iter().map(String::as_str).collect();
            let parts = [dropped.resource.as_str(), dropped.api_group.as_str(), &verbs.join(",")];
            Text::new(format!("{}: {}", parts.join("|"), dropped.why))
        };
        Self {
            request,
            digest: Digest::of(&bytes),
            terms: Document::new(String::from_utf8_lossy(&bytes)),
            dropped: dropped.iter().map(told).collect(),
        }
    }
}

impl DecisionWeighed {
    /// A decision that counts for `stage`, or does not count.
    #[must_use]
    pub fn new(
        request: ObjectRef,
        decision: &Decision,
        counts: Result<&str, &Refusal>,
        comment: Option<&Personal>,
    ) -> Self {
        Self {
            request,
            decision: ObjectRef::new(&decision.name, &decision.uid),
            created_at: decision.created_at.into(),
            verdict: decision.verdict,
            approver: Person::from(&decision.approver),
            digest: decision.digest,
            stage: Text::new(counts.unwrap_or_default()),
            discounted: counts.err().map(RefusalSaid::from),
            comment: comment.map(Personal::commitment),
        }
    }
}

impl RequestClosed {
    /// For that reason.
    #[must_use]
    pub fn new(request: ObjectRef, reason: Reason, message: &str) -> Self {
        Self { request, reason: reason.into(), message: Text::new(message) }
    }
}
