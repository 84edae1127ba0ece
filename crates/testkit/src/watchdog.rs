//! Ends a cluster when the process that started it ends, however it ends.
//!
//! A shell waits at the other end of a pipe. Nobody can forget to close the
//! pipe: the kernel does it when this process is gone, killed or not. Then the
//! shell kills the process groups it was told of and removes the folder.
//!
//! Promises: nothing is left but, after a failure, the folder's `logs`.
//!
//! A signal on the parent's death would need `unsafe` in the child; this does not.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use anyhow::{Context, Result};

/// What the shell does; `$1` is the folder.
const SCRIPT: &str = r#"
groups='' keep=''
while read -r verb word; do
    case $verb in
    add) groups="$groups $word" ;;
    drop) groups=$(printf ' %s' $groups | sed "s/ $word\b//") ;;
    keep) keep=yes ;;
    release) exit 0 ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
tries=0
while [ "$tries" -lt 50 ]; do
    if [ -n "$keep" ]; then
        find "$1" -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf -- {} + 2>/dev/null && break
    else
        rm -rf -- "$1" 2>/dev/null && break
    fi
    tries=$((tries + 1))
    sleep 0.1
done
"#;

/// The watchdogs of this process, for the hook that marks failures.
static ALIVE: Mutex<Vec<Weak<Watchdog>>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// One cluster's watchdog.
pub(crate) struct Watchdog {
    dir: PathBuf,
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

impl Watchdog {
    /// Starts watching over `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Arc<Self>> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(dir)
            .process_group(0) // Ctrl-C must not reach it before it has done its work
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `/bin/sh`")?;
        let pipe = shell.stdin.take().context("the watchdog has no pipe")?;
        let watchdog = Arc::new(Self { dir: dir.to_owned(), shell: Mutex::new(Some((shell, pipe))) });
        HOOK.call_once(keep_logs_on_panic);
        lock(&ALIVE).push(Arc::downgrade(&watchdog));
        Ok(watchdog)
    }

    /// The process group `pid` is to end with this process.
    pub(crate) fn add(&self, pid: u32) {
        self.tell(&format!("add {pid}"));
    }

    /// The process group `pid` has ended already.
    pub(crate) fn drop_group(&self, pid: u32) {
        self.tell(&format!("drop {pid}"));
    }

    /// Something failed: the logs stay.
    pub(crate) fn keep_logs(&self) {
        if self.tell("keep") {
            eprintln!("logs are kept in {}", self.dir.join("logs").display());
        }
    }

    /// Lets everything live on without this process.
    pub(crate) fn release(&self) {
        self.tell("release");
        self.end();
    }

    /// Ends everything now and waits until it has ended.
    pub(crate) fn end(&self) {
        let taken = lock(&self.shell).take();
        if let Some((mut shell, pipe)) = taken {
            drop(pipe);
            // A shell that cannot be waited for has ended as well.
            shell.wait().ok();
        }
    }

    /// False when the watchdog has already ended.
    fn tell(&self, line: &str) -> bool {
        lock(&self.shell).as_mut().is_some_and(|(_, pipe)| writeln!(pipe, "{line}").is_ok())
    }
}

/// A panic is how a test fails.
fn keep_logs_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        // Told once, so that a second failure says nothing about the first one's logs.
        let watchdogs: Vec<_> = std::mem::take(&mut *lock(&ALIVE));
        watchdogs.iter().filter_map(Weak::upgrade).for_each(|watchdog| watchdog.keep_logs());
    }));
}

/// What these locks guard is valid at every step, so a panic while held spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("20").process_group(0).spawn().unwrap()
    }

    #[test]
    fn the_end_kills_what_was_added_and_removes_the_folder() {
        let dir = tempfile::tempdir().unwrap().keep();
        let watchdog = Watchdog::start(&dir).unwrap();
        let (mut stays, mut goes) = (sleeper(), sleeper());
        watchdog.add(stays.id());
        watchdog.add(goes.id());
        watchdog.drop_group(stays.id());
        watchdog.end();
        assert!(!goes.wait().unwrap().success());
        assert!(stays.try_wait().unwrap().is_none());
        assert!(!dir.exists());
        stays.kill().unwrap();
        stays.wait().unwrap();
    }

    #[test]
    fn a_failure_keeps_the_logs_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap().keep();
        std::fs::create_dir(dir.join("logs")).unwrap();
        std::fs::create_dir(dir.join("etcd")).unwrap();
        let watchdog = Watchdog::start(&dir).unwrap();
        watchdog.keep_logs();
        watchdog.end();
        assert!(dir.join("logs").exists());
        assert!(!dir.join("etcd").exists());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_released_process_lives_on() {
        let dir = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::start(dir.path()).unwrap();
        let mut child = sleeper();
        watchdog.add(child.id());
        watchdog.release();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
