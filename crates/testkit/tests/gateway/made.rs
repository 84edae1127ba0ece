//! A grant made by hand, with everything it rests on, as the controller would.
//!
//! The tests of the gateway do not lean on the controller: it is not running
//! while they make what it would make, with exactly the window they need.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use brevet_api::{
    AccessDecision, AccessDecisionSpec, AccessGrant, AccessGrantSpec, AccessRequest, AccessRequestSpec, ClaimedTerms,
    GrantApproval, ObjectRef, SubjectBlock, TermsBlock, Time,
};
use brevet_core::{
    length::Length,
    role::Delivery,
    rules::{Rule, Rules},
    terms::Terms,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Who does what.
pub(crate) struct Hands {
    pub(crate) holder: Client,
    pub(crate) approver: Client,
    pub(crate) controller: Client,
    /// The controller as `brevet:binder`.
    pub(crate) binder: Client,
}

/// Group, resources, verbs and names of one rule.
type AskedRule = (&'static str, Vec<&'static str>, Vec<&'static str>, Vec<&'static str>);

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) role: &'static str,
    pub(crate) namespaces: Vec<String>,
    pub(crate) rules: Vec<AskedRule>,
    pub(crate) seconds: i64,
}

/// A grant that was made.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) not_after: Timestamp,
    pub(crate) identity: String,
    identity_uid: String,
    pub(crate) decision: String,
}

impl Ask {
    /// Pods and their logs in `namespace`, to read and to watch.
    pub(crate) fn logs(namespace: &str, seconds: i64) -> Self {
        let verbs = vec!["get", "list", "watch"];
        Self {
            role: "view-logs",
            namespaces: vec![namespace.to_owned()],
            rules: vec![("", vec!["pods"], verbs, vec![]), ("", vec!["pods/log"], vec!["get"], vec![])],
            seconds,
        }
    }

    fn rules(&self) -> Rules {
        let set = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>();
        self.rules
            .iter()
            .map(|(group, resources, verbs, names)| Rule {
                api_groups: set(&[group]),
                resources: set(resources),
                verbs: set(verbs),
                resource_names: set(names),
            })
            .collect()
    }
}

/// Makes the grant, ready, with an identity of its own.
pub(crate) async fn grant(hands: &Hands, ask: &Ask) -> Result<Made> {
    let identity = identity(hands, ask).await?;
    grant_as(hands, ask, identity).await
}

/// Makes a grant that shares the identity of another with equal rules.
pub(crate) async fn grant_beside(hands: &Hands, ask: &Ask, other: &Made) -> Result<Made> {
    grant_as(hands, ask, (other.identity.clone(), other.identity_uid.clone())).await
}

async fn grant_as(hands: &Hands, ask: &Ask, identity: (String, String)) -> Result<Made> {
    let request = request(hands, ask).await?;
    let requester = request.spec.requester.clone();
    let terms = Terms {
        requester: requester.username.clone(),
        requester_uid: requester.uid.clone(),
        role: ask.role.to_owned(),
        rules: ask.rules(),
        companions: Rules::default(),
        namespaces: ask.namespaces.clone(),
        duration: Length::parse(&format!("{}s", ask.seconds)).ok().context("a duration")?,
        start_at: None,
        delivery: Delivery::Gateway,
    };
    let name = request.metadata.name.clone().context("a name")?;
    let request_ref = ObjectRef { name: name.clone(), uid: request.metadata.uid.clone().context("a uid")? };
    let decision = decision(hands, ask, &request_ref, &requester, &terms).await?;
    let decision_name = decision.metadata.name.clone().context("a name")?;
    let now = this_second()?;
    let not_after = now + SignedDuration::from_secs(ask.seconds);
    let spec = AccessGrantSpec {
        request: request_ref,
        holder: requester,
        role: ask.role.to_owned(),
        terms: TermsBlock::from(&terms),
        not_before: Time(now),
        not_after: Time(not_after),
        delivery: brevet_api::Delivery::Gateway,
        approvals: vec![GrantApproval {
            approver: decision.spec.approver.username.clone(),
            decision: ObjectRef { name: decision_name.clone(), uid: decision.metadata.uid.context("a uid")? },
            stage: "approval".to_owned(),
        }],
        policy: None,
    };
    let mut grant = AccessGrant::new(&name, spec);
    grant.metadata.finalizers = Some(vec!["brevet.dev/end".to_owned()]);
    let grants: Api<AccessGrant> = Api::all(hands.controller.clone());
    let stored = grants.create(&PostParams::default(), &grant).await.context("the grant")?;
    let status = json!({"status": {
        "phase": "Active",
        "identity": {"name": identity.0, "uid": identity.1},
        "conditions": [condition("Ready", "True", "Confirmed", now)],
    }});
    grants.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.context("the status")?;
    Ok(Made {
        name,
        uid: stored.metadata.uid.context("a uid")?,
        not_after,
        identity: identity.0,
        identity_uid: identity.1,
        decision: decision_name,
    })
}

