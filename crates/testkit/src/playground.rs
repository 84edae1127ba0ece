//! A cluster that outlives the command that started it, kept in a folder.
//!
//! Promises: [`down`] ends only processes that [`up`] started, told apart from
//! others by when they began, and leaves neither process nor folder.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, Options};
use crate::patience::until;
use crate::process::signal_group;

/// A killed process is gone at once; a loaded machine is slow to say so.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// File with what [`down`] has to know.
const STATE: &str = "state.json";

/// What runs in a folder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Playground {
    /// Where kube-apiserver answers.
    pub url: String,
    /// Every program, in the order of its start.
    pub processes: Vec<Process>,
}

/// One of its programs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Process {
    /// Name of its log.
    pub name: String,
    /// Process id, and id of its group.
    pub pid: u32,
    /// When it began, as the system tells it; process ids come back, this does not.
    began: String,
}

impl Process {
    /// Whether it still runs.
    #[must_use]
    pub fn running(&self) -> bool {
        began(self.pid).is_some_and(|began| began == self.began)
    }
}

/// Starts a cluster in `dir` that ends with this process, unless it is [`leave`]d running.
///
/// # Errors
/// When something runs there already, or the cluster does not start.
pub async fn up(dir: &Path, options: Options) -> Result<Cluster> {
    let shown = dir.display();
    let found: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    if found.iter().any(|name| name == STATE) {
        bail!("there is a cluster in `{shown}` already; end it with `brevet-dev down --dir {shown}`");
    }
    if found.iter().any(|name| name != "logs") {
        bail!("`{shown}` holds other things; name a new folder");
    }
    if !found.is_empty() {
        // A cluster that failed has left its logs; this one writes its own.
        fs::remove_dir_all(dir.join("logs")).with_context(|| format!("cannot clear `{shown}`"))?;
    }
    Cluster::start(Options { dir: Some(dir.to_owned()), ..options }).await
}

/// Leaves a cluster running without this process.
///
/// # Errors
/// When its state cannot be written; the cluster ends then.
pub fn leave(cluster: Cluster) -> Result<()> {
    let brevet = cluster.brevet().ok().map(|brevet| brevet.daemons());
    let daemons = cluster.daemons().into_iter().chain(brevet.into_iter().flatten());
    let processes = daemons
        .map(|(name, pid)| {
            let began = began(pid).with_context(|| format!("`{name}` has ended"))?;
            Ok(Process { name, pid, began })
        })
        .collect::<Result<_>>()?;
    let playground = Playground { url: cluster.url().to_owned(), processes };
    fs::write(cluster.dir().join(STATE), serde_json::to_vec_pretty(&playground)?)?;
    cluster.detach();
    Ok(())
}

/// What runs in `dir`.
///
/// # Errors
/// When nothing was started there.
pub fn status(dir: &Path) -> Result<Playground> {
    let path = dir.join(STATE);
    let text = fs::read(&path).with_context(|| format!("no cluster in `{}`", dir.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display()))
}

/// Ends what runs in `dir` and removes the folder.
///
/// # Errors
/// When nothing was started there, or something does not end.
pub async fn down(dir: &Path) -> Result<()> {
    let playground = status(dir)?;
    for process in playground.processes.iter().filter(|process| process.running()) {
        signal_group(process.pid, Signal::KILL);
    }
    for process in &playground.processes {
        let what = format!("`{}` to end", process.name);
        until(&what, GONE_WITHIN, async || (!process.running()).then_some(())).await?;
    }
    fs::remove_dir_all(dir).with_context(|| format!("cannot remove `{}`", dir.display()))
}

/// When a process began, in whatever form the system has; nothing when it has ended.
fn began(pid: u32) -> Option<String> {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The name in parentheses may hold anything; state and start time count from behind it.
        Ok(stat) => {
            let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            (*fields.first()? != "Z").then(|| fields.get(19).map(ToString::to_string))?
        }
        Err(_) if Path::new("/proc/self/stat").exists() => None,
        Err(_) => {
            let output = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let (state, began) = text.split_once(char::is_whitespace)?;
            (!state.starts_with('Z')).then(|| began.trim().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_not_taken_for_running() {
        let mut child = Command::new("sleep").arg("20").spawn().unwrap();
        let process = Process { name: "sleep".to_owned(), pid: child.id(), began: began(child.id()).unwrap() };
        assert!(process.running());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.running());
    }

    #[test]
    fn another_process_with_the_same_id_is_not_ours() {
        let pid = std::process::id();
        let process = Process { name: "other".to_owned(), pid, began: "long ago".to_owned() };
        assert!(!process.running());
    }
}
