//! A signed head of a chain, in the text form of C2SP tlog-checkpoint.
//!
//! ```text
//! brevet.dev/audit/v1/gateway-0-01jd
//! 4096
//! yS5x8v…base64 of the root…=
//! time 2026-11-24T08:00:00.000000Z
//!
//! — brevet-audit base64 of key id and signature
//! ```
//!
//! Promises: one spelling; whoever knows the key and holds one of these knows
//! whether the entries up to it are all there and unchanged.

use std::fmt;

use data_encoding::BASE64;

use super::{
    chain::ChainId,
    key::{PublicKey, SignatureCheck, Signer},
    moment::Moment,
};
use crate::digest::Digest;

/// Before the chain's name in the first line.
const ORIGIN: &str = "brevet.dev/audit/v1/";
/// Signatures on one checkpoint: one's own, and some witnesses'.
const SIGNATURES_MAX: usize = 16;

/// How far a chain had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The chain.
    pub chain: ChainId,
    /// How many entries it had.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
    /// When, by the signer's clock.
    pub time: Moment,
}

/// A checkpoint with signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What is signed.
    pub checkpoint: Checkpoint,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: [u8; 64],
}

/// What a key says of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Its signature is on it, and right.
    Right,
    /// Its signature is on it, and wrong.
    Wrong,
    /// It did not sign.
    Absent,
}

impl Checkpoint {
    /// Signs it.
    #[must_use]
    pub fn sign(self, signer: &dyn Signer) -> SignedCheckpoint {
        let key = signer.key();
        let bytes = signer.sign(self.to_string().as_bytes());
        let signature = Signature { name: key.name().to_owned(), id: key.id(), bytes };
        SignedCheckpoint { checkpoint: self, signatures: vec![signature] }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let chain = ChainId::parse(lines.next()?.strip_prefix(ORIGIN)?)?;
        let size = lines.next()?.parse().ok()?;
        let root = BASE64.decode(lines.next()?.as_bytes()).ok()?.try_into().ok()?;
        let time = Moment::parse(lines.next()?.strip_prefix("time ")?)?;
        let read = Self { chain, size, root: Digest::from_bytes(root), time };
        (read.to_string() == text).then_some(read)
    }
}

/// The text that is signed, with the end of its last line.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = BASE64.encode(self.root.as_bytes());
        write!(f, "{ORIGIN}{}\n{}\n{root}\ntime {}\n", self.chain, self.size, self.time)
    }
}

impl SignedCheckpoint {
    /// Reads what is printed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (body, signed) = text.split_once("\n\n")?;
        let checkpoint = Checkpoint::parse(&format!("{body}\n"))?;
        let signatures: Vec<Signature> = signed.lines().map(Signature::parse).collect::<Option<_>>()?;
        let is_some = (1..=SIGNATURES_MAX).contains(&signatures.len());
        let read = Self { checkpoint, signatures };
        (is_some && read.to_string() == text).then_some(read)
    }

    /// What `key` says of it. A key may have signed it more than once; one wrong signature is wrong.
    #[must_use]
    pub fn by(&self, key: &PublicKey, check: &dyn SignatureCheck) -> Signed {
        let message = self.checkpoint.to_string();
        let is_its = |signature: &&Signature| signature.name == key.name() && signature.id == key.id();
        let mut said = Signed::Absent;
        for signature in self.signatures.iter().filter(is_its) {
            if !check.is_valid(key.bytes(), message.as_bytes(), &signature.bytes) {
                return Signed::Wrong;
            }
            said = Signed::Right;
        }
        said
    }
}

/// As it is stored, with the end of its last line.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint)?;
        for Signature { name, id, bytes } in &self.signatures {
            let encoded = BASE64.encode(&[&id[..], bytes].concat());
            writeln!(f, "— {name} {encoded}")?;
        }
        Ok(())
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let decoded = BASE64.decode(encoded.as_bytes()).ok()?;
        let (id, bytes) = decoded.split_at_checked(4)?;
        Some(Self { name: name.to_owned(), id: id.try_into().ok()?, bytes: bytes.try_into().ok()? })
    }
}
