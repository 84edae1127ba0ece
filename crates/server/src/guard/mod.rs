//! Whether the admission policies stand as shipped, and since when.
//!
//! They are load-bearing: without them anybody who may create a request may
//! write another's name into it. So controller and gateway give nothing, not
//! just warn, while a policy or its binding is missing or altered; and what was
//! written before they were last put in place counts for nothing afterwards,
//! because nothing tells it from what was written without them.
//!
//! Since when, the [`record`] says. It names each policy and binding by uid and
//! generation, so that one which was deleted and made again, or altered and put
//! back, is not on it, even if nobody looked meanwhile; and its age is
//! kube-apiserver's word, nobody else's.
//!
//! Promises: [`Guard::Intact`] is said only after every policy and binding was
//! read, found equal to what ships, and found on record. A change is known as
//! soon as the watch tells of it; a list of everything each minute is the second
//! line; [`SILENCE_MAX`] without a word is as bad as their absence.
//!
//! Left out on purpose: the stamping policies, which only fill in what the
//! others check; and writing the record, which the controller does.

mod compare;
pub(crate) mod record;
mod shipped;
mod standing;

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use brevet_core::audit::event::{GuardBroken, GuardRepaired};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{
    Api,
    core::{ApiResource, DynamicObject},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::{
    record::Record,
    shipped::{Kind, Object},
    standing::Stored,
};
use crate::{
    clock,
    feed::{self, Change, Feed, News},
    shared::Shared,
};

/// Between two lists of everything, whatever the watches say.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// Nothing is believed when one of the watches has shown no life for so long (I11).
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Changes that wait to be taken in; beyond it the watches wait.
const NEWS_MAX: usize = 64;
/// Timestamps on the wire have whole seconds, and of one second nothing tells what came first.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// The state of the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Every policy and binding is there as it ships, and on record.
    Intact {
        /// What people wrote later than this counts.
        since: Timestamp,
    },
    /// Nothing is to be given.
    Down {
        /// What is wrong.
        fault: Fault,
        /// Since when.
        at: Instant,
    },
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Whether they stand could not be found out: this is why.
    Unknown(String),
    /// One is missing or altered: this one.
    Broken(String),
    /// All stand, and the record does not name all of them.
    Unlisted(Unlisted),
    /// All stand, and are on record since this very second.
    Fresh,
}

/// What is to be put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unlisted {
    /// Every policy and binding, a line each.
    pub(crate) standing: String,
    /// Uid of the record that is there and does not name them.
    pub(crate) outdated: Option<String>,
    /// In what it differs, for people.
    pub(crate) news: String,
}

impl Guard {
    /// Later than this counts what people write; `None`: nothing does now.
    pub(crate) fn trusted_since(&self) -> Option<Timestamp> {
        match self {
            Self::Intact { since } => Some(*since),
            Self::Down { .. } => None,
        }
    }

    /// What is wrong, if anything is.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Intact { .. } => None,
            Self::Down { fault, .. } => Some(fault),
        }
    }

    /// Before anything has been read.
    pub(crate) fn unread() -> Self {
        Self::Down { fault: Fault::unread(), at: Instant::now() }
    }
}

impl Fault {
    fn unread() -> Self {
        Self::Unknown("the admission policies have not been read yet".to_owned())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(why) | Self::Broken(why) => f.write_str(why),
            Self::Unlisted(Unlisted { news, .. }) => {
                write!(f, "the admission policies stand and are not on record yet: {news}")
            }
            Self::Fresh => f.write_str("the admission policies are on record since this very second"),
        }
    }
}

/// What the guard hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Objects(Kind),
    Record,
}

const WAYS: [Way; 3] = [Way::Objects(Kind::Policy), Way::Objects(Kind::Binding), Way::Record];

/// Returns when the state has changed. Never, once nobody keeps watch: then the process is about to stop.
pub(crate) async fn changed(guard: &mut watch::Receiver<Guard>) {
    if guard.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The task that keeps watch.
type Watching = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Returns `shared` with the guard in it, and the task that keeps watch until
/// `stop`. To know whether the policies stand is a condition of readiness; that they do is, if `is_needed`.
pub(crate) fn watch(shared: Shared, is_needed: bool, stop: CancellationToken) -> anyhow::Result<(Shared, Watching)> {
    let shipped = shipped::policies().context("the policies built into this binary cannot be read")?;
    let mut sentry = Sentry::new(shipped);
    let (sender, guard) = watch::channel(sentry.look());
    let shared = Shared { guard, ..shared };
    let compared = u32::try_from(sentry.shipped.len()).unwrap_or(u32::MAX);
    let teller = Teller { shared: shared.clone(), is_needed, compared };
    teller.mark(&sender.borrow());
    Ok((shared, Box::pin(keep_watch(sentry, teller, sender, stop))))
}

async fn keep_watch(
    mut sentry: Sentry,
    teller: Teller,
    guard: watch::Sender<Guard>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut feeds = JoinSet::new();
    let (sender, mut news) = mpsc::channel(NEWS_MAX);
    for way in WAYS {
        feeds.spawn(feed::follow(feed_of(&teller.shared, way), sender.clone(), stop.clone()));
    }
    loop {
        tokio::select! {
            Some(news) = news.recv() => sentry.take_in(news),
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Some(ended) = feeds.join_next() => {
                return ended.context("a watch of the policies panicked").and_then(|result| result);
            }
            () = stop.cancelled() => return Ok(()),
        }
        let state = sentry.look();
        if *guard.borrow() != state {
            teller.log(&state);
            teller.mark(&state);
            guard.send_replace(state);
        }
    }
}

fn feed_of(shared: &Shared, way: Way) -> Feed<Way> {
    let client = shared.client.clone();
    let (api, name): (Api<DynamicObject>, _) = match way {
        Way::Objects(Kind::Policy) => {
            (Api::all_with(client, &ApiResource::erase::<ValidatingAdmissionPolicy>(&())), None)
        }
        Way::Objects(Kind::Binding) => {
            (Api::all_with(client, &ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&())), None)
        }
        Way::Record => {
            let kind = ApiResource::erase::<ConfigMap>(&());
            (Api::namespaced_with(client, record::NAMESPACE, &kind), Some(record::NAME))
        }
    };
    Feed { api, way, name, list_every: Some(LIST_EVERY) }
}

