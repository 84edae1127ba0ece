//! What would be decided about a request, and why: asked, answered, stored nowhere.
//!
//! Users can read neither ClusterRoles nor the namespaces of others; this tells
//! them what a request of theirs would mean before they make it.
//!
//! Promises: the same check as the controller's, on the cluster of this moment;
//! nothing about any object that is named. "Could not tell" is an answer of its
//! own and never reads as a yes or a no.

use std::sync::Arc;

use brevet_api::{
    TermsBlock, border,
    sessions::{Evaluation, EvaluationStatus},
};
use brevet_core::{
    lifecycle::{self, Grounded},
    policy::{self, Outcome, Ruling},
    reason::{Reason, Refusal},
    request,
    subject::Subject,
    terms::Terms,
};
use futures::{StreamExt as _, stream};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use kube::Client;

use super::{
    door::Visitor,
    limits,
    reply::{self, Body, Manner},
    rights::{Act, Rights},
    views::{shelf::Shelf, usage::usage},
};
use crate::{clock, ground::Reader, policies::Book, switches::Switchboard};

/// Answers questions.
pub(super) struct Evaluator {
    ground: Reader,
    rights: Rights,
    known: Known,
}

/// What is known without asking.
pub(super) struct Known {
    pub(super) book: Arc<Book>,
    pub(super) switches: Arc<Switchboard>,
    pub(super) shelf: Arc<Shelf>,
}

impl Evaluator {
    pub(super) fn new(client: Client, rights: Rights, known: Known) -> Self {
        Self { ground: Reader::new(client), rights, known }
    }

    /// The answer to the question in `body`.
    pub(super) async fn answer(&self, visitor: &Visitor, body: Incoming) -> Response<Body> {
        let bytes = match Limited::new(body, limits::EVALUATION_BYTES_MAX).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(_) => return reply::status(StatusCode::PAYLOAD_TOO_LARGE, None, "the question is too long or torn"),
        };
        let mut evaluation: Evaluation = match serde_json::from_slice(&bytes) {
            Ok(evaluation) => evaluation,
            Err(error) => {
                let refusal = Refusal::new(Reason::Malformed, "", format!("the question cannot be read: {error}"));
                return reply::refusal(&refusal, Manner::Object);
            }
        };
        evaluation.status = Some(self.evaluate(visitor, &evaluation).await);
        reply::object(StatusCode::CREATED, &evaluation)
    }

    async fn evaluate(&self, visitor: &Visitor, evaluation: &Evaluation) -> EvaluationStatus {
        let now = clock::now();
        let caller = Subject {
            username: visitor.caller.username.clone(),
            uid: visitor.caller.uid.clone().unwrap_or_default(),
            groups: visitor.groups.iter().cloned().collect(),
        };
        let proposed = match border::question(&evaluation.spec, &caller, now) {
            Err(refusal) => Err(refusal),
            Ok(question) => {
                let grounded = self.ground.ground(&question.role, &question.namespaces).await;
                let admitted = self.known.switches.switches().admit(&question.role);
                admitted.and_then(|()| request::check(&question, &grounded.ground, now)).map(|proposal| {
                    let outcome = self.outcome(&question, &proposal.terms, &grounded, now);
                    (proposal, outcome)
                })
            }
        };
        match proposed {
            Err(refusal) => EvaluationStatus {
                // What could not be seen is neither allowed nor not.
                allowed: (!refusal.reason.is_transient()).then_some(false),
                reason: refusal.reason.name(),
                message: refusal.to_string(),
                ..EvaluationStatus::default()
            },
            Ok((proposal, outcome)) => EvaluationStatus {
                allowed: match &outcome.ruling {
                    Ruling::Deny(refusal) => (!refusal.reason.is_transient()).then_some(false),
                    _ => Some(true),
                },
                reason: match &outcome.ruling {
                    Ruling::Deny(refusal) => refusal.reason.name(),
                    _ => String::new(),
                },
                message: told(&outcome),
                added: self.added(visitor, &proposal.terms).await,
                terms: Some(TermsBlock::from(&proposal.terms)),
                dropped: proposal.dropped.iter().map(Into::into).collect(),
                approvers: approvers(&outcome),
            },
        }
    }

    /// What the policies say, by what the caller has taken until now.
    fn outcome(&self, question: &request::Request, terms: &Terms, grounded: &Grounded, now: Timestamp) -> Outcome {
        let (policies, conditions) = (self.known.book.policies(), self.known.book.conditions());
        let used = usage(&self.known.shelf, &question.requester.username, now);
        match lifecycle::question(question, terms, grounded, Some(used)) {
            Some(asked) => policy::evaluate(&policies, &asked, conditions.as_ref(), now),
            None => {
                let refusal = Refusal::new(Reason::Stale, "spec.role", "the role could not be seen; ask again");
                Outcome { ruling: Ruling::Deny(refusal), by: None, near: Vec::new() }
            }
        }
    }

    /// The rules of which the caller lacks at least a part; `None` where that is too much to find out.
    async fn added(&self, visitor: &Visitor, terms: &Terms) -> Option<Vec<brevet_api::Rule>> {
        let acts: Vec<(usize, Act)> = acts(terms)?;
        let asked = stream::iter(acts).map(|(rule, act)| async move { (rule, self.rights.may(visitor, act).await) });
        let mut lacking = std::collections::BTreeSet::new();
        let mut answers = asked.buffer_unordered(limits::QUESTIONS_AT_ONCE);
        while let Some((rule, answer)) = answers.next().await {
            if !answer.ok()? {
                lacking.insert(rule);
            }
        }
        let rules = terms.rules.0.iter().chain(&terms.companions.0);
        Some(rules.enumerate().filter(|(rule, _)| lacking.contains(rule)).map(|(_, rule)| rule.into()).collect())
    }
}

/// What would be decided, and what came close.
fn told(outcome: &Outcome) -> String {
    let decided = match (&outcome.by, &outcome.ruling) {
        (None, Ruling::RequireApproval(_)) => "the request would come before an approver".to_owned(),
        (Some(_), Ruling::RequireApproval(_)) => format!("the request would come before approvers: {outcome}"),
        _ => outcome.to_string(),
    };
    outcome.near.iter().fold(decided, |told, near| format!("{told}\nnot by {near}"))
}

/// Who may approve, a line for each stage.
fn approvers(outcome: &Outcome) -> Vec<String> {
    match (&outcome.by, &outcome.ruling) {
        (Some(_), Ruling::RequireApproval(approval)) => approval.stages.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// Everything the terms allow, with the number of its rule; `None` where that is more than may be asked.
fn acts(terms: &Terms) -> Option<Vec<(usize, Act)>> {
    let or_all =
        |items: Vec<&String>| if items.is_empty() { vec![String::new()] } else { items.into_iter().cloned().collect() };
    let namespaces: Vec<String> = or_all(terms.namespaces.iter().collect());
    let mut acts = Vec::new();
    for (number, rule) in terms.rules.0.iter().chain(&terms.companions.0).enumerate() {
        let names = or_all(rule.resource_names.iter().collect());
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                for verb in &rule.verbs {
                    for (name, namespace) in names.iter().flat_map(|name| namespaces.iter().map(move |ns| (name, ns))) {
                        acts.push((
                            number,
                            Act {
                                verb: verb.clone(),
                                group: group.clone(),
                                resource: resource.to_owned(),
                                subresource: subresource.to_owned(),
                                name: name.clone(),
                                namespace: namespace.clone(),
                            },
                        ));
                        if acts.len() > limits::QUESTIONS_MAX {
                            return None;
                        }
                    }
                }
            }
        }
    }
    Some(acts)
}
