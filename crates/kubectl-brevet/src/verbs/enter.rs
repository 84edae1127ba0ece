//! `use`, `exec`, `shell`: kubectl through a grant, with the user's own credential.
//!
//! Promises: the command's own exit code is passed on; the user's kubeconfig and current context stay
//! as they are; a command that ends because its access ended is told so.
//!
//! Left out on purpose: holding a grant back here; the gateway judges every call, the plugin only
//! spares a person the round trip when the answer is known.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use brevet_api::Phase;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::{Code, DONE};
use crate::cli::{DirectArgs, ExecArgs, ShellArgs, UseArgs};
use crate::clock::now;
use crate::cluster::Cluster;
use crate::entry::{Entry, phase};
use crate::follow::{self, Awaited};
use crate::grant_file::{self, Way, context_name, kubeconfig_list, quoted};
use crate::origin::grants_folder;
use crate::problem::Problem;
use crate::shells;
use crate::{outcome, print, spans};

/// A grant made usable: its file and the list that puts it first.
struct Entered {
    entry: Entry,
    file: PathBuf,
    kubeconfig: OsString,
}

pub(super) async fn use_grant(cluster: &Cluster, args: &UseArgs) -> anyhow::Result<Code> {
    let entered = enter(cluster, &args.name, args.namespace.as_deref(), &args.direct, Begin::Later).await?;
    print::result(&format!("export KUBECONFIG={}", quoted(&entered.kubeconfig)))?;
    print::say(&format!(
        "wrote {} with context {}; it holds no credential",
        entered.file.display(),
        context_name(&args.name)
    ));
    print::say(&until(&entered.entry));
    print::say(&format!("run the line above, or put it in place: eval \"$(kubectl brevet use {})\"", args.name));
    Ok(DONE)
}

pub(super) async fn exec(cluster: &Cluster, args: &ExecArgs) -> anyhow::Result<Code> {
    let entered = enter(cluster, &args.name, args.namespace.as_deref(), &args.direct, Begin::Now).await?;
    let Some((program, words)) = args.command.split_first() else {
        return Err(Problem::failed("there is no command").into());
    };
    let mut command = Command::new(program);
    command.args(words);
    let status = run(command, &entered, &args.name).await?;
    if !status.success() {
        tell_if_over(cluster, &args.name).await;
    }
    Ok(code_of(status))
}

pub(super) async fn shell(cluster: &Cluster, args: &ShellArgs) -> anyhow::Result<Code> {
    let entered = enter(cluster, &args.name, args.namespace.as_deref(), &args.direct, Begin::Now).await?;
    let command = shells::marked(&grants_folder()?, &args.name)?;
    print::say(&format!("a shell through {}; leave it with exit", args.name));
    print::say(&until(&entered.entry));
    let status = run(command, &entered, &args.name).await?;
    tell_if_over(cluster, &args.name).await;
    Ok(code_of(status))
}

/// When the access must be in force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Now,
    Later,
}

/// An approved grant is in force within a second; this long is waited for it.
const ACTIVATION_TIME_MAX: Duration = Duration::from_secs(15);

/// Writes the grant's kubeconfig, if the grant can be used when it must be.
async fn enter(
    cluster: &Cluster,
    name: &str,
    namespace: Option<&str>,
    direct: &DirectArgs,
    begin: Begin,
) -> Result<Entered, Problem> {
    let entry = entry(cluster, name, begin).await?;
    let holder = &entry.request.spec.requester.username;
    if cluster.who().await?.username != *holder {
        return Err(Problem::refused(format!("`{name}` is not your access"))
            .why("only its holder uses it")
            .next("ask for your own: kubectl brevet request --help"));
    }
    let is_usable = entry.phase() == Phase::Active || (entry.phase() == Phase::Approved && begin == Begin::Later);
    if !is_usable {
        return Err(outcome::not_granted(&entry));
    }
    let namespace = namespace.map(str::to_owned).or_else(|| place(&entry, cluster));
    let way = match &direct.direct {
        Some(server) => Way::Direct { server, ca: direct.direct_ca.as_deref() },
        None => Way::Aggregated,
    };
    let config = grant_file::through(&cluster.origin, name, namespace.as_deref(), way)?;
    let file = grant_file::write(&grants_folder()?, name, &config)?;
    let kubeconfig = kubeconfig_list(&file, &cluster.origin)?;
    Ok(Entered { entry, file, kubeconfig })
}

