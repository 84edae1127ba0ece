//! `/livez`, `/readyz` and `/metrics`, in plain HTTP for the kubelet and Prometheus.
//!
//! Promises: `/readyz` answers 200 only while every named check holds, and
//! says which does not; nothing here shows a name from outside.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// How long a prober may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// More connections at once than any kubelet and Prometheus need.
const CONNECTIONS_MAX: usize = 32;

/// Named checks; clones share.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<RwLock<BTreeMap<String, Result<(), String>>>>);

impl Health {
    /// Says that `check` fails because of `why`.
    pub fn fails(&self, check: impl Into<String>, why: impl Into<String>) {
        self.set(check.into(), Err(why.into()));
    }

    /// Says that `check` holds.
    pub fn holds(&self, check: impl Into<String>) {
        self.set(check.into(), Ok(()));
    }

    fn set(&self, check: String, state: Result<(), String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(check, state);
    }

    /// Whether everything holds, and a line for each check.
    #[must_use]
    pub fn report(&self) -> (bool, String) {
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let lines = checks.iter().map(|(check, state)| match state {
            Ok(()) => format!("[+] {check} ok\n"),
            Err(why) => format!("[-] {check} failed: {why}\n"),
        });
        (!checks.is_empty() && checks.values().all(Result::is_ok), lines.collect())
    }
}

/// Serves until `stop`.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => return Ok(()),
        };
        let Ok((socket, _)) = accepted else { continue };
        let (health, metrics) = (health.clone(), metrics.clone());
        let answers = service_fn(move |request| {
            let answer = answer(&request, &health, &metrics);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .keep_alive(false)
            .serve_connection(TokioIo::new(socket), answers);
        connections.spawn(async move { connection.await.is_ok() });
    }
}

fn answer(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match health.report() {
            (true, lines) => (StatusCode::OK, lines),
            (false, lines) => (StatusCode::SERVICE_UNAVAILABLE, lines),
        },
        "/metrics" => match metrics.text() {
            Ok(text) => (StatusCode::OK, text),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "cannot encode the metrics\n".to_owned()),
        },
        _ => (StatusCode::NOT_FOUND, "only /livez, /readyz and /metrics are served here\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
