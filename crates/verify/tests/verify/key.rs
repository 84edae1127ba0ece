//! Real keys, always the same.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use brevet_core::audit::key::{PublicKey, Signer};

/// A key pair of a known seed.
pub(crate) struct Key {
    public: PublicKey,
    pair: Ed25519KeyPair,
}

impl Key {
    /// The pair whose seed is 32 times that byte.
    pub(crate) fn of(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let bytes = pair.public_key().as_ref().try_into().unwrap();
        Self { public: PublicKey::new("brevet-audit", bytes).unwrap(), pair }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl Signer for Key {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }
}
