//! The folder of an export.
//!
//! ```text
//! export.json                     format and chains
//! keys                            public keys, one a line
//! chains/<chain>/entries/*.jsonl  entries, one a line, files in the order of their names
//! chains/<chain>/checkpoints      signed notes, an empty line between two
//! chains/<chain>/texts.jsonl      personal texts that were not erased; may be absent
//! chains/<chain>/tombstones.jsonl copies of tombstones whose entries are gone; may be absent
//! ```

use std::{
    borrow::Cow,
    fs,
    path::{Path, PathBuf},
};

use brevet_core::audit::{
    ChainId, SignedCheckpoint,
    commitment::Disclosure,
    key::PublicKey,
    verify::{Against, Claim, Read},
};
use serde::Deserialize;

use crate::{
    CannotCheck, Ed25519,
    lines::{Lines, Piece, Trouble, unreadable},
    notes::Notes,
};

/// What `export.json` says of itself.
const FORMAT: &str = "brevet.dev/audit-export/v1";
/// Bytes of `export.json`: a hundred thousand chains.
const MANIFEST_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of a line of keys or texts: 1024 characters, each escaped as a pair.
const SHORT_LINE_BYTES_MAX: usize = 16 * 1024;
/// Keys in a file.
const KEYS_MAX: usize = 1024;
/// Tombstones of one chain.
const CLAIMS_MAX: usize = 100_000;

/// An export that was found.
pub(crate) struct Export {
    folder: PathBuf,
    chains: Vec<ChainId>,
}

/// One chain in it.
pub(crate) struct ChainFolder {
    id: ChainId,
    folder: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    chains: Vec<String>,
}

#[derive(Deserialize)]
struct Format {
    format: String,
}

impl Export {
    /// Reads what `folder` says it is.
    pub(crate) fn open(folder: &Path) -> Result<Self, CannotCheck> {
        let path = folder.join("export.json");
        let text = fs::read(&path).map_err(unreadable(&path))?;
        let malformed = |why: String| CannotCheck::Malformed { path: path.clone(), why };
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(malformed(format!("it is larger than {MANIFEST_BYTES_MAX} bytes")));
        }
        let Format { format } = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if format != FORMAT {
            let format = format.escape_default();
            return Err(malformed(format!("its format is `{format}`, this program knows `{FORMAT}`")));
        }
        let read: Manifest = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        let chains: Option<Vec<ChainId>> = read.chains.iter().map(|id| ChainId::parse(id)).collect();
        let chains = chains.ok_or_else(|| malformed(format!("a chain of {} has no legal name", read.format)))?;
        if !chains.is_sorted_by(|one, next| one < next) {
            return Err(malformed("its chains are not sorted, or one stands there twice".to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), chains })
    }

    /// Its own keys.
    pub(crate) fn keys(&self) -> Result<Vec<PublicKey>, CannotCheck> {
        read_keys(&self.folder.join("keys"))
    }

    /// The chains that it says it holds.
    pub(crate) fn chains(&self) -> Result<Vec<ChainFolder>, CannotCheck> {
        let folder =
            |id: &ChainId| ChainFolder { id: id.clone(), folder: self.folder.join("chains").join(id.as_str()) };
        Ok(self.chains.iter().map(folder).collect())
    }

    /// Names in `chains` that it does not speak of.
    pub(crate) fn unlisted(&self) -> Result<Vec<String>, CannotCheck> {
        let is_listed = |name: &str| self.chains.iter().any(|id| id.as_str() == name);
        let mut names = names(&self.folder.join("chains"))?;
        names.retain(|name| !is_listed(name));
        Ok(names)
    }
}

impl ChainFolder {
    pub(crate) fn id(&self) -> &ChainId {
        &self.id
    }

    /// The files of its entries, in order; none where the chain is not there at all.
    pub(crate) fn entries(&self) -> Result<Vec<PathBuf>, CannotCheck> {
        let folder = self.folder.join("entries");
        let names = names(&folder)?;
        if let Some(name) = names.iter().find(|name| !name.ends_with(".jsonl")) {
            let why = format!("`{}` is no file of entries", name.escape_default());
            return Err(CannotCheck::Malformed { path: folder, why });
        }
        Ok(names.into_iter().map(|name| folder.join(name)).collect())
    }

