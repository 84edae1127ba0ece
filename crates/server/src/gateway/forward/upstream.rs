//! Connections to kube-apiserver for forwarded calls: HTTP/1.1, pooled.
//!
//! HTTP/1.1, because kube-apiserver allows 100 streams on an HTTP/2 connection
//! and the hundred-and-first watch would wait behind them for ever.
//!
//! Promises: a connection carries no identity (TLS has no client certificate,
//! each request brings its own token); one that carries a call can be reset from
//! outside; it serves another only after a whole answer. Nothing is sent twice
//! but a request of which nothing had been sent.
//!
//! Left out on purpose: redirects, proxies, and anything but the one server of
//! the configuration.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context as _, bail};
use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

use super::body::Upload;
use crate::gateway::{
    door::socket::{Grip, Socket},
    limits,
    stream::Stream,
};

/// The way to kube-apiserver.
pub(super) struct Upstream {
    host: String,
    port: u16,
    name: ServerName<'static>,
    /// What the server's URL has before every path, without a slash at its end.
    base: String,
    roots: Roots,
    idle: Arc<Mutex<Vec<Idle>>>,
    tasks: TaskTracker,
}

/// Where the server's CA comes from; a file is read again, because it rotates.
struct Roots {
    file: Option<PathBuf>,
    read: Mutex<(Instant, TlsConnector)>,
}

/// A connection that carries a call.
pub(super) struct Used {
    connection: Connection,
    idle: Arc<Mutex<Vec<Idle>>>,
    tasks: TaskTracker,
}

struct Connection {
    send: http1::SendRequest<Upload>,
    grip: Grip,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    /// No connection could be made; nothing was sent.
    #[error("kube-apiserver cannot be reached: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke; the call may have been carried out.
    #[error("the connection to kube-apiserver broke: {0}")]
    Broken(hyper::Error),
}

impl Upstream {
    /// From the gateway's own configuration, but for its credentials.
    pub(super) fn new(config: &kube::Config) -> anyhow::Result<Self> {
        let url = &config.cluster_url;
        if url.scheme_str() != Some("https") || config.accept_invalid_certs || config.proxy_url.is_some() {
            bail!("forwarding needs an https server with a CA that is checked, and no proxy; not `{url}`");
        }
        let host = url.host().context("the server's URL has no host")?;
        let name = config.tls_server_name.as_deref().unwrap_or(host);
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_u16().unwrap_or(443),
            name: ServerName::try_from(plain.to_owned()).context("the server's name is no TLS name")?,
            base: url.path().trim_end_matches('/').to_owned(),
            roots: Roots::new(config)?,
            idle: Arc::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// What stands before every path.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The value of the Host header.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Sends `request` as `stream` and returns the head of the answer.
    pub(super) async fn send(
        &self,
        mut request: Request<Upload>,
        stream: &Stream,
    ) -> Result<(Response<Incoming>, Used), UpstreamError> {
        loop {
            let (mut connection, is_fresh) = match self.take_idle() {
                Some(connection) => (connection, false),
                None => (self.connect().await.map_err(UpstreamError::Connect)?, true),
            };
            stream.runs_over(connection.grip.clone());
            match connection.send.try_send_request(request).await {
                Ok(response) => {
                    return Ok((response, Used { connection, idle: self.idle.clone(), tasks: self.tasks.clone() }));
                }
                // An unused connection that the server had closed: nothing was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_fresh => request = unsent,
                    _ => return Err(UpstreamError::Broken(error.into_error())),
                },
            }
        }
    }

    /// The same over a connection of its own, which may become a tunnel.
    pub(super) async fn send_alone(
        &self,
        request: Request<Upload>,
        stream: &Stream,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut connection = self.connect().await.map_err(UpstreamError::Connect)?;
        stream.runs_over(connection.grip.clone());
        connection.send.send_request(request).await.map_err(UpstreamError::Broken)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(found) = idle.pop() {
            if found.since.elapsed() < limits::IDLE_TIMEOUT && found.connection.send.is_ready() {
                return Some(found.connection);
            }
        }
        None
    }

    async fn connect(&self) -> std::io::Result<Connection> {
        let connecting = async {
            let socket = Socket::new(TcpStream::connect((self.host.as_str(), self.port)).await?);
            let grip = socket.grip();
            let stream = self.roots.connector()?.connect(self.name.clone(), socket).await?;
            let (send, connection) = http1::Builder::new()
                .max_buf_size(limits::CONNECTION_BUFFER_BYTES)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(std::io::Error::other)?;
            self.tasks.spawn(async move {
                if let Err(error) = connection.with_upgrades().await {
                    tracing::debug!(error = %error, "a connection to kube-apiserver ended");
                }
            });
            Ok(Connection { send, grip })
        };
        match tokio::time::timeout(limits::CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Used {
    /// Offers the connection to the next call, once it is ready for one.
    pub(super) fn give_back(self) {
        let Self { mut connection, idle, tasks } = self;
        if connection.send.is_ready() {
            return keep(&idle, connection);
        }
        tasks.spawn(async move {
            let ready = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, connection.send.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                keep(&idle, connection);
            }
        });
    }
}

fn keep(idle: &Mutex<Vec<Idle>>, connection: Connection) {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < limits::IDLE_MAX {
        idle.push(Idle { connection, since: Instant::now() });
    }
}

impl Roots {
    fn new(config: &kube::Config) -> anyhow::Result<Self> {
        let file = config.root_cert_file.clone();
        let connector = match (&file, &config.root_cert) {
            (Some(file), _) => read(file)?,
            (None, Some(roots)) => connector(roots.iter().map(|root| Ok(CertificateDer::from(root.clone()))))?,
            (None, None) => bail!("the configuration names no CA of kube-apiserver"),
        };
        Ok(Self { file, read: Mutex::new((Instant::now(), connector)) })
    }

    fn connector(&self) -> std::io::Result<TlsConnector> {
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && last.0.elapsed() > limits::CERTIFICATE_RECHECK
        {
            *last = (Instant::now(), read(file).map_err(std::io::Error::other)?);
        }
        Ok(last.1.clone())
    }
}

fn read(file: &PathBuf) -> anyhow::Result<TlsConnector> {
    let pem = std::fs::read(file).with_context(|| format!("cannot read the CA `{}`", file.display()))?;
    connector(CertificateDer::pem_slice_iter(&pem).map(|root| root.context("the CA is no PEM")))
}

fn connector(roots: impl Iterator<Item = anyhow::Result<CertificateDer<'static>>>) -> anyhow::Result<TlsConnector> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root?).context("the CA of kube-apiserver cannot be read")?;
    }
    if store.is_empty() {
        bail!("the CA of kube-apiserver is empty");
    }
    let mut config = ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
