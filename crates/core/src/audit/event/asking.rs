//! From a request to its grant, or to its end without one.

use serde_json::{Value, json};

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
    length::Length,
    policy::{Outcome, Ruling, Stage},
    reason::{Reason, Refusal},
    request::{Request, Urgency},
    role::Delivery,
    rules::{Ask, Dropped},
    terms::{Narrow, Terms},
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
        /// After how long a review by somebody else is due; none: none is.
        review_within_seconds: Option<u32> = "reviewWithinSeconds",
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
    /// How much of a request is approved.
    NarrowedTo {
        /// Only these objects and verbs, as canonical JSON; none: as before.
        resources: Option<Document> = "resources",
        /// Only these namespaces; empty: as before.
        namespaces: List<Text> = "namespaces",
        /// No longer than this; none: as before.
        duration_seconds: Option<u32> = "durationSeconds",
        /// Not before this; none: as before.
        start_at: Option<Moment> = "startAt",
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
        /// How much of it they approve; none: all.
        narrow: Option<NarrowedTo> = "narrow",
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

/// Asked-for objects as canonical JSON.
fn told(asks: &[Ask]) -> Document {
    let list = asks.iter().map(
        |ask| json!({"apiGroup": ask.api_group, "resource": ask.resource, "names": ask.names, "verbs": ask.verbs}),
    );
    Document::new(String::from_utf8_lossy(&canonical_json(&Value::Array(list.collect()))))
}

impl RequestSeen {
    /// Of a request; its justification travels beside.
    #[must_use]
    pub fn new(request: &Request, justification: Option<&Personal>) -> Self {
        Self {
            request: ObjectRef::new(&request.name, &request.uid),
            created_at: request.created_at.into(),
            requester: Person::from(&request.requester),
            role: Text::new(&request.role),
            namespaces: request.namespaces.iter().map(Text::new).collect(),
            resources: request.resources.as_deref().map(told),
            duration_seconds: request.duration.map(Length::seconds),
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
        let mut said = Self {
            request,
            ruling: RulingWord::Approve,
            by: outcome.by.as_ref().map(Decider::from),
            stages: List::default(),
            review_within_seconds: None,
            refusal: None,
            message: Text::new(outcome.to_string()),
        };
        match &outcome.ruling {
            Ruling::Approve => {}
            Ruling::BreakGlass(terms) => {
                said.ruling = RulingWord::BreakGlass;
                said.review_within_seconds = Some(terms.review_within.seconds());
            }
            Ruling::Deny(refusal) => {
                said.ruling = RulingWord::Deny;
                said.refusal = Some(refusal.into());
            }
            Ruling::RequireApproval(approval) => {
                let needed = |stage: &Stage| StageNeeded { name: Text::new(&stage.name), required: stage.required };
                said.ruling = RulingWord::RequireApproval;
                said.stages = approval.stages.iter().map(needed).collect();
            }
        }
        said
    }

    /// Refused by the checks that come before the policies.
    #[must_use]
    pub fn refused(request: ObjectRef, refusal: &Refusal) -> Self {
        Self {
            request,
            ruling: RulingWord::Deny,
            by: None,
            stages: List::default(),
            review_within_seconds: None,
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

impl From<&Narrow> for NarrowedTo {
    fn from(narrow: &Narrow) -> Self {
        Self {
            resources: (!narrow.resources.is_empty()).then(|| told(&narrow.resources)),
            namespaces: narrow.namespaces.iter().map(Text::new).collect(),
            duration_seconds: narrow.duration.map(Length::seconds),
            start_at: narrow.start_at.map(Moment::from),
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
            narrow: decision.narrow.as_ref().map(NarrowedTo::from),
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
