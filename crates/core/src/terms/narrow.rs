//! Less than was asked for: what somebody who approves may cut from terms.
//!
//! Promises: what comes out allows no call, names no namespace and lasts no
//! second that did not go in. Terms with a start keep within their window;
//! terms without one may be given a start, which is when they would begin
//! instead of at once.
//!
//! Left out on purpose: who may cut (the stages of the deciding rule say), and
//! whether the policies still allow what is left.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Terms;
use crate::length::Length;
use crate::reason::{Reason, Refusal};
use crate::request::{Request, START_AHEAD_SECONDS_MAX};
use crate::rules::{self, Ask, Rules};

/// What is left; what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Only these objects and verbs; empty: as before.
    pub resources: Vec<Ask>,
    /// Only these namespaces, sorted; empty: as before.
    pub namespaces: Vec<String>,
    /// No longer than this.
    pub duration: Option<Length>,
    /// Not before this.
    pub start_at: Option<Timestamp>,
}

impl Terms {
    /// What is left of these terms of a request made at `asked_at`.
    ///
    /// # Errors
    /// `NotNarrower` for more than there is, `TooBroad` and `ForbiddenRule` as in a request.
    pub fn narrowed(&self, by: &Narrow, asked_at: Timestamp) -> Result<Self, Refusal> {
        let mut less = self.clone();
        if !by.resources.is_empty() {
            less.rules = rules_within(&self.rules, &by.resources)?;
        }
        if !by.namespaces.is_empty() {
            if let Some(other) = by.namespaces.iter().find(|name| !self.namespaces.contains(name)) {
                return Err(more("namespaces", format!("`{other}` is not among the namespaces of the terms")));
            }
            less.namespaces = by.namespaces.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        }
        if let Some(duration) = by.duration {
            if duration > self.duration {
                return Err(more(
                    "duration",
                    format!("`{duration}` is longer than the `{}` of the terms", self.duration),
                ));
            }
            less.duration = duration;
        }
        if let Some(start) = by.start_at {
            less.start_at = Some(start);
            check_start(self, &less, start, asked_at)?;
        }
        Ok(less)
    }

    /// What differs from `before`, a phrase each; nothing where the digest is the same.
    #[must_use]
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut told = Vec::new();
        if self.duration != before.duration {
            told.push(format!("for `{}` instead of `{}`", self.duration, before.duration));
        }
        if let Some(start) = self.start_at.filter(|_| self.start_at != before.start_at) {
            told.push(format!("from {start}"));
        }
        if self.namespaces != before.namespaces {
            told.push(format!("in {} only", self.namespaces.join(", ")));
        }
        if self.rules.to_json() != before.rules.to_json() {
            told.push(format!("only {}", allowed(&self.rules)));
        }
        told
    }
}

/// Rules told of at most; the terms say all of them.
const RULES_TOLD_MAX: usize = 8;

/// `get, list on pods web-1; get on pods/log web-1`
fn allowed(rules: &Rules) -> String {
    let list = |all: &BTreeSet<String>| all.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let one = |rule: &crate::rules::Rule| {
        let names =
            if rule.resource_names.is_empty() { String::new() } else { format!(" {}", list(&rule.resource_names)) };
        format!("{} on {}{names}", list(&rule.verbs), list(&rule.resources))
    };
    let mut told: Vec<String> = rules.0.iter().take(RULES_TOLD_MAX).map(one).collect();
    if rules.0.len() > RULES_TOLD_MAX {
        told.push("…".to_owned());
    }
    told.join("; ")
}

fn rules_within(held: &Rules, asks: &[Ask]) -> Result<Rules, Refusal> {
    let effective = rules::narrow(held, Some(asks)).map_err(|refusal| {
        let field = refusal.field.replace("spec.resources", "spec.narrow.resources");
        match refusal.reason {
            Reason::OutsideRole => more("resources", "it names something that the terms do not allow"),
            _ => Refusal { field, ..refusal },
        }
    })?;
    if effective.rules.is_empty() {
        return Err(more("resources", "nothing would be left; deny the request instead"));
    }
    Ok(effective.rules)
}

fn check_start(before: &Terms, less: &Terms, start: Timestamp, asked_at: Timestamp) -> Result<(), Refusal> {
    let Some(first) = before.start_at else {
        let ahead = SignedDuration::from_secs(START_AHEAD_SECONDS_MAX);
        let is_near = start >= asked_at && start.duration_since(asked_at) <= ahead;
        return if is_near {
            Ok(())
        } else {
            Err(more("startAt", "it lies before the request, or more than 30 days after"))
        };
    };
    let end = |from: Timestamp, length: Length| from.checked_add(length.span()).unwrap_or(Timestamp::MAX);
    if start < first || end(start, less.duration) > end(first, before.duration) {
        return Err(more("startAt", "it would begin earlier or end later than the terms allow"));
    }
    Ok(())
}

fn more(field: &str, what: impl Into<String>) -> Refusal {
    let message = format!("{}; narrowing only takes away", what.into());
    Refusal::new(Reason::NotNarrower, format!("spec.narrow.{field}"), message)
}

/// Whether terms that were narrowed are still within what the request asked for, as far as that is
/// told without its role.
#[must_use]
pub fn is_within_request(terms: &Terms, request: &Request) -> bool {
    let is_in_place = terms.namespaces.iter().all(|name| request.namespaces.contains(name))
        && terms.namespaces.is_empty() == request.namespaces.is_empty();
    let is_in_time = match (request.start_at, terms.start_at) {
        (None, None) => true,
        (None, Some(start)) => start >= request.created_at,
        (Some(_), None) => false,
        (Some(first), Some(start)) => {
            let end = |from: Timestamp, length: Length| from.checked_add(length.span()).unwrap_or(Timestamp::MAX);
            start >= first && request.duration.is_none_or(|asked| end(start, terms.duration) <= end(first, asked))
        }
    };
    is_in_place && is_in_time && request.duration.is_none_or(|asked| terms.duration <= asked)
}

#[cfg(test)]
mod tests;
