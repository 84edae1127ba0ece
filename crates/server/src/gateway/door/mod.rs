//! The doors: connections, TLS, and who is let in.
//!
//! There are two. At the aggregated door kube-apiserver calls on behalf of its
//! users ([`aggregated`]): nobody is let in but the front proxy ([`trust`]), who
//! says in headers who the user is ([`caller`]). The porter of the direct door
//! lives in `direct`.
//!
//! Promises: every wait, size and count is bounded (`limits`, [`bounds`]); a
//! panic in one request is one 500; any exchange can be cut from outside
//! ([`task`], [`socket`]).
//!
//! Left out on purpose: what is asked for. The room behind the doors is the same
//! for both.

pub(super) mod bounds;
pub(super) mod porter;

pub(super) mod aggregated;
mod caller;
pub(super) mod socket;
pub(super) mod task;
pub(super) mod tls;
pub(super) mod trust;

use std::{
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::FutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use self::caller::Visitor;
use self::{
    bounds::{Bounds, Crowd, Resets, Unanswered},
    porter::Porter,
    socket::Socket,
    task::{Task, Tasks},
};
use super::{
    forward::FORWARDED_FOR,
    limits,
    reply::{self, Body},
};

/// What answers behind the door.
pub(super) trait Room: Send + Sync + 'static {
    /// The answer to `request`, made by `visitor`.
    fn answer(&self, visitor: Visitor, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
    /// The answer to a probe, which anybody may make: whether the room is ready.
    fn is_ready(&self) -> bool;
}

/// A door's own parts.
pub(super) struct Door<P, R> {
    pub(super) acceptor: TlsAcceptor,
    pub(super) porter: P,
    pub(super) room: R,
    pub(super) bounds: Bounds,
}

/// One connection.
struct Peer<T> {
    /// What the porter remembers of it.
    met: T,
    /// Whether anybody was let in on it.
    is_known: AtomicBool,
    /// Where its resets are counted, if they are.
    resets: Option<Arc<Resets>>,
}

impl<P: Porter, R: Room> Door<P, R> {
    /// Accepts until `stop`, then lets calls in flight end within their grace.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let door = Arc::new(self);
        let tasks = TaskTracker::new();
        let room_left = Arc::new(tokio::sync::Semaphore::new(door.bounds.connections_max));
        let crowd = Arc::new(Crowd::default());
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &room_left) => accepted,
                () = stop.cancelled() => break,
            };
            let Some((socket, from, place)) = accepted else { continue };
            let Some(place_of_address) = crowd.enter(from.ip(), door.bounds.connections_per_address_max) else {
                tracing::debug!(from = %from.ip(), "too many connections of one address");
                continue;
            };
            let (door, stop, streams) = (door.clone(), stop.clone(), Tasks(tasks.clone()));
            tasks.spawn(async move {
                door.connection(socket, streams, stop).await;
                drop((place, place_of_address));
            });
        }
        tasks.close();
        if tokio::time::timeout(limits::DRAIN_GRACE, tasks.wait()).await.is_err() {
            tracing::info!(open = tasks.len(), "stopping although calls are in flight");
        }
        Ok(())
    }

    async fn connection(self: Arc<Self>, socket: TcpStream, streams: Tasks, stop: CancellationToken) {
        let socket = Socket::new(socket);
        let grip = socket.grip();
        let handshake = tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, self.acceptor.accept(socket));
        let stream = match handshake.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(error = %error, "a TLS handshake failed"),
            Err(_) => return tracing::debug!("a TLS handshake took too long"),
        };
        let (own, session) = stream.get_ref();
        let chain = session.peer_certificates().map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect());
        let peer = Arc::new(Peer {
            is_known: AtomicBool::new(chain.is_some()),
            met: self.porter.meet(chain),
            resets: self.bounds.has_own_connections.then(|| Resets::of(grip.clone())),
        });
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        if is_http2 {
            own.keep_little_unsent(limits::NOT_SENT_LOW_WATER_BYTES);
        }
        let stranger = peer.clone();
        let serving = async {
            if is_http2 {
                self.serve_http2(stream, peer, streams, stop).await;
            } else {
                Task::owning(grip).run(self.serve_http1(stream, peer, stop)).await;
            }
        };
        tokio::select! {
            () = serving => {}
            () = stranger.stays_unknown() => tracing::debug!("a connection on which nobody was let in has lasted too long"),
        }
    }

    async fn serve_http1(
        self: Arc<Self>,
        stream: TlsStream<Socket>,
        peer: Arc<Peer<P::Peer>>,
        stop: CancellationToken,
    ) {
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEADER_TIMEOUT)
            .max_headers(limits::HEADERS_MAX)
            .max_buf_size(limits::HEADER_BYTES_MAX + limits::URI_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), self.service(peer))
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return tell(ended),
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tell(connection.await);
    }

    async fn serve_http2(
        self: Arc<Self>,
        stream: TlsStream<Socket>,
        peer: Arc<Peer<P::Peer>>,
        streams: Tasks,
        stop: CancellationToken,
    ) {
        let connection = hyper::server::conn::http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
            .max_pending_accept_reset_streams(self.bounds.pending_resets_max)
            .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(limits::SEND_BUFFER_BYTES)
            .keep_alive_interval(limits::PING_INTERVAL)
            .keep_alive_timeout(limits::PING_TIMEOUT)
            .serve_connection(TokioIo::new(stream), self.service(peer));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return tell(ended),
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tell(connection.await);
    }

    fn service(
        self: Arc<Self>,
        peer: Arc<Peer<P::Peer>>,
    ) -> impl hyper::service::Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    > {
        let door = self;
        service_fn(move |request| {
            let (door, peer) = (door.clone(), peer.clone());
            async move {
                let unanswered = Unanswered::new(peer.resets.clone());
                let answer = AssertUnwindSafe(door.answer(&peer, request)).catch_unwind().await;
                unanswered.answered();
                Ok(answer.unwrap_or_else(|_| {
                    tracing::error!("a request panicked");
                    reply::status(StatusCode::INTERNAL_SERVER_ERROR, None, "an internal error; nothing was forwarded")
                }))
            }
        })
    }

    async fn answer(&self, peer: &Peer<P::Peer>, mut request: Request<Incoming>) -> Response<Body> {
        if !P::IS_BEHIND_PROXY {
            // The caller's own word for where it is; what is on record is what somebody has seen.
            request.headers_mut().remove(FORWARDED_FOR);
        }
        if request.uri().path_and_query().map_or(0, |text| text.as_str().len()) > limits::URI_BYTES_MAX {
            return reply::status(StatusCode::URI_TOO_LONG, None, "path and query are too long");
        }
        if matches!(request.uri().path(), "/livez" | "/healthz" | "/readyz") {
            let is_well = request.uri().path() != "/readyz" || self.room.is_ready();
            return if is_well {
                reply::text(StatusCode::OK, "ok")
            } else {
                reply::text(StatusCode::SERVICE_UNAVAILABLE, "not ready")
            };
        }
        match self.porter.admit(&peer.met, request.headers()).await {
            Ok(visitor) => {
                peer.is_known.store(true, Ordering::Relaxed);
                self.room.answer(visitor, request).await
            }
            Err(turned) => turned.answer(),
        }
    }
}

impl<T> Peer<T> {
    /// Returns once it has lasted too long for a connection on which nobody was let in.
    async fn stays_unknown(&self) {
        tokio::time::sleep(limits::ANONYMOUS_CONNECTION_MAX).await;
        if self.is_known.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// The next connection and its place among those allowed; `None` where accepting failed.
async fn accept(
    listener: &TcpListener,
    room_left: &Arc<tokio::sync::Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = room_left.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, from)) => Some((socket, from, place)),
        Err(error) => {
            tracing::warn!(error = %error, "accepting a connection failed");
            tokio::time::sleep(limits::WATCH_RETRY).await;
            None
        }
    }
}

fn tell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended");
    }
}

#[cfg(test)]
mod tests;
