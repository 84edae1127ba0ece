//! The people it takes: stages, who fills them, and who said no.
//!
//! Promises: every human counts once, under all their names, and for one stage
//! only. Parallel stages are filled if any assignment of people to stages fills
//! them; ordered stages take each approval for the stage then open. One denial
//! by somebody whom a stage names ends it, unless it came after the last stage
//! was filled; in the same second the denial goes first. Nobody decides about
//! their own request, under any name.
//!
//! Left out on purpose: whether somebody holds the verb `approve`; admission
//! let no decision pass without.

mod closed;
mod matching;
mod narrowing;
mod people;

use std::fmt;

use jiff::Timestamp;

use super::SubjectRef;
use super::subjects::{any_matches, listed};
use crate::decision::{Decision, Verdict, weigh};
use crate::reason::{Reason, Refusal};
use crate::{length::Length, request::Request, subject::Subject, terms::Terms};

pub(super) use closed::cannot_be_filled;
use matching::assign;
pub use narrowing::{InForce, in_force};
pub use people::{Aliases, is_one_human};

/// What it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// A request nobody decided about ends after this; `None`: the server's default.
    pub timeout: Option<Length>,
    /// Whether stages follow one another.
    pub order: Order,
    /// All of them must be filled.
    pub stages: Vec<Stage>,
}

/// Whether stages follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All are open at once.
    #[default]
    Parallel,
    /// Each opens when the one before it is filled.
    Ordered,
}

/// One group of approvers and how many of them it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name, unique in the rule.
    pub name: String,
    /// Any of these; empty: whoever holds `approve`.
    pub approvers: Vec<SubjectRef>,
    /// How many humans.
    pub required: u32,
    /// After this long, counted from the request, `escalate_to` may decide too.
    pub escalate_after: Option<Length>,
    /// Who else may decide then.
    pub escalate_to: Vec<SubjectRef>,
}

/// How the request stands by what people said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Whether, and how, it is settled.
    pub state: State<'a>,
    /// Who fills which stage, in the order of the stages.
    pub stages: Vec<Filled<'a>>,
    /// Approvals and denials without effect, and why.
    pub idle: Vec<(&'a Decision, Refusal)>,
}

/// Whether, and how, a request is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// Not all stages are filled.
    Open,
    /// All stages are filled.
    Approved,
    /// Denied, by this decision.
    Denied(&'a Decision),
}

/// One stage and who fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled<'a> {
    /// The stage's name.
    pub name: String,
    /// How many it takes.
    pub required: u32,
    /// Who counts for it, in order of time; at most `required`.
    pub by: Vec<&'a Decision>,
}

/// The stage where there is no policy.
pub const DEFAULT_STAGE: &str = "approvers";

impl Approval {
    /// One approval by whoever holds `approve`: what it takes where there is no policy.
    #[must_use]
    pub fn by_anyone() -> Self {
        let stage = Stage {
            name: DEFAULT_STAGE.to_owned(),
            approvers: Vec::new(),
            required: 1,
            escalate_after: None,
            escalate_to: Vec::new(),
        };
        Self { timeout: None, order: Order::Parallel, stages: vec![stage] }
    }
}

impl Stage {
    /// Whether the stage names the subject, at an instant this long after the request.
    #[must_use]
    pub fn names(&self, subject: &Subject, asked_at: Timestamp, at: Timestamp) -> bool {
        let is_escalated = self
            .escalate_after
            .and_then(|after| asked_at.checked_add(after.span()).ok())
            .is_some_and(|escalates| at >= escalates);
        self.approvers.is_empty()
            || any_matches(&self.approvers, subject)
            || (is_escalated && any_matches(&self.escalate_to, subject))
    }
}

/// What the approvals and denials about a request add up to. Withdraw and
/// Revoke are judged by [`crate::decision::settle`], before this.
#[must_use]
pub fn tally<'a>(
    approval: &Approval,
    request: &Request,
    terms: &Terms,
    decisions: &'a [Decision],
    aliases: &Aliases,
) -> Standing<'a> {
    let mut idle = Vec::new();
    let votes = sift(approval, request, terms, decisions, aliases, &mut idle);
    let mut cast: Vec<&Vote<'a>> = Vec::new();
    let mut stages = fill(approval, &cast);
    let mut state = State::Open;
    for vote in &votes {
        match (state, vote.decision.verdict) {
            (State::Open, Verdict::Deny) => state = State::Denied(vote.decision),
            (State::Open, _) => {
                cast.push(vote);
                stages = fill(approval, &cast);
                if is_filled(&stages) {
                    state = State::Approved;
                }
            }
            (State::Approved, _) => idle.push((vote.decision, too_late("every stage was filled before"))),
            (State::Denied(_), _) => idle.push((vote.decision, too_late("it was denied before"))),
        }
    }
    for vote in cast {
        let counts = stages.iter().any(|stage| stage.by.iter().any(|by| by.uid == vote.decision.uid));
        if !counts {
            idle.push((vote.decision, uncounted(vote, &stages, &votes)));
        }
    }
    Standing { state, stages, idle }
}

/// A decision by somebody whom a stage names.
struct Vote<'a> {
    decision: &'a Decision,
    human: usize,
    /// Places of the stages that name them.
    stages: Vec<usize>,
}

