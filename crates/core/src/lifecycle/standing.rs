//! What a request's status says, as a value.
//!
//! Promises: only four things in it are ever read back as truth: that the
//! request is complete (then nothing more follows), which grant was made from
//! it, that a rule took it in (then limits on use are not judged again), and
//! the review that is due after glass was broken.
//! All else is derived anew, so an edited status gives nobody anything.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    decision::Decision,
    lifecycle::review::Review,
    phase::{self, Phase},
    policy::Decider,
    reason::{Reason, Refusal},
    rules::Dropped,
    terms::Terms,
};

/// The conditions of an AccessRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestCondition {
    /// Whether it passed the checks that come before people.
    Evaluated,
    /// People approved less than was asked for.
    Narrowed,
    /// Enough people agreed. Never false, never taken back.
    Approved,
    /// Refused. Never false, never taken back.
    Denied,
    /// Glass was broken, and nobody has reviewed that yet.
    ReviewDue,
    /// Nothing follows.
    Complete,
}

impl RequestCondition {
    /// Every one, in order.
    pub const ALL: [Self; 6] =
        [Self::Evaluated, Self::Narrowed, Self::Approved, Self::Denied, Self::ReviewDue, Self::Complete];

    /// The name as it stands on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Evaluated => "Evaluated",
            Self::Narrowed => "Narrowed",
            Self::Approved => "Approved",
            Self::Denied => "Denied",
            Self::ReviewDue => "ReviewDue",
            Self::Complete => "Complete",
        }
    }
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// True or False.
    pub is_true: bool,
    /// CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Since when, in whole seconds.
    pub since: Timestamp,
}

/// An approval that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The approver's username.
    pub approver: String,
    /// The decision's name.
    pub decision_name: String,
    /// The decision's uid.
    pub decision_uid: String,
    /// When it was made.
    pub at: Timestamp,
}

impl Counted {
    /// A decision, as a request's status lists it.
    pub(crate) fn of(decision: &Decision) -> Self {
        Self {
            approver: decision.approver.username.clone(),
            decision_name: decision.name.clone(),
            decision_uid: decision.uid.clone(),
            at: whole_second(decision.created_at),
        }
    }
}

/// One stage, and who counts for it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageSaid {
    /// Its name.
    pub name: String,
    /// How many it takes.
    pub required: u32,
    /// Who counts.
    pub approvals: Vec<Counted>,
}

/// Kubernetes' own bound on a condition's message: what is written must read back equal.
const MESSAGE_CHARS_MAX: usize = 4096;

/// The status of an AccessRequest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestStatus {
    /// For people.
    pub phase: Phase,
    /// Those that say something.
    pub conditions: BTreeMap<RequestCondition, Said>,
    /// What there is to approve, or was approved.
    pub terms: Option<Terms>,
    /// What was asked for and is not part of the terms.
    pub dropped: Vec<Dropped>,
    /// The rule that decides; `None`: there is no policy.
    pub policy: Option<Decider>,
    /// The approvals it takes, and those that count so far.
    pub stages: Vec<StageSaid>,
    /// The review, where glass was broken.
    pub review: Option<Review>,
    /// Name and uid of the grant.
    pub grant: Option<(String, String)>,
}

impl Default for RequestStatus {
    fn default() -> Self {
        Self {
            phase: Phase::Pending,
            conditions: BTreeMap::new(),
            terms: None,
            dropped: Vec::new(),
            policy: None,
            stages: Vec::new(),
            review: None,
            grant: None,
        }
    }
}

impl RequestStatus {
    /// Lets a condition say `reason`. What it said before with the same truth and reason keeps its
    /// moment.
    pub(crate) fn say(
        &mut self,
        condition: RequestCondition,
        is_true: bool,
        reason: impl ToString,
        message: impl Into<String>,
        now: Timestamp,
    ) {
        let (reason, message) = (reason.to_string(), message.into().chars().take(MESSAGE_CHARS_MAX).collect());
        let before = self.conditions.get(&condition).filter(|said| said.is_true == is_true && said.reason == reason);
        let since = before.map_or(whole_second(now), |said| said.since);
        self.conditions.insert(condition, Said { is_true, reason, message, since });
    }

    /// As it is when the request is refused, for good, before anybody could decide.
    #[must_use]
    pub fn refused(mut self, refusal: &Refusal, now: Timestamp) -> Self {
        let (reason, message) = (refusal.reason, refusal.to_string());
        self.say(RequestCondition::Evaluated, false, reason, message.clone(), now);
        self.close(reason, message, now);
        self
    }

    /// The request is over without a grant, for good.
    pub(crate) fn close(&mut self, reason: Reason, message: impl Into<String>, now: Timestamp) {
        let message = message.into();
        self.phase = phase::of_close(reason);
        if self.phase == Phase::Denied {
            self.say(RequestCondition::Denied, true, reason, message.clone(), now);
        }
        self.say(RequestCondition::Complete, true, reason, message, now);
    }

    /// Whether the condition holds.
    #[must_use]
    pub fn holds(&self, condition: RequestCondition) -> bool {
        self.conditions.get(&condition).is_some_and(|said| said.is_true)
    }

    /// Whether a review is due that nobody has made: then nothing of it is removed.
    #[must_use]
    pub fn awaits_review(&self) -> bool {
        self.review.as_ref().is_some_and(|review| review.by.is_none())
    }

    /// Since when nothing follows.
    #[must_use]
    pub fn complete_since(&self) -> Option<Timestamp> {
        self.conditions.get(&RequestCondition::Complete).filter(|said| said.is_true).map(|said| said.since)
    }
}

/// The second `now` lies in. The wire knows no fractions, and what is written must read back equal.
#[must_use]
pub fn whole_second(now: Timestamp) -> Timestamp {
    // Rounding towards the past cannot leave the range of timestamps but at its very start.
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
