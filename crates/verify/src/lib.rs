//! Checks an export of Brevet's audit log, on a machine that has nothing else.
//!
//! Promises: no network, no clock, memory flat however long the log; nothing in
//! the export is believed but what hashes and signatures confirm; the answer is
//! one of three: whole, something is wrong (and where), or it could not be
//! checked. The format is specified in `docs/spec/audit-log.md`.
//!
//! Left out on purpose: telling what the entries say, and asking a cluster for
//! anything. The verdict is the program's; so the program links core alone, and
//! can be built and read apart.

mod ed25519;

mod export;
mod lines;
mod notes;

mod verdict;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use brevet_core::audit::{ChainId, SignedCheckpoint, key::PublicKey, verify::Verifier};

pub use ed25519::Ed25519;
pub use verdict::{ChainVerdict, Found, KeySource, Verdict};

use self::{
    export::{ChainFolder, Export},
    lines::{Lines, Piece, Trouble},
};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum CannotCheck {
    /// A file or folder.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not an export, or one of a later version.
    #[error("`{}` is of no use: {why}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What an export is checked against besides itself.
#[derive(Debug, Default)]
pub struct Trust {
    /// Files with public keys, one a line; none: the export's own keys count.
    pub keys: Vec<PathBuf>,
    /// Files with checkpoints that were kept elsewhere.
    pub checkpoints: Vec<PathBuf>,
}

/// Checks the export in that folder.
///
/// # Errors
/// It could not be checked; that says nothing of what is in it.
pub fn verify(folder: &Path, trust: &Trust) -> Result<Verdict, CannotCheck> {
    let export = Export::open(folder)?;
    let source = if trust.keys.is_empty() { KeySource::Export } else { KeySource::Given };
    let keys = match source {
        KeySource::Export => export.keys()?,
        KeySource::Given => read_keys(&trust.keys)?,
    };
    let mut kept = read_kept(&trust.checkpoints)?;
    let mut chains = Vec::new();
    for chain in export.chains()? {
        let witnessed = kept.remove(chain.id()).unwrap_or_default();
        chains.push(check(&chain, &keys, witnessed)?);
    }
    // Chains that somebody has a checkpoint of, and that are not in the export at all.
    for (id, witnessed) in kept {
        chains.push(verdict::absent(id, &keys, witnessed));
    }
    let stray = export.unlisted()?;
    Ok(Verdict { folder: folder.to_owned(), keys, source, chains, stray })
}

/// Follows one chain.
fn check(
    folder: &ChainFolder,
    keys: &[PublicKey],
    witnessed: Vec<SignedCheckpoint>,
) -> Result<ChainVerdict, CannotCheck> {
    let trouble = Trouble::default();
    let against = folder.against(keys, witnessed, &trouble)?;
    let mut verifier = Verifier::new(folder.id().clone(), against);
    let mut lines = Lines::of(folder.entries()?, brevet_core::audit::chain::LINE_BYTES_MAX);
    let mut faults = None;
    while faults.is_none() {
        match lines.next()? {
            Piece::Line(line) => faults = verifier.line(line).err(),
            Piece::Torn(line) => {
                let fault = verifier.torn(line);
                return Ok(ChainVerdict::wrong(fault, &lines));
            }
            Piece::End => break,
        }
    }
    let verdict = match faults {
        Some(fault) => ChainVerdict::wrong(fault, &lines),
        None => match verifier.finish() {
            Ok(report) => ChainVerdict::Whole(Box::new(report)),
            Err(fault) => ChainVerdict::wrong(fault, &lines),
        },
    };
    trouble.check().map(|()| verdict)
}

fn read_keys(files: &[PathBuf]) -> Result<Vec<PublicKey>, CannotCheck> {
    let mut keys = Vec::new();
    for path in files {
        keys.extend(export::read_keys(path)?);
    }
    Ok(keys)
}

/// By chain, the smallest first.
fn read_kept(files: &[PathBuf]) -> Result<BTreeMap<ChainId, Vec<SignedCheckpoint>>, CannotCheck> {
    let mut kept: BTreeMap<ChainId, Vec<SignedCheckpoint>> = BTreeMap::new();
    for path in files {
        for note in notes::Notes::open(path)? {
            let note = note.map_err(|why| CannotCheck::Malformed { path: path.clone(), why: why.into_owned() })?;
            kept.entry(note.checkpoint.chain.clone()).or_default().push(note);
        }
    }
    for notes in kept.values_mut() {
        notes.sort_by_key(|note| note.checkpoint.size);
    }
    Ok(kept)
}
