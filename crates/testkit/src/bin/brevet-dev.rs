//! A playground: a real Kubernetes control plane on this machine, with Brevet in it.
//!
//! Exit codes: 0 done, 1 refused (or not running), 2 failed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use brevet_testkit::{Options, Part, control_plane_folder, playground, program};
use clap::{Args, Parser, Subcommand};

/// A real Kubernetes control plane on this machine, to play with
#[derive(Parser)]
#[command(
    name = "brevet-dev",
    version,
    after_help = "\
Example:
  brevet-dev up --dir /tmp/play
  kubectl --kubeconfig /tmp/play/alice.kubeconfig get pods -n shop    # refused
  kubectl brevet --help                                               # ask for it
  brevet-dev down --dir /tmp/play

In it: nodes node-1 and node-2; pods web-1, web-2 (namespace shop) and api-1 (namespace
web); in shop also Deployment web, Secrets db and api-key, ConfigMap settings. One
kubeconfig each for admin, alice and mallory (developers), bob (shop-owners, approves in
shop), carol (secops, approves everywhere) and dave (auditors)."
)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start a cluster and leave it running
    #[command(after_help = "Example: brevet-dev up --dir /tmp/play && export KUBECONFIG=/tmp/play/alice.kubeconfig")]
    Up {
        #[command(flatten)]
        place: Place,
        /// Only the cluster, without Brevet in it
        #[arg(long)]
        bare: bool,
        /// Stay until Ctrl-C, then end the cluster
        #[arg(long)]
        foreground: bool,
    },
    /// End a cluster and remove its folder
    #[command(after_help = "Example: brevet-dev down --dir /tmp/play")]
    Down {
        #[command(flatten)]
        place: Place,
    },
    /// Tell what runs; exit code 1 when something does not
    #[command(after_help = "Example: brevet-dev status --dir /tmp/play")]
    Status {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// Folder with everything of this cluster, e.g. /tmp/play; several may run at once
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Verb::Up { place, bare, foreground } => up(&place.dir, bare, foreground).await,
        Verb::Down { place } => down(&place.dir).await,
        Verb::Status { place } => status(&place.dir),
    };
    outcome.unwrap_or_else(|why| {
        eprintln!("error: {why:#}");
        ExitCode::from(2)
    })
}

async fn up(dir: &Path, bare: bool, foreground: bool) -> Result<ExitCode> {
    let dir = std::path::absolute(dir)?;
    let cluster = playground::up(&dir, Options { bare, ..Options::default() }).await?;
    println!("kube-apiserver is ready at {}", cluster.url());
    println!("To play with it as alice, or as admin, mallory, bob, carol or dave:");
    println!("  export PATH={}:$PATH", folders()?);
    println!("  export KUBECONFIG={}", cluster.user("alice").kubeconfig_path().display());
    if let Ok(brevet) = cluster.brevet() {
        let ca = dir.join("pki/ca.crt");
        println!(
            "The gateway's direct door: https://{} (CA {})",
            brevet.replica(Part::Gateway).direct()?,
            ca.display()
        );
    }
    if foreground {
        println!("Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
        drop(cluster);
    } else {
        println!("To end it: {} down --dir {}", program("brevet-dev")?.display(), dir.display());
        playground::leave(cluster)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where kubectl and kubectl-brevet are.
fn folders() -> Result<String> {
    let here = program("brevet-dev")?.parent().map(Path::to_owned);
    let folders = std::iter::once(control_plane_folder()?).chain(here);
    Ok(folders.map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":"))
}

async fn down(dir: &Path) -> Result<ExitCode> {
    if let Err(why) = playground::status(dir) {
        eprintln!("error: {why:#}");
        return Ok(ExitCode::from(1));
    }
    playground::down(dir).await?;
    println!("Ended, and removed {}.", dir.display());
    Ok(ExitCode::SUCCESS)
}

fn status(dir: &Path) -> Result<ExitCode> {
    let playground = match playground::status(dir) {
        Ok(playground) => playground,
        Err(why) => {
            eprintln!("error: {why:#}");
            return Ok(ExitCode::from(1));
        }
    };
    println!("{}", playground.url);
    let mut all = true;
    for process in &playground.processes {
        let running = process.running();
        all &= running;
        println!("{:<24} {:>8}  {}", process.name, process.pid, if running { "running" } else { "ended" });
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