/// Those that may count, in order of time; the others go to `idle`.
fn sift<'a>(
    approval: &Approval,
    request: &Request,
    terms: &Terms,
    decisions: &'a [Decision],
    aliases: &Aliases,
    idle: &mut Vec<(&'a Decision, Refusal)>,
) -> Vec<Vote<'a>> {
    let about: Vec<&Decision> = decisions
        .iter()
        .filter(|d| matches!(d.verdict, Verdict::Approve | Verdict::Deny) && !d.is_deleting)
        .filter(|d| d.request_uid == request.uid)
        .collect();
    let subjects = std::iter::once(&request.requester).chain(about.iter().map(|d| &d.approver));
    let mut humans = people::humans(subjects, aliases).into_iter();
    let requester = humans.next().unwrap_or_default();
    let mut votes = Vec::new();
    for (decision, human) in about.into_iter().zip(humans) {
        if let Err(refusal) = weigh(decision, request, Some(terms)) {
            idle.push((decision, refusal));
            continue;
        }
        if human == requester && decision.verdict == Verdict::Approve {
            let message = "nobody approves their own request, under any name; ask somebody else";
            idle.push((decision, Refusal::new(Reason::SelfApproval, "spec.approver", message)));
            continue;
        }
        let names = |stage: &&Stage| stage.names(&decision.approver, request.created_at, decision.created_at);
        let stages: Vec<usize> =
            approval.stages.iter().enumerate().filter(|(_, stage)| names(stage)).map(|(at, _)| at).collect();
        if stages.is_empty() {
            let message = "no stage of the rule that decides names its author; ask somebody it names";
            idle.push((decision, Refusal::new(Reason::NotEligible, "spec.approver", message)));
            continue;
        }
        votes.push(Vote { decision, human, stages });
    }
    // In one second a denial goes first.
    let rank = |verdict| u8::from(verdict == Verdict::Approve);
    votes.sort_by(|a, b| {
        let (a, b) = (a.decision, b.decision);
        (a.created_at, rank(a.verdict), &a.uid).cmp(&(b.created_at, rank(b.verdict), &b.uid))
    });
    votes
}

/// Who fills which stage, from approvals in order of time.
fn fill<'a>(approval: &Approval, cast: &[&Vote<'a>]) -> Vec<Filled<'a>> {
    let mut filled: Vec<Filled<'a>> = approval
        .stages
        .iter()
        .map(|stage| Filled { name: stage.name.clone(), required: stage.required, by: Vec::new() })
        .collect();
    let required: Vec<usize> = approval.stages.iter().map(|stage| stage.required as usize).collect();
    let assigned = match approval.order {
        Order::Parallel => assign(&required, cast.iter().map(|vote| (vote.human, vote.stages.as_slice()))),
        Order::Ordered => in_turn(&required, cast),
    };
    for (vote, stage) in cast.iter().zip(assigned) {
        if let Some(stage) = stage.and_then(|at| filled.get_mut(at)) {
            stage.by.push(vote.decision);
        }
    }
    filled
}

/// Each approval for the stage that is open when it comes.
fn in_turn(required: &[usize], cast: &[&Vote<'_>]) -> Vec<Option<usize>> {
    let mut counted: Vec<usize> = Vec::new();
    let (mut open, mut have) = (0, 0);
    cast.iter()
        .map(|vote| {
            while required.get(open).is_some_and(|needed| have >= *needed) {
                (open, have) = (open + 1, 0);
            }
            let counts = required.get(open).is_some() && vote.stages.contains(&open) && !counted.contains(&vote.human);
            counts.then(|| {
                counted.push(vote.human);
                have += 1;
                open
            })
        })
        .collect()
}

fn is_filled(stages: &[Filled<'_>]) -> bool {
    !stages.is_empty() && stages.iter().all(|stage| stage.by.len() >= stage.required as usize)
}

fn too_late(why: &str) -> Refusal {
    Refusal::new(Reason::TooLate, "spec.verdict", why)
}

fn uncounted(vote: &Vote<'_>, stages: &[Filled<'_>], votes: &[Vote<'_>]) -> Refusal {
    let uids = || stages.iter().flat_map(|stage| &stage.by).map(|by| &by.uid);
    let is_again = votes.iter().any(|other| other.human == vote.human && uids().any(|uid| *uid == other.decision.uid));
    if is_again {
        return Refusal::new(Reason::Duplicate, "spec.approver", "its author counts already; everybody counts once");
    }
    let message = "the stages that name its author are filled, or not open yet";
    Refusal::new(Reason::TooLate, "spec.verdict", message)
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = if self.order == Order::Ordered { ", then " } else { " and " };
        let stages: Vec<String> = self.stages.iter().map(ToString::to_string).collect();
        f.write_str(&stages.join(then))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.approvers.is_empty() { "holders of `approve`".to_owned() } else { listed(&self.approvers) };
        write!(f, "{} of {who}", self.required)?;
        if let Some(after) = self.escalate_after {
            write!(f, ", after `{after}` also of {}", listed(&self.escalate_to))?;
        }
        write!(f, " (stage `{}`)", self.name)
    }
}

#[cfg(test)]
mod tests;
