//! One cluster: a control plane with something in it, and Brevet unless it is bare.
//!
//! Promises: ready when [`Cluster::start`] returns, gone when it is dropped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::OnceCell;

use crate::audit::{self, AuditEvent};
use crate::brevet::{Brevet, Part, Replica};
use crate::control_plane::{Choices, ControlPlane};
use crate::faults::Faults;
use crate::fixtures::{self, PEOPLE};
use crate::issuer::Issuer;
use crate::kubeconfig::{self, Credential, Server};
use crate::patience::until;
use crate::pki::Pki;
use crate::process::Daemon;
use crate::user::{Output, User};
use crate::watchdog::Watchdog;

/// What stands before the names of users of the OIDC provider.
const OIDC_PREFIX: &str = "oidc:";

/// What may differ between clusters.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Without Brevet: no kinds, no policies, no server.
    pub bare: bool,
    /// With Brevet's kinds, policies and rights, but no server running.
    pub no_server: bool,
    /// etcd syncs its writes to disk; for tests that kill it and for benchmarks.
    pub durable: bool,
    /// More flags for kube-apiserver.
    pub api_server_args: Vec<String>,
    /// Ports of every pod that lead to an address on this machine.
    pub forwards: Vec<(u16, SocketAddr)>,
    /// More flags for the controller.
    pub controller_args: Vec<String>,
    /// More flags for the gateway.
    pub gateway_args: Vec<String>,
    /// Between each part of Brevet and kube-apiserver stands a door, see [`Cluster::faults`].
    pub faults: bool,
    /// kube-apiserver and the gateway believe an OIDC provider, see [`Cluster::issuer`].
    pub issuer: bool,
    /// Where everything is kept; a temporary folder when absent.
    pub dir: Option<PathBuf>,
}

/// A running cluster.
pub struct Cluster {
    dir: PathBuf,
    pki: Pki,
    server: Server,
    daemons: Mutex<Vec<Daemon>>,
    faults: Vec<(Part, Faults)>,
    issuer: Option<Issuer>,
    brevet: Option<Brevet>,
    watchdog: Arc<Watchdog>,
}

impl Cluster {
    /// Starts a cluster of its own.
    ///
    /// # Errors
    /// When a program is missing, ends, or is not ready in time; its log is kept then.
    pub async fn start(options: Options) -> Result<Self> {
        let dir = match &options.dir {
            Some(dir) => std::path::absolute(dir)?,
            None => tempfile::Builder::new().prefix("brevet-").tempdir()?.keep(),
        };
        std::fs::create_dir_all(dir.join("logs")).with_context(|| format!("cannot make `{}`", dir.display()))?;
        let watchdog = Watchdog::start(&dir)?;
        // Whatever fails, the logs are marked before what fails is dropped.
        let mut cluster = Self::start_in(dir, &options, &watchdog).await.inspect_err(|_| watchdog.keep_logs())?;
        cluster.fill(&options).await.inspect_err(|_| watchdog.keep_logs())?;
        Ok(cluster)
    }