/// Says it in both logs and to `/readyz`.
struct Teller {
    shared: Shared,
    is_needed: bool,
    /// How many policies and bindings there are to be.
    compared: u32,
}

impl Teller {
    fn log(&self, state: &Guard) {
        let role = self.shared.role;
        self.record(state);
        match state {
            Guard::Intact { since } => tracing::info!(role, %since, "the admission policies stand as shipped"),
            Guard::Down { fault: fault @ (Fault::Unknown(_) | Fault::Broken(_)), .. } => {
                tracing::error!(role, why = %fault, "nothing is given: the admission policies are in doubt");
            }
            Guard::Down { fault, .. } => tracing::info!(role, why = %fault, "nothing is given yet"),
        }
    }

    /// Nothing waits for it: nothing follows from it but that nothing is given.
    fn record(&self, state: &Guard) {
        let event = match state {
            Guard::Intact { .. } => GuardRepaired { compared: self.compared }.into(),
            Guard::Down { fault: fault @ (Fault::Unknown(_) | Fault::Broken(_)), .. } => {
                GuardBroken { message: fault.to_string().into() }.into()
            }
            Guard::Down { .. } => return,
        };
        if let Err(why) = self.shared.recorder.append(event) {
            tracing::warn!(reason = %why, "how the admission policies stand is not on record");
        }
    }

    fn mark(&self, state: &Guard) {
        let check = format!("{}-policies", self.shared.role);
        match state.fault() {
            None => self.shared.health.holds(check),
            Some(Fault::Broken(_) | Fault::Unlisted(_) | Fault::Fresh) if !self.is_needed => {
                self.shared.health.holds(check);
            }
            Some(fault) => self.shared.health.fails(check, fault.to_string()),
        }
    }
}

/// What has been heard so far.
struct Sentry {
    shipped: Vec<Object>,
    stored: Stored,
    record: Option<(Record, Instant)>,
    /// When each way last showed life, in the order of [`WAYS`].
    heard: [Option<Instant>; WAYS.len()],
    /// Since when nothing may be given.
    down_at: Option<Instant>,
}

impl Sentry {
    fn new(shipped: Vec<Object>) -> Self {
        Self { shipped, stored: Stored::default(), record: None, heard: [None; WAYS.len()], down_at: None }
    }

    fn take_in(&mut self, news: News<Way>) {
        match news.way {
            Way::Objects(kind) => self.stored.take_in(kind, &news.change),
            Way::Record => self.take_in_record(&news.change),
        }
        let heard = WAYS.iter().zip(&mut self.heard).filter(|(way, _)| **way == news.way);
        heard.for_each(|(_, at)| *at = (*at).max(Some(news.since)));
    }

    fn take_in_record(&mut self, change: &Change) {
        let read = match change {
            Change::All(objects, _) => objects.iter().find_map(Record::read),
            Change::Put(object) => Record::read(object),
            Change::Gone(_) => None,
            Change::Seen(_) | Change::Alive => return,
        };
        let known = self.record.take();
        self.record = read.map(|read| match known {
            Some((known, at)) if known == read => (read, at),
            _ => (read, Instant::now()),
        });
    }

    /// The state as of now.
    fn look(&mut self) -> Guard {
        match self.judge() {
            Ok(since) => {
                self.down_at = None;
                Guard::Intact { since }
            }
            Err((fault, at)) => Guard::Down { fault, at: *self.down_at.get_or_insert(at) },
        }
    }

    /// Since when all is well; or what is not, and since when at the latest.
    fn judge(&self) -> Result<Timestamp, (Fault, Instant)> {
        let now = Instant::now();
        let Some(quietest) = self.heard.iter().min().copied().flatten() else { return Err((Fault::unread(), now)) };
        if now.saturating_duration_since(quietest) >= SILENCE_MAX {
            let why = format!("nothing was heard of the admission policies for {} s", SILENCE_MAX.as_secs());
            return Err((Fault::Unknown(why), quietest));
        }
        let standing = self.stored.standing(&self.shipped).map_err(|why| (Fault::Broken(why), now))?;
        let unknown = self.record.as_ref().map(|(record, _)| record.unknown(&standing));
        match (&self.record, unknown) {
            (Some((record, seen)), Some(unknown)) if unknown.is_empty() => {
                let is_past = clock::now().duration_since(record.since) >= SignedDuration::from_secs(1);
                if is_past || seen.elapsed() >= ONE_SECOND {
                    return Ok(record.since);
                }
                Err((Fault::Fresh, now))
            }
            (record, unknown) => {
                let news =
                    unknown.map_or("there is no record".to_owned(), |all| format!("it lacks {}", all.join(", ")));
                let outdated = record.as_ref().map(|(record, _)| record.uid.clone());
                Err((Fault::Unlisted(Unlisted { standing, outdated, news }), now))
            }
        }
    }
}
