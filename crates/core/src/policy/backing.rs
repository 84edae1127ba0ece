//! Whether what decided a grant still does: judged by controller and gateway
//! alike, from the policies, the request and the decisions alone.
//!
//! Promises: a grant that names a rule stands only while that rule, under that
//! uid, says exactly what it said, is about the request, and what it takes is
//! there. A grant that names none stands only while there is no policy at all.
//!
//! Left out on purpose: schedules, conditions, labels and limits. They were
//! asked when the request was made; the deadline bounds what follows.

use super::resources::uncovered;
use super::stages::{State, tally};
use super::subjects::any_matches;
use super::{Decider, Effect, Policies, PolicyRule};
use crate::decision::Decision;
use crate::reason::Reason;
use crate::request::{Request, Urgency};
use crate::terms::Terms;

/// Whether the decision stands; `approvals` are the uids of the decisions the grant names.
///
/// # Errors
/// `Drift` where the rule is not there as it was, `Evidence` where people's agreement is not.
pub fn backs(
    policies: &Policies,
    by: Option<&Decider>,
    request: &Request,
    terms: &Terms,
    decisions: &[Decision],
    approvals: &[&str],
) -> Result<(), Reason> {
    let Some(by) = by else {
        return if !policies.is_empty() {
            Err(Reason::Drift)
        } else if approvals.is_empty() {
            Err(Reason::Evidence)
        } else {
            Ok(())
        };
    };
    let rule = by.still_in(policies).filter(|rule| is_about(rule, request, terms)).ok_or(Reason::Drift)?;
    match &rule.effect {
        Effect::Deny { .. } => Err(Reason::Drift),
        Effect::BreakGlass(_) if request.urgency != Urgency::Critical => Err(Reason::Drift),
        Effect::Approve | Effect::BreakGlass(_) => Ok(()),
        Effect::RequireApproval(approval) => {
            let standing = tally(approval, request, terms, decisions, policies.aliases());
            let mut counted = standing.stages.iter().flat_map(|stage| &stage.by);
            let is_theirs = counted.all(|decision| approvals.contains(&decision.uid.as_str()));
            (standing.state == State::Approved && is_theirs).then_some(()).ok_or(Reason::Evidence)
        }
    }
}

fn is_about(rule: &PolicyRule, request: &Request, terms: &Terms) -> bool {
    let is_place = rule.namespaces.as_ref().is_none_or(|wanted| {
        let is_one = |name: &String| {
            (wanted.names.is_empty() || wanted.names.iter().any(|glob| glob.matches(name)))
                && !wanted.except.iter().any(|glob| glob.matches(name))
        };
        !terms.namespaces.is_empty() && terms.namespaces.iter().all(is_one)
    });
    let granted = terms.rules.union(&terms.companions);
    is_place
        && any_matches(&rule.subjects, &request.requester)
        && (rule.names_every_role() || rule.roles.contains(&terms.role))
        && (rule.resources.is_empty() || uncovered(&rule.resources, &granted).is_none())
        && rule.limits.max_duration.is_none_or(|max| terms.duration <= max)
}
