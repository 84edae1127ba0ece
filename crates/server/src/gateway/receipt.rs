//! What is told of each call: one log line, and counts.
//!
//! This is the small interface that the audit log takes over; until then a line
//! of the log is the record, and nothing waits for it.
//!
//! Promises: every call leaves one line when it is over, a refused one at once;
//! metric labels come from closed lists; nothing from outside but names that
//! are legal in Kubernetes and texts that are cut short.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::stream::Stream;
use crate::telemetry::Metrics;

/// What is known of one call, besides the exchange that carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    /// The id of the inner call: ours, never the client's.
    pub(super) audit_id: String,
    /// What the client sent as its own, cut short.
    pub(super) client_audit_id: String,
    /// `get`, `list`, … or the lower-case method of a call that is no resource's.
    pub(super) verb: String,
    /// Group, resource, namespace and name, or the path.
    pub(super) target: String,
    /// Whether it may last: watch, logs -f.
    pub(super) is_long_running: bool,
    /// The status of kube-apiserver's answer; 0 without one.
    pub(super) status: u16,
    /// What is spoken in its tunnel; empty for one that is none.
    pub(super) protocol: &'static str,
    /// What became of the last words of a tunnel that was cut.
    pub(super) told: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

/// Where calls are told.
#[derive(Clone)]
pub(super) struct Receipts {
    calls: Family<Outcome, Counter>,
    open: Gauge<i64, std::sync::atomic::AtomicI64>,
    cuts: Family<Outcome, Counter<u64, AtomicU64>>,
    lateness: Histogram,
}

/// Seconds; design I2 allows 0.25.
const LATENESS_BUCKETS: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

impl Receipts {
    /// Registers the metrics.
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            calls: metrics.add("gateway_calls", "Calls under grants by outcome", Family::default()),
            open: metrics.add("gateway_open_exchanges", "Exchanges under grants that are open", Gauge::default()),
            cuts: metrics.add("gateway_cuts", "Exchanges ended before their time, by cause", Family::default()),
            lateness: metrics.add(
                "gateway_cut_lateness_seconds",
                "How long after it was due an exchange was ended",
                Histogram::new(LATENESS_BUCKETS),
            ),
        }
    }

    /// A call was refused.
    pub(super) fn refused(&self, grant: &str, caller: &str, call: &Call, reason: brevet_core::reason::Reason) {
        self.count(reason.name());
        tracing::info!(
            grant,
            caller,
            verb = call.verb,
            target_object = call.target,
            client_audit_id = call.client_audit_id,
            reason = %reason,
            "refused a call"
        );
    }

    /// An exchange began.
    pub(super) fn opened(&self, _: &Call) {
        self.open.inc();
    }

    /// An exchange is over, in whatever way.
    pub(super) fn closed(&self, call: &Call, stream: &Stream) {
        self.open.dec();
        let (bytes_up, bytes_down) = stream.bytes();
        let ending = stream.ending();
        if let Some(ending) = ending {
            self.lateness.observe(stream.late().unwrap_or_default().as_secs_f64());
            self.cuts.get_or_create(&Outcome { outcome: ending.cause.name() }).inc();
        }
        if !stream.was_sent() {
            self.count("Unsent".to_owned());
            return tracing::info!(
                grant = stream.about.grant,
                holder = stream.about.holder,
                verb = call.verb,
                target_object = call.target,
                status = call.status,
                "could not forward a call"
            );
        }
        self.count("Forwarded".to_owned());
        tracing::info!(
            grant = stream.about.grant,
            grant_uid = stream.about.grant_uid,
            holder = stream.about.holder,
            audit_id = call.audit_id,
            client_audit_id = call.client_audit_id,
            verb = call.verb,
            target_object = call.target,
            status = call.status,
            is_stream = call.is_long_running,
            protocol = call.protocol,
            told = call.told,
            opened_at = %stream.opened_at,
            lasted_ms = u64::try_from(stream.opened.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes_up,
            bytes_down,
            cut = ending.map(|ending| tracing::field::display(ending.cause)),
            cut_at = ending.map(|ending| tracing::field::display(ending.at)),
            late_ms = stream.late().map(|late| u64::try_from(late.as_millis()).unwrap_or(u64::MAX)),
            "forwarded a call"
        );
    }

    fn count(&self, outcome: String) {
        self.calls.get_or_create(&Outcome { outcome }).inc();
    }
}
