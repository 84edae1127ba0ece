//! The serving CA and its certificate as values, and what is due about them.
//!
//! Promises: a CA is told to everybody a day before the first certificate is
//! issued under it, and stays told until it expires, so that at no moment a
//! replica serves what kube-apiserver does not believe.
//!
//! Left out on purpose: where they are kept, and the clock.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// The one name that kube-apiserver asks for.
pub(super) const NAME: &str = "brevet-gateway.brevet-system.svc";

const CA_DAYS: i64 = 365;
/// A CA with less left gets a successor.
const CA_DAYS_LEFT_MIN: i64 = 120;
/// A successor is used once it has been told for this long.
const CA_TOLD_DAYS: i64 = 1;
const LEAF_DAYS: i64 = 60;
/// A certificate with less left is issued anew.
const LEAF_DAYS_LEFT_MIN: i64 = 20;

/// What the Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// `ca.crt`: every CA to believe, the one that issues first.
    pub(super) bundle: String,
    /// `ca.key`: of the first.
    ca_key: String,
    /// `ca-next.key`: of the second, while it waits for its turn.
    next_key: Option<String>,
    /// `tls.crt`.
    pub(super) leaf: String,
    /// `tls.key`.
    pub(super) leaf_key: String,
}

impl Kept {
    /// A first CA and a certificate under it.
    pub(super) fn first(now: Timestamp) -> anyhow::Result<Self> {
        let ca = Ca::new(now)?;
        let (leaf, leaf_key) = ca.issue(now)?;
        Ok(Self { bundle: ca.pem, ca_key: ca.key.serialize_pem(), next_key: None, leaf, leaf_key })
    }

    /// Reads a Secret's data; `None` where it is not what we write.
    pub(super) fn read(data: &BTreeMap<String, Vec<u8>>) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data.get(key)?.clone()).ok();
        let kept = Self {
            bundle: text("ca.crt")?,
            ca_key: text("ca.key")?,
            next_key: text("ca-next.key"),
            leaf: text("tls.crt")?,
            leaf_key: text("tls.key")?,
        };
        let is_whole = Ca::read(&kept.bundle, &kept.ca_key).is_ok() && Validity::of(&kept.leaf).is_some();
        is_whole.then_some(kept)
    }

    /// A Secret's data.
    pub(super) fn write(&self) -> BTreeMap<String, Vec<u8>> {
        let mut data = BTreeMap::from([
            ("ca.crt".to_owned(), self.bundle.clone().into_bytes()),
            ("ca.key".to_owned(), self.ca_key.clone().into_bytes()),
            ("tls.crt".to_owned(), self.leaf.clone().into_bytes()),
            ("tls.key".to_owned(), self.leaf_key.clone().into_bytes()),
        ]);
        if let Some(key) = &self.next_key {
            data.insert("ca-next.key".to_owned(), key.clone().into_bytes());
        }
        data
    }

    /// The next step that is due; `None` when none is.
    pub(super) fn next(&self, now: Timestamp) -> anyhow::Result<Option<Self>> {
        let cas = split(&self.bundle);
        let first = cas.first().and_then(|pem| Validity::of(pem)).context("the bundle has no CA")?;
        let waiting = self.next_key.as_ref().zip(cas.get(1));
        if let Some((key, pem)) = waiting {
            let told = Validity::of(pem).context("the next CA cannot be read")?;
            if now.duration_since(told.not_before) >= days(CA_TOLD_DAYS + 1) {
                return self.turn_to(&cas, pem, key, now).map(Some);
            }
        } else if first.not_after.duration_since(now) < days(CA_DAYS_LEFT_MIN) {
            return self.with_successor(&cas, now).map(Some);
        }
        let leaf = Validity::of(&self.leaf).context("the certificate cannot be read")?;
        if leaf.not_after.duration_since(now) < days(LEAF_DAYS_LEFT_MIN) {
            let (leaf, leaf_key) = Ca::read(&self.bundle, &self.ca_key)?.issue(now)?;
            return Ok(Some(Self { leaf, leaf_key, ..self.clone() }));
        }
        let believed: String =
            cas.iter().filter(|pem| Validity::of(pem).is_none_or(|v| v.not_after > now)).cloned().collect();
        Ok((believed != self.bundle).then(|| Self { bundle: believed, ..self.clone() }))
    }

    /// Tells everybody of a successor, who issues nothing yet.
    fn with_successor(&self, cas: &[String], now: Timestamp) -> anyhow::Result<Self> {
        let next = Ca::new(now)?;
        let mut bundle = cas.to_vec();
        bundle.insert(1.min(bundle.len()), next.pem);
        Ok(Self { bundle: bundle.concat(), next_key: Some(next.key.serialize_pem()), ..self.clone() })
    }

    /// Issues under the successor; the predecessor stays believed.
    fn turn_to(&self, cas: &[String], pem: &str, key: &str, now: Timestamp) -> anyhow::Result<Self> {
        let (leaf, leaf_key) = Ca::read(pem, key)?.issue(now)?;
        let others = cas.iter().filter(|other| *other != pem).map(String::as_str);
        let bundle = std::iter::once(pem).chain(others).collect();
        Ok(Self { bundle, ca_key: key.to_owned(), next_key: None, leaf, leaf_key })
    }
}

