//! The key of this log, and the checkpoints it signs.
//!
//! Promises: the key is made when the log is begun, lies beside it, readable for
//! this account alone, and is never printed; its public half is in `key.pub` and
//! in the first entry of every process. A checkpoint is signed a while after the
//! log has grown and when it closes, and covers only what is synced.
//!
//! Left out on purpose: failing for want of a checkpoint. The next one covers
//! what this one would have.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use brevet_core::audit::{
    Chain, SignedCheckpoint,
    key::{PublicKey, Signer},
};

use crate::clock;

/// The private half, as PKCS#8.
const KEY_NAME: &str = "key";
/// The public half, as `brevet-verify --key` reads it.
const PUBLIC_NAME: &str = "key.pub";
/// What the key is called on checkpoints.
const SIGNER: &str = "brevet-audit";
/// Signed notes, an empty line between two.
const CHECKPOINTS_NAME: &str = "checkpoints";

/// Between two checkpoints: what is cut off later than this is missed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Signs checkpoints.
pub(super) struct Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Key {
    /// Reads the folder's key, or makes one.
    ///
    /// # Errors
    /// What the system says; the file is no key.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(KEY_NAME);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &path)?,
            read => read?,
        };
        let unreadable = |_| io::Error::other(format!("`{}` is no Ed25519 key in PKCS#8", path.display()));
        let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(unreadable)?;
        let public = pair.public_key().as_ref().try_into().ok().and_then(|bytes| PublicKey::new(SIGNER, bytes));
        let public = public.ok_or_else(|| io::Error::other("the key has no public half of 32 bytes"))?;
        replace(folder, PUBLIC_NAME, format!("{public}\n").as_bytes(), 0o644)?;
        Ok(Self { pair, public })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public)
    }
}

impl Signer for Key {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        // An Ed25519 signature has 64 bytes; other bytes would be found to be none.
        self.pair.sign(message).as_ref().try_into().unwrap_or([0; 64])
    }
}

fn make(folder: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let no_key = |_| io::Error::other("no key could be made");
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_key)?;
    replace(folder, KEY_NAME, made.as_ref(), 0o600)?;
    tracing::info!(path = %path.display(), "the audit log has a new signing key");
    Ok(made.as_ref().to_vec())
}

/// Lets a file hold exactly this, or what it held before.
fn replace(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    File::open(folder)?.sync_all()
}

/// The checkpoints of one log.
#[derive(Debug)]
pub(super) struct Checkpoints {
    key: Key,
    path: PathBuf,
    size: u64,
    signed_at: Instant,
}

impl Checkpoints {
    /// Opens the folder's checkpoints, and cuts off one that is not whole.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(folder: &Path, key: Key) -> io::Result<Self> {
        let path = folder.join(CHECKPOINTS_NAME);
        let text = read(folder)?;
        let (whole, size) = whole(&text);
        if whole.len() < text.len() {
            replace(folder, CHECKPOINTS_NAME, whole.as_bytes(), 0o644)?;
        }
        Ok(Self { key, path, size, signed_at: Instant::now() })
    }

    /// How long until the log, as long as it is now, needs a checkpoint; `None`: it has one.
    pub(super) fn due_in(&self, size: u64) -> Option<Duration> {
        (size > self.size).then(|| CHECKPOINT_EVERY.saturating_sub(self.signed_at.elapsed()))
    }

    /// Signs how far the log has come.
    pub(super) fn sign(&mut self, chain: &Chain) {
        let note = chain.checkpoint(clock::now()).sign(&self.key);
        let text = if self.size == 0 { note.to_string() } else { format!("\n{note}") };
        let added = OpenOptions::new().append(true).create(true).open(&self.path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()
        });
        self.signed_at = Instant::now();
        match added {
            Ok(()) => self.size = chain.size(),
            Err(error) => tracing::warn!(%error, "a checkpoint of the audit log could not be kept"),
        }
    }
}

/// The folder's checkpoints, whole ones and what may follow them.
fn read(folder: &Path) -> io::Result<String> {
    match std::fs::read_to_string(folder.join(CHECKPOINTS_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// As much of it as is whole checkpoints, and how many entries the last is over.
fn whole(text: &str) -> (&str, u64) {
    let (mut good, mut size, mut begin) = (0, 0, 0);
    // A checkpoint has an empty line within, and one behind it.
    let ends: Vec<usize> = text.match_indices("\n\n").map(|(at, _)| at).collect();
    for end in ends.iter().skip(1).step_by(2).map(|at| at + 1).chain([text.len()]) {
        // Without its last line break the next one would be written into it.
        let note = text.get(begin..end).filter(|note| note.ends_with('\n'));
        let Some(note) = note.and_then(SignedCheckpoint::parse) else { break };
        (good, size, begin) = (end, note.checkpoint.size, end + 1);
    }
    (text.get(..good).unwrap_or_default(), size)
}

/// The whole checkpoints of a folder, and its public key.
///
/// # Errors
/// What the system says.
pub(super) fn published(folder: &Path) -> io::Result<(String, String)> {
    let text = read(folder)?;
    Ok((whole(&text).0.to_owned(), std::fs::read_to_string(folder.join(PUBLIC_NAME))?))
}

#[cfg(test)]
mod tests {
    use brevet_core::audit::ChainId;

    use super::*;

    #[test]
    fn half_a_checkpoint_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut chain = Chain::begin(ChainId::parse("gateway-1").unwrap());
        let event = brevet_core::audit::event::Stop { message: "".into() }.into();
        let mut checkpoints = Checkpoints::open(folder.path(), Key::open(folder.path()).unwrap()).unwrap();
        for size in 1..4 {
            drop(chain.append(&event, clock::now()));
            assert!(checkpoints.due_in(size).is_some());
            checkpoints.sign(&chain);
            assert_eq!(checkpoints.due_in(size), None);
        }
        let text = read(folder.path()).unwrap();
        assert_eq!(whole(&text), (text.as_str(), 3));
        let length = text.chars().count();
        for end in (0..length).step_by(13).chain([length - 1]) {
            let torn: String = text.chars().take(end).collect();
            std::fs::write(folder.path().join(CHECKPOINTS_NAME), &torn).unwrap();
            let again = Checkpoints::open(folder.path(), Key::open(folder.path()).unwrap()).unwrap();
            assert!(again.size < 3);
            let kept = read(folder.path()).unwrap();
            assert!(text.starts_with(&kept));
            assert_eq!(whole(&kept), (kept.as_str(), again.size));
        }
    }
}
