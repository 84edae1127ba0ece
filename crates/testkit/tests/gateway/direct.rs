//! The direct door: the same grants, by a token of an OIDC provider, a
//! ServiceAccount's, or a certificate; and whoever has none of them.

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use brevet_testkit::{Cluster, Output, Part};
use http::{Method, Request, StatusCode};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
    rbac::v1::ClusterRoleBinding,
};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{
    PATIENCE, cluster, granted, granted_to,
    knock::{self, Connection, Protocol, Shown},
    made::{self, Ask, Made},
    streams::{check_in_time, cuts},
};

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

pub(crate) const PODS: &str = "/api/v1/namespaces/shop/pods";

/// A certificate to show, or none.
type Certificate = Option<(String, String)>;

/// What the kit's gateway serves is under the CA of the cluster.
pub(crate) fn ca(cluster: &Cluster) -> String {
    std::fs::read_to_string(cluster.dir().join("pki/ca.crt")).unwrap()
}

async fn tls(cluster: &Cluster, shown: Certificate, protocol: Protocol) -> Option<TlsStream<TcpStream>> {
    let address = cluster.brevet().unwrap().replica(Part::Gateway).direct().unwrap();
    knock::tls_to(address, "localhost", &ca(cluster), shown, protocol).await.ok()
}

async fn connect(cluster: &Cluster, shown: Certificate, protocol: Protocol) -> Option<Connection> {
    knock::over(tls(cluster, shown, protocol).await?, protocol).await.ok()
}

fn certificate(cluster: &Cluster, user: &'static str) -> Certificate {
    knock::certificate(cluster, &Shown::User(user)).unwrap()
}

fn inner(made: &Made, path: &str) -> String {
    format!("/grants/{}{path}", made.name)
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    Request::builder().method(Method::GET).uri(format!("https://localhost{path}"))
}

/// Answers to a call with these headers.
async fn ask(
    cluster: &Cluster,
    shown: Certificate,
    protocol: Protocol,
    path: &str,
    headers: &[(&str, &str)],
) -> Option<(StatusCode, String)> {
    let builder = headers.iter().fold(get(path), |builder, (name, value)| builder.header(*name, *value));
    connect(cluster, shown, protocol).await?.ask(builder).await.ok()
}

async fn with_token(cluster: &Cluster, protocol: Protocol, path: &str, token: &str) -> (StatusCode, String) {
    let bearer = format!("Bearer {token}");
    ask(cluster, None, protocol, path, &[("authorization", &bearer)]).await.unwrap()
}

fn token(cluster: &Cluster, user: &str, more: &Value) -> String {
    cluster.issuer().unwrap().token(user, made::now().as_second(), more).unwrap()
}

/// The grant of a user of the OIDC provider, who is in the group that may ask.
async fn provided(cluster: &Cluster, user: &str, ask: &Ask) -> Made {
    let groups = json!({"groups": ["developers"]});
    cluster.add_token_user(&format!("oidc-{user}"), &token(cluster, user, &groups)).unwrap();
    granted_to(cluster, &format!("oidc-{user}"), ask).await
}

