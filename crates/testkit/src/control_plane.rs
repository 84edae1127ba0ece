//! The five programs of a control plane, and the flags that make them one.
//!
//! Promises: [`ControlPlane::start`] returns when kube-apiserver is ready; all
//! doors but kube-apiserver's health checks want a certificate.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::Client;

use crate::kubeconfig::{self, Credential, Server};
use crate::patience::until;
use crate::pki::{FRONT_PROXY_CLIENT, Pki};
use crate::ports::{Ports, loopback};
use crate::process::{Daemon, Program};
use crate::tree;
use crate::watchdog::Watchdog;

/// A loaded machine takes several times the usual four seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Every request leaves a record with who, what and how it ended; bodies are not needed.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// What may differ between control planes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    /// etcd syncs its writes to disk; needed where it is killed or measured.
    pub(crate) durable: bool,
    pub(crate) api_server_args: Vec<String>,
    pub(crate) forwards: Vec<(u16, SocketAddr)>,
}

/// A running control plane.
pub(crate) struct ControlPlane {
    pub(crate) server: Server,
    pub(crate) daemons: Vec<Daemon>,
}

struct Layout<'a> {
    bin: PathBuf,
    dir: &'a Path,
    pki: &'a Pki,
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
    kubelet: u16,
    kwok: u16,
}

impl ControlPlane {
    /// Starts it in `dir`, with `admin.kubeconfig` there.
    pub(crate) async fn start(dir: &Path, pki: &Pki, choices: &Choices, watchdog: &Arc<Watchdog>) -> Result<Self> {
        let bin = tree::control_plane_folder()?;
        fs::write(dir.join("audit-policy.yaml"), AUDIT_POLICY)?;
        fs::write(dir.join("stages.yaml"), stages(&bin)?)?;
        let [etcd, etcd_peer, api_server, kubelet, kwok] = Ports::hold(5)?.release()?;
        let layout = Layout { bin, dir, pki, etcd, etcd_peer, api_server, kubelet, kwok };

        let server = Server { url: format!("https://{}", loopback(api_server)), ca: pki.ca() };
        let admin = pki.person("admin", &["system:masters"])?;
        let admin = kubeconfig::write(dir, "admin", &server, &Credential::Certificate(&admin))?;
        let controllers = pki.person("system:kube-controller-manager", &[])?;
        let controllers =
            kubeconfig::write(&dir.join("pki"), "controllers", &server, &Credential::Certificate(&controllers))?;

        let start = |program| Daemon::start(program, dir, watchdog);
        let mut daemons = vec![
            start(layout.etcd(choices.durable))?,
            start(layout.api_server(&choices.api_server_args))?,
            start(layout.kubelet(&admin, &choices.forwards))?,
        ];
        ready(&kubeconfig::client(&admin).await?, &mut daemons).await?;
        daemons.push(start(layout.controllers(&controllers))?);
        daemons.push(start(layout.kwok(&admin))?);
        Ok(Self { server, daemons })
    }
}

/// Waits for kube-apiserver, but not for one that has died.
async fn ready(client: &Client, daemons: &mut [Daemon]) -> Result<()> {
    let answer = until("kube-apiserver to be ready", READY_WITHIN, async || {
        if let Some(dead) = daemons.iter_mut().find_map(|daemon| daemon.check().err()) {
            return Some(Err(dead));
        }
        let request = http::Request::get("/readyz").body(Vec::new()).ok()?;
        client.request_text(request).await.ok().map(|_| Ok(()))
    });
    answer.await?
}

