//! Installs Brevet the way its documentation says: kinds, policies, a refusal
//! as proof that the policies bite, rights for people, then the server.
//!
//! Reads `deploy/` of the repository at run time: what ships is what is tested.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;

use crate::apply::{Applier, documents};
use crate::brevet::Part;
use crate::cluster::Cluster;
use crate::patience::until;
use crate::tree;

/// A policy bites a moment after its creation.
const BITES_WITHIN: Duration = Duration::from_secs(30);

/// Seconds; longer than any test or any evening of play.
const TOKEN_SECONDS: i64 = 7 * 24 * 3600;

/// The namespaces, the accounts of the server, and where the gateway listens here.
const SERVER: &str = include_str!("fixtures/server.yaml");
/// What the people of the demo may do.
const PEOPLE: &str = include_str!("fixtures/people.yaml");
/// A request that lies about its author.
const LIE: &str = include_str!("fixtures/lie.yaml");

/// Everything but the server itself.
pub(crate) async fn install(cluster: &Cluster) -> Result<()> {
    let client = cluster.admin().await?;
    let deploy = tree::repository().join("deploy");
    let mut applier = Applier::new(client.clone());

    // Minting is locked by the policies, so the server's tokens come first.
    applier.text(SERVER).await?;
    for part in [Part::Controller, Part::Gateway] {
        cluster.add_part(part, &token(&client, part.name()).await?)?;
    }

    applier.folder(&deploy.join("crds"), |_| true).await?;
    served(&client).await?;
    applier.folder(&deploy.join("admission"), |file| !stamps(file)).await?;
    refused(&mut applier).await?;
    // Only now: a stamp would turn the lie of the proof into the truth.
    if serves_mutating_policies(&client).await {
        applier.folder(&deploy.join("admission"), stamps).await?;
        accepted(&mut applier).await?;
    }
    let binder = binder(&client).await?;
    applier.folder(&deploy.join("roles"), |file| is_for(file, binder)).await?;
    applier.folder(&deploy.join("catalogue"), |_| true).await?;
    aggregated_catalogue(&client).await?;
    applier.text(PEOPLE).await
}

/// Waits until the aggregated API answers.
pub(crate) async fn aggregated(client: &Client) -> Result<()> {
    until("the aggregated API to answer", BITES_WITHIN, async || {
        client.list_api_group_resources("sessions.brevet.dev/v1alpha1").await.ok()
    })
    .await?;
    Ok(())
}

fn stamps(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stamp-"))
}

/// How the controller reaches the catalogue: by constrained impersonation where the server has it.
async fn binder(client: &Client) -> Result<&'static str> {
    let minor = client.apiserver_version().await?.minor;
    let minor: u32 = minor.trim_end_matches('+').parse().with_context(|| format!("not a version: `{minor}`"))?;
    Ok(if minor >= 36 { "binder-impersonation.yaml" } else { "binder-direct.yaml" })
}

/// One of the two binders; and not the Service, which leads to this machine instead.
fn is_for(file: &Path, binder: &str) -> bool {
    let Some(name) = file.file_name().map(|name| name.to_string_lossy()) else { return false };
    name == binder || !(name.starts_with("binder-") || name == "service.yaml")
}

async fn serves_mutating_policies(client: &Client) -> bool {
    let Ok(group) = client.list_api_group_resources("admissionregistration.k8s.io/v1").await else { return false };
    group.resources.iter().any(|resource| resource.name == "mutatingadmissionpolicies")
}

/// A kind is served a moment after its definition is accepted.
async fn served(client: &Client) -> Result<()> {
    until("the kinds to be served", BITES_WITHIN, async || {
        let group = client.list_api_group_resources("brevet.dev/v1alpha1").await.ok()?;
        group.resources.iter().any(|resource| resource.name == "accessrequests").then_some(())
    })
    .await
}

/// Waits until the policies refuse a lie, by a dry-run that stores nothing.
async fn refused(applier: &mut Applier) -> Result<()> {
    let lie = documents(LIE)?.pop().context("there is no lie")?;
    let what = "the policies to refuse a request that lies about its author";
    until(what, BITES_WITHIN, async || match applier.dry_run(&lie).await {
        Ok(Ok(_)) => None,
        Ok(Err(kube::Error::Api(status))) if status.message.contains("ValidatingAdmissionPolicy") => Some(Ok(())),
        Ok(Err(other)) => Some(Err(anyhow!(other).context("the proof failed for another reason than a policy"))),
        Err(why) => Some(Err(why)),
    })
    .await?
}

/// Waits until the stamp turns the lie into the truth.
async fn accepted(applier: &mut Applier) -> Result<()> {
    let lie = documents(LIE)?.pop().context("there is no lie")?;
    until("requests to be stamped", BITES_WITHIN, async || applier.dry_run(&lie).await.ok()?.ok()).await?;
    Ok(())
}

/// Kubernetes fills in the rules of the catalogue a moment after its ClusterRoles are there.
async fn aggregated_catalogue(client: &Client) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    until("the catalogue to have rules", BITES_WITHIN, async || {
        roles.get("brevet-catalogue").await.ok()?.rules.filter(|rules| !rules.is_empty())
    })
    .await?;
    Ok(())
}

/// A token of one of the server's accounts, as a cluster would mount it.
async fn token(client: &Client, account: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "brevet-system");
    let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer: Value = accounts.create_subresource("token", account, &PostParams::default(), &request).await?;
    let token = answer.pointer("/status/token").and_then(Value::as_str);
    Ok(token.with_context(|| format!("no token for `{account}`"))?.to_owned())
}
