//! Every open exchange, by grant, and the one timer that ends them.
//!
//! Promises: an exchange that is registered is ended at its grant's deadline, or
//! when [`Streams::end_grant`] is called; one that is registered later must ask
//! the table again whether its grant still stands, which closes the race.
//! Whatever way an exchange goes, it leaves the list and gets its receipt.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use brevet_core::{
    audit::event::CallBegun,
    reason::{Reason, Refusal},
    role::StreamLimits,
};
use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    limits,
    receipt::{Call, Receipt, Receipts},
    stream::{About, Stream},
};
use crate::clock::Deadline;

/// The timer looks at the clocks at least this often: a wall clock may jump.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The registry. Shared by all doors.
pub(super) struct Streams {
    open: Mutex<Open>,
    earlier: Notify,
    ended: mpsc::UnboundedSender<Vec<Arc<Stream>>>,
    receipts: Receipts,
}

#[derive(Default)]
struct Open {
    last_id: u64,
    /// When the timer looks next.
    looks_at: Option<Instant>,
    by_grant: HashMap<String, OfGrant>,
}

struct OfGrant {
    deadline: Deadline,
    streams: HashMap<u64, Arc<Stream>>,
    /// How many of them may last.
    lasting: u32,
}

/// The second half of the registry: what is waiting for its second step.
pub(super) struct Ended(mpsc::UnboundedReceiver<Vec<Arc<Stream>>>);

