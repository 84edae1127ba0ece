//! What a visitor may do, as kube-apiserver says.
//!
//! Promises: an answer is believed for ten seconds; the key of what is
//! remembered holds everything the answer depends on; no answer is not a yes.

use std::{collections::BTreeMap, sync::Arc};

use brevet_core::reason::{Reason, Refusal};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use moka::future::Cache;

use super::{door::Visitor, limits};

/// What is to be done; empty texts as kube-apiserver reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Act {
    pub(super) verb: String,
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    /// Empty: every object.
    pub(super) name: String,
    /// Empty: the whole cluster.
    pub(super) namespace: String,
}

/// Everything an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    username: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
    act: Act,
}

/// Asks, and remembers for a while.
#[derive(Clone)]
pub(super) struct Rights {
    reviews: Api<SubjectAccessReview>,
    answers: Cache<Question, bool>,
}

impl Rights {
    /// Nothing asked yet.
    pub(super) fn new(client: Client) -> Self {
        let answers =
            Cache::builder().max_capacity(limits::RIGHTS_KEPT_MAX).time_to_live(limits::RIGHTS_BELIEVED).build();
        Self { reviews: Api::all(client), answers }
    }

    /// Whether `visitor` may.
    ///
    /// # Errors
    /// When it could not be found out.
    pub(super) async fn may(&self, visitor: &Visitor, act: Act) -> Result<bool, Refusal> {
        let question = Question {
            username: visitor.caller.username.clone(),
            uid: visitor.caller.uid.clone(),
            groups: visitor.groups.clone(),
            extra: visitor.extra.clone(),
            act,
        };
        let asked = self.answers.try_get_with(question.clone(), self.ask(question)).await;
        asked.map_err(|refusal: Arc<Refusal>| (*refusal).clone())
    }

    async fn ask(&self, question: Question) -> Result<bool, Refusal> {
        let Question { username, uid, groups, extra, act } = question;
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(username),
                uid,
                groups: Some(groups),
                extra: Some(extra),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(act.group),
                    // An authorizer that looks at versions would otherwise be asked about none.
                    version: Some("*".to_owned()),
                    resource: Some(act.resource),
                    subresource: Some(act.subresource),
                    name: Some(act.name),
                    namespace: Some(act.namespace),
                    verb: Some(act.verb),
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
                tracing::warn!(error = %error, "kube-apiserver did not say what a caller may do");
                Err(unknown())
            }
            Err(_) => Err(unknown()),
        }
    }
}

fn unknown() -> Refusal {
    Refusal::new(Reason::Stale, "", "what you may see could not be found out; try again in a moment")
}
