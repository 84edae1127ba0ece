//! The door, knocked at with real TLS by the front proxy and by impostors.

use http_body_util::{BodyExt as _, Empty};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    sign::CertifiedKey,
};
use tokio::io::AsyncReadExt as _;

use super::{
    aggregated::FrontProxy,
    tls::{Presented, TrustCell},
    trust::{
        Trust,
        tests::{Ca, described_by},
    },
    *,
};

struct Echo;

impl Room for Echo {
    async fn answer(&self, visitor: Visitor, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/panic" => panic!("on purpose"),
            // An answer that never comes, and a task that is cut.
            "/cut" => {
                Task::current().cut();
                std::future::pending().await
            }
            _ => reply::text(StatusCode::OK, &visitor.caller.username),
        }
    }

    fn is_ready(&self) -> bool {
        false
    }
}

struct Knocked {
    address: std::net::SocketAddr,
    served: CertificateDer<'static>,
    trust: Arc<TrustCell>,
    _stop: tokio_util::sync::DropGuard,
}

async fn open(trust: Option<Trust>) -> Knocked {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let key = KeyPair::generate().unwrap();
    let served = CertificateParams::new(vec!["door.test".to_owned()]).unwrap().self_signed(&key).unwrap().der().clone();
    let presented = Arc::new(Presented::default());
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private(&key)).unwrap();
    presented.0.store(Some(Arc::new(CertifiedKey::new(vec![served.clone()], signing))));
    let trust = Arc::new(TrustCell::new(trust.map(Arc::new)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let acceptor = TlsAcceptor::from(tls::configure(presented, Some(trust.clone())).unwrap());
    let porter = FrontProxy::new(trust.clone());
    let door = Door { acceptor, porter, room: Echo, bounds: Bounds::AGGREGATED };
    TaskTracker::new().spawn(door.serve(listener, stop.clone()));
    Knocked { address, served, trust, _stop: stop.drop_guard() }
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

impl Knocked {
    async fn connect(
        &self,
        with: Option<(CertificateDer<'static>, KeyPair)>,
        alpn: &[u8],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.served.clone()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut config = match with {
            Some((own, key)) => builder.with_client_auth_cert(vec![own], private(&key)).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("door.test").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    async fn ask(
        &self,
        with: Option<(CertificateDer<'static>, KeyPair)>,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Option<(StatusCode, String)> {
        let stream = self.connect(with, b"h2").await.ok()?;
        let tasks = TaskTracker::new();
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(Tasks(tasks.clone()), TokioIo::new(stream)).await.ok()?;
        tasks.spawn(connection);
        let mut request = Request::get(format!("https://door.test{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = send.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.ok()?;
        let code = response.status();
        let text = response.into_body().collect().await.ok()?.to_bytes();
        Some((code, String::from_utf8(text.to_vec()).unwrap()))
    }
}

pub(super) fn trusting(ca: &Ca) -> Trust {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    Trust::read(&described_by(&ca.pem, r#"["front-proxy-client"]"#)).unwrap()
}

const ALICE: &[(&str, &str)] = &[("x-remote-user", "alice")];

#[tokio::test]
async fn the_front_proxy_speaks_for_users_and_nobody_else_does() {
    let (ca, other) = (Ca::new(), Ca::new());
    let door = open(Some(trusting(&ca))).await;

    let proxy = || Some(ca.issue(&["front-proxy-client"]));
    assert_eq!(door.ask(proxy(), "/x", ALICE).await, Some((StatusCode::OK, "alice".to_owned())));
    assert_eq!(door.ask(proxy(), "/x", &[]).await.unwrap().0, StatusCode::UNAUTHORIZED);
    let twice = [ALICE, ALICE].concat();
    assert_eq!(door.ask(proxy(), "/x", &twice).await.unwrap().0, StatusCode::UNAUTHORIZED);

    assert_eq!(door.ask(None, "/x", ALICE).await.unwrap().0, StatusCode::UNAUTHORIZED);
    assert_eq!(door.ask(Some(ca.issue(&["pod"])), "/x", ALICE).await, None);
    assert_eq!(door.ask(Some(other.issue(&["front-proxy-client"])), "/x", ALICE).await, None);
}

#[tokio::test]
async fn an_unknown_front_proxy_shuts_the_door_but_not_the_probes() {
    let door = open(None).await;
    assert_eq!(door.ask(None, "/x", ALICE).await.unwrap().0, StatusCode::UNAUTHORIZED);
    assert_eq!(door.ask(None, "/livez", &[]).await.unwrap().0, StatusCode::OK);
    assert_eq!(door.ask(None, "/readyz", &[]).await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_new_ca_is_believed_without_a_restart_and_the_old_one_no_more() {
    let (old, new) = (Ca::new(), Ca::new());
    let door = open(Some(trusting(&old))).await;
    assert!(door.ask(Some(old.issue(&["front-proxy-client"])), "/x", ALICE).await.is_some());

    door.trust.store(Some(Arc::new(trusting(&new))));

    assert_eq!(door.ask(Some(old.issue(&["front-proxy-client"])), "/x", ALICE).await, None);
    assert!(door.ask(Some(new.issue(&["front-proxy-client"])), "/x", ALICE).await.is_some());
}

#[tokio::test]
async fn a_panic_is_one_500() {
    let ca = Ca::new();
    let door = open(Some(trusting(&ca))).await;
    let proxy = || Some(ca.issue(&["front-proxy-client"]));
    assert_eq!(door.ask(proxy(), "/panic", ALICE).await.unwrap().0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(door.ask(proxy(), "/x", ALICE).await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn a_cut_ends_one_http2_stream_and_a_whole_http1_connection() {
    let ca = Ca::new();
    let door = open(Some(trusting(&ca))).await;
    assert_eq!(door.ask(Some(ca.issue(&["front-proxy-client"])), "/cut", ALICE).await, None);

    let mut stream = door.connect(Some(ca.issue(&["front-proxy-client"])), b"http/1.1").await.unwrap();
    let asked = b"GET /cut HTTP/1.1\r\nhost: x\r\nx-remote-user: alice\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, asked).await.unwrap();
    let error = stream.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn oversized_paths_are_refused() {
    let ca = Ca::new();
    let door = open(Some(trusting(&ca))).await;
    let path = format!("/{}", "a".repeat(limits::URI_BYTES_MAX));
    let answer = door.ask(Some(ca.issue(&["front-proxy-client"])), &path, ALICE).await.unwrap();
    assert_eq!(answer.0, StatusCode::URI_TOO_LONG);
}
