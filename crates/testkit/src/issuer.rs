//! An OIDC provider of one's own: discovery, keys and tokens, over real TLS with
//! real signatures.
//!
//! Promises: kube-apiserver and the gateway believe it as they would any other;
//! it can be told to behave badly; it counts how often it is asked.
//!
//! It lives on a thread of its own, so that it outlasts the async runtime of the
//! test that started it. Left out on purpose: logging in. Whoever holds it makes
//! any token, forged ones too.

use std::convert::Infallible;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::pki::write_private;
use crate::ports::loopback;

/// The audience of its tokens, unless a token says otherwise.
pub const AUDIENCE: &str = "brevet";

/// Bytes in front of the key itself where a 2048-bit RSA key is wrapped as PKCS#8.
const PKCS8_HEAD: usize = 26;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Well,
    /// With 503.
    Down,
    /// With a redirect to where it would answer well.
    Redirecting,
    /// As if it were another issuer.
    Lying,
    /// Without end, nearly.
    Huge,
}

/// A running provider.
pub struct Issuer {
    port: u16,
    ca: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    manner: Manner,
    asked: usize,
    key: Key,
    number: usize,
}

/// One key that signs.
struct Key {
    kid: String,
    signs: EncodingKey,
    public: Value,
}

impl Key {
    fn new(number: usize) -> Result<Self> {
        let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
        let wrapped = pair.serialize_der();
        let signs = EncodingKey::from_rsa_der(wrapped.get(PKCS8_HEAD..).context("a short key")?);
        let kid = format!("key-{number}");
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&signs, Algorithm::RS256)?)?;
        let fields = public.as_object_mut().context("a key that is no object")?;
        fields.insert("kid".to_owned(), kid.clone().into());
        fields.insert("use".to_owned(), "sig".into());
        Ok(Self { kid, signs, public })
    }
}

impl Issuer {
    /// Starts one whose certificate is written to `dir`.
    ///
    /// # Errors
    /// When it cannot listen or write.
    pub fn start(dir: &Path) -> Result<Self> {
        let pair = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.self_signed(&pair)?.pem();
        let ca = dir.join("issuer.crt");
        write_private(&ca, &certificate)?;
        let listener = TcpListener::bind(loopback(0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State { manner: Manner::Well, asked: 0, key: Key::new(0)?, number: 0 }));
        let acceptor = TlsAcceptor::from(Arc::new(serving(&certificate, &pair.serialize_pem())?));
        let (shared, url) = (Arc::clone(&state), url(port));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("issuer".to_owned()).spawn(move || {
            // Without a listener nobody is believed, which no test takes for a pass.
            runtime.block_on(serve(listener, acceptor, shared, url)).ok();
        })?;
        Ok(Self { port, ca, state })
    }

    /// Its address, which is its name.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The file with what its certificate is under.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Flags that make kube-apiserver or a gateway believe it, with `prefix` before usernames.
    #[must_use]
    pub fn flags(&self, prefix: &str) -> Vec<String> {
        [
            ("oidc-issuer-url", self.url()),
            ("oidc-client-id", AUDIENCE.to_owned()),
            ("oidc-ca-file", self.ca.display().to_string()),
            ("oidc-username-prefix", prefix.to_owned()),
            ("oidc-groups-claim", "groups".to_owned()),
        ]
        .into_iter()
        .map(|(flag, value)| format!("--{flag}={value}"))
        .collect()
    }

    /// From now on it answers like this.
    pub fn behave(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    /// How many questions it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    /// From now on it signs with a new key, and publishes only that.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate(&self) -> Result<()> {
        let mut state = self.lock();
        state.number += 1;
        state.key = Key::new(state.number)?;
        Ok(())
    }

    /// The public key as published, for forgers.
    #[must_use]
    pub fn public_key(&self) -> Value {
        self.lock().key.public.clone()
    }

    /// A token for `user`, valid for ten minutes from `now` (seconds since 1970), with `more` claims;
    /// a claim that is null there is left out.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, user: &str, now: i64, more: &Value) -> Result<String> {
        let mut claims = json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": user, "iat": now, "nbf": now, "exp": now + 600,
        });
        let fields = claims.as_object_mut().context("claims")?;
        for (name, value) in more.as_object().into_iter().flatten() {
            match value {
                Value::Null => fields.remove(name),
                value => fields.insert(name.clone(), value.clone()),
            };
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.lock().key.kid});
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// Signs any header and any claims, as they stand, with RS256.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub fn sign(&self, header: &str, claims: &str) -> Result<String> {
        let text = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &self.lock().key.signs, Algorithm::RS256)?;
        Ok(format!("{text}.{signature}"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn url(port: u16) -> String {
    format!("https://localhost:{port}")
}

fn serving(certificate: &str, key: &str) -> Result<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?)
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<Mutex<State>>, url: String) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await?;
        let (acceptor, state, url) = (acceptor.clone(), Arc::clone(&state), url.clone());
        open.spawn(async move {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let answer = service_fn(move |request| {
                let answer = answer(&state, &url, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            // Whoever goes in the middle of an answer is free to.
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok();
        });
    }
}

fn answer(state: &Mutex<State>, url: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.asked += 1;
    let path = request.uri().path();
    let body = match path.trim_start_matches("/elsewhere") {
        "/.well-known/openid-configuration" => {
            let issuer = if state.manner == Manner::Lying { "https://localhost" } else { url };
            json!({
                "issuer": issuer,
                "jwks_uri": format!("{url}/keys"),
                "authorization_endpoint": format!("{url}/authorize"),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            })
        }
        "/keys" => json!({"keys": [state.key.public]}),
        _ => json!({"error": "there is nothing here"}),
    };
    let mut text = body.to_string();
    let mut response = Response::new(Full::default());
    match state.manner {
        Manner::Down => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        Manner::Redirecting if !path.starts_with("/elsewhere") => {
            *response.status_mut() = StatusCode::FOUND;
            if let Ok(there) = format!("{url}/elsewhere{path}").parse() {
                response.headers_mut().insert(header::LOCATION, there);
            }
        }
        Manner::Huge => text.push_str(&" ".repeat(1024 * 1024)),
        Manner::Well | Manner::Lying | Manner::Redirecting => {}
    }
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    *response.body_mut() = Full::from(text);
    response
}
