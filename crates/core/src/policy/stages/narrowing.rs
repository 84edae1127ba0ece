//! Approving less: which terms are in force once people have narrowed them.
//!
//! Promises: a narrowing takes effect only while the request is open, and only
//! by somebody whose word counts: whom a stage names, not the requester under
//! any name, attesting the digest of what is left. From then on only that
//! digest counts, so earlier approvals lapse, and the narrowing itself is an
//! approval of what it left. In ordered stages they begin anew.
//!
//! Left out on purpose: what policies say of what is left; the caller brings that.

use super::{Aliases, Approval, State, sift, tally};
use crate::decision::{Decision, Verdict};
use crate::{request::Request, terms::Terms};

/// Narrowings that take effect for one request at most; each costs a look at every decision.
const NARROWINGS_MAX: usize = 16;

/// The terms in force, and how they came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce<'a> {
    /// What there is to approve.
    pub terms: Terms,
    /// The narrowings that took effect, in order.
    pub by: Vec<&'a Decision>,
}

/// The terms in force of a request for `asked`; `allows` says whether the
/// policies let what is left be decided as before.
#[must_use]
pub fn in_force<'a>(
    approval: &Approval,
    request: &Request,
    asked: &Terms,
    decisions: &'a [Decision],
    aliases: &Aliases,
    allows: &dyn Fn(&Terms) -> bool,
) -> InForce<'a> {
    let mut proposals: Vec<&Decision> = decisions
        .iter()
        .filter(|d| d.verdict == Verdict::Approve && d.narrow.is_some() && !d.is_deleting)
        .filter(|d| d.request_uid == request.uid)
        .collect();
    proposals.sort_by_key(|d| (d.created_at, &d.uid));
    let mut found = InForce { terms: asked.clone(), by: Vec::new() };
    for proposal in proposals {
        if found.by.len() >= NARROWINGS_MAX {
            break;
        }
        let Some(Ok(less)) = proposal.narrow.as_ref().map(|by| found.terms.narrowed(by, request.created_at)) else {
            continue;
        };
        let takes_away = less.digest() != found.terms.digest() && proposal.digest == Some(less.digest());
        if takes_away
            && is_open(approval, request, &found.terms, decisions, aliases, proposal)
            && counts(approval, request, &less, decisions, aliases, proposal)
            && allows(&less)
        {
            found.terms = less;
            found.by.push(proposal);
        }
    }
    found
}

/// Whether the request was open on `terms` when the proposal came. In one second a denial goes first.
fn is_open(
    approval: &Approval,
    request: &Request,
    terms: &Terms,
    decisions: &[Decision],
    aliases: &Aliases,
    proposal: &Decision,
) -> bool {
    let place = |d: &Decision| (d.created_at, u8::from(d.verdict != Verdict::Deny), d.uid.clone());
    let limit = place(proposal);
    let before: Vec<Decision> = decisions.iter().filter(|d| place(d) < limit).cloned().collect();
    tally(approval, request, terms, &before, aliases).state == State::Open
}

fn counts(
    approval: &Approval,
    request: &Request,
    less: &Terms,
    decisions: &[Decision],
    aliases: &Aliases,
    proposal: &Decision,
) -> bool {
    let votes = sift(approval, request, less, decisions, aliases, &mut Vec::new());
    votes.iter().any(|vote| vote.decision.uid == proposal.uid)
}
