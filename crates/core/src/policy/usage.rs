//! What a person has taken by a rule before, and how much of it is allowed.
//!
//! Promises: what waits and what is planned counts as what is in force does; a
//! limit refuses, it never cuts. Every limit is per person and rule.
//!
//! Left out on purpose: gathering. The caller reads requests and grants, which
//! is why limits survive a restart.

use jiff::{SignedDuration, Timestamp};

use super::{Policy, PolicyRule};
use crate::length::Length;
use crate::reason::{Reason, Refusal};
use crate::window::Window;

/// The limits of a rule; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The longest duration.
    pub max_duration: Option<Length>,
    /// Grants at a time, those not yet approved or begun included.
    pub max_active: Option<u32>,
    /// Requests that wait for a decision at a time.
    pub max_pending: Option<u32>,
    /// From the end of one grant to the next start.
    pub cooldown: Option<Length>,
    /// Of all grants within any 24 hours.
    pub daily_total: Option<Length>,
    /// Broken glass that nobody has reviewed yet, at a time.
    pub max_unreviewed: Option<u32>,
}

/// Everything the requester has asked for before, this request not included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was decided by rules.
    pub uses: Vec<Use>,
    /// The name of a break-glass request whose review is overdue.
    pub overdue_review: Option<String>,
}

/// One earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Uid of the policy that decided it.
    pub policy_uid: String,
    /// Name of the rule that decided it.
    pub rule: String,
    /// How far it is.
    pub state: UseState,
    /// Whether glass was broken and nobody has reviewed that yet.
    pub is_unreviewed: bool,
}

/// How far an earlier request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseState {
    /// Waits for people.
    Pending {
        /// How long it would be.
        duration: Length,
    },
    /// Granted: planned, in force or over.
    Granted {
        /// When.
        window: Window,
        /// When it really ended, if before its deadline.
        ended_at: Option<Timestamp>,
    },
}

/// Seconds over which `daily_total` is summed.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Whether one more of `duration`, from `start` on, stays within the limits.
pub(super) fn check(
    policy: &Policy,
    rule: &PolicyRule,
    usage: &Usage,
    duration: Length,
    start: Timestamp,
    now: Timestamp,
) -> Result<(), Refusal> {
    let limits = &rule.limits;
    let of_rule = || usage.uses.iter().filter(|past| past.policy_uid == policy.uid && past.rule == rule.name);
    let unreviewed = of_rule().filter(|past| past.is_unreviewed).count();
    let uses: Vec<UseState> = of_rule().map(|past| past.state).collect();
    let rule = format!("rule `{}` of policy `{}`", rule.name, policy.name);
    let refuse = |message: String| Err(Refusal::new(Reason::LimitReached, "", message));
    if let Some(max) = limits.max_unreviewed.filter(|max| unreviewed >= *max as usize) {
        return refuse(format!("{rule} lets {max} of your broken glass wait for a review; have one reviewed first"));
    }
    let pending = uses.iter().filter(|state| matches!(state, UseState::Pending { .. })).count();
    let open = pending + uses.iter().filter(|state| is_open(state, now)).count();
    if let Some(max) = limits.max_pending.filter(|max| pending >= *max as usize) {
        return refuse(format!("{rule} lets {max} of your requests wait at a time; wait, or withdraw one"));
    }
    if let Some(max) = limits.max_active.filter(|max| open >= *max as usize) {
        return refuse(format!("{rule} allows {max} at a time, waiting and planned ones included; release one first"));
    }
    if let (Some(cooldown), Some(last)) = (limits.cooldown, uses.iter().filter_map(|state| end(state, now)).max()) {
        let again = last.checked_add(cooldown.span()).unwrap_or(Timestamp::MAX);
        if start < again {
            return refuse(format!("{rule} asks for a pause of `{cooldown}` between grants; ask again after {again}"));
        }
    }
    if let Some(max) = limits.daily_total {
        let used: i64 = uses.iter().map(|state| seconds_within_a_day(state, now)).sum();
        if used.saturating_add(i64::from(duration.seconds())) > i64::from(max.seconds()) {
            let left = u64::try_from(i64::from(max.seconds()).saturating_sub(used)).ok().and_then(Length::from_seconds);
            let left = left.map_or("nothing is left".to_owned(), |left| format!("`{left}` is left"));
            return refuse(format!("{rule} allows `{max}` in 24 hours and {left}; ask for less, or later"));
        }
    }
    Ok(())
}

fn is_open(state: &UseState, now: Timestamp) -> bool {
    match state {
        UseState::Pending { .. } => false,
        UseState::Granted { window, ended_at } => ended_at.is_none() && !window.is_over(now),
    }
}

/// When it ended, if it did.
fn end(state: &UseState, now: Timestamp) -> Option<Timestamp> {
    match state {
        UseState::Pending { .. } => None,
        UseState::Granted { window, ended_at } => {
            let ended = ended_at.map_or(window.not_after, |at| at.min(window.not_after));
            (ended <= now).then_some(ended)
        }
    }
}

/// Seconds it took of the last 24 hours, or will take.
fn seconds_within_a_day(state: &UseState, now: Timestamp) -> i64 {
    match state {
        UseState::Pending { duration } => i64::from(duration.seconds()),
        UseState::Granted { window, ended_at } => {
            let since = now.checked_sub(SignedDuration::from_secs(DAY_SECONDS)).unwrap_or(Timestamp::MIN);
            let until = ended_at.map_or(window.not_after, |at| at.min(window.not_after));
            until.duration_since(window.not_before.max(since)).as_secs().max(0)
        }
    }
}
