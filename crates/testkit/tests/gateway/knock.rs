//! Knocking at the gateway's own port, as kube-apiserver's front proxy does and
//! as others might.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use brevet_testkit::Cluster;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::{api::core::v1::Secret, kube_aggregator::pkg::apis::apiregistration::v1::APIService};
use kube::Api;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Small, so that a client that does not read is soon full.
const RECEIVE_BUFFER_BYTES: u32 = 32 * 1024;

/// What is shown at the door.
#[derive(Clone)]
pub(crate) enum Shown {
    /// kube-apiserver's own certificate.
    FrontProxy,
    /// A certificate under the front proxy's CA with another name.
    Named(&'static str),
    /// A user's certificate of this cluster.
    User(&'static str),
    /// None.
    Nothing,
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// An open connection. Its task ends with it.
pub(crate) struct Connection {
    send: Send,
    _task: JoinSet<()>,
}

enum Send {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Opens a connection to the gateway's port.
pub(crate) async fn connect(cluster: &Cluster, shown: &Shown, protocol: Protocol) -> Result<Connection> {
    over(tls(cluster, shown, protocol).await?, protocol).await
}

/// Speaks HTTP over `stream`.
pub(crate) async fn over(stream: TlsStream<TcpStream>, protocol: Protocol) -> Result<Connection> {
    let mut task = JoinSet::new();
    let send = match protocol {
        Protocol::Http1 => {
            let (send, connection) = http1::handshake(TokioIo::new(stream)).await?;
            task.spawn(async move { drop(connection.await) });
            Send::Http1(send)
        }
        Protocol::Http2 => {
            let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            task.spawn(async move { drop(connection.await) });
            Send::Http2(send)
        }
    };
    Ok(Connection { send, _task: task })
}

/// A TLS connection, for whoever speaks for itself.
pub(crate) async fn tls(cluster: &Cluster, shown: &Shown, protocol: Protocol) -> Result<TlsStream<TcpStream>> {
    let ca = serving_ca(cluster).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], port(cluster).await?));
    tls_to(address, "brevet-gateway.brevet-system.svc", &ca, certificate(cluster, shown)?, protocol).await
}

/// A TLS connection to `address`, which is `name` under `ca`, showing a certificate and its key.
pub(crate) async fn tls_to(
    address: SocketAddr,
    name: &'static str,
    ca: &str,
    shown: Option<(String, String)>,
    protocol: Protocol,
) -> Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(root?)?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match shown {
        Some((cert, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes())?];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    let name = ServerName::try_from(name)?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, socket.connect(address).await?).await?)
}

/// Where the APIService says that the gateway listens.
async fn port(cluster: &Cluster) -> Result<u16> {
    let services: Api<APIService> = Api::all(cluster.admin().await?);
    let service = services.get("v1alpha1.sessions.brevet.dev").await?.spec.and_then(|spec| spec.service);
    Ok(service.and_then(|service| service.port).context("no port")?.try_into()?)
}

async fn serving_ca(cluster: &Cluster) -> Result<String> {
    let secrets: Api<Secret> = Api::namespaced(cluster.admin().await?, "brevet-system");
    let data = secrets.get("brevet-serving").await?.data.context("no data")?;
    Ok(String::from_utf8(data.get("ca.crt").context("no CA")?.0.clone())?)
}

pub(crate) fn certificate(cluster: &Cluster, shown: &Shown) -> Result<Option<(String, String)>> {
    let file = |name: String| std::fs::read_to_string(cluster.dir().join("pki").join(name));
    Ok(match shown {
        Shown::Nothing => None,
        Shown::FrontProxy => {
            Some((file("front-proxy-client.crt".to_owned())?, file("front-proxy-client.key".to_owned())?))
        }
        Shown::Named(name) => {
            let ca_key = KeyPair::from_pem(&file("front-proxy-ca.key".to_owned())?)?;
            let mut ca = CertificateParams::default();
            ca.distinguished_name = named("brevet-dev-front-proxy-ca");
            let mut params = CertificateParams::default();
            params.distinguished_name = named(name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate()?;
            let cert = params.signed_by(&key, &Issuer::new(ca, ca_key))?;
            Some((cert.pem(), key.serialize_pem()))
        }
        Shown::User(name) => {
            let text = std::fs::read_to_string(cluster.user(name).kubeconfig_path())?;
            let read: serde_json::Value = serde_saphyr::from_str(&text)?;
            let pem = |field: &str| -> Result<String> {
                let encoded = read["users"][0]["user"][field].as_str().context("no such field")?;
                Ok(String::from_utf8(BASE64_STANDARD.decode(encoded.trim())?)?)
            };
            Some((pem("client-certificate-data")?, pem("client-key-data")?))
        }
    })
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// A request in the name of `user`.
pub(crate) fn as_user(user: &str, method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("https://gateway{path}")).header("x-remote-user", user)
}

impl Connection {
    /// The head of the answer, and its body to be read or not.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        Ok(match &mut self.send {
            Send::Http1(send) => {
                send.ready().await?;
                send.send_request(request).await?
            }
            Send::Http2(send) => {
                send.ready().await?;
                send.send_request(request).await?
            }
        })
    }

    /// The whole answer to a request without a body.
    pub(crate) async fn ask(&mut self, builder: http::request::Builder) -> Result<(StatusCode, String)> {
        let response = self.send(builder.body(Full::default())?).await?;
        let code = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok((code, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// What one `shown` is told by one request over `protocol`; nothing when the door stays shut.
pub(crate) async fn ask(
    cluster: &Cluster,
    shown: &Shown,
    protocol: Protocol,
    builder: http::request::Builder,
) -> Option<(StatusCode, String)> {
    let mut connection = connect(cluster, shown, protocol).await.ok()?;
    connection.ask(builder).await.ok()
}