/// How kwok plays nodes and pods; it is compiled into the binary.
fn stages(bin: &Path) -> Result<Vec<u8>> {
    let output = Command::new(bin.join("kwok-stages")).env_clear().output().context("cannot run `kwok-stages`")?;
    if !output.status.success() {
        bail!("`kwok-stages` failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

impl Layout<'_> {
    fn program(&self, name: &str, args: Vec<String>) -> Program {
        Program { name: name.to_owned(), path: self.bin.join(name), args, env: BTreeMap::new() }
    }

    fn within(&self, path: &str) -> String {
        self.dir.join(path).display().to_string()
    }

    fn etcd(&self, durable: bool) -> Program {
        let (client, peer) = (url(self.etcd), url(self.etcd_peer));
        let (ca, cert, key) = (self.pki.path("ca.crt"), self.pki.path("etcd.crt"), self.pki.path("etcd.key"));
        let args = vec![
            "--name=etcd".to_owned(),
            format!("--data-dir={}", self.within("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=etcd={peer}"),
            "--client-cert-auth".to_owned(),
            format!("--trusted-ca-file={ca}"),
            format!("--cert-file={cert}"),
            format!("--key-file={key}"),
            "--peer-client-cert-auth".to_owned(),
            format!("--peer-trusted-ca-file={ca}"),
            format!("--peer-cert-file={cert}"),
            format!("--peer-key-file={key}"),
            format!("--unsafe-no-fsync={}", !durable),
        ];
        self.program("etcd", args)
    }

    fn api_server(&self, more: &[String]) -> Program {
        let mut args: Vec<String> = [
            ("bind-address", "127.0.0.1".to_owned()),
            ("secure-port", self.api_server.to_string()),
            // Published nowhere (no endpoints), but it may not be loopback; this one is for documentation.
            ("advertise-address", "192.0.2.1".to_owned()),
            ("external-hostname", "localhost".to_owned()),
            ("endpoint-reconciler-type", "none".to_owned()),
            ("tls-cert-file", self.pki.path("apiserver.crt")),
            ("tls-private-key-file", self.pki.path("apiserver.key")),
            ("client-ca-file", self.pki.path("ca.crt")),
            ("etcd-servers", url(self.etcd)),
            ("etcd-cafile", self.pki.path("ca.crt")),
            ("etcd-certfile", self.pki.path("etcd.crt")),
            ("etcd-keyfile", self.pki.path("etcd.key")),
            ("kubelet-certificate-authority", self.pki.path("ca.crt")),
            ("kubelet-client-certificate", self.pki.path("kubelet-client.crt")),
            ("kubelet-client-key", self.pki.path("kubelet-client.key")),
            ("kubelet-preferred-address-types", "InternalIP".to_owned()),
            ("requestheader-client-ca-file", self.pki.path("front-proxy-ca.crt")),
            ("requestheader-allowed-names", FRONT_PROXY_CLIENT.to_owned()),
            ("requestheader-username-headers", "X-Remote-User".to_owned()),
            ("requestheader-group-headers", "X-Remote-Group".to_owned()),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
            ("proxy-client-cert-file", self.pki.path("front-proxy-client.crt")),
            ("proxy-client-key-file", self.pki.path("front-proxy-client.key")),
            ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
            ("service-account-key-file", self.pki.path("sa.pub")),
            ("service-account-signing-key-file", self.pki.path("sa.key")),
            ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
            ("authorization-mode", "Node,RBAC".to_owned()),
            ("enable-admission-plugins", "NodeRestriction".to_owned()),
            ("allow-privileged", "true".to_owned()),
            ("audit-policy-file", self.within("audit-policy.yaml")),
            ("audit-log-path", self.within("logs/audit.log")),
            ("audit-log-mode", "blocking".to_owned()),
            ("profiling", "false".to_owned()),
        ]
        .into_iter()
        .map(|(flag, value)| format!("--{flag}={value}"))
        .collect();
        if tree::older().is_none() {
            args.push("--requestheader-uid-headers=X-Remote-Uid".to_owned()); // from 1.32 on
        }
        args.extend_from_slice(more);
        self.program("kube-apiserver", args)
    }

    fn controllers(&self, kubeconfig: &Path) -> Program {
        let args = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--secure-port=0".to_owned(),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials=true".to_owned(),
            // The usual limits cost four seconds at the start.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            "--allocate-node-cidrs=false".to_owned(),
            format!("--root-ca-file={}", self.pki.path("ca.crt")),
            format!("--service-account-private-key-file={}", self.pki.path("sa.key")),
            format!("--cluster-signing-cert-file={}", self.pki.path("ca.crt")),
            format!("--cluster-signing-key-file={}", self.pki.path("ca.key")),
        ];
        self.program("kube-controller-manager", args)
    }

    fn kwok(&self, kubeconfig: &Path) -> Program {
        let args = vec![
            format!("--config={}", self.within("stages.yaml")),
            format!("--kubeconfig={}", kubeconfig.display()),
            "--manage-all-nodes".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            format!("--node-port={}", self.kubelet),
            "--node-lease-duration-seconds=40".to_owned(),
            format!("--server-address={}", loopback(self.kwok)),
        ];
        self.program("kwok", args)
    }

    fn kubelet(&self, admin: &Path, forwards: &[(u16, SocketAddr)]) -> Program {
        let mut args = vec![
            format!("--listen={}", loopback(self.kubelet)),
            format!("--dir={}", self.within("containers")),
            format!("--tls-cert-file={}", self.pki.path("kubelet.crt")),
            format!("--tls-private-key-file={}", self.pki.path("kubelet.key")),
            format!("--client-ca-file={}", self.pki.path("ca.crt")),
            format!("--kubeconfig={}", admin.display()),
        ];
        args.extend(forwards.iter().map(|(port, address)| format!("--forward={port}={address}")));
        self.program("fake-kubelet", args)
    }
}

fn url(port: u16) -> String {
    format!("https://{}", loopback(port))
}
