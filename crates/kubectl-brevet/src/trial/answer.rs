//! What comes of a request: checked, judged by the policies, and decided by the people named.
//!
//! Promises: every step is core's own, in the controller's order.

use brevet_api::{AccessDecision, AccessRequest, Effect, SubjectBlock};
use brevet_core::decision::Decision;
use brevet_core::length::Length;
use brevet_core::lifecycle::question;
use brevet_core::policy::stages::{Aliases, State, is_one_human, tally};
use brevet_core::policy::{Approval, Outcome, Ruling, Usage, Use, UseState, evaluate};
use brevet_core::reason::{Reason, Refusal};
use brevet_core::request::{self, Request};
use brevet_core::subject::Subject;
use brevet_core::terms::Terms;
use brevet_core::window::Window;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::case::{Given, Said, StateWord, When, Word};
use super::person::{Who, subject};
use super::setting::Setting;
use super::shape::Fault;

/// What came of a request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) request: Request,
    /// Which usernames the policies declare to be one human.
    aliases: Aliases,
    /// How it stands once people have decided, where it takes people.
    pub(crate) standing: Option<Stood>,
}

/// How a request stands.
#[derive(Clone, Debug)]
pub(crate) struct Stood {
    pub(crate) state: StateWord,
    /// Stage, and the usernames that fill it.
    pub(crate) filled: Vec<(String, Vec<String>)>,
    /// Decisions without effect, in words.
    pub(crate) idle: Vec<String>,
}

impl Answer {
    /// What follows, in the word of a policy.
    pub(crate) fn effect(&self) -> Effect {
        match self.outcome.ruling {
            Ruling::Approve => Effect::Approve,
            Ruling::RequireApproval(_) => Effect::RequireApproval,
            Ruling::BreakGlass(_) => Effect::BreakGlass,
            Ruling::Deny(_) => Effect::Deny,
        }
    }

    /// Why it is denied.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match &self.outcome.ruling {
            Ruling::Deny(refusal) => Some(refusal.reason),
            Ruling::Approve | Ruling::RequireApproval(_) | Ruling::BreakGlass(_) => None,
        }
    }

    /// The people it takes.
    pub(crate) fn approval(&self) -> Option<&Approval> {
        match &self.outcome.ruling {
            Ruling::RequireApproval(approval) => Some(approval),
            Ruling::Approve | Ruling::BreakGlass(_) | Ruling::Deny(_) => None,
        }
    }

    /// Whether somebody may decide in a stage as soon as it is asked.
    pub(crate) fn may(&self, stage: &brevet_core::policy::Stage, who: &SubjectBlock) -> bool {
        let who = Subject::from(who);
        let at = self.request.created_at;
        stage.names(&who, at, at) && !is_one_human(&who, &self.request.requester, &self.aliases)
    }
}

/// What comes of a case.
pub(crate) fn of_case(setting: &Setting, given: &Given, when: &When) -> Result<Answer, Fault> {
    let now = given.now();
    let asked = ask(given, when, now)?;
    let usage = usage(given)?;
    let (request, decided) = of_request(setting, Some(given), &asked, Some(usage))?;
    let said = when.decisions.as_deref().unwrap_or_default();
    let standing = match (&decided.0.ruling, &decided.1) {
        (Ruling::RequireApproval(approval), Some(terms)) => Some(stand(
            approval,
            &request,
            terms,
            setting.policies.aliases(),
            &decisions(given, &request, terms, said, now)?,
        )),
        _ => None,
    };
    Ok(Answer { outcome: decided.0, request, aliases: setting.policies.aliases().clone(), standing })
}

/// What comes of a request that was made once. Limits on use were judged then.
pub(crate) fn of_past(setting: &Setting, asked: &AccessRequest) -> Result<Answer, Fault> {
    let (request, (outcome, _)) = of_request(setting, None, asked, None)?;
    Ok(Answer { outcome, request, aliases: setting.policies.aliases().clone(), standing: None })
}

fn of_request(
    setting: &Setting,
    given: Option<&Given>,
    asked: &AccessRequest,
    usage: Option<Usage>,
) -> Result<(Request, (Outcome, Option<Terms>)), Fault> {
    let request = Request::try_from(asked).map_err(|refusal| refused("when", &refusal))?;
    let grounded = setting.grounded(&request, given);
    let denied = |refusal| Outcome { ruling: Ruling::Deny(refusal), by: None, near: Vec::new() };
    let admitted = setting.switches.admit(&request.role);
    let checked = admitted.and_then(|()| request::check(&request, &grounded.ground, request.created_at));
    let decided = match checked {
        Err(refusal) => (denied(refusal), None),
        Ok(proposal) => match question(&request, &proposal.terms, &grounded, usage) {
            Some(asked) => {
                let outcome = evaluate(&setting.policies, &asked, &setting.library, request.created_at);
                (outcome, Some(proposal.terms))
            }
            None => (denied(Refusal::new(Reason::Stale, "spec.role", "the role could not be seen")), None),
        },
    };
    Ok((request, decided))
}

