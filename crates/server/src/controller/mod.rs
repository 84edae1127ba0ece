//! The controller: gathers, decides, acts.
//!
//! ```text
//! watch ─→ index ─→ queue ─→ gather ─→ core::lifecycle::plan ─→ act ─→ kube-apiserver
//!                     ↑ deadlines, retries                     │
//!                     └────────────────────────────────────────┘
//! ```
//!
//! Promises: only [`act`] writes grants, identities and RBAC; one replica works
//! at a time ([`lead`]); while the admission policies do not stand, access is taken
//! away and none is given.
//!
//! Left out on purpose: minting tokens (the gateway alone can), and Events about
//! requests, decisions or grants (too many people can read those).

mod act;
mod authors;
mod bounds;
mod gather;
mod identities;
mod index;
mod lead;
mod metrics;
mod orphans;
mod parts;
mod queue;
mod record;
mod roles;
mod run;
mod silence;
mod watch;
mod wire;

use std::time::Duration;

use anyhow::Context as _;
use brevet_core::lifecycle::Limits;
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::{call, shared::Shared};

/// Where Brevet's own Leases and Secrets are.
const SYSTEM_NAMESPACE: &str = "brevet-system";
/// Who holds the catalogue where the server can limit impersonation to single acts.
const BINDER: &str = "brevet:binder";
/// The first Kubernetes minor version with constrained impersonation.
const CONSTRAINED_IMPERSONATION_SINCE: u32 = 36;

/// Flags of the controller.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How long a finished request stays, with its decisions and grant.
    #[arg(long, value_name = "SECONDS", default_value_t = 7 * 24 * 3600)]
    retention_seconds: u32,
    /// How long a request may wait for its decision.
    #[arg(long, value_name = "SECONDS", default_value_t = 24 * 3600)]
    approval_seconds: u32,
    /// Open requests of one person; the newest beyond are removed.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) open_requests_max: usize,
    /// Requests of one person that ended without a grant; the oldest beyond leave early.
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    refused_requests_max: usize,
    /// Decisions of one person; the newest beyond that count for nothing are removed.
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    decisions_max: usize,
    /// How long the leader's Lease holds without renewal.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..=300))]
    lease_seconds: u16,
    /// How elevation roles are created; `auto` goes by the server's version.
    #[arg(long, value_enum, default_value_t = Binder::Auto)]
    binder: Binder,
}

/// As whom RBAC objects are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Binder {
    /// As `brevet:binder` from Kubernetes 1.36 on, below as the controller.
    Auto,
    /// As `brevet:binder`.
    Impersonate,
    /// As the controller, which then holds the catalogue itself.
    Direct,
}

impl Options {
    fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds.into())
    }

    fn bounds(&self) -> bounds::Bounds {
        bounds::Bounds {
            open_requests_max: self.open_requests_max,
            refused_requests_max: self.refused_requests_max,
            decisions_max: self.decisions_max,
        }
    }

    fn limits(&self) -> Limits {
        Limits { approval_seconds_max: self.approval_seconds, retention_seconds: self.retention_seconds }
    }
}

/// Runs until `stop`.
pub(crate) async fn run(options: Options, shared: Shared, stop: CancellationToken) -> anyhow::Result<()> {
    shared.health.fails("controller", "not started yet");
    let binder = binder_client(&options, &shared).await?;
    let metrics = metrics::Metrics::new(&shared.metrics);
    let times = lead::Times { duration: options.lease() };
    let me = format!("{}-{}", hostname(), uuid::Uuid::new_v4().simple());
    let candidate = lead::Candidate::new(shared.client.clone(), me, times, shared.health.clone());
    let work =
        |term, wind_up| run::work(options.clone(), shared.clone(), binder.clone(), metrics.clone(), term, wind_up);
    candidate.run(stop, work).await
}

/// A client for creating RBAC objects.
async fn binder_client(options: &Options, shared: &Shared) -> anyhow::Result<Client> {
    let impersonates = match options.binder {
        Binder::Impersonate => true,
        Binder::Direct => false,
        Binder::Auto => {
            let version = call::within(call::CALL_TIMEOUT, shared.client.apiserver_version()).await;
            let version = version.context("cannot read the server's version")?;
            let digits: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
            let minor: u32 = digits.parse().with_context(|| format!("not a version: `{}`", version.minor))?;
            minor >= CONSTRAINED_IMPERSONATION_SINCE
        }
    };
    if !impersonates {
        return Ok(shared.client.clone());
    }
    let mut config = shared.config.clone();
    config.auth_info.impersonate = Some(BINDER.to_owned());
    Client::try_from(config).context("cannot make the binder's client")
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "brevet".to_owned(), |name| name.trim().to_owned())
}
