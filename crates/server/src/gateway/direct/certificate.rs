//! A client's certificate as a user, the way kube-apiserver reads it: the common
//! name is the username, organizations are groups.
//!
//! Promises: the chain is proven under the CA of this moment, for the use of a
//! client; a certificate with several common names, or none, is nobody's.

use std::sync::Arc;

use arc_swap::ArcSwap;
use brevet_core::subject::Caller;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::{der_parser::oid, x509::X509Name};

use super::claims::{AUTHENTICATED, MASTERS};
use crate::gateway::door::{Visitor, tls::Judge, trust::TrustError};

/// The CA of clients, as it is now.
#[derive(Debug)]
pub(super) struct Clients(ArcSwap<Arc<dyn ClientCertVerifier>>);

impl Clients {
    /// Those under `pem`.
    pub(super) fn read(pem: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(ArcSwap::from_pointee(verifier(pem)?)))
    }

    /// From now on those under `pem`.
    pub(super) fn replace(&self, pem: &[u8]) -> anyhow::Result<()> {
        self.0.store(Arc::new(verifier(pem)?));
        Ok(())
    }
}

fn verifier(pem: &[u8]) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    Ok(WebPkiClientVerifier::builder(Arc::new(roots)).build()?)
}

impl Judge for Clients {
    fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), TrustError> {
        let (own, between) = chain.split_first().ok_or(TrustError::NoCertificate)?;
        self.0.load().verify_client_cert(own, between, now).map_err(TrustError::Chain)?;
        Ok(())
    }
}

/// The user of a certificate that was proven.
pub(super) fn visitor(chain: &[CertificateDer<'_>]) -> Result<Visitor, &'static str> {
    let own = chain.first().ok_or("no certificate")?;
    let (_, parsed) = x509_parser::parse_x509_certificate(own).map_err(|_| "the certificate cannot be read")?;
    let subject = parsed.subject();
    let mut names = subject.iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok()).filter(|name| !name.is_empty());
    let username = name.ok_or("the certificate has no common name")?.to_owned();
    if names.next().is_some() {
        return Err("the certificate has more than one common name");
    }
    let mut groups = Vec::new();
    for organization in subject.iter_organization() {
        let group = organization.as_str().map_err(|_| "an organization that is no text")?;
        if group != MASTERS {
            groups.push(group.to_owned());
        }
    }
    groups.push(AUTHENTICATED.to_owned());
    let caller = Caller { username, uid: Some(uid(subject)?) };
    Ok(Visitor { caller, groups, extra: Default::default() })
}

/// The uid in the subject, which kube-apiserver reads from 1.34 on; empty without.
fn uid(subject: &X509Name<'_>) -> Result<String, &'static str> {
    // k8s.io/apiserver, pkg/authentication/request/x509: UIDOID.
    let mut uids = subject.iter_by_oid(&oid!(1.3.6.1.4.1.57683.2));
    let uid = uids.next().map(|uid| uid.as_str().map_err(|_| "a uid that is no text")).transpose()?;
    if uids.next().is_some() {
        Err("the certificate has more than one uid")
    } else {
        Ok(uid.unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };

    use super::*;

    struct Ca(String, Issuer<'static, KeyPair>);

    fn ca() -> Ca {
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ca(params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
    }

    fn issue(ca: &Ca, names: &[(DnType, &str)], usage: ExtendedKeyUsagePurpose) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        names.iter().for_each(|(kind, name)| params.distinguished_name.push(kind.clone(), *name));
        params.extended_key_usages = vec![usage];
        params.signed_by(&KeyPair::generate().unwrap(), &ca.1).unwrap().der().clone()
    }

    fn client(ca: &Ca, names: &[(DnType, &str)]) -> Result<Visitor, &'static str> {
        visitor(&[issue(ca, names, ExtendedKeyUsagePurpose::ClientAuth)])
    }

    fn uid_type() -> DnType {
        DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57_683, 2])
    }

    #[test]
    fn common_name_and_organizations_are_user_and_groups() {
        let ca = ca();
        let alice = client(&ca, &[(DnType::CommonName, "alice"), (DnType::OrganizationName, "developers")]).unwrap();
        assert_eq!(alice.caller, Caller { username: "alice".to_owned(), uid: Some(String::new()) });
        assert_eq!(alice.groups, ["developers", AUTHENTICATED]);
        let root = client(&ca, &[(DnType::CommonName, "root"), (DnType::OrganizationName, MASTERS)]).unwrap();
        assert_eq!(root.groups, [AUTHENTICATED]);
        let known = client(&ca, &[(DnType::CommonName, "alice"), (uid_type(), "u-1")]).unwrap();
        assert_eq!(known.caller.uid.as_deref(), Some("u-1"));
    }

    #[test]
    fn a_certificate_without_a_name_is_nobodys() {
        assert!(client(&ca(), &[(DnType::OrganizationName, "developers")]).is_err());
        assert!(client(&ca(), &[(DnType::CommonName, "")]).is_err());
    }

    #[test]
    fn only_client_certificates_under_the_ca_of_the_moment_are_believed() {
        let (old, new) = (ca(), ca());
        let names = [(DnType::CommonName, "alice")];
        let clients = Clients::read(old.0.as_bytes()).unwrap();
        let believes = |certificate| clients.judge(&[certificate], UnixTime::now()).is_ok();
        assert!(believes(issue(&old, &names, ExtendedKeyUsagePurpose::ClientAuth)));
        assert!(!believes(issue(&old, &names, ExtendedKeyUsagePurpose::ServerAuth)));
        assert!(!believes(issue(&new, &names, ExtendedKeyUsagePurpose::ClientAuth)));
        clients.replace(new.0.as_bytes()).unwrap();
        assert!(believes(issue(&new, &names, ExtendedKeyUsagePurpose::ClientAuth)));
        assert!(!believes(issue(&old, &names, ExtendedKeyUsagePurpose::ClientAuth)));
        assert!(clients.replace(b"nonsense").is_err());
        assert!(believes(issue(&new, &names, ExtendedKeyUsagePurpose::ClientAuth)), "the last good one stays");
    }
}
