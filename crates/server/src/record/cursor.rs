//! Reading the log as it grows: a place in it, and what comes next.
//!
//! Whatever follows the log (the index, a sink) is a cursor and the place up to
//! which it has come; it can be as slow as it likes, and starts again from there.
//!
//! Promises: entries come in order, each once, and only once they are synced;
//! memory stays within what one read asks for.
//!
//! Left out on purpose: checking the chain. That is what a verifier does, and it
//! must not trust us.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use brevet_core::audit::chain::LINE_BYTES_MAX;
use tokio::sync::watch;

use super::{
    mark::Mark,
    segment::{SegmentName, names},
};

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the chain.
    pub seq: u64,
    /// Where it begins.
    pub place: Place,
    /// The line, without its end.
    pub line: Vec<u8>,
}

/// Where an entry begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Ordinal of the segment.
    pub segment: u64,
    /// Bytes of the segment before it.
    pub byte: u64,
}

/// A place in the log that moves on.
#[derive(Debug)]
pub struct Cursor {
    folder: PathBuf,
    head: watch::Receiver<Mark>,
    next: u64,
    open: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    name: SegmentName,
    file: File,
    byte: u64,
}

impl Cursor {
    pub(super) fn new(folder: PathBuf, head: watch::Receiver<Mark>, next: u64) -> Self {
        Self { folder, head, next, open: None }
    }

    /// The place in the chain of the entry that comes next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many entries there are to read in all.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.head.borrow().size
    }

    /// Waits until there is something to read; false once the log is closed and read to its end.
    pub async fn has_more(&mut self) -> bool {
        let next = self.next;
        self.head.wait_for(|head| head.size > next).await.is_ok()
    }

    /// Entries that are there, of about so many bytes together; none at the end.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::NotFound`] where entries are gone.
    pub fn read(&mut self, bytes_max: usize) -> io::Result<Vec<Stored>> {
        let head = *self.head.borrow_and_update();
        let mut stored = Vec::new();
        while stored.is_empty() && self.next < head.size {
            let mut opened = match self.open.take() {
                Some(opened) => opened,
                None => open_at(&self.folder, self.next)?,
            };
            let is_last = opened.name.ordinal == head.ordinal;
            let end = if is_last { head.bytes } else { opened.file.metadata()?.len() };
            if opened.byte >= end {
                let after = opened.name;
                self.open = Some(follow(&self.folder, after)?);
                continue;
            }
            for line in lines(&opened, end, bytes_max)? {
                let place = Place { segment: opened.name.ordinal, byte: opened.byte };
                opened.byte += line.len() as u64 + 1;
                stored.push(Stored { seq: self.next, place, line });
                self.next += 1;
            }
            self.open = Some(opened);
        }
        Ok(stored)
    }
}

fn gone(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("the audit log has no {what}"))
}

/// The segment with the entry at this place in the chain, read up to there.
fn open_at(folder: &Path, seq: u64) -> io::Result<Opened> {
    let name =
        names(folder)?.into_iter().rfind(|name| name.first <= seq).ok_or_else(|| gone(format!("entry {seq}")))?;
    let mut opened = open(folder, name)?;
    let mut at = name.first;
    while at < seq {
        let end = opened.file.metadata()?.len();
        let skipped = lines(&opened, end, SKIP_BYTES)?;
        if skipped.is_empty() {
            return Err(gone(format!("entry {at}")));
        }
        for line in skipped.into_iter().take(usize::try_from(seq - at).unwrap_or(usize::MAX)) {
            opened.byte += line.len() as u64 + 1;
            at += 1;
        }
    }
    Ok(opened)
}

/// The segment behind another.
fn follow(folder: &Path, after: SegmentName) -> io::Result<Opened> {
    let next = names(folder)?.into_iter().find(|name| name.ordinal == after.ordinal + 1);
    open(folder, next.ok_or_else(|| gone(format!("segment behind `{after}`")))?)
}

/// Opens a segment behind its head.
fn open(folder: &Path, name: SegmentName) -> io::Result<Opened> {
    let file = File::open(name.path(folder))?;
    let mut opened = Opened { name, file, byte: 0 };
    let end = opened.file.metadata()?.len();
    let head = lines(&opened, end, 1)?.into_iter().next().ok_or_else(|| gone(format!("head in `{name}`")))?;
    opened.byte = head.len() as u64 + 1;
    Ok(opened)
}

/// Bytes that are read at once on the way to an entry.
const SKIP_BYTES: usize = 1024 * 1024;
/// Bytes that are read at once where a line is longer than what was asked for.
const READ_BYTES_MIN: usize = 64 * 1024;

/// The whole lines from here on, up to `end`: at least one where there is one.
fn lines(opened: &Opened, end: u64, bytes_max: usize) -> io::Result<Vec<Vec<u8>>> {
    let left = usize::try_from(end.saturating_sub(opened.byte)).unwrap_or(usize::MAX);
    for size in [bytes_max.max(READ_BYTES_MIN), LINE_BYTES_MAX + 1] {
        let mut bytes = vec![0; size.min(left)];
        opened.file.read_exact_at(&mut bytes, opened.byte)?;
        let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        // Behind the last newline: nothing, or a line of which there is more.
        lines.pop();
        if !lines.is_empty() || size >= left {
            return Ok(lines);
        }
    }
    Ok(Vec::new())
}
