//! What is to be done next, as values: the shell performs, and decides nothing.

use jiff::Timestamp;

use crate::{
    decision::Decision,
    grant::{Approval, Ended, IdentityRef},
    lifecycle::{identity::Part, standing::RequestStatus},
    policy::Decider,
    subject::Subject,
    terms::Terms,
    window::Window,
};

/// What to do now, and when to look again if nothing changes before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be performed in this order; each is safe to repeat and safe to lose.
    pub steps: Vec<Step>,
    /// When time alone changes the plan.
    pub wake_at: Option<Timestamp>,
    /// What is being waited for, if it may need asking again before that.
    pub waits_for: Option<Wait>,
    /// Decisions that may go, as far as they are still what they were seen as; only where there is no step.
    /// They count for nothing, and are about nothing or too many (I16).
    pub surplus: Vec<Decision>,
    /// Uids of the decisions by which the terms in force are less than was asked for.
    pub(crate) narrowed_by: Vec<String>,
    /// Whether a step rests on something not being there, or not being as it was. Caches lie
    /// that way at start-up: gather again from the source before performing.
    pub must_confirm: bool,
}

impl Plan {
    /// Looks again at that instant, unless earlier anyway.
    pub(crate) fn wake_no_later(&mut self, at: Option<Timestamp>) {
        self.wake_at = [self.wake_at, at].into_iter().flatten().min();
    }
}

/// What an unfinished end waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The API server to confirm that the parts are gone.
    Absence,
    /// The gateways to say that they have closed what was open.
    Acknowledgement,
    /// The ground to be readable.
    Ground,
    /// The admission policies to stand.
    Guard,
}

/// One act. Performing it and observing again never yields it a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Let the request's status say this.
    WriteRequest(Box<RequestStatus>),
    /// Make the grant.
    CreateGrant(Box<NewGrant>),
    /// Let the grant's status say that it waits for its beginning.
    Announce,
    /// Bring it into force, on this identity or on a new one.
    Activate {
        /// A live identity with equal rules.
        join: Option<IdentityRef>,
    },
    /// Let the grant's status say that it is over.
    End {
        /// Cause and moment.
        ended: Ended,
        /// For people.
        message: String,
    },
    /// Remove exactly these objects, by uid, unless a quorum read finds another live grant on the identity.
    Unmake {
        /// The identity they belong to.
        identity: IdentityRef,
        /// Bindings first.
        parts: Vec<Part>,
    },
    /// Let the grant's status say that its end is confirmed (I8).
    ConfirmEnd,
    /// Let the deleted grant go.
    ReleaseGrant,
    /// Remove the grant, long finished.
    DeleteGrant,
    /// Remove a decision, by uid.
    DeleteDecision(Box<Decision>),
    /// Remove the request, by uid.
    DeleteRequest,
}

impl Step {
    /// Whether access may exist after it that did not exist before.
    #[must_use]
    pub fn is_giving(&self) -> bool {
        matches!(self, Self::CreateGrant(_) | Self::Activate { .. })
    }
}

/// A grant to be made; it takes the request's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// The request's name.
    pub name: String,
    /// The request's uid.
    pub request_uid: String,
    /// Who will hold it.
    pub holder: Subject,
    /// What was approved.
    pub terms: Terms,
    /// When.
    pub window: Window,
    /// Who agreed.
    pub approvals: Vec<Approval>,
    /// The rule that decided.
    pub policy: Option<Decider>,
    /// The seal of the ground it is made on.
    pub ground: String,
}
