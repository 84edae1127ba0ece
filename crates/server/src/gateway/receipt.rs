//! What is told of each call: entries in the audit log, one log line, and counts.
//!
//! Promises (I10): nothing is forwarded without a [`Receipt`], which is made here
//! alone, once the call is on record: in the kernel's hands for what only reads,
//! on the disk for what changes something or lasts. Every call that was begun is
//! completed by another entry, in whatever way it ends, unless this process dies
//! over it; a refused one has an entry, too. Metric labels come from closed
//! lists.
//!
//! Left out on purpose: waiting for the completing entry. It is handed in when
//! nothing can be refused any more.

use std::sync::atomic::AtomicU64;

use brevet_core::{
    audit::{
        Event,
        event::{CallBegun, CallDone, CallOutcome, CallRefused, StreamCut, StreamOpened},
    },
    reason::{Reason, Refusal},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::stream::Stream;
use crate::{
    record::{Recorder, Refused},
    telemetry::Metrics,
};

/// Proof that one call is on record. Spent by forwarding it.
#[derive(Debug)]
#[must_use]
pub(super) struct Receipt(());

impl Receipt {
    /// Takes the proof: it is good for one call.
    pub(super) fn spend(self) {
        let Self(()) = self;
    }
}

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
    /// Place of the entry that began it; none: it is not on record.
    pub(super) intent: Option<u64>,
    /// Bytes of the answer's body, where its head says so.
    pub(super) announced: Option<u64>,
    /// Whether it came to its own end.
    pub(super) is_whole: bool,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

/// Where calls are told.
#[derive(Clone)]
pub(super) struct Receipts {
    recorder: Recorder,
    calls: Family<Outcome, Counter>,
    open: Gauge<i64, std::sync::atomic::AtomicI64>,
    cuts: Family<Outcome, Counter<u64, AtomicU64>>,
    lateness: Histogram,
}

/// Seconds; design I2 allows 0.25.
const LATENESS_BUCKETS: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

impl Receipts {
    /// Registers the metrics.
    pub(super) fn new(metrics: &Metrics, recorder: Recorder) -> Self {
        Self {
            recorder,
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

    /// Puts on record what is about to be forwarded, and waits for proof.
    ///
    /// # Errors
    /// There is no proof; nothing may be forwarded.
    pub(super) async fn begin(&self, begun: CallBegun, call: &mut Call) -> Result<Receipt, Refusal> {
        let only_reads = !begun.is_stream && matches!(begun.call.verb.as_str(), "get" | "list" | "head" | "options");
        let pending = self.recorder.append(begun.into()).map_err(|why| unrecorded(&why))?;
        let written = pending.written().await.map_err(|why| unrecorded(&why))?;
        // From here on it is completed, whatever comes.
        call.intent = Some(written.seq());
        if !only_reads {
            written.synced().await.map_err(|why| unrecorded(&why))?;
        }
        Ok(Receipt(()))
    }

    /// kube-apiserver has answered a call that lasts, and bytes flow.
    pub(super) fn becomes_stream(&self, call: &Call) {
        if let Some(intent) = call.intent {
            self.complete(StreamOpened { intent, protocol: call.protocol.into() }.into());
        }
    }

    /// A call was refused.
    pub(super) async fn refused(&self, refused: &CallRefused) {
        self.count(refused.refusal.reason.as_str().to_owned());
        tracing::info!(
            grant = refused.grant.as_str(),
            caller = refused.caller.username.as_str(),
            verb = refused.call.verb.as_str(),
            path = refused.call.path.as_str(),
            client_audit_id = refused.client_audit_id.as_str(),
            reason = refused.refusal.reason.as_str(),
            "refused a call"
        );
        let kept = match self.recorder.append(Event::CallRefused(refused.clone())) {
            Ok(pending) => pending.written().await.map(drop),
            Err(why) => Err(why),
        };
        if let Err(why) = kept {
            tracing::warn!(reason = %why, "a refused call is not on record");
        }
    }

    /// Hands in an entry that nothing waits for.
    fn complete(&self, event: Event) {
        let kind = event.kind();
        if let Err(why) = self.recorder.append(event) {
            tracing::warn!(kind, reason = %why, "how a call went on is not on record");
        }
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
        self.complete_call(call, stream);
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

    /// Puts on record how a call that was begun went.
    fn complete_call(&self, call: &Call, stream: &Stream) {
        let Some(intent) = call.intent else { return };
        let micros = |span: std::time::Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        if let Some(ending) = stream.ending() {
            let late_micros = micros(stream.late().unwrap_or_default());
            let (cause, due, told) = (ending.cause.into(), ending.at.into(), call.told.into());
            self.complete(StreamCut { intent, cause, due, late_micros, told }.into());
        }
        let (bytes_up, bytes_down) = stream.bytes();
        let is_whole = call.is_whole || call.announced == Some(bytes_down);
        let outcome = match (stream.was_sent(), stream.ending()) {
            (false, _) => CallOutcome::Unsent,
            (true, None) if is_whole => CallOutcome::Answered,
            (true, _) => CallOutcome::Broken,
        };
        let duration_micros = micros(stream.opened.elapsed());
        self.complete(CallDone { intent, outcome, status: call.status, bytes_up, bytes_down, duration_micros }.into());
    }

    fn count(&self, outcome: String) {
        self.calls.get_or_create(&Outcome { outcome }).inc();
    }
}

fn unrecorded(why: &Refused) -> Refusal {
    Refusal::new(Reason::Unrecorded, "", format!("{why}; nothing was forwarded: try again in a moment"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::{path::Path, sync::Arc};

    use brevet_core::audit::event::{CallTarget, Caller, ObjectRef, Role};

    use super::*;
    use crate::{
        probes::Health,
        record::{Limits, Log, Options, RealDisk},
    };

    fn log(folder: &Path) -> Log {
        let options = Options {
            folder: folder.to_owned(),
            role: Role::Gateway,
            replica: String::new(),
            arguments: Vec::new(),
            limits: Limits::default(),
            disk: Arc::new(RealDisk),
        };
        Log::open(options, &Metrics::default(), &Health::default()).unwrap()
    }

    /// Of a log that takes nothing: what is told goes nowhere, and nothing can begin.
    pub(in crate::gateway) fn receipts() -> Receipts {
        let folder = tempfile::tempdir().unwrap();
        Receipts::new(&Metrics::default(), log(folder.path()).recorder())
    }

    fn begun(verb: &str) -> CallBegun {
        CallBegun {
            caller: Caller { username: "alice".into(), uid: None },
            grant: ObjectRef::new("g", "u-1"),
            call: CallTarget::unread(verb, "/api/v1/pods"),
            is_stream: false,
            command: Default::default(),
            user_agent: "".into(),
            source: "".into(),
            audit_id: "".into(),
            client_audit_id: "".into(),
        }
    }

    #[tokio::test]
    async fn a_call_begins_with_a_place_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let receipts = Receipts::new(&Metrics::default(), log.recorder());
        for (place, verb) in ["get", "delete"].into_iter().enumerate() {
            let mut call = Call::default();
            receipts.begin(begun(verb), &mut call).await.unwrap().spend();
            assert_eq!(call.intent, Some(place as u64 + 1), "behind the start of the process");
        }
        log.close("").await;
    }

    #[tokio::test]
    async fn without_an_entry_nothing_may_be_forwarded() {
        let mut call = Call::default();
        let refusal = receipts().begin(begun("get"), &mut call).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::Unrecorded);
        assert_eq!(refusal.message, "the audit log is closed; nothing was forwarded: try again in a moment");
        assert_eq!(call.intent, None);
    }
}
