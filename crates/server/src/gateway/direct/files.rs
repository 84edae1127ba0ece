//! The files of the direct door, read again when they change.
//!
//! Promises: a new certificate or CA counts for the next handshake, and open
//! connections go on; what cannot be read, or does not fit together, is told and
//! changes nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use tokio_util::sync::CancellationToken;

use super::certificate::Clients;
use crate::gateway::{door::tls::Presented, limits};

/// The files, and what stood in them.
pub(super) struct Files {
    paths: Paths,
    read: Contents,
    presented: Arc<Presented>,
    clients: Option<Arc<Clients>>,
}

struct Paths {
    cert: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
}

/// What stood in each file, to see a change of any.
#[derive(PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
}

impl Files {
    /// Reads them for the first time; whatever is wrong with them is an error.
    pub(super) fn read(cert: &Path, key: &Path, clients: Option<&Path>) -> anyhow::Result<Self> {
        let paths = Paths { cert: cert.to_owned(), key: key.to_owned(), clients: clients.map(Path::to_owned) };
        let read = paths.read()?;
        let presented = Arc::new(Presented::default());
        presented.0.store(Some(Arc::new(read.certified()?)));
        let clients =
            read.clients.as_deref().map(|pem| Clients::read(pem).context("the CA of clients (--client-ca-file)"));
        Ok(Self { paths, presented, clients: clients.transpose()?.map(Arc::new), read })
    }

    /// What is presented.
    pub(super) fn presented(&self) -> Arc<Presented> {
        self.presented.clone()
    }

    /// The CA of clients, if there is one.
    pub(super) fn clients(&self) -> Option<Arc<Clients>> {
        self.clients.clone()
    }

    /// Keeps in step until `stop`.
    pub(super) async fn keep(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(limits::FILES_LOOK_EVERY) => {}
                () = stop.cancelled() => return Ok(()),
            }
            if let Err(error) = self.look() {
                tracing::warn!(error = format!("{error:#}"), "the files of the direct door cannot be used as they are");
            }
        }
    }

    fn look(&mut self) -> anyhow::Result<()> {
        let read = self.paths.read()?;
        if read == self.read {
            return Ok(());
        }
        let certified = read.certified()?;
        if let (Some(clients), Some(pem)) = (&self.clients, &read.clients) {
            clients.replace(pem).context("the CA of clients (--client-ca-file)")?;
        }
        self.presented.0.store(Some(Arc::new(certified)));
        self.read = read;
        tracing::info!("the direct door presents what its files hold now");
        Ok(())
    }
}

impl Paths {
    fn read(&self) -> anyhow::Result<Contents> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()));
        Ok(Contents {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
            clients: self.clients.as_deref().map(read).transpose()?,
        })
    }
}

impl Contents {
    fn certified(&self) -> anyhow::Result<CertifiedKey> {
        let chain = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<Vec<_>, _>>()
            .context("the certificate (--tls-cert-file) is no PEM")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("the key (--tls-private-key-file) is no PEM")?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).context("the key is of no known kind")?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().context("certificate and key of the direct door do not belong together")?;
        Ok(certified)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair(name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    #[test]
    fn a_new_pair_is_presented_and_half_a_pair_is_not() {
        let folder = std::env::temp_dir().join(format!("brevet-files-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let (cert, key) = (folder.join("crt"), folder.join("key"));
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        let (first, second) = (pair("one.test"), pair("two.test"));
        write(&cert, &first.0);
        write(&key, &first.1);
        let mut files = Files::read(&cert, &key, None).unwrap();
        let shown = |files: &Files| files.presented.0.load_full().unwrap().cert[0].to_vec();
        let before = shown(&files);

        // A rotation in two steps is seen in its middle.
        write(&cert, &second.0);
        assert!(files.look().is_err());
        assert_eq!(shown(&files), before);
        write(&key, &second.1);
        files.look().unwrap();
        assert_ne!(shown(&files), before);
        assert!(Files::read(&cert, &folder.join("none"), None).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
