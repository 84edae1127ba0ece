//! Signatures, by aws-lc.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use brevet_core::audit::key::SignatureCheck;

/// Ed25519 as of RFC 8032.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ed25519;

impl SignatureCheck for Ed25519 {
    fn is_valid(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
    }
}
