//! The aggregated door: kube-apiserver calls here on behalf of its users.
//!
//! Promises: nobody is let in but the front proxy ([`trust`]), who says in
//! headers who the user is ([`caller`]); every wait and size is bounded
//! (`limits`); a panic in one request is one 500; any exchange can be cut from
//! outside ([`task`], [`socket`]).
//!
//! Left out on purpose: what is asked for. The room behind the door is the same
//! for every door.

mod caller;
pub(super) mod socket;
pub(super) mod task;
pub(super) mod tls;
pub(super) mod trust;

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::FutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) use self::caller::Visitor;
use self::{
    socket::Socket,
    task::{Task, Tasks},
    tls::TrustCell,
    trust::{Trust, TrustError},
};
use super::{
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

/// The door's own parts.
pub(super) struct Door<R> {
    pub(super) acceptor: TlsAcceptor,
    pub(super) trust: Arc<TrustCell>,
    pub(super) room: R,
}

impl<R: Room> Door<R> {
    /// Accepts until `stop`, then lets calls in flight end within their grace.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
        let door = Arc::new(self);
        let tasks = TaskTracker::new();
        let room_left = Arc::new(tokio::sync::Semaphore::new(limits::CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &room_left) => accepted,
                () = stop.cancelled() => break,
            };
            let Some((socket, place)) = accepted else { continue };
            let (door, stop, streams) = (door.clone(), stop.clone(), Tasks(tasks.clone()));
            tasks.spawn(async move {
                door.connection(socket, streams, stop).await;
                drop(place);
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
        let peer = Arc::new(Peer {
            chain: session.peer_certificates().map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect()),
            believed: Mutex::new(None),
        });
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        if is_http2 {
            own.keep_little_unsent(limits::NOT_SENT_LOW_WATER_BYTES);
        }
        let is_anonymous = peer.chain.is_none();
        let serving = async {
            if is_http2 {
                self.serve_http2(stream, peer, streams, stop).await;
            } else {
                Task::owning(grip).run(self.serve_http1(stream, peer, stop)).await;
            }
        };
        if !is_anonymous {
            serving.await;
        } else if tokio::time::timeout(limits::ANONYMOUS_CONNECTION_MAX, serving).await.is_err() {
            tracing::debug!("a connection without a certificate has lasted too long");
        }
    }

    async fn serve_http1(self: Arc<Self>, stream: TlsStream<Socket>, peer: Arc<Peer>, stop: CancellationToken) {
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
        peer: Arc<Peer>,
        streams: Tasks,
        stop: CancellationToken,
    ) {
        let connection = hyper::server::conn::http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits::STREAMS_PER_CONNECTION_MAX)
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
        peer: Arc<Peer>,
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
                let answer = AssertUnwindSafe(door.answer(&peer, request)).catch_unwind().await;
                Ok(answer.unwrap_or_else(|_| {
                    tracing::error!("a request panicked");
                    reply::status(StatusCode::INTERNAL_SERVER_ERROR, None, "an internal error; nothing was forwarded")
                }))
            }
        })
    }

    async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
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
        let visitor = peer
            .trust(&self.trust)
            .map_err(|error| error.to_string())
            .and_then(|trust| Visitor::read(request.headers(), &trust.headers).map_err(|error| error.to_string()));
        match visitor {
            Ok(visitor) => self.room.answer(visitor, request).await,
            Err(why) => {
                tracing::warn!(why, "a caller could not be authenticated");
                reply::status(StatusCode::UNAUTHORIZED, Some(brevet_core::reason::Reason::Unauthenticated), &why)
            }
        }
    }
}

/// The next connection and its place among those allowed; `None` where accepting failed.
async fn accept(
    listener: &TcpListener,
    room_left: &Arc<tokio::sync::Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = room_left.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => Some((socket, place)),
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

/// The other end of one connection.
struct Peer {
    chain: Option<Vec<CertificateDer<'static>>>,
    /// What it was last believed under, and when.
    believed: Mutex<Option<(Arc<Trust>, Instant)>>,
}

impl Peer {
    /// The trust under which this peer is believed at this moment.
    fn trust(&self, current: &TrustCell) -> Result<Arc<Trust>, TrustError> {
        let shut = || TrustError::Described {
            key: "requestheader-client-ca-file",
            why: "has not been read yet; the door is shut".to_owned(),
        };
        let trust = current.load_full().ok_or_else(shut)?;
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((under, at)) = &*believed
            && Arc::ptr_eq(under, &trust)
            && at.elapsed() < limits::CERTIFICATE_RECHECK
        {
            return Ok(trust);
        }
        *believed = None;
        trust.believes(self.chain.as_deref(), UnixTime::now())?;
        *believed = Some((trust.clone(), Instant::now()));
        Ok(trust)
    }
}

#[cfg(test)]
mod tests;
