//! The review that follows when glass was broken.
//!
//! Promises: due from the moment a rule gives access at once and until somebody
//! else has reviewed it, whatever becomes of the rule; done by the first
//! decision that counts, and never undone.
//!
//! Left out on purpose: what a review finds. Its comment is for people.

use jiff::Timestamp;

use crate::{
    decision::{Decision, Verdict, weigh},
    lifecycle::{
        observed::Observed,
        standing::{Counted, RequestCondition, RequestStatus, whole_second},
        step::Step,
    },
    policy::stages::{Aliases, is_one_human},
    policy::{BreakGlass, SubjectRef},
    reason::Reason,
    request::Request,
};

/// Of one line about a stage; the schema allows more.
const SKIPPED_CHARS_MAX: usize = 1024;

/// A review that is due, or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Until when.
    pub due: Timestamp,
    /// Who may review; empty: whoever holds `approve`.
    pub reviewers: Vec<SubjectRef>,
    /// Who would have been asked, a line for each stage.
    pub skipped: Vec<String>,
    /// Who reviewed.
    pub by: Option<Counted>,
}

impl Review {
    /// That of a request which a rule grants on these terms.
    pub(super) fn of(terms: &BreakGlass, skipped: Vec<String>, request: &Request) -> Self {
        let due = request.created_at.checked_add(terms.review_within.span()).unwrap_or(Timestamp::MAX);
        let short = |line: String| line.chars().take(SKIPPED_CHARS_MAX).collect();
        let skipped = skipped.into_iter().map(short).collect();
        Self { due: whole_second(due), reviewers: terms.reviewers.clone(), skipped, by: None }
    }

    /// Whether it is past its time and not done.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.by.is_none() && now >= self.due
    }

    fn is_done_by(&self, decision: &Decision, request: &Request, status: &RequestStatus, aliases: &Aliases) -> bool {
        decision.verdict == Verdict::Review
            && !decision.is_deleting
            && weigh(decision, request, status.terms.as_ref()).is_ok()
            && !is_one_human(&decision.approver, &request.requester, aliases)
            && (self.reviewers.is_empty() || self.reviewers.iter().any(|one| one.matches(&decision.approver)))
    }

    fn told(&self) -> String {
        let list = |all: Vec<String>| all.join(", ");
        let skipped = match self.skipped.as_slice() {
            [] => "no other rule gives this to anybody".to_owned(),
            some => format!("nobody was asked of {}", list(some.to_vec())),
        };
        let who = match self.reviewers.as_slice() {
            [] => "a holder of `approve`".to_owned(),
            some => list(some.iter().map(ToString::to_string).collect()),
        };
        format!("glass was broken: {skipped}; {who} reviews it until {}", self.due)
    }
}

/// Lets `status` say whether the review is due, overdue or done.
pub(super) fn heed(o: &Observed, request: &Request, status: &mut RequestStatus, now: Timestamp) {
    let Some(mut review) = status.review.take() else { return };
    if review.by.is_none() {
        let aliases = o.ruled.policies.aliases();
        let is_guarded = |d: &&Decision| o.trusted_since.is_some_and(|since| d.created_at > since);
        let done = o.decisions.iter().filter(is_guarded).filter(|d| review.is_done_by(d, request, status, aliases));
        let mut done: Vec<&Decision> = done.collect();
        done.sort_by_key(|d| (d.created_at, &d.uid));
        if let Some(by) = done.first() {
            review.by = Some(Counted::of(by));
            let comment = if by.comment.is_empty() { String::new() } else { format!(": {}", by.comment) };
            let message = format!("reviewed by `{}`{comment}", by.approver.username);
            status.say(RequestCondition::ReviewDue, false, "Reviewed", message, now);
        } else {
            let reason = if review.is_overdue(now) { Reason::ReviewOverdue.as_str() } else { "GlassBroken" };
            status.say(RequestCondition::ReviewDue, true, reason, review.told(), now);
        }
    }
    status.review = Some(review);
}

/// The write by which a finished request says that it was reviewed, or that the review is overdue.
pub(super) fn step(o: &Observed, request: &Request, now: Timestamp) -> Option<Step> {
    let mut status = o.written.clone()?;
    heed(o, request, &mut status, now);
    (o.written.as_ref() != Some(&status)).then(|| Step::WriteRequest(Box::new(status)))
}

/// When time alone makes it overdue.
pub(super) fn wake_at(status: Option<&RequestStatus>, now: Timestamp) -> Option<Timestamp> {
    let review = status?.review.as_ref()?;
    (review.by.is_none() && now < review.due).then_some(review.due)
}