#[tokio::test]
async fn a_token_of_the_provider_opens_its_own_users_grants() {
    let cluster = cluster().await;
    let mine = provided(cluster, "olga", &Ask::logs("shop", 600)).await;
    let alices = granted(cluster, &Ask::logs("shop", 600)).await;
    let olga = token(cluster, "olga", &json!({}));
    for protocol in BOTH {
        let ask = async |path: &str, token: &str| with_token(cluster, protocol, path, token).await;
        let (code, pods) = ask(&inner(&mine, PODS), &olga).await;
        assert_eq!(code, StatusCode::OK, "{pods}");
        assert!(pods.contains("web-1"));
        // The grant's own rules, and nobody else's grant.
        let secrets = inner(&mine, "/api/v1/namespaces/shop/secrets");
        assert_eq!(ask(&secrets, &olga).await.0, StatusCode::FORBIDDEN);
        let (code, body) = ask(&inner(&alices, PODS), &olga).await;
        assert_eq!(code, StatusCode::FORBIDDEN);
        assert!(body.contains("you hold no grant of that name"), "{body}");
        // A user of that name of another authenticator is somebody else.
        assert_eq!(ask(&inner(&alices, PODS), &token(cluster, "alice", &json!({}))).await.0, StatusCode::FORBIDDEN);
        for path in ["/", "/api", "/grants", "/apis/sessions.brevet.dev/v1alpha1/grants"] {
            assert_eq!(ask(path, &olga).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn a_certificate_opens_its_own_users_grants() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    for protocol in BOTH {
        let ask = async |shown: Certificate| ask(cluster, shown, protocol, &inner(&made, PODS), &[]).await;
        assert_eq!(ask(certificate(cluster, "alice")).await.unwrap().0, StatusCode::OK);
        let (code, body) = ask(certificate(cluster, "mallory")).await.unwrap();
        assert_eq!(code, StatusCode::FORBIDDEN);
        assert!(body.contains("you hold no grant of that name"), "{body}");
        // Under another CA the handshake fails, the front proxy's own among them.
        assert_eq!(ask(knock::certificate(cluster, &Shown::FrontProxy).unwrap()).await, None);
        assert_eq!(ask(knock::certificate(cluster, &Shown::Named("alice")).unwrap()).await, None);
    }
}

/// A token of a ServiceAccount in shop.
async fn account_token(cluster: &Cluster, name: &str, audience: Option<&str>, seconds: i64) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.admin().await.unwrap(), "shop");
    let spec = TokenRequestSpec {
        audiences: audience.map(str::to_owned).into_iter().collect(),
        expiration_seconds: Some(seconds),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    accounts.create_token_request(name, &PostParams::default(), &request).await.unwrap().status.unwrap().token
}

#[tokio::test]
async fn a_service_account_uses_its_grant_with_a_token_for_our_audience() {
    let cluster = cluster().await;
    let admin = cluster.admin().await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "shop");
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "deployer"}})).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "deployer-may-ask"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "brevet-requester"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "deployer"}],
    }))
    .unwrap();
    Api::<ClusterRoleBinding>::all(admin).create(&PostParams::default(), &binding).await.unwrap();
    let ordinary = account_token(cluster, "deployer", None, 3_600).await;
    cluster.add_token_user("deployer", &ordinary).unwrap();
    let made = granted_to(cluster, "deployer", &Ask::logs("shop", 600)).await;

    let path = inner(&made, PODS);
    let ours = account_token(cluster, "deployer", Some("brevet"), 3_600).await;
    let long = account_token(cluster, "deployer", Some("brevet"), 7_200).await;
    let another = account_token(cluster, "default", Some("brevet"), 3_600).await;
    for protocol in BOTH {
        let ask = async |token: &str| with_token(cluster, protocol, &path, token).await;
        let (code, body) = ask(&ours).await;
        assert_eq!(code, StatusCode::OK, "{body}");
        assert_eq!(ask(&another).await.0, StatusCode::FORBIDDEN);
        // What kube-apiserver would believe means nothing here, and neither does what outlives its account.
        for (token, why) in [(&ordinary, "another audience"), (&long, "longer than an hour")] {
            let (code, body) = ask(token).await;
            assert_eq!(code, StatusCode::UNAUTHORIZED);
            assert!(body.contains(why), "{body}");
        }
    }
}