    /// What it is checked against: what lies beside it, and what others have kept.
    pub(crate) fn against<'a>(
        &self,
        keys: &[PublicKey],
        witnessed: Vec<SignedCheckpoint>,
        trouble: &Trouble,
    ) -> Result<Against<'a>, CannotCheck> {
        let own = optional(&self.folder.join("checkpoints")).map(|path| Notes::of(&path, trouble.clone()));
        let own = own.into_iter().flatten();
        let texts = optional(&self.folder.join("texts.jsonl")).map(|path| Texts::of(path, trouble.clone()));
        Ok(Against {
            keys: keys.to_vec(),
            check: &Ed25519,
            checkpoints: Box::new(Merged { own: own.peekable(), kept: witnessed.into_iter().peekable() }),
            texts: Box::new(texts.into_iter().flatten()),
            claims: self.claims()?,
        })
    }

    fn claims(&self) -> Result<Vec<Claim>, CannotCheck> {
        let Some(path) = optional(&self.folder.join("tombstones.jsonl")) else { return Ok(Vec::new()) };
        let mut lines = Lines::of(vec![path.clone()], brevet_core::audit::chain::LINE_BYTES_MAX);
        let mut claims = Vec::new();
        while claims.len() < CLAIMS_MAX {
            match lines.next()? {
                Piece::End => return Ok(claims),
                // What is no claim bridges no hole: the hole is then found missing, at its place.
                Piece::Line(line) | Piece::Torn(line) => claims.extend(Claim::read(line)),
            }
        }
        Err(CannotCheck::Malformed { path, why: format!("there are more than {CLAIMS_MAX} tombstones in it") })
    }
}

/// Two sources of checkpoints as one, the smallest first; what is out of order in the first stays so.
struct Merged<I: Iterator<Item = Read<SignedCheckpoint>>> {
    own: std::iter::Peekable<I>,
    kept: std::iter::Peekable<std::vec::IntoIter<SignedCheckpoint>>,
}

impl<I: Iterator<Item = Read<SignedCheckpoint>>> Iterator for Merged<I> {
    type Item = Read<SignedCheckpoint>;

    fn next(&mut self) -> Option<Self::Item> {
        let own = match self.own.peek() {
            Some(Ok(own)) => Some(own.checkpoint.size),
            Some(Err(_)) => Some(0),
            None => None,
        };
        let is_before = |kept: &SignedCheckpoint| own.is_none_or(|own| kept.checkpoint.size < own);
        match self.kept.next_if(is_before) {
            Some(kept) => Some(Ok(kept)),
            None => self.own.next(),
        }
    }
}

/// The personal texts of a file.
struct Texts {
    lines: Lines,
    trouble: Trouble,
}

impl Texts {
    fn of(path: PathBuf, trouble: Trouble) -> Self {
        Self { lines: Lines::of(vec![path], SHORT_LINE_BYTES_MAX), trouble }
    }
}

impl Iterator for Texts {
    type Item = Read<Disclosure>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lines.next() {
            Ok(Piece::End) => None,
            Ok(Piece::Line(line)) => Some(Disclosure::parse(line).map_err(|why| Cow::from(why.to_string()))),
            Ok(Piece::Torn(_)) => Some(Err("the last line has no end".into())),
            Err(error) => {
                let told = error.to_string();
                self.trouble.tell(error);
                Some(Err(told.into()))
            }
        }
    }
}

/// Public keys, one a line; empty lines and lines that begin with `#` say nothing.
pub(crate) fn read_keys(path: &Path) -> Result<Vec<PublicKey>, CannotCheck> {
    let mut lines = Lines::of(vec![path.to_owned()], SHORT_LINE_BYTES_MAX);
    let malformed = |why: String| CannotCheck::Malformed { path: path.to_owned(), why };
    let mut keys = Vec::new();
    loop {
        let line = match lines.next()? {
            Piece::End => break,
            Piece::Line(line) | Piece::Torn(line) => String::from_utf8_lossy(line).trim().to_owned(),
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let shown = || line.chars().take(80).flat_map(char::escape_default).collect::<String>();
        let key = PublicKey::parse(&line)
            .ok_or_else(|| malformed(format!("`{}` is no key; one is spelled `<name>+<id>+<base64>`", shown())))?;
        keys.push(key);
        if keys.len() > KEYS_MAX {
            return Err(malformed(format!("there are more than {KEYS_MAX} keys in it")));
        }
    }
    if keys.is_empty() { Err(malformed("there is no key in it".to_owned())) } else { Ok(keys) }
}

fn optional(path: &Path) -> Option<PathBuf> {
    path.exists().then(|| path.to_owned())
}

/// What lies in a folder, sorted; nothing where there is none.
fn names(folder: &Path) -> Result<Vec<String>, CannotCheck> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let entry = entry.map_err(unreadable(folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