/// Writes the end of a grant, as the controller does first of all.
/// Returns the resourceVersion of that write.
pub(crate) async fn end(hands: &Hands, made: &Made, cause: &str) -> Result<u64> {
    let now = this_second()?;
    let status = json!({"status": {
        "phase": "Revoking",
        "endedAt": Time(now),
        "conditions": [condition("Ready", "False", cause, now), condition("Ended", "Unknown", cause, now)],
    }});
    let grants: Api<AccessGrant> = Api::all(hands.controller.clone());
    let written = grants.patch_status(&made.name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(written.metadata.resource_version.context("a version")?.parse()?)
}

/// Deletes the decision that approved, as an administrator who destroys evidence.
pub(crate) async fn destroy_evidence(admin: &Client, made: &Made) -> Result<()> {
    let decisions: Api<AccessDecision> = Api::all(admin.clone());
    decisions.delete(&made.decision, &DeleteParams::default()).await?;
    Ok(())
}

async fn request(hands: &Hands, ask: &Ask) -> Result<AccessRequest> {
    let spec = AccessRequestSpec {
        requester: me(&hands.holder).await?,
        role: ask.role.to_owned(),
        namespaces: ask.namespaces.clone(),
        resources: Vec::new(),
        duration: Some(format!("{}s", ask.seconds)),
        start_at: None,
        justification: "a test of the gateway".to_owned(),
        urgency: None,
        ticket: None,
        delivery: None,
    };
    let mut request = AccessRequest::new("", spec);
    request.metadata.name = None;
    request.metadata.generate_name = Some(format!("{}-", ask.role));
    let requests: Api<AccessRequest> = Api::all(hands.holder.clone());
    requests.create(&PostParams::default(), &request).await.context("the request")
}

async fn decision(
    hands: &Hands,
    ask: &Ask,
    request: &ObjectRef,
    requester: &SubjectBlock,
    terms: &Terms,
) -> Result<AccessDecision> {
    let spec = AccessDecisionSpec {
        verdict: brevet_api::Verdict::Approve,
        request: request.clone(),
        terms: ClaimedTerms {
            digest: Some(terms.digest().to_string()),
            role: ask.role.to_owned(),
            namespaces: ask.namespaces.clone(),
            requester: requester.username.clone(),
            requester_uid: requester.uid.clone(),
        },
        approver: me(&hands.approver).await?,
        comment: String::new(),
        narrow: None,
    };
    let mut decision = AccessDecision::new("", spec);
    decision.metadata.name = None;
    decision.metadata.generate_name = Some(format!("{}-", request.name));
    let decisions: Api<AccessDecision> = Api::all(hands.approver.clone());
    decisions.create(&PostParams::default(), &decision).await.context("the decision")
}

/// An identity with exactly the rules: name and uid.
async fn identity(hands: &Hands, ask: &Ask) -> Result<(String, String)> {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let digits = |c: char| if c.is_ascii_digit() { 'a' } else { c };
    let name = format!(
        "e-{}-{}",
        random.chars().map(digits).take(16).collect::<String>(),
        random.chars().skip(16).take(10).collect::<String>()
    );
    let metadata = json!({"name": name, "labels": {"brevet.dev/identity": name}});
    let params = PostParams::default();
    let accounts: Api<ServiceAccount> = Api::namespaced(hands.controller.clone(), "brevet-elevations");
    let account = accounts.create(&params, &object(json!({"metadata": metadata}))?).await.context("the identity")?;
    let secrets: Api<Secret> = Api::namespaced(hands.controller.clone(), "brevet-elevations");
    secrets.create(&params, &object(json!({"metadata": metadata, "type": "Opaque"}))?).await.context("the anchor")?;
    let bound = json!({"name": format!("brevet:{name}"), "labels": {"brevet.dev/identity": name}});
    let rules: Vec<Value> = ask
        .rules
        .iter()
        .map(|(group, resources, verbs, names)| {
            json!({"apiGroups": [group], "resources": resources, "verbs": verbs, "resourceNames": names})
        })
        .collect();
    for namespace in &ask.namespaces {
        let roles: Api<Role> = Api::namespaced(hands.binder.clone(), namespace);
        roles.create(&params, &object(json!({"metadata": bound, "rules": rules}))?).await.context("the role")?;
        let bindings: Api<RoleBinding> = Api::namespaced(hands.binder.clone(), namespace);
        let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": bound["name"]});
        let subject = json!({"kind": "ServiceAccount", "namespace": "brevet-elevations", "name": name});
        let binding = json!({"metadata": bound, "roleRef": role_ref, "subjects": [subject]});
        bindings.create(&params, &object(binding)?).await.context("the binding")?;
    }
    Ok((name, account.metadata.uid.context("a uid")?))
}

async fn me(client: &Client) -> Result<SubjectBlock> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    let user = answer.status.and_then(|status| status.user_info).context("a user")?;
    Ok(SubjectBlock {
        username: user.username.context("a username")?,
        uid: user.uid.unwrap_or_default(),
        groups: user.groups.unwrap_or_default(),
    })
}

/// The clock of the tests.
#[allow(clippy::disallowed_methods, reason = "a test is an edge: it compares with what the server did")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Windows are written in whole seconds.
fn this_second() -> Result<Timestamp> {
    Ok(Timestamp::from_second(now().as_second())?)
}

fn condition(kind: &str, status: &str, reason: &str, at: Timestamp) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": Time(at)})
}

fn object<K: serde::de::DeserializeOwned>(value: Value) -> Result<K> {
    Ok(serde_json::from_value(value)?)
}