    /// The cluster that the tests of one binary share, for tests that leave
    /// others alone. It ends with the process.
    ///
    /// # Panics
    /// When it cannot be started: no test that wants it can go on.
    #[allow(clippy::expect_used, reason = "only tests call this, and without a cluster they have failed")]
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(Options::default())).await.expect("the shared cluster starts")
    }

    async fn start_in(dir: PathBuf, options: &Options, watchdog: &Arc<Watchdog>) -> Result<Self> {
        let pki = Pki::create(&dir.join("pki"))?;
        let issuer = options.issuer.then(|| Issuer::start(&dir)).transpose()?;
        let flags = issuer.as_ref().map(|issuer| issuer.flags(OIDC_PREFIX)).unwrap_or_default();
        let choices = Choices {
            durable: options.durable,
            api_server_args: [flags, options.api_server_args.clone()].concat(),
            forwards: options.forwards.clone(),
        };
        let ControlPlane { server, daemons } = ControlPlane::start(&dir, &pki, &choices, watchdog).await?;
        Ok(Self {
            dir,
            pki,
            server,
            daemons: Mutex::new(daemons),
            faults: Vec::new(),
            issuer,
            brevet: None,
            watchdog: Arc::clone(watchdog),
        })
    }

    async fn fill(&mut self, options: &Options) -> Result<()> {
        for person in PEOPLE {
            self.add_user(person.name, &[person.group])?;
        }
        fixtures::apply(&self.admin().await?).await?;
        if options.faults {
            for part in [Part::Controller, Part::Gateway] {
                let identity = self.pki.server(part.name())?;
                self.faults.push((part, Faults::open(&self.server, &identity)?));
            }
        }
        if !options.bare {
            self.brevet = Brevet::install(self, options).await?;
        }
        Ok(())
    }

    /// The folder with kubeconfigs and `logs`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where kube-apiserver answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// A new client of the cluster's administrator. It belongs to the async
    /// runtime it is made in, so that every test has its own.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn admin(&self) -> Result<Client> {
        self.user("admin").client().await
    }

    /// A user by name: `admin`, one of [`PEOPLE`], `controller`, `gateway`, or one that was added.
    #[must_use]
    pub fn user(&self, name: &str) -> User {
        User::new(name, self.dir.join(format!("{name}.kubeconfig")), &self.dir)
    }

    /// `name` again, with the same credential, but under another path of the server.
    pub(crate) fn user_at(&self, name: &str, alias: &str, path: &str) -> Result<User> {
        kubeconfig::copy_at(&self.dir, name, alias, &format!("{}{path}", self.server.url))?;
        let user = self.user(alias);
        std::fs::create_dir_all(user.home())?;
        Ok(user)
    }

    /// Adds a user with a client certificate; at most two groups.
    ///
    /// # Errors
    /// When the kubeconfig cannot be written.
    pub fn add_user(&self, name: &str, groups: &[&str]) -> Result<User> {
        let identity = self.pki.person(name, groups)?;
        kubeconfig::write(&self.dir, name, &self.server, &Credential::Certificate(&identity))?;
        let user = self.user(name);
        std::fs::create_dir_all(user.home())?;
        Ok(user)
    }

    /// Adds a user with a bearer token, e.g. of a service account.
    ///
    /// # Errors
    /// When the kubeconfig cannot be written.
    pub fn add_token_user(&self, name: &str, token: &str) -> Result<User> {
        self.add_token_user_at(&self.server, name, token)
    }

    /// Writes the kubeconfig of a part of Brevet, which leads through its door where there is one.
    pub(crate) fn add_part(&self, part: Part, token: &str) -> Result<User> {
        let mut server = self.server.clone();
        if let Ok(faults) = self.faults(part) {
            server.url = faults.url();
        }
        self.add_token_user_at(&server, part.name(), token)
    }

    fn add_token_user_at(&self, server: &Server, name: &str, token: &str) -> Result<User> {
        kubeconfig::write(&self.dir, name, server, &Credential::Token(token))?;
        let user = self.user(name);
        std::fs::create_dir_all(user.home())?;
        Ok(user)
    }

    /// The door between a part of Brevet and kube-apiserver.
    ///
    /// # Errors
    /// When the cluster was started without [`Options::faults`].
    pub fn faults(&self, part: Part) -> Result<&Faults> {
        let found = self.faults.iter().find(|(of, _)| *of == part).map(|(_, faults)| faults);
        found.context("this cluster was started without `faults`")
    }

    /// The OIDC provider whose users kube-apiserver and the gateway know, as `oidc:NAME`.
    ///
    /// # Errors
    /// When the cluster was started without [`Options::issuer`].
    pub fn issuer(&self) -> Result<&Issuer> {
        self.issuer.as_ref().context("this cluster was started without `issuer`")
    }

    /// Runs kubectl-brevet as `user` to its end.
    ///
    /// # Errors
    /// When it cannot be run; a refusal is an [`Output`].
    pub async fn plugin(&self, user: &str, args: &[&str]) -> Result<Output> {
        self.user(user).plugin(args).await
    }

    /// The running server of Brevet, to kill and to restart.
    ///
    /// # Errors
    /// When the cluster has none.
    pub fn brevet(&self) -> Result<&Brevet> {
        self.brevet.as_ref().context("this cluster runs no Brevet")
    }

    /// Starts one more gateway, ready when this returns, with the log `NAME.log`.
    /// kube-apiserver does not call it, but revocation waits for it.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn another_gateway(&self, name: &str, more_args: &[String]) -> Result<Replica> {
        let gateway = Replica::gateway(self, name, more_args)?;
        gateway.ready().await?;
        Ok(gateway)
    }

    /// `kill -9` of a program of the control plane, e.g. `kube-controller-manager`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn kill(&self, program: &str) -> Result<()> {
        self.daemon(program, Daemon::kill)
    }

    /// Starts a program again that was killed; it may take a moment to be ready.
    ///
    /// # Errors
    /// When it still runs, or there is none of that name.
    pub fn restart(&self, program: &str) -> Result<()> {
        self.daemon(program, |daemon| daemon.restart(&self.dir))
    }

    fn daemon<T>(&self, name: &str, act: impl FnOnce(&mut Daemon) -> Result<T>) -> Result<T> {
        let mut daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        let daemon = daemons.iter_mut().find(|daemon| daemon.name() == name);
        act(daemon.with_context(|| format!("the control plane has no `{name}`"))?)
    }

    /// Every program of the control plane, with its process id.
    pub(crate) fn daemons(&self) -> Vec<(String, u32)> {
        let daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        daemons.iter().map(|daemon| (daemon.name().to_owned(), daemon.pid())).collect()
    }

    pub(crate) fn watchdog(&self) -> &Arc<Watchdog> {
        &self.watchdog
    }

    /// Looks again and again until `look` finds something.
    ///
    /// # Panics
    /// When it has not within `within`; the message says what was waited for.
    #[allow(clippy::panic, reason = "only tests call this, and it is how they fail")]
    pub async fn eventually<T>(&self, what: &str, within: Duration, look: impl AsyncFnMut() -> Option<T>) -> T {
        until(what, within, look).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// What kube-apiserver has recorded so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>> {
        audit::read(&self.dir.join("logs/audit.log"))
    }

    /// Makes a namespace that no other test uses, ready for pods.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn namespace(&self) -> Result<String> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let name: String = "t-".chars().chain(id.chars().take(10)).collect();
        let admin = self.admin().await?;
        let namespace = serde_json::from_value(serde_json::json!({ "metadata": { "name": name } }))?;
        Api::<Namespace>::all(admin.clone()).create(&PostParams::default(), &namespace).await?;
        fixtures::populated(&admin, &name).await?;
        Ok(name)
    }

    /// Makes a pod and waits until it runs.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn pod(&self, namespace: &str, name: &str) -> Result<Pod> {
        let admin = self.admin().await?;
        let pods: Api<Pod> = Api::namespaced(admin.clone(), namespace);
        pods.create(&PostParams::default(), &fixtures::pod(namespace, name)?).await?;
        fixtures::running(&admin, namespace, name).await
    }

    /// Leaves everything running when this process ends, for a playground.
    pub(crate) fn detach(self) {
        self.watchdog.release();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.watchdog.end();
    }
}
