//! A grant: made, in force, over, gone.

use super::words::{Decider, ObjectRef, Person, Word};
use crate::{
    audit::{
        moment::Moment,
        text::{List, Text},
        wire::{record, words},
    },
    digest::Digest,
    grant::{Approval, Ended},
    lifecycle::{
        NewGrant,
        identity::{Part, PartKind},
    },
    role::Delivery,
};

record! {
    /// An approval that a grant rests on.
    ApprovalCounted {
        /// Who.
        approver: Text = "approver",
        /// The AccessDecision.
        decision: ObjectRef = "decision",
        /// The stage it counts for.
        stage: Text = "stage",
    }
}

record! {
    /// The grant that is to be made. It takes the request's name; its uid is in the `GrantMade` that follows.
    GrantBegun {
        /// The AccessRequest.
        request: ObjectRef = "request",
        /// Who will hold it.
        holder: Person = "holder",
        /// The AccessRole.
        role: Text = "role",
        /// The terms that were approved.
        digest: Digest = "digest",
        /// First instant in force.
        not_before: Moment = "notBefore",
        /// First instant not in force any more.
        not_after: Moment = "notAfter",
        /// How it is handed over.
        delivery: Delivery = "delivery",
        /// Who agreed.
        approvals: List<ApprovalCounted> = "approvals",
        /// The rule that decided; none: there was no policy.
        by: Option<Decider> = "by",
    }
}

record! {
    /// The grant is made.
    GrantMade {
        /// Place of its `GrantBegun`.
        intent: u64 = "intent",
        /// The AccessGrant.
        grant: ObjectRef = "grant",
    }
}

record! {
    /// A grant that is to come into force.
    ActivationBegun {
        /// The AccessGrant.
        grant: ObjectRef = "grant",
        /// The live identity it joins; none: a new one is made.
        joins: Option<ObjectRef> = "joins",
    }
}

record! {
    /// One object of an elevation identity.
    ObjectMade {
        /// Its kind.
        kind: PartKind = "kind",
        /// Empty for cluster-scoped kinds.
        namespace: Text = "namespace",
        /// Its name.
        name: Text = "name",
        /// Its uid.
        uid: Text = "uid",
    }
}

record! {
    /// The grant is in force.
    Activated {
        /// Place of its `ActivationBegun`.
        intent: u64 = "intent",
        /// The ServiceAccount in `brevet-elevations`.
        identity: ObjectRef = "identity",
        /// Everything the identity is made of, by uid.
        objects: List<ObjectMade> = "objects",
    }
}

record! {
    /// What is in force differs from what was approved and made; the grant ends.
    DriftSeen {
        /// The AccessGrant.
        grant: ObjectRef = "grant",
        /// What differs.
        message: Text = "message",
    }
}

record! {
    /// A grant is over.
    GrantEnded {
        /// The AccessGrant.
        grant: ObjectRef = "grant",
        /// Why, for machines.
        cause: Word = "cause",
        /// Since when.
        ended_at: Moment = "endedAt",
        /// Why, for people.
        message: Text = "message",
    }
}

record! {
    /// Objects that are to be removed, by uid.
    RemovalBegun {
        /// The grant that ended; none: an orphan that belongs to none.
        grant: Option<ObjectRef> = "grant",
        /// Bindings first.
        objects: List<ObjectMade> = "objects",
    }
}

record! {
    /// The end of a grant is confirmed: nothing that carried it is there, no gateway has anything open.
    EndConfirmed {
        /// The AccessGrant.
        grant: ObjectRef = "grant",
        /// The gateways that acknowledged the end.
        acknowledged_by: List<Text> = "acknowledgedBy",
    }
}

words! {
    /// The kinds of finished objects.
    RequestKind {
        /// An ask.
        AccessRequest,
        /// What somebody said.
        AccessDecision,
        /// What was in force.
        AccessGrant,
    }
}

record! {
    /// A finished object that is to be deleted.
    DeletionBegun {
        /// Its kind.
        kind: RequestKind = "kind",
        /// The object.
        object: ObjectRef = "object",
    }
}

record! {
    /// What was begun is done.
    ActDone {
        /// Place of the entry that began it.
        intent: u64 = "intent",
    }
}

record! {
    /// What was begun was not done, or it is not known whether.
    ActFailed {
        /// Place of the entry that began it.
        intent: u64 = "intent",
        /// Why.
        message: Text = "message",
    }
}

impl From<&Approval> for ApprovalCounted {
    fn from(approval: &Approval) -> Self {
        Self {
            approver: Text::new(&approval.approver),
            decision: ObjectRef::new(&approval.decision_name, &approval.decision_uid),
            stage: Text::new(&approval.stage),
        }
    }
}

impl From<&NewGrant> for GrantBegun {
    fn from(new: &NewGrant) -> Self {
        Self {
            request: ObjectRef::new(&new.name, &new.request_uid),
            holder: Person::from(&new.holder),
            role: Text::new(&new.terms.role),
            digest: new.terms.digest(),
            not_before: new.window.not_before.into(),
            not_after: new.window.not_after.into(),
            delivery: new.terms.delivery,
            approvals: new.approvals.iter().collect(),
            by: new.policy.as_ref().map(Decider::from),
        }
    }
}

impl From<&Part> for ObjectMade {
    fn from(part: &Part) -> Self {
        Self {
            kind: part.kind,
            namespace: Text::new(&part.namespace),
            name: Text::new(&part.name),
            uid: Text::new(&part.uid),
        }
    }
}

impl GrantEnded {
    /// That way.
    #[must_use]
    pub fn new(grant: ObjectRef, ended: &Ended, message: &str) -> Self {
        Self { grant, cause: ended.cause.into(), ended_at: ended.at.into(), message: Text::new(message) }
    }
}
