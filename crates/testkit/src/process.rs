//! Programs that run until they are told to stop, with their output in a file.
//!
//! Promises: each has its own process group and a clean environment; killing it
//! kills the whole group, and returns when it is gone.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::watchdog::Watchdog;

/// How much of a dead program's log is shown, in lines.
const LAST_WORDS_LINES: usize = 15;

/// What to start, and where it is to write.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Name of its log, and what people call it.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
}

/// A running program.
pub(crate) struct Daemon {
    program: Program,
    child: Child,
    log: PathBuf,
    watchdog: Arc<Watchdog>,
}

impl Daemon {
    /// Starts `program`, logging to `logs/NAME.log` in `dir`, which is also its home.
    pub(crate) fn start(program: Program, dir: &Path, watchdog: &Arc<Watchdog>) -> Result<Self> {
        let log = dir.join("logs").join(format!("{}.log", program.name));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write `{}`", log.display()))?;
        let child = Command::new(&program.path)
            .args(&program.args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir)
            .envs(&program.env)
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start `{}`", program.path.display()))?;
        watchdog.add(child.id());
        Ok(Self { program, child, log, watchdog: Arc::clone(watchdog) })
    }

    /// Its process id, which is also its group's.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.program.name
    }

    /// Fails with the last lines of its log when it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(LAST_WORDS_LINES).collect();
        let last_words: Vec<_> = lines.into_iter().rev().collect();
        bail!("`{}` ended ({status}); its last words:\n{}", self.program.name, last_words.join("\n"));
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        signal_group(self.pid(), signal);
        self.child.wait().with_context(|| format!("cannot wait for `{}`", self.program.name))?;
        self.watchdog.drop_group(self.pid());
        Ok(())
    }

    /// Starts it again, as it was started before; its log goes on.
    pub(crate) fn restart(&mut self, dir: &Path) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            bail!("`{}` is still running", self.program.name);
        }
        *self = Self::start(self.program.clone(), dir, &self.watchdog)?;
        Ok(())
    }
}

/// Sends `signal` to a process group; one that is gone needs none.
pub(crate) fn signal_group(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process_group(pid, signal).ok();
    }
}
