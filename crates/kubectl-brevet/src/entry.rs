//! A request beside its grant, as `list`, `get` and `request` print it.
//!
//! Promises: one shape for programs everywhere: the view as it is served, with `name`, `role`,
//! `phase`, `until` and the grant beside it; one *until* for people, in UTC and as a distance; a grant
//! is found by the request's UID.
//!
//! Left out on purpose: deriving phases; the controller writes them, and a request nobody has looked
//! at yet is pending.

use brevet_api::sessions::{Grant, Request};
use brevet_api::{Condition, Phase, ReviewStatus};
use jiff::Timestamp;
use serde::Serialize;

use crate::plain::plain;
use crate::spans;

/// A request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    name: String,
    role: String,
    phase: Phase,
    /// The end of the window, absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(flatten)]
    pub(crate) request: Request,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<Grant>,
}

impl Entry {
    /// Joins a request with its grant, if that is what `grant` is.
    pub(crate) fn new(mut request: Request, grant: Option<Grant>) -> Self {
        // As kubectl does: nobody who prints a request wants to know which client set which field.
        request.metadata.managed_fields = None;
        let grant = grant.filter(|grant| Some(&grant.spec.request.uid) == request.metadata.uid.as_ref());
        Self {
            name: request.metadata.name.clone().unwrap_or_default(),
            role: request.spec.role.clone(),
            phase: phase(&request),
            until: grant.as_ref().map(|grant| grant.spec.not_after.0),
            request,
            grant,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// As kubectl takes it.
    pub(crate) fn qualified_name(&self) -> String {
        qualified_name(&self.name)
    }

    /// The columns for people; `wide` adds urgency, ticket and reason.
    pub(crate) fn row(&self, wide: bool, now: Timestamp) -> Vec<String> {
        let spec = &self.request.spec;
        let mut row = vec![
            plain(&self.name),
            plain(&self.role),
            plain(&spec.requester.username),
            namespaces(&spec.namespaces),
            if self.awaits_review() { format!("{} (review due)", self.phase) } else { self.phase.to_string() },
            self.when(now),
            spans::age(self.request.metadata.creation_timestamp.as_ref(), now),
        ];
        if wide {
            row.push(spec.urgency.map_or_else(|| "Normal".to_owned(), |urgency| urgency.to_string()));
            row.push(plain(spec.ticket.as_deref().unwrap_or("-")));
            row.push(plain(&spec.justification));
        }
        row
    }

    /// The heads of [`Self::row`].
    pub(crate) fn header(wide: bool) -> &'static [&'static str] {
        const ALL: &[&str] =
            &["NAME", "ROLE", "REQUESTER", "NAMESPACES", "PHASE", "UNTIL", "AGE", "URGENCY", "TICKET", "REASON"];
        if wide { ALL } else { ALL.split_at(7).0 }
    }

    /// Whether glass was broken for it and nobody has reviewed that yet.
    pub(crate) fn awaits_review(&self) -> bool {
        review(&self.request).is_some_and(|review| review.by.is_none())
    }

    /// The one instant that matters in this phase.
    fn when(&self, now: Timestamp) -> String {
        match (self.phase, self.until, self.starts(now)) {
            (Phase::Approved, _, Some(start)) => format!("starts {}", spans::utc_and_distance(start, now)),
            (Phase::Approved | Phase::Active, Some(until), _) => spans::utc_and_distance(until, now),
            (_, Some(_), _) => self.ended_at().map_or_else(|| "over".to_owned(), spans::utc),
            (_, None, _) => "-".to_owned(),
        }
    }

    /// When it starts, if that lies ahead.
    pub(crate) fn starts(&self, now: Timestamp) -> Option<Timestamp> {
        self.grant.as_ref().map(|grant| grant.spec.not_before.0).filter(|start| *start > now)
    }

    /// The end of the window.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// When the grant really ended.
    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        self.grant.as_ref()?.status.as_ref()?.ended_at.as_ref().map(|at| at.0)
    }

    /// The conditions of request and grant that are true, oldest first.
    pub(crate) fn conditions(&self) -> Vec<&Condition> {
        let of_request = self.request.status.iter().flat_map(|status| &status.conditions);
        let of_grant =
            self.grant.iter().filter_map(|grant| grant.status.as_ref()).flat_map(|status| &status.conditions);
        let mut conditions =
            of_request.chain(of_grant).filter(|condition| condition.status == "True").collect::<Vec<_>>();
        conditions.sort_by_key(|condition| condition.last_transition_time.0);
        conditions
    }

    /// Why it is where it is: the newest word of the controller about its end or refusal.
    pub(crate) fn verdict(&self) -> Option<&Condition> {
        let ends = |condition: &&Condition| matches!(condition.type_.as_str(), "Denied" | "Ended" | "Complete");
        let conditions = self.conditions();
        conditions.iter().rev().copied().find(ends)
    }
}

/// A request's phase; one that nobody has looked at yet is pending.
pub(crate) fn phase(request: &Request) -> Phase {
    request.status.as_ref().and_then(|status| status.phase).unwrap_or(Phase::Pending)
}

/// The review, where glass was broken.
pub(crate) fn review(request: &Request) -> Option<&ReviewStatus> {
    request.status.as_ref()?.review.as_ref()
}

/// As kubectl takes it.
pub(crate) fn qualified_name(name: &str) -> String {
    format!("accessrequest.brevet.dev/{name}")
}

/// Whether nothing follows.
pub(crate) fn is_over(phase: Phase) -> bool {
    matches!(phase, Phase::Denied | Phase::Withdrawn | Phase::Expired | Phase::Revoked)
}

/// Active, over, or approved for a start that lies ahead.
pub(crate) fn is_answered(request: &Request, now: Timestamp) -> bool {
    let starts_later = || {
        let narrowed = request.status.as_ref().and_then(|status| status.terms.as_ref()).map(|terms| &terms.start_at);
        let start = narrowed.unwrap_or(&request.spec.start_at).as_deref();
        let start = start.and_then(|text| text.parse::<Timestamp>().ok());
        start.is_some_and(|start| start > now)
    };
    match phase(request) {
        Phase::Active => true,
        Phase::Approved => starts_later(),
        phase => is_over(phase),
    }
}

/// Namespaces for people; none is the whole cluster.
pub(crate) fn namespaces(names: &[String]) -> String {
    if names.is_empty() {
        return "(whole cluster)".to_owned();
    }
    plain(&names.join(","))
}

/// Joins requests with their grants, newest first.
pub(crate) fn joined(requests: Vec<Request>, grants: &[Grant]) -> Vec<Entry> {
    let by_request = grants
        .iter()
        .map(|grant| (grant.spec.request.uid.as_str(), grant))
        .collect::<std::collections::HashMap<_, _>>();
    let mut entries = requests
        .into_iter()
        .map(|request| {
            let uid = request.metadata.uid.clone().unwrap_or_default();
            let grant = by_request.get(uid.as_str()).map(|grant| (*grant).clone());
            Entry::new(request, grant)
        })
        .collect::<Vec<_>>();
    entries.sort_by_key(|entry| {
        (std::cmp::Reverse(entry.request.metadata.creation_timestamp.as_ref().map(|at| at.0)), entry.name.clone())
    });
    entries
}
