//! The story most tests tell: somebody asks, somebody decides, the access comes and goes.
//!
//! Speaks to the API server alone, as the people themselves; what the plugin
//! adds is the plugin's to test.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result};
use brevet_api::{AccessDecision, AccessGrant, AccessRequest, Phase, SubjectBlock, Verdict};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::patience::until;
use crate::user::User;

/// From one step of the story to the next, on a loaded machine.
const STEP_WITHIN: Duration = Duration::from_secs(30);

/// One ask and what became of it.
pub struct Elevation<'c> {
    cluster: &'c Cluster,
    requester: String,
    name: String,
    uid: String,
}

impl Cluster {
    /// Has `who` ask for what `spec` says; requester and justification are filled in.
    ///
    /// # Errors
    /// When the server refuses the request.
    pub async fn ask(&self, who: &str, spec: Value) -> Result<Elevation<'_>> {
        let client = self.user(who).client().await?;
        let me = whoami(&client).await?;
        let mut object = json!({
            "apiVersion": "brevet.dev/v1alpha1",
            "kind": "AccessRequest",
            "metadata": { "generateName": "asked-" },
            "spec": {
                "requester": me,
                "justification": "a test asks",
            },
        });
        if let (Some(Value::Object(given)), Value::Object(more)) = (object.get_mut("spec"), spec) {
            given.extend(more);
        }
        let requests: Api<AccessRequest> = Api::all(client);
        let request = requests.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        let metadata = request.metadata;
        let (name, uid) = (metadata.name.context("no name")?, metadata.uid.context("no uid")?);
        Ok(Elevation { cluster: self, requester: who.to_owned(), name, uid })
    }

    /// Has `who` ask, `approver` approve, and returns when the access is in force.
    ///
    /// # Errors
    /// When any of this does not happen.
    pub async fn approved(&self, who: &str, approver: &str, spec: Value) -> Result<Elevation<'_>> {
        let elevation = self.ask(who, spec).await?;
        elevation.decide(approver, Verdict::Approve).await?;
        elevation.phase(Phase::Active).await?;
        Ok(elevation)
    }
}

impl Elevation<'_> {
    /// Name of the request, which is also the grant's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Uid of the request.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The request as it is now.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn request(&self) -> Result<AccessRequest> {
        Ok(Api::all(self.cluster.admin().await?).get(&self.name).await?)
    }

    /// The grant as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn grant(&self) -> Result<AccessGrant> {
        Ok(Api::all(self.cluster.admin().await?).get(&self.name).await?)
    }

    /// Waits until the request is in `phase`.
    ///
    /// # Errors
    /// When it does not come to that in time; the error shows the status it has.
    pub async fn phase(&self, phase: Phase) -> Result<AccessRequest> {
        self.until(&format!("to be {phase:?}"), STEP_WITHIN, |request| {
            request.status.as_ref().is_some_and(|status| status.phase == Some(phase))
        })
        .await
    }

    /// Waits until the request is as `wanted` says.
    ///
    /// # Errors
    /// When it does not come to that within `within`; the error shows the status it has.
    pub async fn until(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&AccessRequest) -> bool,
    ) -> Result<AccessRequest> {
        let requests: Api<AccessRequest> = Api::all(self.cluster.admin().await?);
        let seen = RefCell::new(None);
        let what = format!("request `{}` {what}", self.name);
        let found = until(&what, within, async || {
            let request = requests.get(&self.name).await.ok()?;
            if wanted(&request) {
                return Some(request);
            }
            seen.replace(request.status);
            None
        });
        let found = found.await;
        found.with_context(|| format!("its status: {}", serde_json::to_string(&seen.into_inner()).unwrap_or_default()))
    }

    /// Has `who` decide, by the terms that stand in the request's status once they do.
    ///
    /// # Errors
    /// When the server refuses the decision.
    pub async fn decide(&self, who: &str, verdict: Verdict) -> Result<AccessDecision> {
        let mut request = self.request().await?;
        if matches!(verdict, Verdict::Approve | Verdict::Deny) {
            let has_terms = |request: &AccessRequest| request.status.as_ref().is_some_and(|s| s.terms.is_some());
            request = self.until("to have terms", STEP_WITHIN, has_terms).await?;
        }
        let digest = request.status.and_then(|status| status.terms).map(|terms| terms.digest);
        let client = self.cluster.user(who).client().await?;
        let me = whoami(&client).await?;
        let decision = serde_json::from_value(json!({
            "apiVersion": "brevet.dev/v1alpha1",
            "kind": "AccessDecision",
            "metadata": { "generateName": format!("{}-", self.name) },
            "spec": {
                "verdict": verdict,
                "request": { "name": self.name, "uid": self.uid },
                "terms": {
                    "digest": digest,
                    "role": request.spec.role,
                    "namespaces": request.spec.namespaces,
                    "requester": request.spec.requester.username,
                    "requesterUid": request.spec.requester.uid,
                },
                "approver": me,
                "comment": "a test decides",
            },
        }))?;
        Ok(Api::all(client).create(&PostParams::default(), &decision).await?)
    }

    /// The path of the API server behind this grant; `rest` begins with `/`.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/apis/sessions.brevet.dev/v1alpha1/grants/{}/proxy{rest}", self.name)
    }

    /// `who`, with their own credential, going through this grant.
    ///
    /// # Errors
    /// When their kubeconfig cannot be read.
    pub fn through(&self, who: &str) -> Result<User> {
        self.cluster.user_at(who, &format!("{who}-through-{}", self.name), &self.path(""))
    }

    /// The requester going through this grant.
    ///
    /// # Errors
    /// As [`Elevation::through`].
    pub fn holder(&self) -> Result<User> {
        self.through(&self.requester)
    }
}

/// Whom the server takes a client for.
async fn whoami(client: &Client) -> Result<SubjectBlock> {
    let review = Api::<SelfSubjectReview>::all(client.clone());
    let review = review.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    let user = review.status.and_then(|status| status.user_info);
    let user = user.context("the server does not say who this is")?;
    Ok(SubjectBlock {
        username: user.username.unwrap_or_default(),
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
    })
}
