//! Somebody who uses the cluster with a credential of their own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use kube::Client;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::kubeconfig;
use crate::tree;

/// How a command ended and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit code; death by a signal counts as a shell counts it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the exit code is 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status == 0
    }
}

/// A user of one cluster.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl User {
    /// Whoever `kubeconfig` says; what their programs write goes below `dir`.
    pub(crate) fn new(name: &str, kubeconfig: PathBuf, dir: &Path) -> Self {
        Self { name: name.to_owned(), kubeconfig, home: dir.join("home").join(name) }
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file with their credential.
    #[must_use]
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// Home of their programs, where `.kube` is.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A new client of theirs. It belongs to the async runtime it is made in.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        kubeconfig::client(&self.kubeconfig).await
    }

    /// Runs kubectl to its end.
    ///
    /// # Errors
    /// When it cannot be run; a failure of kubectl itself is an [`Output`].
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        run(self.kubectl_command(args)?, &[]).await
    }

    /// Runs kubectl to its end with something to read.
    ///
    /// # Errors
    /// As [`User::kubectl`].
    pub async fn kubectl_reading(&self, args: &[&str], input: &[u8]) -> Result<Output> {
        run(self.kubectl_command(args)?, input).await
    }

    /// kubectl as this user, for what has to be watched while it runs. It is
    /// killed when it is dropped.
    ///
    /// # Errors
    /// When there is no kubectl.
    pub fn kubectl_command(&self, args: &[&str]) -> Result<Command> {
        self.command(&tree::control_plane_folder()?.join("kubectl"), args)
    }

    /// Runs kubectl-brevet to its end.
    ///
    /// # Errors
    /// As [`User::kubectl`].
    pub async fn plugin(&self, args: &[&str]) -> Result<Output> {
        run(self.command(&tree::program("kubectl-brevet")?, args)?, &[]).await
    }

    /// Any program as this user, with a clean environment, and kubectl and the
    /// programs of this workspace in its path.
    ///
    /// # Errors
    /// When the control plane is not built.
    pub fn command(&self, program: &Path, args: &[&str]) -> Result<Command> {
        let mut folders = vec![tree::control_plane_folder()?];
        folders.extend(tree::program("brevet-dev").ok().and_then(|path| path.parent().map(Path::to_owned)));
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::join_paths(folders)?)
            .env("HOME", &self.home)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }
}

async fn run(mut command: Command, input: &[u8]) -> Result<Output> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let name = command.as_std().get_program().to_owned();
    let mut child = command.spawn().with_context(|| format!("cannot run `{}`", name.display()))?;
    let pipe = child.stdin.take();
    let write = async {
        if let Some(mut pipe) = pipe {
            // A command that does not read its input is free not to.
            pipe.write_all(input).await.ok();
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output?;
    Ok(Output {
        status: exit_code(output.status),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
