//! What this replica serves TLS with: one CA in a Secret for all replicas.
//!
//! Promises: replicas never lock; each writes only over the version it has read,
//! and reads again when it was late. Every replica presents what the Secret
//! holds, within [`LOOK_EVERY`].

mod certificates;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::certificates::Kept;
use super::{SYSTEM, door::tls::Presented, limits};
use crate::{clock, probes::Health};

/// The Secret.
const SECRET: &str = "brevet-serving";

/// Between two looks at the Secret.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A conflict is somebody else's success; this many in a row are not.
const TRIES: usize = 8;

/// Keeps what is presented in step with the Secret.
pub(super) struct Serving {
    secrets: Api<Secret>,
    presented: Arc<Presented>,
    /// `ca.crt`, for the APIService.
    bundle: watch::Sender<Option<String>>,
    health: Health,
}

impl Serving {
    /// Presents nothing yet.
    pub(super) fn new(client: Client, health: Health) -> Self {
        let secrets = Api::namespaced(client, SYSTEM);
        Self { secrets, presented: Arc::default(), bundle: watch::Sender::new(None), health }
    }

    /// What is presented.
    pub(super) fn presented(&self) -> Arc<Presented> {
        self.presented.clone()
    }

    /// The CA bundle, once there is one.
    pub(super) fn bundle(&self) -> watch::Receiver<Option<String>> {
        self.bundle.subscribe()
    }

    /// Keeps in step until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.health.fails("gateway-certificate", "not read yet");
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    self.health.holds("gateway-certificate");
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the serving certificate could not be looked after");
                    if self.bundle.borrow().is_none() {
                        self.health.fails("gateway-certificate", format!("{error:#}"));
                    }
                    limits::WATCH_RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        for _ in 0..TRIES {
            let stored = tokio::time::timeout(limits::OWN_CALL_TIMEOUT, self.secrets.get_opt(SECRET)).await??;
            let now = clock::now();
            let kept = stored.as_ref().and_then(read);
            let due = match &kept {
                None => Some(Kept::first(now)?),
                Some(kept) => kept.next(now)?,
            };
            let Some(due) = due else {
                return kept.map_or(Ok(()), |kept| self.present(&kept));
            };
            match self.write(stored, &due).await {
                Ok(()) => tracing::info!("wrote the serving certificate"),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error).context("cannot write Secret brevet-system/brevet-serving"),
            }
        }
        anyhow::bail!("Secret brevet-system/brevet-serving changes all the time")
    }

    /// Writes over the version that was read, and over no other.
    async fn write(&self, stored: Option<Secret>, kept: &Kept) -> Result<(), kube::Error> {
        let data = kept.write().into_iter().map(|(key, value)| (key, ByteString(value))).collect();
        let params = PostParams::default();
        match stored {
            None => {
                let metadata = ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() };
                let type_ = Some("Opaque".to_owned());
                let secret = Secret { metadata, data: Some(data), type_, ..Secret::default() };
                self.secrets.create(&params, &secret).await.map(drop)
            }
            Some(stored) => {
                let secret = Secret { data: Some(data), ..stored };
                self.secrets.replace(SECRET, &params, &secret).await.map(drop)
            }
        }
    }

    fn present(&self, kept: &Kept) -> anyhow::Result<()> {
        let chain = CertificateDer::pem_slice_iter(kept.leaf.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        if self.presented.0.load().as_ref().is_some_and(|presented| presented.cert == chain) {
            self.tell(kept);
            return Ok(());
        }
        let key = PrivateKeyDer::from_pem_slice(kept.leaf_key.as_bytes())?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
        self.presented.0.store(Some(Arc::new(CertifiedKey::new(chain, key))));
        tracing::info!("presents a new serving certificate");
        self.tell(kept);
        Ok(())
    }

    fn tell(&self, kept: &Kept) {
        self.bundle.send_if_modified(|bundle| {
            let is_new = bundle.as_ref() != Some(&kept.bundle);
            *bundle = Some(kept.bundle.clone());
            is_new
        });
    }
}

fn read(secret: &Secret) -> Option<Kept> {
    let data: BTreeMap<String, Vec<u8>> =
        secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    Kept::read(&data)
}
