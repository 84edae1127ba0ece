//! The server of Brevet, as two processes that can be killed apart.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use brevet_core::audit::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::{Cluster, Options};
use crate::install;
use crate::issuer::AUDIENCE;
use crate::patience::until;
use crate::ports::{Ports, loopback};
use crate::process::{Daemon, Program};
use crate::records;
use crate::tree;

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
    controller: Replica,
    gateway: Replica,
}

/// One process of one part.
pub struct Replica {
    dir: PathBuf,
    daemon: Mutex<Daemon>,
    probe_port: u16,
    /// Where a gateway listens directly.
    direct_port: Option<u16>,
}

impl Brevet {
    /// Installs Brevet into `cluster` and, unless told otherwise, runs it.
    pub(crate) async fn install(cluster: &Cluster, options: &Options) -> Result<Option<Self>> {
        install::install(cluster).await?;
        if options.no_server {
            return Ok(None);
        }
        let believes = cluster.issuer().map(|issuer| issuer.flags("oidc:")).unwrap_or_default();
        let gateway = Replica::gateway(cluster, "gateway", &[believes, options.gateway_args.clone()].concat())?;
        let brevet = Self { controller: Replica::controller(cluster, &options.controller_args)?, gateway };
        brevet.controller.ready().await?;
        brevet.gateway.ready().await?;
        install::aggregated(&cluster.admin().await?).await?;
        Ok(Some(brevet))
    }

    /// What a part answers on its probe port, e.g. to `/metrics`; nothing when it does not answer.
    pub async fn probe(&self, part: Part, path: &str) -> Option<(u16, String)> {
        self.replica(part).probe(path).await
    }

    /// `kill -9`; returns when the part is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&self, part: Part) -> Result<()> {
        self.replica(part).kill()
    }

    /// Asks a part to stop; returns when it has.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&self, part: Part) -> Result<()> {
        self.replica(part).stop()
    }

    /// Starts a part that was killed or stopped; returns when it is ready.
    ///
    /// # Errors
    /// When it still runs, or is not ready in time.
    pub async fn restart(&self, part: Part) -> Result<()> {
        self.replica(part).restart().await
    }

    /// Waits until a part is ready: the controller is while the admission policies stand.
    ///
    /// # Errors
    /// When it has ended, or is not ready in time.
    pub async fn ready(&self, part: Part) -> Result<()> {
        self.replica(part).ready().await
    }

    /// The process of a part.
    #[must_use]
    pub fn replica(&self, part: Part) -> &Replica {
        match part {
            Part::Controller => &self.controller,
            Part::Gateway => &self.gateway,
        }
    }

    pub(crate) fn daemons(&self) -> [(String, u32); 2] {
        [Part::Controller, Part::Gateway].map(|part| {
            let daemon = self.replica(part).daemon();
            (daemon.name().to_owned(), daemon.pid())
        })
    }
}

/// Where the process with the log `NAME.log` keeps its audit log.
fn audit_dir(dir: &Path, name: &str) -> PathBuf {
    dir.join("audit").join(name)
}

impl Replica {
    fn controller(cluster: &Cluster, more: &[String]) -> Result<Self> {
        Self::start(cluster, "controller", Part::Controller, more, None)
    }

    /// A gateway with the log `NAME.log`. kube-apiserver calls the one that made the APIService.
    pub(crate) fn gateway(cluster: &Cluster, name: &str, more: &[String]) -> Result<Self> {
        let [port, direct] = Ports::hold(2)?.release()?;
        let pki = |file: &str| cluster.dir().join("pki").join(file).display().to_string();
        let flags = [
            ("aggregated-listen", loopback(port).to_string()),
            ("apiservice-port", port.to_string()),
            ("listen", loopback(direct).to_string()),
            ("tls-cert-file", pki("gateway.crt")),
            ("tls-private-key-file", pki("gateway.key")),
            ("client-ca-file", pki("ca.crt")),
            ("service-account-audience", AUDIENCE.to_owned()),
        ];
        // Whoever wants another value names the flag again.
        let is_own = |flag: &str| more.iter().any(|own| own.starts_with(&format!("--{flag}=")));
        let flags = flags.into_iter().filter(|(flag, _)| !is_own(flag));
        let args: Vec<_> = flags.map(|(flag, value)| format!("--{flag}={value}")).collect();
        Self::start(cluster, name, Part::Gateway, &[&args, more].concat(), Some(direct))
    }

    fn start(cluster: &Cluster, name: &str, part: Part, more: &[String], direct_port: Option<u16>) -> Result<Self> {
        let [probe_port] = Ports::hold(1)?.release()?;
        let mut args = vec![
            part.name().to_owned(),
            format!("--kubeconfig={}", cluster.user(part.name()).kubeconfig_path().display()),
            format!("--probe-listen={}", loopback(probe_port)),
            format!("--audit-dir={}", audit_dir(cluster.dir(), name).display()),
        ];
        args.extend_from_slice(more);
        let level = std::env::var("BREVET_LOG").unwrap_or_else(|_| "info,brevet=debug".to_owned());
        let env = [("RUST_LOG", level), ("RUST_BACKTRACE", "1".to_owned())];
        let program = Program {
            name: name.to_owned(),
            path: tree::program("brevet")?,
            args,
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        let daemon = Mutex::new(Daemon::start(program, cluster.dir(), cluster.watchdog())?);
        Ok(Self { dir: cluster.dir().to_owned(), daemon, probe_port, direct_port })
    }

    /// The port of its `/livez`, `/readyz` and `/metrics`.
    #[must_use]
    pub fn probe_port(&self) -> u16 {
        self.probe_port
    }

    /// Where a gateway answers directly, under the CA `pki/ca.crt`.
    ///
    /// # Errors
    /// For a controller.
    pub fn direct(&self) -> Result<SocketAddr> {
        self.direct_port.map(loopback).context("a controller has no door")
    }

    /// What it answers on its probe port; nothing when it does not answer.
    pub async fn probe(&self, path: &str) -> Option<(u16, String)> {
        probe(self.probe_port, path).await.ok()
    }

    /// Every entry of its audit log, each checked to be the very next of its chain.
    ///
    /// # Errors
    /// One is not, or the log cannot be read.
    pub fn records(&self) -> Result<Vec<Record>> {
        records::read(&self.audit_dir())
    }

    /// Where its audit log is.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        audit_dir(&self.dir, self.daemon().name())
    }

    /// `kill -9`; returns when it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&self) -> Result<()> {
        self.daemon().kill()
    }

    /// Asks it to stop; returns when it has.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&self) -> Result<()> {
        self.daemon().stop()
    }

    /// Starts it again after it was killed or stopped; returns when it is ready.
    ///
    /// # Errors
    /// When it still runs, or is not ready in time.
    pub async fn restart(&self) -> Result<()> {
        self.daemon().restart(&self.dir)?;
        self.ready().await
    }

    /// Waits until it says that it is ready, but not for one that has ended.
    pub(crate) async fn ready(&self) -> Result<()> {
        let what = format!("the {} to be ready", self.daemon().name());
        until(&what, READY_WITHIN, async || {
            if let Err(ended) = self.daemon().check() {
                return Some(Err(ended));
            }
            let (status, _) = self.probe("/readyz").await?;
            (status == 200).then_some(Ok(()))
        })
        .await?
    }

    fn daemon(&self) -> MutexGuard<'_, Daemon> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
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
