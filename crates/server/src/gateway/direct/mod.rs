//! The direct door: HTTPS of our own, for pipelines, for load, and for clusters
//! behind which there is no aggregation.
//!
//! In the order of a caller's way: the [`porter`] takes exactly one credential; a
//! [`certificate`] under the CA that was given, or a [`jwt`] signed by an
//! [`issuer`] whose [`keys`] are known, whose [`claims`] become user and groups;
//! then the [`hall`] leads to the same room as the other door does. [`files`]
//! keeps certificates in step.
//!
//! Promises: a user has the same name here as at kube-apiserver, or is nobody;
//! what another door would believe (`X-Remote-User`) means nothing here; what
//! cannot be found out is refused.
//!
//! Left out on purpose: the views and questions. They are asked at
//! kube-apiserver, which knows everybody.

mod hall;
mod porter;

mod certificate;
mod claims;
mod issuer;
mod jwt;
mod keys;

mod files;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use jsonwebtoken::Algorithm;
use kube::Client;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::{
    claims::{Accounts, Oidc, Prefix},
    files::Files,
    hall::Hall,
    issuer::{Issuer, Web},
    keys::Keys,
    porter::{Authorities, DirectPorter},
};
use super::{
    Tasks,
    door::{Door, bounds::Bounds, tls},
    limits,
    room::Room,
};

/// Flags of the direct door. Those of OIDC mean what they mean to kube-apiserver.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Direct door")]
#[group(skip)]
pub(super) struct Options {
    /// Where grants are served directly, at /grants/NAME; not served without it.
    #[arg(long, value_name = "ADDRESS", requires_all = ["tls_cert_file", "tls_private_key_file"])]
    listen: Option<SocketAddr>,
    /// The certificate that is served there, and those between it and its CA; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "listen")]
    tls_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "listen")]
    tls_private_key_file: Option<PathBuf>,
    /// The CA of client certificates: the common name is the user, organizations are groups.
    #[arg(long, value_name = "FILE", requires = "listen")]
    client_ca_file: Option<PathBuf>,
    /// The issuer of ID tokens, as it stands in their `iss`; https only.
    #[arg(long, value_name = "URL", requires_all = ["listen", "oidc_client_id"])]
    oidc_issuer_url: Option<String>,
    /// The audience that ID tokens must have.
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    oidc_client_id: Option<String>,
    /// The claim that is the username.
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    oidc_username_claim: String,
    /// What is put before it; `-` for nothing [default: the issuer and `#`, or nothing before `email`].
    #[arg(long, value_name = "PREFIX", requires = "oidc_issuer_url")]
    oidc_username_prefix: Option<String>,
    /// The claim that is the uid, where kube-apiserver is configured to read one.
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer_url")]
    oidc_uid_claim: Option<String>,
    /// The claim that lists the groups.
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer_url")]
    oidc_groups_claim: Option<String>,
    /// What is put before each group.
    #[arg(long, value_name = "PREFIX", requires = "oidc_issuer_url", default_value = "")]
    oidc_groups_prefix: String,
    /// A claim that must have this value; repeat for several.
    #[arg(long, value_name = "CLAIM=VALUE", requires = "oidc_issuer_url")]
    oidc_required_claim: Vec<String>,
    /// The algorithms of signatures that are believed.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "RS256")]
    oidc_signing_algs: Vec<String>,
    /// The CA of the issuer; by default those that the system trusts.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer_url")]
    oidc_ca_file: Option<PathBuf>,
    /// The audience that tokens of the cluster's ServiceAccounts must have; none are believed without it.
    #[arg(long, value_name = "AUDIENCE", requires = "listen")]
    service_account_audience: Option<String>,
    /// Connections at once from one address; more where a load balancer stands in front.
    #[arg(long, value_name = "NUMBER", default_value_t = limits::CONNECTIONS_PER_ADDRESS_MAX)]
    connections_per_address: usize,
}

/// Opens the door, if there is to be one: its parts go to `parts`, itself to `ways_in`.
pub(super) async fn open(
    options: &Options,
    client: &Client,
    room: &Arc<Room>,
    (parts, ways_in): (&mut Tasks, &mut Tasks),
    (work, stop): (&CancellationToken, &CancellationToken),
) -> anyhow::Result<()> {
    let Options { listen: Some(address), tls_cert_file: Some(cert), tls_private_key_file: Some(key), .. } = options
    else {
        return Ok(());
    };
    let files = Files::read(cert, key, options.client_ca_file.as_deref())?;
    let authorities = authorities(options, client)?;
    if files.clients().is_none() && authorities.is_empty() {
        bail!(
            "--listen lets nobody in: give --client-ca-file, --oidc-issuer-url or --service-account-audience, or leave it out"
        );
    }
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}` (--listen)"))?;
    let judge = files.clients().map(|clients| clients as Arc<dyn tls::Judge>);
    let acceptor = TlsAcceptor::from(tls::configure(files.presented(), judge)?);
    for keys in authorities.keys() {
        parts.spawn(keys.keep(work.clone()));
    }
    let porter = DirectPorter::new(files.clients(), authorities);
    parts.spawn(files.keep(work.clone()));
    let bounds = Bounds {
        connections_max: limits::DIRECT_CONNECTIONS_MAX,
        connections_per_address_max: options.connections_per_address,
        pending_resets_max: limits::PENDING_RESETS_MAX,
        has_own_connections: true,
    };
    let door = Door { acceptor, porter, room: Hall(room.clone()), bounds };
    ways_in.spawn(door.serve(listener, stop.clone()));
    tracing::info!(%address, "the direct door is open");
    Ok(())
}

/// Whose tokens are believed.
fn authorities(options: &Options, client: &Client) -> anyhow::Result<Authorities> {
    let oidc = match (&options.oidc_issuer_url, &options.oidc_client_id) {
        (Some(issuer), Some(audience)) => Some(oidc(options, issuer, audience)?),
        _ => None,
    };
    let accounts = options.service_account_audience.as_ref().map(|audience| Accounts {
        audience: audience.clone(),
        // kube-apiserver signs with these, as its key is.
        keys: Arc::new(Keys::new(
            Issuer::Cluster(client.clone()),
            &[Algorithm::RS256, Algorithm::ES256, Algorithm::ES384],
        )),
    });
    Ok(Authorities { oidc, accounts })
}

fn oidc(options: &Options, issuer: &str, audience: &str) -> anyhow::Result<Oidc> {
    let algorithms: Vec<Algorithm> =
        options.oidc_signing_algs.iter().map(|name| jwt::algorithm(name)).collect::<anyhow::Result<_>>()?;
    let web = Web::new(issuer, options.oidc_ca_file.as_deref())?;
    let required = options.oidc_required_claim.iter().map(|text| {
        let pair = text.split_once('=').filter(|(claim, _)| !claim.is_empty());
        pair.map(|(claim, value)| (claim.to_owned(), value.to_owned()))
            .with_context(|| format!("`{text}` (--oidc-required-claim) is not CLAIM=VALUE"))
    });
    Ok(Oidc {
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        username_claim: options.oidc_username_claim.clone(),
        username_prefix: Prefix::of_username(
            options.oidc_username_prefix.as_deref(),
            &options.oidc_username_claim,
            issuer,
        ),
        uid_claim: options.oidc_uid_claim.clone(),
        groups_claim: options.oidc_groups_claim.clone(),
        groups_prefix: Prefix(options.oidc_groups_prefix.clone()),
        required: required.collect::<anyhow::Result<_>>()?,
        keys: Arc::new(Keys::new(Issuer::Web(Box::new(web)), &algorithms)),
    })
}
