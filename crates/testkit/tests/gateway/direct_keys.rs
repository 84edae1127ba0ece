//! The direct door over time: an issuer that rotates its keys, is away or lies,
//! certificates that are replaced, and an address that takes too much.

use std::{net::SocketAddr, path::Path, time::Duration};

use brevet_testkit::{Cluster, Issuer, Replica, issuer::Manner};
use http::StatusCode;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    PATIENCE, cluster,
    direct::{PODS, ca, get},
    granted,
    knock::{self, Connection, Protocol},
    made::{self, Ask, Made},
};

/// A gateway of its own, whose provider names alice as kube-apiserver's certificates do.
struct Own {
    issuer: Issuer,
    replica: Replica,
    made: Made,
}

impl Own {
    async fn start(cluster: &Cluster, name: &str, manner: Manner) -> Self {
        let folder = cluster.dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let issuer = Issuer::start(&folder).unwrap();
        issuer.behave(manner);
        let replica = cluster.another_gateway(name, &issuer.flags("-")).await.unwrap();
        Self { issuer, replica, made: granted(cluster, &Ask::logs("shop", 600)).await }
    }

    fn token(&self) -> String {
        self.issuer.token("alice", made::now().as_second(), &json!({})).unwrap()
    }

    async fn ask(&self, cluster: &Cluster, token: &str) -> StatusCode {
        let path = format!("/grants/{}{PODS}", self.made.name);
        let mut connection = connect(self.replica.direct().unwrap(), &ca(cluster)).await.unwrap();
        connection.ask(get(&path).header("authorization", format!("Bearer {token}"))).await.unwrap().0
    }

    async fn eventually(&self, cluster: &Cluster, token: &str, code: StatusCode) {
        let what = format!("the answer {code}");
        cluster.eventually(&what, PATIENCE, async || (self.ask(cluster, token).await == code).then_some(())).await;
    }
}

async fn connect(address: SocketAddr, ca: &str) -> Option<Connection> {
    let stream = knock::tls_to(address, "localhost", ca, None, Protocol::Http2).await.ok()?;
    knock::over(stream, Protocol::Http2).await.ok()
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart_and_an_outage_is_survived() {
    let cluster = cluster().await;
    let own = Own::start(cluster, "rotating", Manner::Well).await;
    let old = own.token();
    own.eventually(cluster, &old, StatusCode::OK).await;

    // A token that names a key of which nothing is known makes the gateway ask, and the old key is gone.
    own.issuer.rotate().unwrap();
    let new = own.token();
    own.eventually(cluster, &new, StatusCode::OK).await;
    assert_eq!(own.ask(cluster, &old).await, StatusCode::UNAUTHORIZED);

    // While the issuer is away its last keys count, and what they do not know cannot be decided.
    own.issuer.behave(Manner::Down);
    let header = json!({"alg": "RS256", "kid": "unknown"}).to_string();
    let claims =
        json!({"iss": own.issuer.url(), "aud": "brevet", "sub": "alice", "exp": i64::from(u32::MAX)}).to_string();
    let unknown = own.issuer.sign(&header, &claims).unwrap();
    own.eventually(cluster, &unknown, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(own.ask(cluster, &new).await, StatusCode::OK);
    own.issuer.behave(Manner::Well);
    own.eventually(cluster, &unknown, StatusCode::UNAUTHORIZED).await;

    // Whatever comes, the issuer is not asked more often than every five seconds, twice each time.
    let (before, began) = (own.issuer.asked(), std::time::Instant::now());
    for _ in 0..50 {
        assert_eq!(own.ask(cluster, &unknown).await, StatusCode::UNAUTHORIZED);
    }
    let allowed = 2 * (1 + began.elapsed().as_secs() as usize / 5 + 1);
    let asked = own.issuer.asked() - before;
    assert!(asked <= allowed, "asked {asked} times for 50 tokens");
    own.replica.stop().unwrap();
}

#[tokio::test]
async fn an_issuer_that_lies_redirects_or_babbles_is_not_believed() {
    let cluster = cluster().await;
    let own = Own::start(cluster, "misled", Manner::Redirecting).await;
    for manner in [Manner::Redirecting, Manner::Lying, Manner::Huge, Manner::Down] {
        own.issuer.behave(manner);
        let before = own.issuer.asked();
        cluster
            .eventually("the issuer to be asked", PATIENCE, async || {
                assert_eq!(own.ask(cluster, &own.token()).await, StatusCode::SERVICE_UNAVAILABLE, "{manner:?}");
                (own.issuer.asked() > before).then_some(())
            })
            .await;
        assert_eq!(own.ask(cluster, &own.token()).await, StatusCode::SERVICE_UNAVAILABLE, "{manner:?}");
    }
    own.issuer.behave(Manner::Well);
    own.eventually(cluster, &own.token(), StatusCode::OK).await;
    own.replica.stop().unwrap();
}

/// A certificate for localhost that is its own CA, and its key.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_new_certificate_is_presented_and_no_stream_is_dropped() {
    let cluster = cluster().await;
    let folder = cluster.dir().join("renewed");
    std::fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let write = |(cert_pem, key_pem): &(String, String)| {
        std::fs::write(&cert, cert_pem).unwrap();
        std::fs::write(&key, key_pem).unwrap();
    };
    let (old, new) = (pair(), pair());
    write(&old);
    let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let mut flags = vec![flag("tls-cert-file", &cert), flag("tls-private-key-file", &key)];
    flags.extend(cluster.issuer().unwrap().flags("-"));
    let replica = cluster.another_gateway("renewed", &flags).await.unwrap();
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let token = cluster.issuer().unwrap().token("alice", made::now().as_second(), &json!({})).unwrap();
    let address = replica.direct().unwrap();

    let mut connection = connect(address, &old.0).await.unwrap();
    let watch = get(&format!("/grants/{}{PODS}?watch=1", made.name)).header("authorization", format!("Bearer {token}"));
    let mut body = cluster
        .eventually("the gateway to know the grant", PATIENCE, async || {
            let watch = get(&format!("/grants/{}{PODS}?watch=1", made.name))
                .header("authorization", format!("Bearer {token}"))
                .body(Default::default());
            let answer = connection.send(watch.unwrap()).await.unwrap();
            (answer.status() == StatusCode::OK).then(|| answer.into_body())
        })
        .await;
    body.frame().await.unwrap().unwrap();

    write(&new);
    cluster.eventually("the new certificate", PATIENCE, async || connect(address, &new.0).await).await;
    assert!(connect(address, &old.0).await.is_none());

    // The watch goes on, and so does its connection.
    let pods: Api<Pod> = Api::namespaced(cluster.admin().await.unwrap(), "shop");
    let touch = Patch::Merge(json!({"metadata": {"annotations": {"renewed": made.name}}}));
    pods.patch("web-2", &PatchParams::default(), &touch).await.unwrap();
    loop {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        if String::from_utf8_lossy(frame.data_ref().unwrap()).contains(&made.name) {
            break;
        }
    }
    assert_eq!(connection.send(watch.body(Default::default()).unwrap()).await.unwrap().status(), StatusCode::OK);
    replica.stop().unwrap();
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let cluster = cluster().await;
    let replica = cluster.another_gateway("narrow", &["--connections-per-address=3".to_owned()]).await.unwrap();
    let (address, ca) = (replica.direct().unwrap(), ca(cluster));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(address, &ca).await.expect("a place"));
    }
    assert!(connect(address, &ca).await.is_none());
    held.clear();
    let within = Duration::from_secs(10);
    cluster.eventually("a place to be free", within, async || connect(address, &ca).await).await;
    replica.stop().unwrap();
}
