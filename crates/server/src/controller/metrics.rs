//! What the controller counts.

use std::sync::atomic::AtomicI64;

use brevet_core::reason::Reason;
use jiff::SignedDuration;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use crate::telemetry;

/// Seconds, from a tenth to five minutes.
const ACTIVATION_BUCKETS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCause {
    cause: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByIdentity {
    identity: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

/// Clones share.
#[derive(Clone)]
pub(super) struct Metrics {
    reconciles: Family<ByOutcome, Counter>,
    ends: Family<ByCause, Counter>,
    pending: Gauge<i64, AtomicI64>,
    orphans: Counter,
    surplus: Family<ByKind, Counter>,
    activation: Family<ByIdentity, Histogram>,
}

impl Metrics {
    /// Registers them.
    pub(super) fn new(registry: &telemetry::Metrics) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(ACTIVATION_BUCKETS);
        Self {
            reconciles: registry.add("reconciles", "Looks at a request, by outcome", Family::default()),
            ends: registry.add("ends", "Grants ended, by cause", Family::default()),
            pending: registry.add("revocations_pending", "Ended grants whose end is not confirmed", Gauge::default()),
            orphans: registry.add("orphans_removed", "Parts of identities that no grant carried", Counter::default()),
            surplus: registry.add(
                "decisions_removed",
                "Decisions removed before their time: about nothing, or too many of one person that count for nothing",
                Family::default(),
            ),
            activation: registry.add(
                "activation_seconds",
                "From the beginning of the window to the grant being in force",
                Family::new_with_constructor(histogram),
            ),
        }
    }

    /// A request was looked at.
    pub(super) fn reconciled(&self, outcome: &'static str) {
        self.reconciles.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A grant ended.
    pub(super) fn ended(&self, cause: Reason) {
        self.ends.get_or_create(&ByCause { cause: cause.name() }).inc();
    }

    /// So many ends wait for their confirmation.
    pub(super) fn pending(&self, count: usize) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An orphan was removed.
    pub(super) fn orphan(&self) {
        self.orphans.inc();
    }

    /// So many decisions were removed that were `stray`, about nothing, or else too many of one person.
    pub(super) fn surplus(&self, is_stray: bool, count: usize) {
        let kind = if is_stray { "stray" } else { "excess" };
        self.surplus.get_or_create(&ByKind { kind }).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A grant came into force `waited` after its beginning.
    pub(super) fn activated(&self, waited: SignedDuration, is_joined: bool) {
        let identity = if is_joined { "shared" } else { "new" };
        self.activation.get_or_create(&ByIdentity { identity }).observe(waited.as_secs_f64());
    }
}
