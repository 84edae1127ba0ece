//! Keys that sign checkpoints, by name and public half, in the text form of C2SP
//! signed-note: `<name>+<id>+<base64>`.
//!
//! Left out on purpose: the cryptography. Who signs brings a [`Signer`], who
//! checks a [`SignatureCheck`]; both are Ed25519 (RFC 8032).

use std::fmt;

use data_encoding::BASE64;

use super::wire::{Input, Out, Unreadable, Wire};
use crate::digest::Digest;

/// The algorithm byte of Ed25519 in C2SP signed-note.
const ED25519: u8 = 1;
/// Characters of a key's name.
const NAME_MAX: usize = 128;

/// The public half of a key, with its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    name: String,
    bytes: [u8; 32],
}

/// Signs checkpoints with the private half of a key.
pub trait Signer {
    /// The public half.
    fn key(&self) -> &PublicKey;

    /// The Ed25519 signature of the message.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// Checks Ed25519 signatures.
pub trait SignatureCheck {
    /// Whether `signature` of `message` is one of the key of these public bytes.
    fn is_valid(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
}

impl PublicKey {
    /// A key of that name: 1 to 128 printable ASCII characters, without spaces and `+`.
    #[must_use]
    pub fn new(name: &str, bytes: [u8; 32]) -> Option<Self> {
        let is_name = (1..=NAME_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'+' | b'"' | b'\\'));
        is_name.then(|| Self { name: name.to_owned(), bytes })
    }

    /// Reads what is printed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, _, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let decoded = BASE64.decode(encoded.as_bytes()).ok()?;
        let (algorithm, bytes) = decoded.split_first()?;
        let key = Self::new(name, bytes.try_into().ok()?)?;
        (*algorithm == ED25519 && key.to_string() == text).then_some(key)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// What stands before its signatures: the first four bytes of the hash over
    /// name, line feed, algorithm and public bytes.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hashed = Digest::of(&[self.name.as_bytes(), &[b'\n', ED25519], &self.bytes].concat());
        let [a, b, c, d, ..] = *hashed.as_bytes();
        [a, b, c, d]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = data_encoding::HEXLOWER.encode(&self.id());
        let encoded = BASE64.encode(&[&[ED25519][..], &self.bytes].concat());
        write!(f, "{}+{id}+{encoded}", self.name)
    }
}

impl Wire for PublicKey {
    fn write(&self, out: &mut Out) {
        out.plain(&self.to_string());
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        match Self::parse(&input.string()?) {
            Some(key) => Ok(key),
            None => input.fails("a key is spelled `<name>+<id>+<base64>`, as in C2SP signed-note"),
        }
    }
}
