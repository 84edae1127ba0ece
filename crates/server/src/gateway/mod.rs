//! The gateway: who, which grant, still inside the window; then forward, and cut at the deadline.
//!
//! In the order of a request's way: the [`door`] that says who calls (there are
//! two: kube-apiserver's, and the [`direct`] one), the
//! [`route`] that says what for, the [`room`] that answers: [`discovery`], the
//! [`views`], an [`evaluate`]d question, or the [`forward`]er, who asks the [`table`] for a permit, takes a
//! [`token`], registers the exchange in [`streams`] and passes the bytes. Behind
//! them: the [`index`] that keeps the table, [`contact`] and the guard that
//! say whether it may be believed, and what keeps the replica in the cluster
//! ([`serving`], [`apiservice`], [`lease`], [`front`]).
//!
//! Promises: the gateway holds no power but that of live grants; unknown, stale
//! or failing means deny.
//!
//! Left out on purpose: binding and deciding. The controller makes identities;
//! what a grant rests on is judged again here.

mod limits;

mod direct;
mod door;
mod front;

mod query;
mod reply;
mod route;

mod room;

mod discovery;
mod evaluate;
mod rights;
mod views;

mod forward;
mod receipt;
mod stream;
mod streams;
mod table;
mod token;
mod tunnel;

mod contact;
mod index;

mod apiservice;
mod lease;
mod serving;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use brevet_core::reason::Reason;
use kube::{
    Api,
    core::{ApiResource, DynamicObject},
};
use rand::{Rng as _, distr::Alphanumeric};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::{
    apiservice::Registration,
    contact::{Contact, Way},
    door::{Door, aggregated::FrontProxy, bounds::Bounds, tls},
    evaluate::{Evaluator, Known},
    forward::Forwarder,
    index::{Acknowledged, Index, Parts},
    lease::ReplicaLease,
    receipt::Receipts,
    rights::Rights,
    room::Room,
    serving::Serving,
    streams::Streams,
    table::Table,
    token::Tokens,
    views::{Views, shelf::Shelf},
};
use crate::{
    clock,
    feed::{self, Feed},
    guard::{Fault, Guard},
    policies::Book,
    shared::Shared,
    switches::Switchboard,
};

/// Where the product's own parts live.
const SYSTEM: &str = "brevet-system";

/// Changes that wait to be taken in; beyond it the watches wait.
const NEWS_MAX: usize = 256;

/// Flags of the gateway.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Where the aggregated API is served to kube-apiserver.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    aggregated_listen: SocketAddr,
    /// The port of Service brevet-gateway, as the APIService names it.
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    apiservice_port: u16,
    /// What this replica is called in its Lease; by default the host's name and a random end.
    #[arg(long, value_name = "NAME")]
    replica: Option<String>,
    #[command(flatten)]
    direct: Box<direct::Options>,
}

/// Tasks that run until they are told to stop.
type Tasks = JoinSet<anyhow::Result<()>>;

/// Runs until `stop`.
pub(crate) async fn run(options: Options, shared: Shared, stop: CancellationToken) -> anyhow::Result<()> {
    let replica = options.replica.as_deref().map_or_else(replica_name, legal);
    let listener = TcpListener::bind(options.aggregated_listen)
        .await
        .with_context(|| format!("cannot listen on `{}` (--aggregated-listen)", options.aggregated_listen))?;
    tracing::info!(replica, address = %options.aggregated_listen, "the gateway starts");
    // What keeps grants and deadlines goes on while the door drains.
    let work = CancellationToken::new();
    let registration = Registration::new(shared.client.clone(), &replica, options.apiservice_port);
    // Each says by itself when it holds.
    for check in ["gateway-contact", "gateway-certificate", "gateway-front-proxy"] {
        shared.health.fails(check, "not looked at yet");
    }
    let mut tasks = (JoinSet::new(), JoinSet::new());
    let room = start(&shared, &replica, registration, listener, (&mut tasks.0, &mut tasks.1), (&work, &stop))?;
    let opening = (&mut tasks.0, &mut tasks.1);
    direct::open(&options.direct, &shared.client, &room, opening, (&work, &stop)).await?;
    shared.health.holds(shared.role);
    let (parts, ways_in) = tasks;
    let outcome = until_stopped(parts, ways_in, &stop, &work).await;
    // Last of all: from here on nobody need wait for this replica to acknowledge anything.
    if let Err(error) = lease::give_up(&shared.client, &replica).await {
        tracing::warn!(error = format!("{error:#}"), "the replica's Lease could not be removed");
    }
    outcome
}

