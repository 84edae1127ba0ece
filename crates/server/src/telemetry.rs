//! Logs and metrics.
//!
//! Promises: log lines are a static message plus fields; metric labels are
//! reasons and kinds from closed lists, never names from outside.
//!
//! Left out on purpose: audit. An audit entry is typed, written before the act
//! and waited for; a log line is not.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::registry::{Metric, Registry};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading in a terminal.
    Text,
}

/// Starts logging to standard error; `RUST_LOG` sets the levels (default `info`).
pub fn start(format: LogFormat) {
    let levels = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(levels);
    match format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
        LogFormat::Text => registry.with(lines).init(),
    }
}

/// All metrics of the process; clones share.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// Adds `metric` under `brevet_<name>` and hands it back.
    pub fn add<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register(format!("brevet_{name}"), help, metric.clone());
        metric
    }

    /// The OpenMetrics text.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