impl Streams {
    /// An empty registry, and the queue that [`Streams::run`] works off.
    pub(super) fn new(receipts: Receipts) -> (Arc<Self>, Ended) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let streams = Self { open: Mutex::default(), earlier: Notify::new(), ended: sender, receipts };
        (Arc::new(streams), Ended(receiver))
    }

    /// Registers an exchange of the task that runs now.
    ///
    /// # Errors
    /// `TooManyStreams`, for one that may last when as many are open as `limits` allow.
    pub(super) fn register(
        self: &Arc<Self>,
        about: Arc<About>,
        deadline: Deadline,
        limits: StreamLimits,
        call: Call,
    ) -> Result<Registered, Refusal> {
        let idle_timeout = limits.idle_timeout.filter(|_| call.is_long_running);
        let idle_timeout = idle_timeout.map(|length| Duration::from_secs(length.seconds().into()));
        let stream = Arc::new(Stream::new(about, deadline, idle_timeout));
        let grant = stream.about.grant_uid.clone();
        let mut open = self.lock();
        let lasting = open.by_grant.get(&grant).map_or(0, |of_grant| of_grant.lasting);
        if call.is_long_running && lasting >= limits.max {
            let message = format!("{lasting} streams are open under this grant, as many as its role allows; close one");
            return Err(Refusal::new(Reason::TooManyStreams, "", message));
        }
        open.last_id += 1;
        let id = open.last_id;
        let looks_in = open.looks_at.map_or(LOOK_EVERY, |at| at.saturating_duration_since(Instant::now()));
        let of_grant = open.by_grant.entry(grant).or_insert_with(|| {
            // Seldom: the timer looks often enough for all but the last second of a grant.
            if deadline.left() < looks_in {
                self.earlier.notify_one();
            }
            OfGrant { deadline, streams: HashMap::new(), lasting: 0 }
        });
        of_grant.lasting += u32::from(call.is_long_running);
        of_grant.streams.insert(id, stream.clone());
        drop(open);
        self.receipts.opened(&call);
        Ok(Registered { id, stream, call, registry: self.clone() })
    }

    /// Ends every exchange of a grant, now.
    pub(super) fn end_grant(&self, uid: &str, cause: Reason, due: Timestamp) {
        let streams: Vec<_> = match self.lock().by_grant.get(uid) {
            Some(of_grant) => of_grant.streams.values().cloned().collect(),
            None => return,
        };
        self.end(streams, cause, due);
    }

    /// Ends every exchange of every grant, now.
    pub(super) fn end_all(&self, cause: Reason, due: Timestamp) {
        let streams = self.lock().by_grant.values().flat_map(|of_grant| of_grant.streams.values().cloned()).collect();
        self.end(streams, cause, due);
    }

    /// Ends every tunnel, now. Whatever else is open ends by itself, or is asked for again.
    pub(super) fn end_tunnels(&self, cause: Reason, due: Timestamp) {
        let open = self.lock();
        let all = open.by_grant.values().flat_map(|of_grant| of_grant.streams.values());
        let tunnels = all.filter(|stream| stream.is_tunnel()).cloned().collect();
        drop(open);
        self.end(tunnels, cause, due);
    }

    fn end(&self, streams: Vec<Arc<Stream>>, cause: Reason, due: Timestamp) {
        for stream in &streams {
            stream.end(cause, due);
        }
        // Nobody receives only while the process stops, which drops them all.
        self.ended.send(streams).ok();
    }

    /// Ends what is due and cuts what was ended, until `stop`.
    pub(super) async fn run(self: Arc<Self>, mut ended: Ended, stop: CancellationToken) -> anyhow::Result<()> {
        let mut cuts = JoinSet::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.until_next()) => {
                    self.end_what_is_due();
                    self.end_what_is_idle();
                }
                () = self.earlier.notified() => {}
                Some(streams) = ended.0.recv() => {
                    cuts.spawn(async move {
                        tokio::time::sleep(limits::LAST_WORDS_GRACE).await;
                        streams.iter().for_each(|stream| stream.cut());
                    });
                }
                Some(_) = cuts.join_next() => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn until_next(&self) -> Duration {
        let mut open = self.lock();
        let with_any = open.by_grant.values().filter(|of_grant| !of_grant.streams.is_empty());
        let nearest = with_any.map(|of_grant| of_grant.deadline.left()).min().unwrap_or(LOOK_EVERY);
        let pause = nearest.min(LOOK_EVERY);
        open.looks_at = Some(Instant::now() + pause);
        pause
    }

    fn end_what_is_due(&self) {
        let due: Vec<_> = {
            let open = self.lock();
            let over = open
                .by_grant
                .iter()
                .filter(|(_, of_grant)| of_grant.deadline.is_over() && !of_grant.streams.is_empty());
            over.map(|(uid, of_grant)| (uid.clone(), of_grant.deadline.not_after())).collect()
        };
        for (uid, at) in due {
            self.end_grant(&uid, Reason::Expired, at);
            // Those that are still in the list leave it by themselves, at the latest when cut.
            self.lock().forget_if_ended(&uid);
        }
    }

    /// Looks once a second, so that is how late it may be.
    fn end_what_is_idle(&self) {
        let idle: Vec<_> = {
            let open = self.lock();
            let all = open.by_grant.values().flat_map(|of_grant| of_grant.streams.values());
            let open = all.filter(|stream| stream.ending().is_none());
            open.filter_map(|stream| Some((stream.clone(), stream.is_idle()?))).collect()
        };
        for (stream, since) in idle {
            self.end(vec![stream], Reason::Idle, since);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes ended exchanges off the timer's list; they are in the queue of the second step.
    fn forget_if_ended(&mut self, uid: &str) {
        if let Some(of_grant) = self.by_grant.get_mut(uid) {
            of_grant.streams.retain(|_, stream| stream.ending().is_none());
            if of_grant.streams.is_empty() && of_grant.lasting == 0 {
                self.by_grant.remove(uid);
            }
        }
    }
}

/// An exchange in the registry. Dropping it takes it out and writes its receipt.
pub(super) struct Registered {
    id: u64,
    pub(super) stream: Arc<Stream>,
    pub(super) call: Call,
    registry: Arc<Streams>,
}

impl Registered {
    /// Puts on record what is about to be forwarded; proof of it is what forwarding demands.
    ///
    /// # Errors
    /// There is no proof; nothing may be forwarded.
    pub(super) async fn record(&mut self, begun: CallBegun) -> Result<Receipt, Refusal> {
        let receipts = self.registry.receipts.clone();
        receipts.begin(begun, &mut self.call).await
    }

    /// Puts on record that kube-apiserver has answered and bytes flow.
    pub(super) fn becomes_stream(&self) {
        self.registry.receipts.becomes_stream(&self.call);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // A client that went away leaves an answer behind that nobody reads.
        self.stream.is_answered();
        let mut open = self.registry.lock();
        if let Some(of_grant) = open.by_grant.get_mut(&self.stream.about.grant_uid) {
            of_grant.streams.remove(&self.id);
            of_grant.lasting -= u32::from(self.call.is_long_running);
            if of_grant.streams.is_empty() && of_grant.lasting == 0 {
                open.by_grant.remove(&self.stream.about.grant_uid);
            }
        }
        drop(open);
        self.registry.receipts.closed(&self.call, &self.stream);
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::{clock, gateway::receipt::tests::receipts};

    fn about(uid: &str) -> Arc<About> {
        let (grant, holder, again) = ("g".to_owned(), "alice".to_owned(), "ask".to_owned());
        Arc::new(About { grant, grant_uid: uid.to_owned(), holder, again })
    }

    fn in_ms(ms: i64) -> Deadline {
        Deadline::seen_now(clock::now() + ms.milliseconds())
    }

    fn start() -> (Arc<Streams>, JoinSet<anyhow::Result<()>>, CancellationToken) {
        let (streams, ended) = Streams::new(receipts());
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(streams.clone().run(ended, stop.clone()));
        (streams, tasks, stop)
    }

    fn register(streams: &Arc<Streams>, uid: &str, deadline: Deadline) -> Registered {
        streams.register(about(uid), deadline, StreamLimits::default(), Call::default()).unwrap()
    }

    fn lasting() -> Call {
        Call { is_long_running: true, ..Call::default() }
    }

    #[tokio::test]
    async fn a_grant_has_its_number_of_streams_and_short_calls_do_not_count() {
        let (streams, _tasks, _stop) = start();
        let limits = StreamLimits { max: 2, ..StreamLimits::default() };
        let open = |uid: &str, call: Call| streams.register(about(uid), in_ms(60_000), limits, call);
        let (one, two) = (open("1", lasting()).unwrap(), open("1", lasting()).unwrap());
        assert_eq!(open("1", lasting()).err().unwrap().reason, Reason::TooManyStreams);
        assert!(open("1", Call::default()).is_ok() && open("2", lasting()).is_ok());
        // One that was ended counts until it has left.
        streams.end_grant("1", Reason::Revoked, clock::now());
        assert!(open("1", lasting()).is_err());
        drop((one, two));
        assert!(open("1", lasting()).is_ok());
    }

    #[tokio::test]
    async fn a_stream_in_which_nothing_is_said_is_cut_and_one_in_use_is_not() {
        let (streams, _tasks, _stop) = start();
        let idle_timeout = brevet_core::length::Length::from_seconds(1);
        let limits = StreamLimits { idle_timeout, ..StreamLimits::default() };
        let silent = streams.register(about("1"), in_ms(60_000), limits, lasting()).unwrap();
        let busy = streams.register(about("1"), in_ms(60_000), limits, lasting()).unwrap();
        let short = streams.register(about("1"), in_ms(60_000), limits, Call::default()).unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let speak = async {
            loop {
                busy.stream.is_used();
                ticks.tick().await;
            }
        };
        tokio::select! {
            ending = silent.stream.ended() => assert_eq!(ending.cause, Reason::Idle),
            () = speak => {}
        }
        assert!(busy.stream.is_open() && short.stream.is_open());
    }

    #[tokio::test]
    async fn an_exchange_ends_at_its_deadline() {
        let (streams, _tasks, _stop) = start();
        let open = register(&streams, "1", in_ms(50));
        assert_eq!(open.stream.ended().await.cause, Reason::Expired);
        assert!(clock::now() < open.stream.deadline.not_after() + 100.milliseconds());
        assert!(!open.stream.is_open());
    }

    #[tokio::test]
    async fn ending_one_grant_leaves_the_others() {
        let (streams, _tasks, _stop) = start();
        let one = register(&streams, "1", in_ms(60_000));
        let other = register(&streams, "2", in_ms(60_000));
        streams.end_grant("1", Reason::Revoked, clock::now());
        assert_eq!(one.stream.ended().await.cause, Reason::Revoked);
        assert!(other.stream.is_open());
        streams.end_all(Reason::Stale, clock::now());
        assert_eq!(other.stream.ended().await.cause, Reason::Stale);
    }

    #[tokio::test]
    async fn what_is_over_leaves_the_list() {
        let (streams, _tasks, _stop) = start();
        drop(register(&streams, "1", in_ms(60_000)));
        assert!(streams.lock().by_grant.is_empty());
        let kept = register(&streams, "1", in_ms(10));
        kept.stream.ended().await;
        drop(kept);
        assert!(streams.lock().by_grant.is_empty());
    }
}