/// Starts the parts that keep what is known, and kube-apiserver's way in. Returns the room behind it.
fn start(
    shared: &Shared,
    replica: &str,
    registration: Registration,
    listener: TcpListener,
    (parts, ways_in): (&mut Tasks, &mut Tasks),
    (work, stop): (&CancellationToken, &CancellationToken),
) -> anyhow::Result<Arc<Room>> {
    let client = || shared.client.clone();
    let contact = Arc::new(Contact::new());
    let receipts = Receipts::new(&shared.metrics, shared.recorder.clone());
    let (streams, ended) = Streams::new(receipts.clone());
    let table = Arc::new(Table::new(contact.clone(), shared.guard.clone()));
    let tokens = Arc::new(Tokens::new(client(), shared.recorder.clone()));
    let shelf = Arc::new(Shelf::new());
    let book = Arc::new(Book::default());
    let switches = Arc::new(Switchboard::default());
    let rights = Rights::new(client());
    let trust = Arc::new(tls::TrustCell::empty());
    let serving = Serving::new(client(), shared.health.clone());
    let (acknowledged, closed_up_to) = watch::channel(Acknowledged::default());

    let forwarder = Forwarder::new(&shared.config, table.clone(), tokens.clone(), streams.clone(), receipts)?;
    let tunnels = forwarder.tunnels();
    let known = Known { book: book.clone(), switches: switches.clone(), shelf: shelf.clone() };
    let room = Arc::new(Room {
        table: table.clone(),
        views: Arc::new(Views::new(shelf.clone(), rights.clone())),
        evaluator: Evaluator::new(client(), rights, known),
        forwarder,
    });
    let acceptor = TlsAcceptor::from(tls::configure(serving.presented(), Some(trust.clone()))?);
    let porter = FrontProxy::new(trust.clone());
    let door = Door { acceptor, porter, room: room.clone(), bounds: Bounds::AGGREGATED };
    let index = Index::new(Parts {
        contact: contact.clone(),
        table: table.clone(),
        streams: streams.clone(),
        tokens,
        shelf,
        book,
        switches,
        acknowledged,
        guard: shared.guard.clone(),
    });

    let (sender, news) = mpsc::channel(NEWS_MAX);
    for (way, kind, plural) in [
        (Way::Grants, "AccessGrant", "accessgrants"),
        (Way::Requests, "AccessRequest", "accessrequests"),
        (Way::Decisions, "AccessDecision", "accessdecisions"),
        (Way::Policies, "AccessPolicy", "accesspolicies"),
        (Way::Roles, "AccessRole", "accessroles"),
        (Way::Switches, "AccessSwitch", "accessswitches"),
    ] {
        let feed = Feed { api: objects(shared, kind, plural), way, name: None, list_every: None };
        parts.spawn(feed::follow(feed, sender.clone(), work.clone()));
    }
    parts.spawn(ReplicaLease::new(client(), replica).run(contact.clone(), closed_up_to, work.clone()));
    parts.spawn(front::run(client(), trust, shared.health.clone(), work.clone()));
    parts.spawn(streams.clone().run(ended, work.clone()));
    ways_in.spawn(tunnels.drain(streams.clone(), stop.clone()));
    parts.spawn(index.run(news, work.clone()));
    parts.spawn(watch_contact(contact, streams, shared.clone(), work.clone()));
    let serves = move || table.check_contact().is_ok();
    ways_in.spawn(registration.run(serving.bundle(), serves, stop.clone()));
    parts.spawn(serving.run(work.clone()));
    ways_in.spawn(door.serve(listener, stop.clone()));
    Ok(room)
}

/// Waits for the first task to end, stops the others, the ways in before the rest.
async fn until_stopped(
    mut parts: Tasks,
    mut ways_in: Tasks,
    stop: &CancellationToken,
    work: &CancellationToken,
) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    loop {
        let ended = tokio::select! {
            Some(ended) = ways_in.join_next() => ended,
            Some(ended) = parts.join_next() => {
                // A gateway without one of its parts would admit what it cannot end.
                ways_in.abort_all();
                ended
            }
            else => return outcome,
        };
        stop.cancel();
        if ways_in.is_empty() {
            work.cancel();
        }
        match ended {
            Err(error) if error.is_cancelled() => {}
            ended => outcome = outcome.and(ended.context("a part of the gateway panicked").and_then(|result| result)),
        }
    }
}

fn objects(shared: &Shared, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: brevet_api::GROUP.to_owned(),
        version: brevet_api::VERSION.to_owned(),
        api_version: format!("{}/{}", brevet_api::GROUP, brevet_api::VERSION),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    Api::all_with(shared.client.clone(), &resource)
}

/// Tells `/readyz` how old contact is, and cuts what is open when it is lost (I11). That the admission
/// policies do not stand is a loss of contact, too: with whatever makes the grants believable.
async fn watch_contact(
    contact: Arc<Contact>,
    streams: Arc<Streams>,
    shared: Shared,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        match contact.age() {
            None => shared.health.fails("gateway-contact", "grants and their evidence have not been read yet"),
            Some(age) if contact.is_fresh() => {
                tracing::trace!(age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX), "in contact");
                shared.health.holds("gateway-contact");
            }
            Some(age) => shared.health.fails("gateway-contact", format!("none for {} s", age.as_secs())),
        }
        let lost = if contact.is_lost() { Some(Reason::Stale) } else { unguarded(&shared.guard.borrow()) };
        if let Some(cause) = lost {
            streams.end_all(cause, clock::now());
        }
        tokio::select! {
            () = tokio::time::sleep(limits::WATCH_RETRY) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Why what is open must be cut, when the admission policies have been in doubt for as long.
fn unguarded(guard: &Guard) -> Option<Reason> {
    match guard {
        Guard::Down { at, .. } if at.elapsed() < limits::STALE_CUT_AFTER => None,
        Guard::Down { fault: Fault::Unknown(_), .. } => Some(Reason::Stale),
        Guard::Down { .. } => Some(Reason::Unguarded),
        Guard::Intact { .. } => None,
    }
}

/// The host's name and a random end: two replicas of one host, or one after another, differ.
fn replica_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let end: String = rand::rng().sample_iter(Alphanumeric).take(5).map(char::from).collect();
    legal(&format!("{host}-{end}"))
}

/// As the name of an object may be.
fn legal(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(legal).take(200).collect();
    name.trim_matches('-').to_owned()
}
