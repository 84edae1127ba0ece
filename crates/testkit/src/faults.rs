//! A door between one part of Brevet and kube-apiserver that a test can slam.
//!
//! Promises: what is passed is passed unchanged, watches included, as it comes.
//!
//! It lives on a thread of its own, so that it outlasts the async runtime of the
//! test that opened it. Left out on purpose: upgrades (exec, attach,
//! port-forward), which answer 400 here.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::kubeconfig::Server;
use crate::pki::Identity;
use crate::ports::loopback;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it reaches the API server, and its answer comes back.
    Pass,
    /// It never reaches the API server; this status is the answer.
    Answer(StatusCode),
    /// It reaches the API server and takes effect, but no answer ever comes.
    Swallow,
}

/// One call, as a rule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
}

impl Call {
    /// Whether it changes something, if it is granted.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

type Rule = Box<dyn FnMut(&Call) -> Fault + Send>;
type Body = BoxBody<Bytes, hyper::Error>;
type Upstream = Client<HttpsConnector<HttpConnector>, Incoming>;

/// The door of one part.
pub struct Faults {
    port: u16,
    rule: Arc<Mutex<Rule>>,
    cut: watch::Sender<()>,
}

impl Faults {
    /// Opens the door to `server`; everything passes at first.
    pub(crate) fn open(server: &Server, identity: &Identity) -> Result<Self> {
        let listener = TcpListener::bind(loopback(0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_| Fault::Pass)));
        let (cut, cuts) = watch::channel(());
        let door = Door {
            acceptor: TlsAcceptor::from(Arc::new(serving(identity)?)),
            upstream: upstream(&server.ca)?,
            authority: server.url.parse::<Uri>()?.authority().context("no authority")?.to_string(),
            rule: Arc::clone(&rule),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("faults".to_owned()).spawn(move || {
            // Without a listener every call fails, which no test takes for a pass.
            runtime.block_on(door.serve(listener, cuts)).ok();
        })?;
        Ok(Self { port, rule, cut })
    }

    /// The address of the door.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", loopback(self.port))
    }

    /// From now on `rule` says what becomes of each call.
    pub fn set(&self, rule: impl FnMut(&Call) -> Fault + Send + 'static) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// From now on everything passes again.
    pub fn clear(&self) {
        self.set(|_| Fault::Pass);
    }

    /// Cuts every connection that is open, watches too. New ones are accepted.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}

#[derive(Clone)]
struct Door {
    acceptor: TlsAcceptor,
    upstream: Upstream,
    authority: String,
    rule: Arc<Mutex<Rule>>,
}

impl Door {
    /// Ends when the [`Faults`] that opened it is dropped.
    async fn serve(self, listener: TcpListener, mut cuts: watch::Receiver<()>) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    connections.spawn(self.clone().connection(accepted?.0));
                }
                cut = cuts.changed() => {
                    connections.abort_all();
                    if cut.is_err() {
                        return Ok(());
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        let Ok(stream) = self.acceptor.accept(stream).await else { return };
        let service = service_fn(move |request| self.clone().answer(request));
        // A client that leaves is no news.
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let call = Call { method: request.method().clone(), path: request.uri().path().to_owned() };
        let fault = {
            let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
            rule(&call)
        };
        if request.headers().contains_key(header::UPGRADE) {
            return Ok(failure(StatusCode::BAD_REQUEST));
        }
        match fault {
            Fault::Pass => Ok(self.pass(request).await.unwrap_or_else(|_| failure(StatusCode::BAD_GATEWAY))),
            Fault::Answer(status) => Ok(failure(status)),
            Fault::Swallow => {
                if let Ok(answer) = self.pass(request).await {
                    answer.into_body().collect().await.ok();
                }
                std::future::pending().await
            }
        }
    }

    async fn pass(&self, mut request: Request<Incoming>) -> Result<Response<Body>> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("https://{}{path}", self.authority).parse()?;
        request.headers_mut().remove(header::HOST);
        *request.version_mut() = http::Version::HTTP_11;
        Ok(self.upstream.request(request).await?.map(BodyExt::boxed))
    }
}

/// An answer in the form that Kubernetes clients read.
fn failure(status: StatusCode) -> Response<Body> {
    let body = serde_json::json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": status.as_u16(),
        "reason": "InternalError", "message": "a test slammed the door",
    });
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn serving(identity: &Identity) -> Result<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(identity.cert.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}

fn upstream(ca: &str) -> Result<Upstream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
