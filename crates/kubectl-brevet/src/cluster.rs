//! The one client of this program: who I am, the views, and errors turned into problems.
//!
//! Promises: every call ends within [`CALL_TIME_MAX`]; nothing is retried behind the user's back
//! (kube's own retry would take minutes); what the server says is kept word for word, but for the
//! frame that admission puts around a policy's words.
//!
//! Left out on purpose: reading custom resources of others. People may create requests and decisions;
//! they read them back through the views of the aggregated API.

use std::time::Duration;

use brevet_api::sessions::{Grant, Request};
use brevet_api::{AccessDecision, AccessRequest, AccessRole, SubjectBlock};
use http::header::{HeaderValue, USER_AGENT};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, PostParams};
use kube::config::KubeConfigOptions;
use kube::core::Status;
use kube::{Api, Client, Config};

use crate::origin::{Origin, Wish};
use crate::problem::{Outcome, Problem};

/// The longest a single call may take; long enough for a busy server, short enough for a person.
pub(crate) const CALL_TIME_MAX: Duration = Duration::from_secs(30);

/// The longest it may take to reach the server at all.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// Where the words of an admission policy begin.
const POLICY_FRAME_END: &str = " denied request: ";

/// A cluster as the user reaches it.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) origin: Origin,
}

impl Cluster {
    /// Reads the user's configuration and prepares a client; nothing is sent yet.
    pub(crate) async fn reach(wish: &Wish) -> Result<Self, Problem> {
        let origin = Origin::read(wish)?;
        let options = KubeConfigOptions { context: Some(origin.context_name.clone()), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(origin.merged.clone(), &options).await.map_err(|error| {
            Problem::failed(format!("cannot use context `{}`", origin.context_name)).why(chain(&error))
        })?;
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIME_MAX);
        // The audit log of the cluster should say which program it was.
        let agent = HeaderValue::from_static(concat!("kubectl-brevet/", env!("CARGO_PKG_VERSION")));
        config.headers.push((USER_AGENT, agent));
        let client = Client::try_from(config).map_err(|error| {
            Problem::failed(format!("cannot use context `{}`", origin.context_name)).why(chain(&error))
        })?;
        Ok(Self { client, origin })
    }

    pub(crate) fn roles(&self) -> Api<AccessRole> {
        Api::all(self.client.clone())
    }

    pub(crate) fn requests(&self) -> Api<Request> {
        Api::all(self.client.clone())
    }

    pub(crate) fn grants(&self) -> Api<Grant> {
        Api::all(self.client.clone())
    }

    pub(crate) fn new_requests(&self) -> Api<AccessRequest> {
        Api::all(self.client.clone())
    }

    pub(crate) fn new_decisions(&self) -> Api<AccessDecision> {
        Api::all(self.client.clone())
    }

    /// Who the cluster says I am.
    pub(crate) async fn who(&self) -> Result<SubjectBlock, Problem> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review =
            call("ask the cluster who you are", reviews.create(&PostParams::default(), &SelfSubjectReview::default()))
                .await?;
        let user = review.status.and_then(|status| status.user_info).unwrap_or_default();
        let username = user.username.filter(|name| !name.is_empty()).ok_or_else(|| {
            Problem::failed("the cluster does not say who you are").why("its SelfSubjectReview names nobody")
        })?;
        Ok(SubjectBlock { username, uid: user.uid.unwrap_or_default(), groups: user.groups.unwrap_or_default() })
    }

    /// The view of one request.
    pub(crate) async fn request(&self, name: &str) -> Result<Request, Problem> {
        self.find_request(name).await?.ok_or_else(|| no_such_request(name))
    }

    /// The view of one request, if there is one.
    pub(crate) async fn find_request(&self, name: &str) -> Result<Option<Request>, Problem> {
        call(&format!("read request `{name}`"), self.requests().get_opt(name)).await
    }

    /// The grant of a request: joined by UID, because names come back.
    pub(crate) async fn grant_of(&self, request: &Request) -> Result<Option<Grant>, Problem> {
        let name = request.metadata.name.clone().unwrap_or_default();
        let grant = call(&format!("read grant `{name}`"), self.grants().get_opt(&name)).await?;
        Ok(grant.filter(|grant| Some(&grant.spec.request.uid) == request.metadata.uid.as_ref()))
    }

    /// All requests that I may see.
    pub(crate) async fn all_requests(&self) -> Result<Vec<Request>, Problem> {
        Ok(call("list requests", self.requests().list(&ListParams::default())).await?.items)
    }

    /// All grants that I may see.
    pub(crate) async fn all_grants(&self) -> Result<Vec<Grant>, Problem> {
        Ok(call("list grants", self.grants().list(&ListParams::default())).await?.items)
    }
}

