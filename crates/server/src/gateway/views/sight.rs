//! Who may see which request or grant (I15): its owner, and whoever may decide
//! on it.
//!
//! Promises: the right to decide is kube-apiserver's answer about the visitor,
//! believed for ten seconds; the key of what is remembered holds everything the
//! answer depends on; where no answer can be had, nothing is shown.

use std::{collections::BTreeMap, sync::Arc};

use brevet_core::reason::{Reason, Refusal};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use moka::future::Cache;

use super::shelf::Shown;
use crate::gateway::{door::Visitor, limits};

/// Everything an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    username: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
    verb: &'static str,
    /// Empty: every role.
    role: String,
    /// Empty: the whole cluster.
    namespace: String,
}

/// Answers questions about rights.
pub(super) struct Sight {
    reviews: Api<SubjectAccessReview>,
    answers: Cache<Question, bool>,
}

/// The two rights that let somebody see what is another's.
const VERBS: [&str; 2] = ["approve", "revoke"];

impl Sight {
    pub(super) fn new(client: Client) -> Self {
        let answers =
            Cache::builder().max_capacity(limits::RIGHTS_KEPT_MAX).time_to_live(limits::RIGHTS_BELIEVED).build();
        Self { reviews: Api::all(client), answers }
    }

    /// Whether `visitor` may see `shown`.
    pub(super) async fn sees(&self, visitor: &Visitor, shown: &Shown) -> Result<bool, Refusal> {
        if shown.owner.is(&visitor.caller) {
            return Ok(true);
        }
        for verb in VERBS {
            // Who decides on everything everywhere is answered by one question.
            if self.may(visitor, verb, "", "").await? || self.may_everywhere(visitor, verb, shown).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether `visitor` has the right in every namespace of `shown`; with none, in the whole cluster.
    async fn may_everywhere(&self, visitor: &Visitor, verb: &'static str, shown: &Shown) -> Result<bool, Refusal> {
        if shown.namespaces.is_empty() {
            return self.may(visitor, verb, &shown.role, "").await;
        }
        for namespace in &shown.namespaces {
            if !self.may(visitor, verb, &shown.role, namespace).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn may(&self, visitor: &Visitor, verb: &'static str, role: &str, namespace: &str) -> Result<bool, Refusal> {
        let question = Question {
            username: visitor.caller.username.clone(),
            uid: visitor.caller.uid.clone(),
            groups: visitor.groups.clone(),
            extra: visitor.extra.clone(),
            verb,
            role: role.to_owned(),
            namespace: namespace.to_owned(),
        };
        let asked = self.answers.try_get_with(question.clone(), self.ask(&question)).await;
        asked.map_err(|refusal: Arc<Refusal>| (*refusal).clone())
    }

    async fn ask(&self, question: &Question) -> Result<bool, Refusal> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(question.username.clone()),
                uid: question.uid.clone(),
                groups: Some(question.groups.clone()),
                extra: Some(question.extra.clone()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(brevet_api::GROUP.to_owned()),
                    version: Some(brevet_api::VERSION.to_owned()),
                    resource: Some("accessroles".to_owned()),
                    name: Some(question.role.clone()),
                    namespace: Some(question.namespace.clone()),
                    verb: Some(question.verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let params = PostParams::default();
        let asking = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, self.reviews.create(&params, &review));
        match asking.await {
            Ok(Ok(answer)) => Ok(answer.status.is_some_and(|status| status.allowed && !status.denied.unwrap_or(false))),
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "kube-apiserver did not say what a caller may see");
                Err(unknown())
            }
            Err(_) => Err(unknown()),
        }
    }
}

fn unknown() -> Refusal {
    Refusal::new(Reason::Stale, "", "what you may see could not be found out; try again in a moment")
}