/// The request of a case, as it would be stored.
fn ask(given: &Given, when: &When, now: Timestamp) -> Result<AccessRequest, Fault> {
    let missing = |path: &str| Fault { path: path.to_owned(), message: "is missing".to_owned() };
    let who = when.who.as_ref().ok_or_else(|| missing("when.who"))?;
    let role = when.role.as_ref().ok_or_else(|| missing("when.role"))?;
    let spec = json!({
        "requester": subject("when.who", who, &given.people)?,
        "role": role,
        "namespaces": when.namespaces.clone().unwrap_or_default(),
        "resources": when.resources.clone().unwrap_or_default(),
        "duration": when.duration,
        "startAt": when.start_at,
        "urgency": when.urgency,
        "ticket": when.ticket,
        "justification": when.justification.clone().unwrap_or_else(|| "a case of a PolicyTest".to_owned()),
        "delivery": when.delivery,
    });
    let object = json!({
        "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessRequest", "spec": spec,
        "metadata": {"name": "asked", "uid": "asked", "creationTimestamp": second(now)},
    });
    serde_json::from_value(object).map_err(|error| Fault { path: "when".to_owned(), message: error.to_string() })
}

/// The instant as an API server writes it.
fn second(at: Timestamp) -> String {
    brevet_core::lifecycle::whole_second(at).to_string()
}

fn usage(given: &Given) -> Result<Usage, Fault> {
    let mut uses = Vec::new();
    for (at, one) in given.used.iter().enumerate() {
        let path = format!("given.used[{at}]");
        let state = match (&one.pending, one.from, one.to) {
            (Some(text), None, None) => UseState::Pending { duration: length(&format!("{path}.pending"), text)? },
            (None, Some(not_before), Some(not_after)) => {
                UseState::Granted { window: Window { not_before, not_after }, ended_at: one.ended_at }
            }
            _ => return Err(Fault { path, message: "needs `pending`, or `from` and `to`".to_owned() }),
        };
        let (policy_uid, rule) = (one.policy.clone(), one.rule.clone());
        uses.push(Use { policy_uid, rule, state, is_unreviewed: one.unreviewed });
    }
    Ok(Usage { uses, overdue_review: given.overdue_review.clone() })
}

/// The decisions of a case, each attesting the terms.
fn decisions(
    given: &Given,
    request: &Request,
    terms: &Terms,
    said: &[Said],
    now: Timestamp,
) -> Result<Vec<Decision>, Fault> {
    let mut at = now;
    let mut all = Vec::new();
    for (place, one) in said.iter().enumerate() {
        let path = format!("when.decisions[{place}]");
        let later = match &one.after {
            Some(text) => now.checked_add(length(&format!("{path}.after"), text)?.span()),
            None => at.checked_add(SignedDuration::from_secs(1)),
        };
        at = later.map_err(|error| Fault { path: path.clone(), message: error.to_string() })?;
        let verdict = match one.verdict {
            Word::Approve => "Approve",
            Word::Deny => "Deny",
        };
        let object = json!({
            "apiVersion": "brevet.dev/v1alpha1", "kind": "AccessDecision",
            "metadata": {"name": path, "uid": path, "creationTimestamp": second(at)},
            "spec": {
                "verdict": verdict,
                "request": {"name": request.name, "uid": request.uid},
                "terms": {
                    "digest": terms.digest().to_string(), "role": request.role, "namespaces": request.namespaces,
                    "requester": request.requester.username,
                },
                "approver": subject(&format!("{path}.by"), &one.by, &given.people)?,
            },
        });
        let object: AccessDecision =
            serde_json::from_value(object).map_err(|error| Fault { path: path.clone(), message: error.to_string() })?;
        all.push(Decision::try_from(&object).map_err(|refusal| refused(&path, &refusal))?);
    }
    Ok(all)
}

fn stand(approval: &Approval, request: &Request, terms: &Terms, aliases: &Aliases, decisions: &[Decision]) -> Stood {
    let standing = tally(approval, request, terms, decisions, aliases);
    let names = |by: &[&Decision]| by.iter().map(|one| one.approver.username.clone()).collect();
    Stood {
        state: match standing.state {
            State::Open => StateWord::Open,
            State::Approved => StateWord::Approved,
            State::Denied(_) => StateWord::Denied,
        },
        filled: standing.stages.iter().map(|stage| (stage.name.clone(), names(&stage.by))).collect(),
        idle: standing
            .idle
            .iter()
            .map(|(one, why)| format!("`{}` has no effect: {} ({})", one.approver.username, why.message, why.reason))
            .collect(),
    }
}

fn length(path: &str, text: &str) -> Result<Length, Fault> {
    Length::parse(text).map_err(|refusal| refused(path, &refusal))
}

fn refused(path: &str, refusal: &Refusal) -> Fault {
    Fault { path: path.to_owned(), message: refusal.to_string() }
}

/// Who that is in this case.
pub(crate) fn named(given: &Given, path: &str, who: &Who) -> Result<SubjectBlock, Fault> {
    subject(path, who, &given.people)
}