/// A CA that can issue.
struct Ca {
    pem: String,
    params: CertificateParams,
    key: KeyPair,
}

impl Ca {
    fn new(now: Timestamp) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        // A name of its own, so that two CAs of one bundle are never taken for one another.
        let params = ca_params(&format!("brevet serving CA {}", uuid::Uuid::now_v7()), now);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, params, key })
    }

    /// The first of `pem`, and its key.
    fn read(pem: &str, key: &str) -> anyhow::Result<Self> {
        let first = CertificateDer::from_pem_slice(pem.as_bytes()).context("the CA is no PEM")?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&first).context("the CA cannot be read")?;
        let name = parsed.subject().iter_common_name().next().context("the CA has no name")?;
        let key = KeyPair::from_pem(key).context("the CA's key cannot be read")?;
        anyhow::ensure!(
            parsed.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(&key),
            "the CA's key is another's"
        );
        // Issuing takes the name and the key's identifier; the dates are of no account.
        let params = ca_params(name.as_str().context("the CA's name is no text")?, Timestamp::UNIX_EPOCH);
        Ok(Self { pem: pem.to_owned(), params, key })
    }

    /// A certificate for [`NAME`] and its key.
    fn issue(&self, now: Timestamp) -> anyhow::Result<(String, String)> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params.distinguished_name = named(NAME);
        last(&mut params, now, LEAF_DAYS);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_params(&self.params, &self.key);
        Ok((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
    }
}

fn ca_params(name: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    last(&mut params, now, CA_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// From the midnight before `now`, so that a clock a little behind ours believes it, for `length` days.
fn last(params: &mut CertificateParams, now: Timestamp, length: i64) {
    let day = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        // A jiff month is 1 to 12 and a day 1 to 31.
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(now);
    params.not_after = day(now.checked_add(days(length)).unwrap_or(Timestamp::MAX));
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// When a certificate counts.
struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Validity {
    /// Of the first certificate of `pem`.
    fn of(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
        let at = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
        Some(Self { not_before: at(parsed.validity().not_before)?, not_after: at(parsed.validity().not_after)? })
    }
}

/// The certificates of a bundle, each a PEM of its own.
fn split(bundle: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = bundle.split(END).filter(|part| part.contains("BEGIN CERTIFICATE"));
    parts.map(|part| format!("{}{END}\n", part.trim_start())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
        pki_types::{ServerName, UnixTime},
    };

    use super::*;

    fn start() -> Timestamp {
        "2026-11-24T08:00:00Z".parse().unwrap()
    }

    /// Whether a client that knows `bundle` believes `leaf` at `now`.
    fn believes(bundle: &str, leaf: &str, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().unsigned_abs()));
        verifier.verify_server_cert(&leaf, &[], &ServerName::try_from(NAME).unwrap(), &[], at).is_ok()
    }

    #[test]
    fn what_is_kept_reads_back() {
        let kept = Kept::first(start()).unwrap();
        assert_eq!(Kept::read(&kept.write()), Some(kept.clone()));
        assert!(believes(&kept.bundle, &kept.leaf, start()));
        assert_eq!(kept.next(start()).unwrap(), None);
        let mut broken = kept.write();
        broken.insert("ca.key".to_owned(), KeyPair::generate().unwrap().serialize_pem().into_bytes());
        assert_eq!(Kept::read(&broken), None);
    }

    /// Two years, an hour at a time, with a client that learns of a new bundle a
    /// day late: it believes what is served at every hour.
    #[test]
    fn a_rotation_has_no_gap() {
        let mut now = start();
        let mut kept = Kept::first(now).unwrap();
        let mut known = Vec::from([(now, kept.bundle.clone())]);
        let (mut leaves, mut cas) = (0, 0);
        for _ in 0..2 * 365 * 8 {
            now += SignedDuration::from_hours(3);
            while let Some(next) = kept.next(now).unwrap() {
                leaves += u32::from(next.leaf != kept.leaf);
                cas += u32::from(next.next_key.is_some() && kept.next_key.is_none());
                if next.bundle != kept.bundle {
                    known.push((now, next.bundle.clone()));
                }
                kept = next;
            }
            let (_, late) = known.iter().rev().find(|(at, _)| now.duration_since(*at) >= days(1)).unwrap_or(&known[0]);
            assert!(believes(late, &kept.leaf, now), "not believed at {now}");
        }
        assert!(leaves >= 15 && cas >= 2, "{leaves} certificates, {cas} successors");
        assert!(split(&kept.bundle).len() <= 3);
        assert_eq!(Kept::read(&kept.write()), Some(kept));
    }
}
