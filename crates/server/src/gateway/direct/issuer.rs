//! Who signs tokens, and where their keys are published.
//!
//! Two kinds: an OIDC provider on the web, and the cluster itself for its
//! ServiceAccounts. The cluster's keys are read with the gateway's own connection
//! from where kube-apiserver publishes them for every ServiceAccount: that takes
//! no right that the gateway does not have, while asking by TokenReview would take
//! one more, and a call to kube-apiserver for each token. The price: a token whose
//! ServiceAccount or pod is deleted counts until it ends, hence
//! `limits::ACCOUNT_TOKEN_SECONDS_MAX`.
//!
//! Promises: https only; no redirect is followed; what is read is bounded; an
//! issuer that calls itself otherwise than configured is not believed.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header::ACCEPT};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::limits;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where keys come from.
pub(super) enum Issuer {
    /// A provider on the web.
    Web(Box<Web>),
    /// kube-apiserver, for ServiceAccounts.
    Cluster(kube::Client),
}

/// An OIDC provider.
pub(super) struct Web {
    name: String,
    discovery: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// What an issuer publishes.
pub(super) struct Published {
    pub(super) issuer: String,
    /// Each a JSON web key, or something else.
    pub(super) keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Issuer {
    /// Reads what the issuer publishes at this moment.
    pub(super) async fn publishes(&self) -> anyhow::Result<Published> {
        match self {
            Self::Web(web) => web.publishes().await,
            Self::Cluster(client) => {
                let get = async |path: &str| {
                    let request = Request::get(path).body(Vec::new())?;
                    client.request_text(request).await.with_context(|| format!("kube-apiserver's `{path}`"))
                };
                let discovery: Discovery = serde_json::from_str(&get(DISCOVERY).await?)?;
                // Where kube-apiserver itself publishes them, whatever address it tells others.
                let set: KeySet = serde_json::from_str(&get("/openid/v1/jwks").await?)?;
                Ok(Published { issuer: discovery.issuer, keys: set.keys })
            }
        }
    }
}

impl Web {
    /// The provider that calls itself `issuer`, its certificate under the CA in `ca`.
    pub(super) fn new(issuer: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let url: Uri = issuer.parse().with_context(|| format!("`{issuer}` (--oidc-issuer-url) is no URL"))?;
        if url.scheme_str() != Some("https") || url.host().is_none() || url.query().is_some() {
            bail!("`{issuer}` (--oidc-issuer-url) must begin with https:// and have no query");
        }
        let discovery = format!("{}{DISCOVERY}", issuer.trim_end_matches('/')).parse()?;
        let config = ClientConfig::builder().with_root_certificates(roots(ca)?).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { name: issuer.to_owned(), discovery, client })
    }

    async fn publishes(&self) -> anyhow::Result<Published> {
        let found: Discovery = self.get(self.discovery.clone()).await?;
        ensure!(found.issuer == self.name, "the issuer calls itself `{}`, not `{}`", found.issuer, self.name);
        let keys: Uri = found.jwks_uri.parse().with_context(|| format!("`{}` is no URL", found.jwks_uri))?;
        ensure!(keys.scheme_str() == Some("https"), "the issuer's keys are not at an https address");
        let set: KeySet = self.get(keys).await?;
        Ok(Published { issuer: self.name.clone(), keys: set.keys })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, from: Uri) -> anyhow::Result<T> {
        let request = Request::get(&from).header(ACCEPT, "application/json").body(Empty::new())?;
        let response = self.client.request(request).await.with_context(|| format!("cannot reach `{from}`"))?;
        ensure!(response.status() == StatusCode::OK, "`{from}` answers {}", response.status());
        let body = Limited::new(response.into_body(), limits::ISSUER_BYTES_MAX).collect().await;
        let bytes =
            body.map_err(anyhow::Error::from_boxed).with_context(|| format!("cannot read `{from}`"))?.to_bytes();
        serde_json::from_slice(&bytes).with_context(|| format!("`{from}` is not what it should be"))
    }
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match ca {
        Some(file) => {
            let pem = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            for root in CertificateDer::pem_slice_iter(&pem) {
                store.add(root.context("the CA (--oidc-ca-file) is no PEM")?)?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    ensure!(!store.is_empty(), "no CA is known that the issuer's certificate could be under; give --oidc-ca-file");
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_address() {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        for issuer in ["http://idp.example", "idp.example", "https://", "https://idp.example?x=1", "file:///etc", ""] {
            assert!(Web::new(issuer, None).is_err(), "{issuer}");
        }
    }
}
