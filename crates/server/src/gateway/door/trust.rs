//! Whom the aggregated door believes: kube-apiserver's front proxy, as the
//! cluster describes it in `kube-system/extension-apiserver-authentication`.
//!
//! Promises: only a certificate under the front-proxy CA whose one common name
//! is in the list of allowed names is believed. An empty or missing list, which
//! to Kubernetes means *any name*, shuts the door. A connection that was
//! believed is judged again when the description changes.
//!
//! Left out on purpose: the CA for users (`client-ca-file`). A user's own
//! certificate opens nothing here.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderName;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// Who may speak for users, and in which headers.
#[derive(Debug)]
pub(in crate::gateway) struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    allowed_names: Vec<String>,
    pub(super) headers: HeaderNames,
}

/// The headers that carry the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeaderNames {
    pub(super) username: Vec<HeaderName>,
    pub(super) uid: Vec<HeaderName>,
    pub(super) group: Vec<HeaderName>,
    /// Lower case, as header names arrive.
    pub(super) extra_prefix: Vec<String>,
}

/// Why a certificate is not believed, or the door is shut.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum TrustError {
    /// The ConfigMap lacks a key, or its value cannot be read.
    #[error("`{key}` of ConfigMap kube-system/extension-apiserver-authentication {why}")]
    Described {
        /// The key.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// No certificate was shown.
    #[error("no client certificate; only kube-apiserver may call here")]
    NoCertificate,
    /// The chain does not hold.
    #[error("the client certificate is not under the CA that is believed here: {0}")]
    Chain(rustls::Error),
    /// The name is not allowed.
    #[error("the client certificate's common name is not one of the front proxy's")]
    Name,
}

impl TrustError {
    /// Nobody has described the front proxy yet.
    pub(super) fn unread() -> Self {
        described(CA, "has not been read yet; the door is shut")
    }
}

const CA: &str = "requestheader-client-ca-file";
const NAMES: &str = "requestheader-allowed-names";

impl Trust {
    /// Reads the ConfigMap's `data`.
    pub(in crate::gateway) fn read(data: &BTreeMap<String, String>) -> Result<Self, TrustError> {
        let pem = data.get(CA).ok_or_else(|| described(CA, "is missing: the cluster has no front proxy"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| described(CA, error))?;
            roots.add(certificate).map_err(|error| described(CA, error))?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|error| described(CA, error))?;
        let allowed_names = list(data, NAMES)?;
        if allowed_names.is_empty() {
            return Err(described(NAMES, "is empty: any certificate of that CA could speak for anybody"));
        }
        Ok(Self { verifier, allowed_names, headers: HeaderNames::read(data)? })
    }

    /// Whether the peer with this chain may speak for users.
    pub(super) fn believes(&self, chain: Option<&[CertificateDer<'_>]>, now: UnixTime) -> Result<(), TrustError> {
        let (own, between) = chain.and_then(<[_]>::split_first).ok_or(TrustError::NoCertificate)?;
        self.verifier.verify_client_cert(own, between, now).map_err(TrustError::Chain)?;
        match common_name(own) {
            Some(name) if self.allowed_names.contains(&name) => Ok(()),
            _ => Err(TrustError::Name),
        }
    }
}

impl HeaderNames {
    fn read(data: &BTreeMap<String, String>) -> Result<Self, TrustError> {
        let username = names(data, "requestheader-username-headers")?;
        if username.is_empty() {
            return Err(described("requestheader-username-headers", "is empty"));
        }
        let mut uid = names(data, "requestheader-uid-headers")?;
        if uid.is_empty() {
            // From 1.33 on the uid is sent under this name even where the flag is not set. Where it
            // is not sent, somebody may send their own: that makes them nobody's holder, no more.
            uid.push(HeaderName::from_static("x-remote-uid"));
        }
        let extra_prefix = list(data, "requestheader-extra-headers-prefix")?;
        Ok(Self {
            username,
            uid,
            group: names(data, "requestheader-group-headers")?,
            extra_prefix: extra_prefix.iter().map(|prefix| prefix.to_ascii_lowercase()).collect(),
        })
    }
}

/// The certificate's common name, where it has exactly one.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

fn described(key: &'static str, why: impl ToString) -> TrustError {
    TrustError::Described { key, why: why.to_string() }
}

/// A list of texts in JSON; absent and empty alike.
fn list(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<String>, TrustError> {
    match data.get(key).map(|text| text.trim()) {
        None | Some("") => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| described(key, error)),
    }
}

fn names(data: &BTreeMap<String, String>, key: &'static str) -> Result<Vec<HeaderName>, TrustError> {
    let texts = list(data, key)?;
    texts.iter().map(|text| text.parse().map_err(|_| described(key, format!("names no header: `{text}`")))).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    pub(in crate::gateway::door) struct Ca {
        pub(in crate::gateway::door) pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Ca {
        pub(in crate::gateway::door) fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let pem = params.self_signed(&key).unwrap().pem();
            Self { pem, issuer: Issuer::new(params, key) }
        }

        pub(in crate::gateway::door) fn issue(&self, names: &[&str]) -> (CertificateDer<'static>, KeyPair) {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            for name in names {
                params.distinguished_name.push(DnType::CommonName, *name);
            }
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
        }
    }

    pub(in crate::gateway::door) fn described_by(ca: &str, allowed: &str) -> BTreeMap<String, String> {
        [
            (CA, ca),
            (NAMES, allowed),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn now() -> UnixTime {
        UnixTime::now()
    }

    #[test]
    fn only_an_allowed_name_under_the_front_proxy_ca_is_believed() {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let (ours, other) = (Ca::new(), Ca::new());
        let trust = Trust::read(&described_by(&ours.pem, r#"["front-proxy-client"]"#)).unwrap();
        let believes = |certificate: CertificateDer<'static>| trust.believes(Some(&[certificate]), now());

        assert!(believes(ours.issue(&["front-proxy-client"]).0).is_ok());
        assert!(matches!(believes(ours.issue(&["somebody"]).0), Err(TrustError::Name)));
        assert!(matches!(believes(ours.issue(&[]).0), Err(TrustError::Name)));
        assert!(matches!(believes(other.issue(&["front-proxy-client"]).0), Err(TrustError::Chain(_))));
        assert!(matches!(trust.believes(None, now()), Err(TrustError::NoCertificate)));
        assert!(matches!(trust.believes(Some(&[]), now()), Err(TrustError::NoCertificate)));
    }

    #[test]
    fn no_list_of_names_shuts_the_door() {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let ca = Ca::new();
        for allowed in ["[]", "", "null", "{}"] {
            let error = Trust::read(&described_by(&ca.pem, allowed)).unwrap_err();
            assert!(error.to_string().contains("requestheader-allowed-names"), "{error}");
        }
        assert!(Trust::read(&BTreeMap::new()).is_err());
    }

    #[test]
    fn the_uid_header_has_a_name_even_where_the_cluster_gives_none() {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let ca = Ca::new();
        let trust = Trust::read(&described_by(&ca.pem, r#"["a"]"#)).unwrap();
        assert_eq!(trust.headers.uid, [HeaderName::from_static("x-remote-uid")]);
    }
}
