//! The record of everything that was done, and what proves that it is whole.
//!
//! Promises: one closed list of events; an entry is one line whose bytes stored
//! are the bytes hashed; each names the hash of the one before; a signed
//! checkpoint over a Merkle tree (RFC 6962) covers all before it. Whoever has
//! the entries, the checkpoints and the public key finds, offline and without
//! our code, whether anything was changed, removed, reordered or cut off. The
//! bytes are specified in `docs/spec/audit-log.md`.
//!
//! Left out on purpose: storing, signing and randomness, which touch the world;
//! the server brings them.
//!
//! In reading order: what can happen ([`event`]), how it is spelled ([`text`],
//! [`moment`]), what stands for personal text ([`commitment`]), the entries
//! ([`chain`]), the tree over them ([`tree`], [`proof`]), its signed heads
//! ([`checkpoint`], [`key`]), and whether it is all there ([`verify`]).

mod wire;

pub mod text;

pub mod moment;

pub mod commitment;

pub mod event;

pub mod tree;

pub mod proof;

pub mod chain;

pub mod key;

pub mod checkpoint;

pub mod verify;

pub use chain::{Chain, ChainId, Entry, NotNext, Record};
pub use checkpoint::{Checkpoint, Signed, SignedCheckpoint};
pub use event::Event;
pub use wire::Unreadable;
