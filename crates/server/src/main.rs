//! `brevet`: the one server binary.
//!
//! Two rooms, [`controller`] and [`gateway`], that never import one another;
//! what they share is core, the kinds, and the files of this folder.
//! A role whose task ends takes the process with it: a half-dead server would
//! keep its place while access no longer ends.

mod call;
mod controller;
mod feed;
mod gateway;
mod ground;
mod guard;
mod options;
mod policies;
mod shared;
mod switches;

use std::sync::Arc;

use anyhow::Context as _;
use brevet_server::{
    clock, probes,
    probes::Health,
    record::{self, Log},
    telemetry,
    telemetry::Metrics,
};
use clap::Parser as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::options::{Options, Role};

fn main() -> std::process::ExitCode {
    // Before any TLS configuration exists: two providers and none installed would panic.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: a TLS provider was installed before main");
        return std::process::ExitCode::from(2);
    }
    let options = Options::parse();
    telemetry::start(options.log_format);
    let outcome = match options.export() {
        Some((folder, output)) => record::export(folder, output).context("cannot export the audit log"),
        None => run(options),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the server stops");
            std::process::ExitCode::from(2)
        }
    }
}

#[tokio::main]
async fn run(options: Options) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let health = probes::Health::default();
    let metrics = telemetry::Metrics::default();
    health.fails("start", "not every role has started");
    if let Some(address) = options.probe_listen {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on `{address}` (--probe-listen)"))?;
        tasks.spawn(probes::serve(listener, health.clone(), metrics.clone(), stop.clone()));
    }
    let log = open_log(&options, &metrics, &health)?;
    tasks.spawn(until_log_ends(log.ended(), stop.clone()));
    for role in options.roles() {
        let shared = shared::Shared::connect(&role, log.recorder(), health.clone(), metrics.clone()).await?;
        // The gateway answers its views also while the policies do not stand, and must be reached for that.
        let is_needed = matches!(role, Role::Controller { .. });
        let (shared, watching) = guard::watch(shared, is_needed, stop.clone())?;
        tasks.spawn(watching);
        health.fails(role.name(), "not started yet");
        match role {
            Role::Controller { options, .. } => tasks.spawn(controller::run(options, shared, stop.clone())),
            Role::Gateway { options, .. } => tasks.spawn(gateway::run(options, shared, stop.clone())),
        };
    }
    health.holds("start");
    tasks.spawn(until_signal(stop.clone()));
    let outcome = until_all_ended(tasks, &stop).await;
    // Last of all: whatever was done on the way out is in it.
    let why = outcome.as_ref().err().map_or("asked to stop".to_owned(), |error| format!("{error:#}"));
    log.close(&why).await;
    outcome
}

/// The log of this process. Blocks on the disk, before there is anything else to do.
fn open_log(options: &Options, metrics: &Metrics, health: &Health) -> anyhow::Result<Log> {
    let options = record::Options {
        folder: options.audit_dir().to_owned(),
        role: options.role(),
        replica: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        arguments: std::env::args().collect(),
        limits: record::Limits::default(),
        disk: Arc::new(record::RealDisk),
    };
    Log::open(options, metrics, health).context("cannot open the audit log (--audit-dir)")
}

/// Without its log the process may do nothing, so it goes.
async fn until_log_ends(ended: impl Future<Output = ()>, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = ended => anyhow::bail!("the audit log ended by itself"),
        () = stop.cancelled() => Ok(()),
    }
}

/// Waits for the first task to end, stops the others, and says how it went.
async fn until_all_ended(mut tasks: JoinSet<anyhow::Result<()>>, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        // Whatever ends first, by signal, error or panic, ends all.
        stop.cancel();
        let ended = ended.context("a task panicked").and_then(|result| result);
        if outcome.is_ok() {
            outcome = ended;
        }
    }
    outcome
}

/// Returns on SIGTERM or SIGINT, or when another task asked to stop.
async fn until_signal(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
        _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
        () = stop.cancelled() => {}
    }
    Ok(())
}