/// Every forgery, and what is wrong with it.
fn forgeries(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let issuer = cluster.issuer().unwrap();
    let now = made::now().as_second();
    let with = |more: Value| issuer.token("olga", now, &more).unwrap();
    let good = with(json!({}));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let claims = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let kid = issuer.public_key()["kid"].as_str().unwrap().to_owned();
    let root = encode(&claims.replace("olga", "root"));
    let hmac = |secret: &[u8]| {
        let signed = format!("{}.{payload}", encode(&json!({"alg": "HS256", "kid": kid}).to_string()));
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        format!("{signed}.{signature}")
    };
    let modulus = BASE64_URL_SAFE_NO_PAD.decode(issuer.public_key()["n"].as_str().unwrap()).unwrap();
    let twice = claims.replacen('{', r#"{"sub":"root","#, 1);
    vec![
        ("alg none", format!("{}.{payload}.", encode(r#"{"alg":"none"}"#))),
        ("alg none with a signature", format!("{}.{payload}.{signature}", encode(r#"{"alg":"none"}"#))),
        ("HS256 with the public key", hmac(issuer.public_key().to_string().as_bytes())),
        ("HS256 with the modulus", hmac(&modulus)),
        ("other claims under the signature", format!("{header}.{root}.{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("two parts", format!("{header}.{payload}")),
        (
            "another algorithm of the key",
            good.replace(header, &encode(&json!({"alg": "RS512", "kid": kid}).to_string())),
        ),
        ("a kid that is a path", issuer.sign(r#"{"alg":"RS256","kid":"../../../dev/null"}"#, &claims).unwrap()),
        ("a kid that nobody knows", issuer.sign(r#"{"alg":"RS256","kid":"other"}"#, &claims).unwrap()),
        ("crit", issuer.sign(&json!({"alg": "RS256", "kid": kid, "crit": ["x"]}).to_string(), &claims).unwrap()),
        ("a claim twice", issuer.sign(&json!({"alg": "RS256", "kid": kid}).to_string(), &twice).unwrap()),
        ("another audience", with(json!({"aud": "kubernetes"}))),
        ("no audience", with(json!({"aud": null}))),
        ("another issuer", with(json!({"iss": "https://localhost"}))),
        ("no issuer", with(json!({"iss": null}))),
        ("expired", with(json!({"exp": now - 1}))),
        ("no end", with(json!({"exp": null}))),
        ("an end that is a text", with(json!({"exp": (now + 600).to_string()}))),
        ("an end that is a fraction", with(json!({"exp": (now + 600) as f64 + 0.5}))),
        ("an end beyond all numbers", with(json!({"exp": 9_223_372_036_854_775_808u64}))),
        ("a negative end", with(json!({"exp": -1}))),
        ("not yet", with(json!({"nbf": now + 300}))),
        ("a beginning that is a text", with(json!({"nbf": "0"}))),
        ("issued in the future", with(json!({"iat": now + 300}))),
        ("no name", with(json!({"sub": null}))),
        ("an empty name", with(json!({"sub": ""}))),
        ("ten thousand groups", with(json!({"groups": vec!["g"; 10_000]}))),
        ("groups elsewhere", with(json!({"_claim_names": {"groups": "x"}}))),
        ("a reserved group", with(json!({"groups": ["system:masters"]}))),
        ("a giant", with(json!({"padding": "x".repeat(30_000)}))),
        ("nonsense", "nonsense".to_owned()),
    ]
}

#[tokio::test]
async fn forged_and_doubtful_tokens_open_nothing() {
    let cluster = cluster().await;
    let made = provided(cluster, "olga", &Ask::logs("shop", 600)).await;
    let path = inner(&made, PODS);
    for protocol in BOTH {
        assert_eq!(with_token(cluster, protocol, &path, &token(cluster, "olga", &json!({}))).await.0, StatusCode::OK);
        for (what, token) in forgeries(cluster) {
            let (code, body) = with_token(cluster, protocol, &path, &token).await;
            assert_eq!(code, StatusCode::UNAUTHORIZED, "{protocol:?}, {what}: {body}");
            assert!(body.contains("Unauthenticated") && !body.contains(&token), "{what}: {body}");
        }
    }
    // None of them is in the log.
    let log = std::fs::read_to_string(cluster.dir().join("logs/gateway.log")).unwrap();
    assert!(!log.contains("eyJ"), "a token was logged");
}

#[tokio::test]
async fn what_is_no_credential_or_two_opens_nothing() {
    let cluster = cluster().await;
    let olgas = provided(cluster, "olga", &Ask::logs("shop", 600)).await;
    let alices = granted(cluster, &Ask::logs("shop", 600)).await;
    let good = token(cluster, "olga", &json!({}));
    let bearer = format!("Bearer {good}");
    let in_protocol = format!("base64url.bearer.authorization.k8s.io.{}", BASE64_URL_SAFE_NO_PAD.encode(&good));
    let websocket = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", in_protocol.as_str()),
    ];
    for protocol in BOTH {
        for made in [&olgas, &alices] {
            for headers in [
                &[][..],
                &[("x-remote-user", "alice"), ("x-remote-group", "system:masters")],
                &[("x-forwarded-user", "alice"), ("x-forwarded-client-cert", "Subject=CN=alice")],
                &[("authorization", "Basic YWxpY2U6")],
                &[("authorization", "Bearer")],
                &[("authorization", bearer.as_str()), ("authorization", bearer.as_str())],
                &[("authorization", good.as_str())],
                &[("proxy-authorization", bearer.as_str())],
                &[("cookie", bearer.as_str())],
            ] {
                let (code, body) = ask(cluster, None, protocol, &inner(made, PODS), headers).await.unwrap();
                assert_eq!(code, StatusCode::UNAUTHORIZED, "{headers:?}: {body}");
            }
        }
        let queried = inner(&olgas, &format!("{PODS}?access_token={good}"));
        assert_eq!(ask(cluster, None, protocol, &queried, &[]).await.unwrap().0, StatusCode::UNAUTHORIZED);
        // Both, whosoever they are.
        let (path, shown) = (inner(&olgas, PODS), [("authorization", bearer.as_str())]);
        let (code, body) = ask(cluster, certificate(cluster, "alice"), protocol, &path, &shown).await.unwrap();
        assert_eq!(code, StatusCode::UNAUTHORIZED);
        assert!(body.contains("two credentials"), "{body}");
        // A header of the other door does not change who one is.
        let masked = [("authorization", bearer.as_str()), ("x-remote-user", "alice"), ("x-remote-uid", "1")];
        assert_eq!(ask(cluster, None, protocol, &inner(&olgas, PODS), &masked).await.unwrap().0, StatusCode::OK);
        assert_eq!(
            ask(cluster, None, protocol, &inner(&alices, PODS), &masked).await.unwrap().0,
            StatusCode::FORBIDDEN
        );
        let impersonating = [("authorization", bearer.as_str()), ("impersonate-user", "admin")];
        let (_, body) = ask(cluster, None, protocol, &inner(&olgas, PODS), &impersonating).await.unwrap();
        assert!(body.contains("Impersonation"), "{body}");
    }
    let (code, _) = ask(cluster, None, Protocol::Http1, &inner(&olgas, PODS), &websocket).await.unwrap();
    assert_eq!(code, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_connection_is_nobodys_but_its_last_credentials() {
    let cluster = cluster().await;
    let made = provided(cluster, "olga", &Ask::logs("shop", 600)).await;
    let path = inner(&made, PODS);
    for protocol in BOTH {
        let mut connection = connect(cluster, None, protocol).await.unwrap();
        for _ in 0..3 {
            let olga = format!("Bearer {}", token(cluster, "olga", &json!({})));
            let other = format!("Bearer {}", token(cluster, "otto", &json!({})));
            let mut ask = async |bearer: Option<&str>| {
                let builder =
                    bearer.into_iter().fold(get(&path), |builder, bearer| builder.header("authorization", bearer));
                connection.ask(builder).await.unwrap().0
            };
            assert_eq!(ask(Some(&olga)).await, StatusCode::OK);
            assert_eq!(ask(Some(&other)).await, StatusCode::FORBIDDEN);
            assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED);
            assert_eq!(ask(Some(&olga)).await, StatusCode::OK);
        }
        // One that ends counts no more, on the connection that has seen it.
        let now = made::now().as_second();
        let short = format!("Bearer {}", token(cluster, "olga", &json!({"exp": now + 2})));
        let mut ask = async || connection.ask(get(&path).header("authorization", &short)).await.unwrap().0;
        assert_eq!(ask().await, StatusCode::OK);
        cluster
            .eventually("the token to end", PATIENCE, async || (ask().await == StatusCode::UNAUTHORIZED).then_some(()))
            .await;
        assert!(made::now().as_second() >= now + 2);
    }
}

fn debug(seconds: i64) -> Ask {
    let rules = vec![
        ("", vec!["pods"], vec!["get", "list", "watch"], vec![]),
        ("", vec!["pods/log"], vec!["get"], vec![]),
        ("", vec!["pods/exec", "pods/portforward"], vec!["get", "create"], vec![]),
    ];
    Ask { role: "debug-pod", rules, ..Ask::logs("shop", seconds) }
}

/// Flags that lead kubectl to the grant, with the user's own credential.
fn way(cluster: &Cluster, made: &Made) -> [String; 2] {
    let address = cluster.brevet().unwrap().replica(Part::Gateway).direct().unwrap();
    let ca = cluster.dir().join("pki/ca.crt");
    [format!("--server=https://{address}/grants/{}", made.name), format!("--certificate-authority={}", ca.display())]
}

async fn kubectl(cluster: &Cluster, user: &str, made: &Made, websockets: bool, args: &[&str]) -> Output {
    let way = way(cluster, made);
    let args = [&[way[0].as_str(), way[1].as_str(), "-n", "shop"], args].concat();
    let mut command = cluster.user(user).kubectl_command(&args).unwrap();
    command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", if websockets { "true" } else { "false" });
    let output = command.output().await.unwrap();
    Output {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn kubectl_works_with_a_certificate_and_with_a_token() {
    let cluster = cluster().await;
    let alices = granted(cluster, &debug(600)).await;
    let olgas = provided(cluster, "olga", &debug(600)).await;
    for (user, made) in [("alice", &alices), ("oidc-olga", &olgas)] {
        let run = async |websockets, args: &[&str]| kubectl(cluster, user, made, websockets, args).await;
        assert!(run(true, &["get", "pods"]).await.stdout.contains("web-1"));
        assert!(run(true, &["logs", "web-1", "--tail=2"]).await.stdout.contains("request"));
        assert_eq!(run(true, &["get", "secrets"]).await.status, 1);
        for websockets in [true, false] {
            let exec = run(websockets, &["exec", "web-1", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).await;
            assert_eq!((exec.status, exec.stdout.as_str()), (7, "out\n"), "{}", exec.stderr);
            assert!(exec.stderr.starts_with("err\n"), "{}", exec.stderr);
        }
    }
}

#[tokio::test]
async fn open_streams_end_at_the_deadline_and_say_why() {
    let cluster = cluster().await;
    let made = granted(cluster, &debug(10)).await;
    let exec = ["exec", "web-1", "--", "sh", "-c", "sleep 600"];
    let ends = futures::future::join_all([
        kubectl(cluster, "alice", &made, true, &exec),
        kubectl(cluster, "alice", &made, false, &exec),
        kubectl(cluster, "alice", &made, true, &["logs", "-f", "web-1"]),
    ])
    .await;
    let ended = made::now();
    assert!(ended >= made.not_after && ended.duration_since(made.not_after) < jiff::SignedDuration::from_secs(5));
    for end in ends {
        assert_eq!(end.status, 1, "{}", end.stderr);
        let said = format!("{}{}", end.stdout, end.stderr);
        assert!(said.contains(&format!("grant `{}` ended at {}", made.name, made.not_after)), "{said}");
    }
    for cut in cuts(cluster, &made, 3).await {
        check_in_time(&cut, &made);
    }
}

#[tokio::test]
async fn whoever_is_not_let_in_does_not_stay() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let head = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", inner(&made, PODS));
    // The first says nothing, the second is refused, the third speaks for ever.
    let mut streams = Vec::new();
    for said in ["", head.as_str(), "GET / HTTP/1.1\r\nx: "] {
        let mut stream = tls(cluster, None, Protocol::Http1).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let closed = streams.iter_mut().map(async |stream| {
        // An end or a reset, whichever comes.
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.map(drop)
    });
    assert!(futures::future::join_all(closed).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_client_that_resets_all_its_streams_is_cut_off_and_nobody_else() {
    let cluster = cluster().await;
    let made = granted(cluster, &Ask::logs("shop", 600)).await;
    let path = inner(&made, &format!("{PODS}?watch=1&fieldSelector=metadata.name%3Dnone"));
    let mut hostile = connect(cluster, certificate(cluster, "alice"), Protocol::Http2).await.unwrap();
    let mut honest = connect(cluster, certificate(cluster, "alice"), Protocol::Http2).await.unwrap();
    let mut resets = 0;
    let broken = loop {
        let request = get(&path).body(Default::default()).unwrap();
        // The stream is reset when its future is dropped.
        match tokio::time::timeout(Duration::from_millis(2), hostile.send(request)).await {
            Ok(Err(error)) => break error,
            Ok(Ok(_)) | Err(_) => resets += 1,
        }
        assert!(resets < 5_000, "a client may reset {resets} streams");
    };
    drop(broken);
    let (code, _) = honest.ask(get(&inner(&made, PODS))).await.unwrap();
    assert_eq!(code, StatusCode::OK);
}
