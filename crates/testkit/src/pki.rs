//! The keys and certificates of one cluster, all EC and made in a moment.
//!
//! Promises: every private key file is readable by its owner alone.
//!
//! They are valid for ever: a cluster lives for minutes, and reading a clock
//! here would only make tests depend on it.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

/// Common name that kube-apiserver's front-proxy client presents to aggregated API servers.
pub(crate) const FRONT_PROXY_CLIENT: &str = "front-proxy-client";

/// Object identifier of `organizationName`, which kube-apiserver reads as a group.
const ORGANIZATION_OID: [u64; 4] = [2, 5, 4, 10];

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// One cluster's authorities, and the folder with what its programs read.
pub(crate) struct Pki {
    dir: PathBuf,
    cluster: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    /// Makes everything the control plane's programs need, under `dir`.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
        let pki = Self { dir: dir.to_owned(), cluster: authority("brevet-dev-ca")? };
        pki.write("ca.crt", &pki.cluster.pem())?;
        pki.write("ca.key", &pki.cluster.key().serialize_pem())?;

        let front_proxy = authority("brevet-dev-front-proxy-ca")?;
        pki.write("front-proxy-ca.crt", &front_proxy.pem())?;
        // For tests that issue what an impostor would show.
        pki.write("front-proxy-ca.key", &front_proxy.key().serialize_pem())?;
        pki.write_identity("front-proxy-client", &issue(&front_proxy, FRONT_PROXY_CLIENT, &[], &[])?)?;

        pki.write_identity("apiserver", &pki.server("kube-apiserver")?)?;
        pki.write_identity("etcd", &pki.server("etcd")?)?;
        pki.write_identity("gateway", &pki.server("brevet-gateway")?)?;
        pki.write_identity("kubelet", &pki.server("kubelet")?)?;
        pki.write_identity("kubelet-client", &pki.person("kube-apiserver-kubelet-client", &["system:masters"])?)?;

        let accounts = KeyPair::generate()?;
        pki.write("sa.key", &accounts.serialize_pem())?;
        pki.write("sa.pub", &accounts.public_key_pem())?;
        Ok(pki)
    }

    /// A client certificate for somebody: the way this cluster knows its users.
    pub(crate) fn person(&self, name: &str, groups: &[&str]) -> Result<Identity> {
        issue(&self.cluster, name, groups, &[])
    }

    /// The authority that signed everything but the front proxy's certificate, as PEM.
    pub(crate) fn ca(&self) -> String {
        self.cluster.pem()
    }

    /// The path of one of the files, as an argument.
    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// A certificate of a server on this machine.
    pub(crate) fn server(&self, name: &str) -> Result<Identity> {
        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        issue(&self.cluster, name, &[], &names)
    }

    fn write_identity(&self, name: &str, identity: &Identity) -> Result<()> {
        self.write(&format!("{name}.crt"), &identity.cert)?;
        self.write(&format!("{name}.key"), &identity.key)
    }

    fn write(&self, file: &str, pem: &str) -> Result<()> {
        write_private(&self.dir.join(file), pem)
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(name, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// A certificate good for both ends of a connection; a server when it has host names.
fn issue(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str, groups: &[&str], hosts: &[&str]) -> Result<Identity> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(name, groups)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    if !hosts.is_empty() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names =
            hosts.iter().map(|host| Ok(SanType::DnsName((*host).try_into()?))).collect::<Result<_, rcgen::Error>>()?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, issuer)?;
    Ok(Identity { cert: cert.pem(), key: key.serialize_pem() })
}

/// User and groups, the way kube-apiserver reads them from a certificate.
fn distinguished(name: &str, groups: &[&str]) -> Result<DistinguishedName> {
    // The library keeps one value for each type, but takes the same type under another name.
    let mut types = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION_OID.to_vec())].into_iter();
    let mut distinguished = DistinguishedName::new();
    for group in groups {
        let kind = types.next().context("a certificate of this kit carries at most two groups")?;
        distinguished.push(kind, *group);
    }
    distinguished.push(DnType::CommonName, name);
    Ok(distinguished)
}
