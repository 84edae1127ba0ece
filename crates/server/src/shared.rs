//! What every role of the server is given: a client, its configuration, the
//! guard's state, and where to tell how it fares.

use std::time::Duration;

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::watch;

use crate::{guard::Guard, options::Role, probes::Health, record::Recorder, telemetry::Metrics};

/// How long a connection to kube-apiserver may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One role's hold on the cluster and on this process.
#[derive(Clone)]
pub(crate) struct Shared {
    /// `controller` or `gateway`.
    pub(crate) role: &'static str,
    /// Speaks as this role. Does not retry by itself: every caller decides what a failure means.
    pub(crate) client: Client,
    /// Where the client goes and as whom; for connections that are not kube's own.
    pub(crate) config: Config,
    /// Whether the admission policies stand as shipped.
    pub(crate) guard: watch::Receiver<Guard>,
    /// Takes entries of the audit log; whatever changes the cluster waits for one.
    pub(crate) recorder: Recorder,
    /// For `/readyz`.
    pub(crate) health: Health,
    /// For `/metrics`.
    pub(crate) metrics: Metrics,
}

impl Shared {
    /// Reads the credentials and makes the client; speaks to nobody yet.
    pub(crate) async fn connect(
        role: &Role,
        recorder: Recorder,
        health: Health,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let mut config = match role.kubeconfig() {
            Some(file) => {
                let read = Kubeconfig::read_from(file)
                    .with_context(|| format!("cannot read the kubeconfig `{}`", file.display()))?;
                Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                    .await
                    .with_context(|| format!("cannot use the kubeconfig `{}`", file.display()))?
            }
            None => Config::incluster().context("no --kubeconfig given, and this is not a pod")?,
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // kube would repeat 429, 503 and 504 for minutes, creations too.
        config.default_retry = false;
        let client = Client::try_from(config.clone()).context("cannot make a client for the cluster")?;
        let (_, guard) = watch::channel(Guard::unread());
        Ok(Self { role: role.name(), client, config, guard, recorder, health, metrics })
    }
}
