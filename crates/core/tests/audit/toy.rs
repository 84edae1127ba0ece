//! A toy signature: what is tested here is what is done with signatures. The
//! real ones are tested with the program that checks them.

use brevet_core::{
    audit::key::{PublicKey, SignatureCheck, Signer},
    digest::Digest,
};

/// Signs, and checks signatures.
pub(crate) struct Toy(pub(crate) PublicKey);

impl Toy {
    /// The key of that number.
    pub(crate) fn key(number: u8) -> Self {
        Self(PublicKey::new("brevet-audit", [number; 32]).unwrap())
    }
}

fn signature(public: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let half = *Digest::of(&[public, message].concat()).as_bytes();
    [half, half].concat().try_into().unwrap()
}

impl Signer for Toy {
    fn key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        signature(self.0.bytes(), message)
    }
}

impl SignatureCheck for Toy {
    fn is_valid(&self, public: &[u8; 32], message: &[u8], given: &[u8; 64]) -> bool {
        signature(public, message) == *given
    }
}