/// Runs one call under the time limit; `doing` finishes the sentence "cannot …".
pub(crate) async fn call<T>(doing: &str, work: impl Future<Output = kube::Result<T>>) -> Result<T, Problem> {
    match tokio::time::timeout(CALL_TIME_MAX, work).await {
        Ok(answer) => answer.map_err(|error| problem(doing, &error)),
        Err(_) => Err(Problem::failed(format!("cannot {doing}"))
            .why(format!("the server did not answer within {} s", CALL_TIME_MAX.as_secs()))
            .next("see what works: kubectl brevet doctor")),
    }
}

/// Another's request and none at all answer alike, so this text covers both.
pub(crate) fn no_such_request(name: &str) -> Problem {
    Problem::refused(format!("there is no request `{name}` that you may see"))
        .why("it does not exist, or it is neither yours nor yours to decide on")
        .next("list those you may see: kubectl brevet list")
}

/// An error of the client as a person should read it.
pub(crate) fn problem(doing: &str, error: &kube::Error) -> Problem {
    match error {
        kube::Error::Api(status) => answered(doing, status),
        kube::Error::Auth(_) => Problem::failed(format!("cannot {doing}"))
            .why(format!("your credential cannot be used: {}", chain(error)))
            .next("log in again, then see: kubectl auth whoami"),
        error => Problem::failed(format!("cannot {doing}"))
            .why(chain(error))
            .next("see whether the cluster answers: kubectl version"),
    }
}

/// What the server answered.
fn answered(doing: &str, status: &Status) -> Problem {
    let policy = status.message.split_once(POLICY_FRAME_END).map(|(_, words)| words.to_owned());
    let is_by_policy = policy.is_some();
    let said = match policy {
        Some(words) => words,
        None if status.message.is_empty() => format!("the server answered {}", status.code),
        None => status.message.clone(),
    };
    let problem = Problem::failed(format!("cannot {doing}")).with(outcome(status.code));
    match status.code {
        _ if is_by_policy => problem.why(said),
        401 => problem
            .why(format!("the cluster does not accept your credential: {said}"))
            .next("log in again, then see: kubectl auth whoami"),
        403 => problem.why(said).next("see which right is missing: kubectl brevet doctor"),
        404 if !said.contains("not found")
            || said.contains("page not found")
            || said.contains("requested resource") =>
        {
            problem
                .why("the cluster does not serve Brevet's API, or its gateway is away")
                .next("see what is missing: kubectl brevet doctor")
        }
        503 => {
            problem.why(format!("Brevet's gateway is away: {said}")).next("see what is missing: kubectl brevet doctor")
        }
        _ => problem.why(said),
    }
}

/// The server's no is a refusal; everything else is a failure.
fn outcome(code: u16) -> Outcome {
    match code {
        400 | 403 | 409 | 422 => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

/// An error and its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, message: &str) -> Problem {
        problem("create the request", &kube::Error::Api(Box::new(Status::failure(message, "").with_code(code))))
    }

    #[test]
    fn a_no_is_a_refusal_and_no_answer_is_a_failure() {
        for code in [403, 409, 422] {
            assert_eq!(answer(code, "no").outcome, Outcome::Refused, "{code}");
        }
        for code in [401, 404, 429, 500, 503] {
            assert_eq!(answer(code, "no").outcome, Outcome::Failed, "{code}");
        }
    }

    #[test]
    fn what_the_server_says_is_kept() {
        let text = answer(422, "spec.duration: `9h` is longer than `4h`").to_string();
        assert_eq!(text, "error: cannot create the request\n  why:  spec.duration: `9h` is longer than `4h`");
        let framed = "accessdecisions.brevet.dev \"a\" is forbidden: ValidatingAdmissionPolicy 'd' with binding 'd' denied request: nobody approves their own request";
        assert!(answer(403, framed).to_string().ends_with("\n  why:  nobody approves their own request"));
        assert!(answer(404, "404 page not found").to_string().contains("does not serve Brevet's API"));
    }
}