/// The request with its grant; one that is about to be in force is waited for, where it must be.
async fn entry(cluster: &Cluster, name: &str, begin: Begin) -> Result<Entry, Problem> {
    let request = cluster.request(name).await?;
    let grant = cluster.grant_of(&request).await?;
    let entry = Entry::new(request, grant);
    if entry.phase() != Phase::Approved || begin == Begin::Later || entry.starts(now()).is_some() {
        return Ok(entry);
    }
    let awaited = Awaited {
        name,
        uid: entry.request.metadata.uid.clone(),
        deadline: Some(Instant::now() + ACTIVATION_TIME_MAX),
        saying: None,
    };
    match follow::until(cluster, &awaited, |request| phase(request) != Phase::Approved).await? {
        None => Ok(entry),
        Some(request) => {
            let grant = cluster.grant_of(&request).await?;
            Ok(Entry::new(request, grant))
        }
    }
}

/// The grant's namespace; of several the one the user works in, else the first.
fn place(entry: &Entry, cluster: &Cluster) -> Option<String> {
    let granted = &entry.request.spec.namespaces;
    let own = cluster.origin.namespace();
    if granted.is_empty() || granted.contains(&own) { Some(own) } else { granted.first().cloned() }
}

fn until(entry: &Entry) -> String {
    match (entry.starts(now()), entry.until()) {
        (Some(start), _) => format!("it is in force from {}", spans::utc_and_distance(start, now())),
        (None, Some(until)) => format!("it is in force until {}", spans::utc_and_distance(until, now())),
        (None, None) => "it is not in force yet".to_owned(),
    }
}

/// Runs the command to its end with the grant first in `KUBECONFIG`.
async fn run(mut command: Command, entered: &Entered, name: &str) -> Result<ExitStatus, Problem> {
    let program = command.as_std().get_program().to_owned();
    command.env("KUBECONFIG", &entered.kubeconfig).env("BREVET_GRANT", name);
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| cannot_run(Path::new(&program), &error))?;
    wait(&mut child).await.map_err(|error| cannot_run(Path::new(&program), &error))
}

fn cannot_run(program: &Path, error: &std::io::Error) -> Problem {
    let problem = Problem::failed(format!("cannot run `{}`", program.display())).why(error.to_string());
    if error.kind() == std::io::ErrorKind::NotFound { problem.next("see whether it is on your PATH") } else { problem }
}

/// Waits for the child. A terminal sends Ctrl-C to both: the child decides what it means. What only
/// reaches this process is passed on.
#[cfg(unix)]
async fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    use rustix::process::{Pid, Signal, kill_process};
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let by_terminal = print::can_ask();
    loop {
        let received = tokio::select! {
            status = child.wait() => return status,
            _ = interrupted.recv() => if by_terminal { None } else { Some(Signal::INT) },
            _ = quit.recv() => if by_terminal { None } else { Some(Signal::QUIT) },
            _ = terminated.recv() => Some(Signal::TERM),
            _ = hung_up.recv() => Some(Signal::HUP),
        };
        if let (Some(signal), Some(pid)) = (received, pid) {
            // A child that is gone already needs no signal.
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(not(unix))]
async fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    child.wait().await
}

/// The command's own code, as a shell would report it.
fn code_of(status: ExitStatus) -> Code {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(signal).map_or(Code::MAX, |signal| signal.saturating_add(128));
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Code::MAX)
}

/// Says that the access ended, if it did: the command could only see its connection end.
async fn tell_if_over(cluster: &Cluster, name: &str) {
    let Ok(request) = cluster.request(name).await else { return };
    let grant = cluster.grant_of(&request).await.unwrap_or_default();
    let entry = Entry::new(request, grant);
    if !outcome::is_over(&entry, now()) {
        return;
    }
    let at = entry.ended_at().or(entry.until()).map(|at| format!(" at {}", spans::utc(at))).unwrap_or_default();
    print::say(&format!("note: the access of {name} ended{at}"));
    print::say(&format!("ask again: {}", outcome::ask_again(&entry.request)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn the_commands_own_code_is_passed_on() {
        assert_eq!(code_of(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code_of(ExitStatus::from_raw(0)), 0);
        assert_eq!(code_of(ExitStatus::from_raw(15)), 143, "ended by SIGTERM");
    }
}
