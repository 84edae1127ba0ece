//! Tunnels: exec, attach, port-forward and whatever else leaves HTTP behind.
//!
//! In the order of a tunnel's way: the [`handshake`] says what is asked and
//! agreed, the [`pump`] passes the bytes, [`speech`] follows what is spoken in
//! them ([`websocket`], [`spdy`]), and the [`ending`] tells the client why it is
//! over.
//!
//! Promises: a tunnel opens only when kube-apiserver switched protocols; once the
//! exchange has ended nothing is forwarded in either direction, the person is
//! told where the protocol has a place for it, and no client sees a success that
//! was none; a tunnel is over, client reading or not, within
//! [`limits::TUNNEL_WORDS_MAX`] and [`limits::TUNNEL_HEARD`] as far as bytes go,
//! and its connection within [`limits::TUNNEL_DRAIN_MAX`] more.

mod handshake;

mod pump;

mod spdy;
mod speech;
mod websocket;

mod ending;

use std::sync::Arc;

use brevet_core::{
    call::Call,
    reason::{Reason, Refusal},
};
use http::{HeaderMap, Response, StatusCode, request};
use http_body::Body as _;
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_rustls::{client, server};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    ending::{Farewell, Told},
    handshake::Transport,
    pump::{Pump, Stop},
    speech::{Protocol, Speech},
};
use super::{
    door::socket::Socket,
    limits,
    reply::{self, Body},
    streams::{Registered, Streams},
};
use crate::clock;

/// A client's wish to leave HTTP behind.
pub(super) struct Upgrade {
    transport: Transport,
    client: OnUpgrade,
}

/// All tunnels of this replica.
#[derive(Default)]
pub(super) struct Tunnels {
    tasks: TaskTracker,
}

type Client = server::TlsStream<Socket>;
type Server = client::TlsStream<Socket>;

impl Upgrade {
    /// What `parts` ask for.
    pub(super) fn asked(parts: &request::Parts, body: &Incoming) -> Result<Self, Refusal> {
        let transport = Transport::asked(parts)?;
        if !body.is_end_stream() {
            let message = "a request that changes protocols has no body";
            return Err(Refusal::new(Reason::Malformed, "", message));
        }
        let Some(client) = parts.extensions.get::<OnUpgrade>().cloned() else {
            return Err(Refusal::new(Reason::NotServed, "", "this connection cannot change protocols"));
        };
        Ok(Self { transport, client })
    }

    /// Asks for the same in `headers`.
    pub(super) fn ask(&self, from: &HeaderMap, headers: &mut HeaderMap) {
        handshake::ask(self.transport, from, headers);
    }
}

impl Tunnels {
    /// Whether there is room for another.
    pub(super) fn has_room(&self) -> bool {
        self.tasks.len() < limits::TUNNELS_MAX && !self.tasks.is_closed()
    }

    /// Waits for `stop`, then tells every client that this replica goes, and gives them a moment to leave.
    pub(super) async fn drain(self: Arc<Self>, streams: Arc<Streams>, stop: CancellationToken) -> anyhow::Result<()> {
        stop.cancelled().await;
        self.tasks.close();
        streams.end_tunnels(Reason::Stopping, clock::now());
        if timeout(limits::DRAIN_GRACE, self.tasks.wait()).await.is_err() {
            tracing::info!(open = self.tasks.len(), "stopping although tunnels are open");
        }
        Ok(())
    }

    /// Opens the tunnel that `response` agrees to. `None`: it agrees to something else.
    pub(super) fn open(
        &self,
        upgrade: &Upgrade,
        call: &Call,
        mut response: Response<Incoming>,
        mut open: Registered,
    ) -> Option<Response<Body>> {
        let protocol = handshake::agreed(upgrade.transport, call, response.headers())?;
        let mut answer = Response::new(reply::whole(""));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() = handshake::answer(upgrade.transport, response.headers());
        let server = hyper::upgrade::on(&mut response);
        open.call.protocol = protocol.name();
        open.becomes_stream();
        // From here on the tunnel's own task ends it, in its own time.
        let stream = open.stream.clone();
        stream.becomes_tunnel();
        self.tasks.spawn(carry(upgrade.client.clone(), server, protocol, open));
        if self.tasks.is_closed() {
            // All the others have been told already.
            stream.end(Reason::Stopping, clock::now());
        }
        Some(answer)
    }
}

/// Carries a tunnel from its first byte to its last.
async fn carry(client: OnUpgrade, server: OnUpgrade, protocol: Protocol, open: Registered) {
    let both = timeout(limits::HANDSHAKE_TIMEOUT, futures::future::try_join(client, server)).await;
    let (client, server) = match both {
        Ok(Ok(both)) => both,
        Ok(Err(error)) => return tracing::debug!(error = %error, "a tunnel could not be opened"),
        Err(_) => return tracing::debug!("a tunnel was not opened in time"),
    };
    let Some((client, server)) = bare(client).zip(bare(server)) else {
        return tracing::error!("a tunnel's connection is not one of the gateway's own");
    };
    tunnel(client, server, protocol, open).await;
}

/// The connection itself, and what was read from it already.
fn bare<T: Send + Sync + 'static>(upgraded: Upgraded) -> Option<(T, Vec<u8>)>
where
    TokioIo<T>: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let parts = upgraded.downcast::<TokioIo<T>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}

async fn tunnel(
    (mut client, sent): (Client, Vec<u8>),
    (mut server, said): (Server, Vec<u8>),
    protocol: Protocol,
    mut open: Registered,
) {
    // What waits inside TLS leaves late at a cut.
    client.get_mut().1.set_buffer_limit(Some(limits::TUNNEL_BUFFER_BYTES));
    server.get_mut().1.set_buffer_limit(Some(limits::TUNNEL_BUFFER_BYTES));
    let grip = client.get_ref().0.grip();
    let stream = open.stream.clone();
    let mut pump = Pump::new(client, server, Speech::new(protocol), stream.clone());
    pump.begin_with(&sent, &said);
    let stop = pump.run().await;
    let (client, mut speech, down) = pump.without_server();
    let (Stop::Ended, Some(ending)) = (stop, stream.ending()) else {
        open.call.is_whole = true;
        return;
    };
    let words = ending::last_words(&mut speech, down, &stream.about.sentence(ending));
    let mut farewell = Farewell::new(client);
    let told = match &words {
        Some(words) => farewell.tell(&words.bytes).await,
        None => Told::Nothing,
    };
    open.call.told = told.name();
    // Nothing flows any more: the exchange is over and has its receipt.
    drop(open);
    let has_parted = match (told, words) {
        (Told::Stalled, _) | (_, None) => false,
        (Told::Nothing, Some(words)) if words.farewell.is_none() => false,
        (told, Some(words)) => farewell.part(words.farewell, told).await,
    };
    if !has_parted {
        grip.reset();
    }
}

#[cfg(test)]
mod tests;
