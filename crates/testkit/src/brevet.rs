//! The server of Brevet, as two processes that can be killed apart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::{Cluster, Options};
use crate::install;
use crate::patience::until;
use crate::ports::{Ports, loopback};
use crate::process::{Daemon, Program};
use crate::tree;
use crate::watchdog::Watchdog;

/// A loaded machine takes several times the usual second.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Decides and binds.
    Controller,
    /// Mints and forwards.
    Gateway,
}

impl Part {
    /// Its name, as the server's command line and its service account have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Gateway => "gateway",
        }
    }
}

/// The two running parts.
pub struct Brevet {
    dir: PathBuf,
    controller: Running,
    gateway: Running,
    aggregated_port: u16,
}

struct Running {
    daemon: Mutex<Daemon>,
    probe_port: u16,
}

impl Brevet {
    /// Installs Brevet into `cluster` and, unless told otherwise, runs it.
    pub(crate) async fn install(cluster: &Cluster, options: &Options) -> Result<Option<Self>> {
        install::install(cluster).await?;
        if options.no_server {
            return Ok(None);
        }
        let [controller_probe, gateway_probe, aggregated_port] = Ports::hold(3)?.release()?;
        let start = |part, probe_port, args: Vec<String>| {
            let program = program(cluster, part, probe_port, args)?;
            Running::start(program, probe_port, cluster)
        };
        let gateway_args = [
            vec![
                format!("--aggregated-listen={}", loopback(aggregated_port)),
                format!("--apiservice-port={aggregated_port}"),
            ],
            options.gateway_args.clone(),
        ];
        let brevet = Self {
            dir: cluster.dir().to_owned(),
            controller: start(Part::Controller, controller_probe, options.controller_args.clone())?,
            gateway: start(Part::Gateway, gateway_probe, gateway_args.concat())?,
            aggregated_port,
        };
        brevet.controller.ready().await?;
        brevet.gateway.ready().await?;
        install::aggregated(&cluster.admin().await?).await?;
        Ok(Some(brevet))
    }

    /// The port where the gateway serves the aggregated API.
    #[must_use]
    pub fn aggregated_port(&self) -> u16 {
        self.aggregated_port
    }

    /// The port of a part's `/livez`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn probe_port(&self, part: Part) -> u16 {
        self.running(part).probe_port
    }

    /// What a part answers on its probe port, e.g. to `/metrics`; nothing when it does not answer.
    pub async fn probe(&self, part: Part, path: &str) -> Option<(u16, String)> {
        probe(self.probe_port(part), path).await.ok()
    }

    /// `kill -9`; returns when the part is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&self, part: Part) -> Result<()> {
        self.running(part).daemon().kill()
    }

    /// Asks a part to stop; returns when it has.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&self, part: Part) -> Result<()> {
        self.running(part).daemon().stop()
    }

    /// Starts a part that was killed or stopped; returns when it is ready.
    ///
    /// # Errors
    /// When it still runs, or is not ready in time.
    pub async fn restart(&self, part: Part) -> Result<()> {
        let running = self.running(part);
        running.daemon().restart(&self.dir)?;
        running.ready().await
    }

    pub(crate) fn daemons(&self) -> [(&'static str, u32); 2] {
        [Part::Controller, Part::Gateway].map(|part| {
            let daemon = self.running(part).daemon();
            (daemon.name(), daemon.pid())
        })
    }

    fn running(&self, part: Part) -> &Running {
        match part {
            Part::Controller => &self.controller,
            Part::Gateway => &self.gateway,
        }
    }
}

fn program(cluster: &Cluster, part: Part, probe_port: u16, more: Vec<String>) -> Result<Program> {
    let mut args = vec![
        part.name().to_owned(),
        format!("--kubeconfig={}", cluster.user(part.name()).kubeconfig_path().display()),
        format!("--probe-listen={}", loopback(probe_port)),
    ];
    args.extend(more);
    let level = std::env::var("BREVET_LOG").unwrap_or_else(|_| "info,brevet=debug".to_owned());
    Ok(Program {
        name: part.name(),
        path: tree::program("brevet")?,
        args,
        env: BTreeMap::from([("RUST_LOG".to_owned(), level), ("RUST_BACKTRACE".to_owned(), "1".to_owned())]),
    })
}

impl Running {
    fn start(program: Program, probe_port: u16, cluster: &Cluster) -> Result<Self> {
        let watchdog: &Arc<Watchdog> = cluster.watchdog();
        Ok(Self { daemon: Mutex::new(Daemon::start(program, cluster.dir(), watchdog)?), probe_port })
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it says that it is ready, but not for one that has ended.
    async fn ready(&self) -> Result<()> {
        let what = format!("the {} to be ready", self.daemon().name());
        until(&what, READY_WITHIN, async || {
            if let Err(ended) = self.daemon().check() {
                return Some(Err(ended));
            }
            let (status, _) = probe(self.probe_port, "/readyz").await.ok()?;
            (status == 200).then_some(Ok(()))
        })
        .await?
    }
}

/// A GET on loopback: status and body.
async fn probe(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(loopback(port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).context("no HTTP status")?.parse()?;
    Ok((status, body.to_owned()))
}
